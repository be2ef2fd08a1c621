"""Who watches every run of the process.

Owns the list, which belongs to the process. A hook makes a watcher for each run; how users' functions are called is
`readers`'.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from headwater.runtime.context import Watcher

__all__ = ("Hook", "add", "hooks")

Hook: TypeAlias = Callable[[Any], Watcher]
"""Given the outermost run of a tree as it begins, what is told of the tree's events."""

_hooks: tuple[Hook, ...] = ()


def add(hook: Hook) -> Callable[[], None]:
    """Have the hook asked of each run that begins from now on; returns what ends that."""
    global _hooks

    def watch(run: Any) -> Watcher:  # the same function may be added twice, and taken away once
        return hook(run)

    def remove() -> None:
        global _hooks
        _hooks = tuple(one for one in _hooks if one is not watch)

    _hooks = (*_hooks, watch)
    return remove


def hooks() -> tuple[Hook, ...]:
    """Those that there are now."""
    return _hooks

"""Hooks for every run of the process.

Owns the list, which belongs to the process. A hook creates a watcher for each run; `readers` calls users' functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from headwater.runtime.context import Watcher

__all__ = ("Hook", "add", "hooks")

Hook: TypeAlias = Callable[[Any], Watcher]
"""Returns the watcher for a tree, given its outermost run at the start."""

_hooks: tuple[Hook, ...] = ()


def add(hook: Hook) -> Callable[[], None]:
    """Adds the hook for each run that starts from now on; returns a function that removes it."""
    global _hooks

    def watch(run: Any) -> Watcher:  # the same function may be added twice and removed once
        return hook(run)

    def remove() -> None:
        global _hooks
        _hooks = tuple(one for one in _hooks if one is not watch)

    _hooks = (*_hooks, watch)
    return remove


def hooks() -> tuple[Hook, ...]:
    """Returns the current hooks."""
    return _hooks

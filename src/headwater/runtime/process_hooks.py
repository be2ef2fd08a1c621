"""Hooks for every run of the process, and for every tool that it runs.

Owns the lists, which belong to the process. A hook creates a watcher for each run; `readers` calls users' functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from headwater.runtime.context import Watcher

__all__ = ("Hook", "ToolHook", "add", "add_tool_hook", "enter_tool", "hooks")

Hook: TypeAlias = Callable[[Any], Watcher | None]
"""Returns the watcher for a tree, given its outermost run at the start; None to watch nothing."""

ToolHook: TypeAlias = Callable[[str, str], None]
"""Is called in the task of a tool before it runs, with the id of its run and the key of its call."""

_hooks: tuple[Hook, ...] = ()
_tool_hooks: tuple[ToolHook, ...] = ()


def add(hook: Hook) -> Callable[[], None]:
    """Adds the hook for each run that starts from now on; returns a function that removes it."""
    global _hooks

    def watch(run: Any) -> Watcher | None:  # the same function may be added twice and removed once
        return hook(run)

    def remove() -> None:
        global _hooks
        _hooks = tuple(one for one in _hooks if one is not watch)

    _hooks = (*_hooks, watch)
    return remove


def hooks() -> tuple[Hook, ...]:
    """Returns the current hooks."""
    return _hooks


def add_tool_hook(hook: ToolHook) -> Callable[[], None]:
    """Adds the hook for each tool that starts from now on; returns a function that removes it."""
    global _tool_hooks

    def remove() -> None:
        global _tool_hooks
        _tool_hooks = tuple(one for one in _tool_hooks if one is not hook)

    _tool_hooks = (*_tool_hooks, hook)
    return remove


def enter_tool(run: str, call: str) -> None:
    """Calls the hooks for a tool that is about to run, in its own task."""
    for hook in _tool_hooks:
        hook(run, call)

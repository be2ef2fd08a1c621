"""Whose code is running: the run that a tool, a callback or an instructions function was called by.

Owns the context variable, and what is known of the callbacks of a run. How users' functions are called is `readers`'.
"""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TypeAlias

from headwater.events import Event

if TYPE_CHECKING:
    from headwater.runtime.run import Run

__all__ = (
    "CallbackErrors",
    "Watcher",
    "current_run",
)

Watcher: TypeAlias = Callable[[Event], Awaitable[Any] | None]

_logger = logging.getLogger("headwater")

_current: ContextVar[weakref.ref[Run] | None] = ContextVar("headwater_current_run", default=None)


class _CurrentRun:
    """A context variable that holds its run weakly.

    Every timer keeps the context in which it was set, long after it was cancelled: a tool that was given five minutes
    and took a second would keep its run, with all that was said in it, for five minutes.
    """

    def get(self) -> Run | None:
        """The run on whose behalf a tool or a callback is running, if one is."""
        linked = _current.get()
        return linked() if linked is not None else None

    def set(self, run: Run | None) -> Token[weakref.ref[Run] | None]:
        """From here on it is this one."""
        return _current.set(weakref.ref(run) if run is not None else None)

    def reset(self, token: Token[weakref.ref[Run] | None]) -> None:
        """It is again what it was before `set` gave the token."""
        _current.reset(token)


current_run = _CurrentRun()
"""The run on whose behalf a tool or a callback is running, so that runs begun there are linked to it."""


class CallbackErrors:
    """Counts what callbacks raised; the first is told in full."""

    __slots__ = ("count", "quiet")

    def __init__(self, *, quiet: bool = False) -> None:
        self.count = 0
        self.quiet = quiet

    def add(self, error: Exception, what: str) -> None:
        """One more. `quiet` runs write nothing to standard error where no logging is set up."""
        self.count += 1
        if self.count > 1:
            return
        if _logger.hasHandlers():
            _logger.error("A %s raised %s; the run goes on.", what, type(error).__name__, exc_info=error)
        elif not self.quiet:
            print(  # noqa: T201
                f"headwater: a {what} raised {type(error).__name__}: {error}; the run goes on.", file=sys.stderr
            )

"""Whose code is running: the run that a tool, a callback or an instructions function was called by.

Owns the context variable, where a new run finds out on whose behalf it begins, and the links that end it with that one.
It knows runs by what it needs of them alone. How users' functions are called is `readers`'.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import traceback
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar, Token
from types import CodeType
from typing import Any, NamedTuple, Protocol, TypeAlias

from headwater.backends.interrupt import running_loop
from headwater.errors import Cancelled, UsageError
from headwater.events import ErrorInfo, Event
from headwater.events.controls import one_line
from headwater.tools.context import ToolContext, current_call

__all__ = (
    "NOWHERE",
    "CallbackErrors",
    "Links",
    "Origin",
    "Outer",
    "Watcher",
    "forget_our_frames",
    "current_run",
    "drop",
    "in_turn",
    "others_cancel",
    "report",
    "wraps",
)

Watcher: TypeAlias = Callable[[Event], Awaitable[Any] | None]

_logger = logging.getLogger("headwater")


_wrapping: set[CodeType] = set()


def wraps(wrapper: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    """Say that the coroutine function awaits its arguments, so that `drop` closes these with it."""
    _wrapping.add(wrapper.__code__)
    return wrapper


@wraps
async def in_turn(*waits: Awaitable[Any]) -> None:
    """Await one after the other."""
    for at, wait in enumerate(waits):
        try:
            await wait
        except BaseException:
            for rest in waits[at + 1 :]:
                drop(rest)
            raise


def drop(wait: Awaitable[Any] | None) -> None:
    """Close what a watcher returned and nobody will await: Python would warn of a coroutine that never ran."""
    if not inspect.iscoroutine(wait):
        return
    # A wrapper that has not begun holds what it was to await as its arguments, and does not close it. An awaitable of
    # our own that did would cost each token that an async callback is told of.
    if wait.cr_code in _wrapping:
        for held in inspect.getcoroutinelocals(wait).values():
            for one in held if isinstance(held, tuple) else (held,):
                drop(one)
    wait.close()


class Outer(Protocol):
    """A run, as far as another one needs to know it that was begun on its behalf."""

    id: str
    deadline: float | None
    links: Links | None

    @property
    def over(self) -> bool:
        """Whether it has ended."""

    @property
    def above(self) -> tuple[Outer, ...]:
        """The runs in which it stands, the outermost first."""

    @property
    def told_to_stop(self) -> bool:
        """Whether it is to end, and its end is not being told yet."""


_current: ContextVar[weakref.ref[Outer] | None] = ContextVar("headwater_current_run", default=None)


class _CurrentRun:
    """A context variable that holds its run weakly.

    Every timer keeps the context in which it was set, long after it was cancelled: a tool that was given five minutes
    and took a second would keep its run, with all that was said in it, for five minutes.
    """

    def __init__(self) -> None:
        self.set_weakly: Callable[[weakref.ref[Outer]], Token[weakref.ref[Outer] | None]] = _current.set
        """`set` for who calls once a token, and keeps the reference."""
        self.reset: Callable[[Token[weakref.ref[Outer] | None]], None] = _current.reset
        """It is again what it was before `set` returned the token."""

    def get(self) -> Outer | None:
        """The run on whose behalf a tool or a callback is running, if one is."""
        linked = _current.get()
        return linked() if linked is not None else None

    def set(self, run: Outer | None) -> Token[weakref.ref[Outer] | None]:
        """From here on it is this one."""
        return _current.set(weakref.ref(run) if run is not None else None)


current_run = _CurrentRun()
"""The run on whose behalf a tool or a callback is running, so that runs begun there are linked to it."""


def others_cancel() -> Cancelled | None:
    """To be called where a CancelledError has come: the error that it is where this task itself was not cancelled.

    Then user code was waiting for something that somebody else has cancelled, and that is a failure like any other.
    """
    if running_loop() is not None:  # and outside of any nobody is cancelled
        task = asyncio.current_task()
        if task is None or task.cancelling():
            return None
    return Cancelled(
        "Something that was awaited here was cancelled by someone else.",
        hint="Where that may happen, catch asyncio.CancelledError around the await.",
    )


def forget_our_frames(error: BaseException) -> None:
    """A mistake in how this library is used has no traceback where all of it is ours: that tells nobody anything."""
    if isinstance(error, UsageError) and all(
        str(frame.f_globals.get("__name__", "")).startswith(("headwater.", "asyncio."))
        for frame, _ in traceback.walk_tb(error.__traceback__)
    ):
        error.__traceback__ = None


class Origin(NamedTuple):
    """On whose behalf a run begins: a run whose tool or callback is running, and the call of a tool."""

    run: Outer | None = None
    call: ToolContext[Any] | None = None

    @classmethod
    def here(cls) -> Origin:
        """What the context variables say at this moment."""
        return cls(current_run.get(), current_call.get())

    @property
    def going_on(self) -> Outer | None:
        """The run that may still be cancelled: events may be read long after their run's end, and then it is the one
        above."""
        outer = self.run
        while outer is not None and outer.over:
            outer = outer.above[-1] if outer.above else None
        return outer


NOWHERE = Origin()
"""A run that nobody's tool or callback has begun."""


class _Cancellable(Protocol):
    id: str

    def cancel(self, by: Any) -> None: ...


class Links:
    """The runs that were begun on behalf of one, in its tools and callbacks: they end with it.

    Tools in several threads may be at it, and another one cancel: each step here is one of the interpreter's.
    """

    __slots__ = ("_linked",)

    def __init__(self) -> None:
        self._linked: dict[str, weakref.ref[_Cancellable]] = {}

    def add(self, run: _Cancellable) -> None:
        """The run ends with the one whose links these are."""
        linked, key = self._linked, run.id
        linked[key] = weakref.ref(run, lambda _: linked.pop(key, None))

    def remove(self, run: _Cancellable) -> None:
        """The run has become a part of another."""
        self._linked.pop(run.id, None)

    def cancel(self) -> None:
        """Cancel them all."""
        for known in tuple(self._linked.values()):
            if (run := known()) is not None:
                run.cancel("parent")


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
        who = f"{'An' if what[0] in 'aeiou' else 'A'} {what}"
        report(_logger, logging.ERROR, who, error, "the run goes on", quiet=self.quiet)


def report(logger: logging.Logger, level: int, who: str, error: BaseException, then: str, *, quiet: bool) -> None:
    """Log that a user's code raised, with its traceback.

    Where no logging is set up it is a line on standard error, unless the run is `quiet`. What the error says may hold
    anything.
    """
    kind = type(error).__name__
    if logger.hasHandlers():
        logger.log(level, "%s raised %s; %s.", who, kind, then, exc_info=error)
    elif not quiet:
        said = one_line(f"{kind}: {ErrorInfo.of(error).message}")
        print(f"headwater: {who[0].lower()}{who[1:]} raised {said}; {then}.", file=sys.stderr)  # noqa: T201

"""The current run: the one that called the tool, callback or instructions function that is running.

Owns the context variable by which a new run finds the run it was started from, and the links that end it with that one.
It knows runs only by the protocol here. `readers` calls users' functions.
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
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from headwater.backends.interrupt import running_loop
from headwater.errors import Cancelled, HeadwaterError
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
    """Marks a coroutine function as awaiting its arguments, so that `drop` closes these with it."""
    _wrapping.add(wrapper.__code__)
    return wrapper


@wraps
async def in_turn(*waits: Awaitable[Any]) -> None:
    """Awaits one after the other."""
    for at, wait in enumerate(waits):
        try:
            await wait
        except BaseException:
            for rest in waits[at + 1 :]:
                drop(rest)
            raise


def drop(wait: Awaitable[Any] | None) -> None:
    """Closes a watcher's awaitable that will not be awaited: Python would warn about a coroutine that never ran."""
    if not inspect.iscoroutine(wait):
        return
    # A wrapper that has not started holds the awaitables as its arguments, and does not close them. A custom awaitable
    # that did would cost time for each token that an async callback gets.
    if wait.cr_code in _wrapping:
        for held in inspect.getcoroutinelocals(wait).values():
            for one in held if isinstance(held, tuple) else (held,):
                drop(one)
    wait.close()


class Outer(Protocol):
    """The part of a run that runs started from it need."""

    id: str
    deadline: float | None
    links: Links | None

    @property
    def over(self) -> bool:
        """Whether it has ended."""

    @property
    def above(self) -> tuple[Outer, ...]:
        """The runs around it, the outermost first."""

    @property
    def told_to_stop(self) -> bool:
        """Whether it was stopped, and its end is not being reported yet."""


_current: ContextVar[weakref.ref[Outer] | None] = ContextVar("headwater_current_run", default=None)


class _CurrentRun:
    """A context variable that holds its run weakly.

    Every timer keeps the context in which it was set, even after it was cancelled: a tool with a timeout of five
    minutes that took a second would keep its run, with its whole content, in memory for five minutes.
    """

    def __init__(self) -> None:
        self.set_weakly: Callable[[weakref.ref[Outer]], Token[weakref.ref[Outer] | None]] = _current.set
        """`set` for callers that need it once per token, and keep the reference."""
        self.reset: Callable[[Token[weakref.ref[Outer] | None]], None] = _current.reset
        """Restores the value from before `set` returned the token."""

    def get(self) -> Outer | None:
        """The run that the running tool or callback belongs to, if any."""
        linked = _current.get()
        return linked() if linked is not None else None

    def set(self, run: Outer | None) -> Token[weakref.ref[Outer] | None]:
        """Sets it to this run."""
        return _current.set(weakref.ref(run) if run is not None else None)


driven: ContextVar[bool] = ContextVar("headwater_driven", default=False)
"""Whether a run that is made here is driven from a journal: then it is stored already, and has its context."""

current_run: Final = _CurrentRun()
"""The run that the running tool or callback belongs to; runs started there are linked to it."""


def others_cancel() -> Cancelled | None:
    """Called on a CancelledError: returns an error if this task itself was not cancelled.

    Then user code awaited something that other code cancelled, which is a failure like any other.
    """
    if running_loop() is not None:  # outside any task, nothing is cancelled
        task = asyncio.current_task()
        if task is None or task.cancelling():
            return None
    return Cancelled(
        "Something that was awaited here was cancelled by other code.",
        hint="If that is expected, catch asyncio.CancelledError around the await.",
    )


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(("headwater.", "asyncio."))


def forget_our_frames(error: BaseException) -> None:
    """Removes the traceback of one of headwater's errors if all of its frames are headwater's: its message says what to
    do, and the frames do not help. An exception that has another type is a mistake here or in user code, and keeps its
    own, as the error's cause does."""
    if isinstance(error, HeadwaterError) and all(
        _is_ours(frame) for frame, _ in traceback.walk_tb(error.__traceback__)
    ):
        error.__traceback__ = None


class Origin(NamedTuple):
    """What a run was started from: the run whose tool or callback is running, and the tool call."""

    run: Outer | None = None
    call: ToolContext[Any] | None = None

    @classmethod
    def here(cls) -> Origin:
        """Returns the current origin from the context variables."""
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
"""The origin of a run that no tool or callback started."""


class _Cancellable(Protocol):
    id: str

    def cancel(self, by: Any) -> None: ...


class Links:
    """The runs that were started from one run, in its tools and callbacks: they end with it.

    Thread-safe: several tool threads may add runs while another cancels; each step here is one of the interpreter's.
    """

    __slots__ = ("_linked",)

    def __init__(self) -> None:
        self._linked: dict[str, weakref.ref[_Cancellable]] = {}

    def add(self, run: _Cancellable) -> None:
        """Links a run, which then ends with the owner of these links."""
        linked, key = self._linked, run.id
        linked[key] = weakref.ref(run, lambda _: linked.pop(key, None))

    def remove(self, run: _Cancellable) -> None:
        """Unlinks a run, which has become part of another."""
        self._linked.pop(run.id, None)

    def cancel(self) -> None:
        """Cancels them all."""
        for known in tuple(self._linked.values()):
            if (run := known()) is not None:
                run.cancel("parent")


class CallbackErrors:
    """Counts the exceptions of callbacks; the first one is logged in full."""

    __slots__ = ("count", "quiet")

    def __init__(self, *, quiet: bool = False) -> None:
        self.count: int = 0
        self.quiet: bool = quiet

    def add(self, error: Exception, what: str) -> None:
        """Adds one. `quiet` runs write nothing to standard error if logging is not configured."""
        self.count += 1
        if self.count > 1:
            return
        who = f"{'An' if what[0] in 'aeiou' else 'A'} {what}"
        report(_logger, logging.ERROR, who, error, "the run continues", quiet=self.quiet)


def report(
    logger: logging.Logger,
    level: int,
    who: str,
    error: BaseException,
    then: str,
    *,
    quiet: bool,
    withheld: bool = False,
) -> None:
    """Logs an exception of user code, with its traceback.

    Without configured logging it is a line on standard error, unless the run is `quiet`. The message of the error may
    contain anything; with `withheld` only the type and the places in the code are logged.
    """
    kind = type(error).__name__
    if logger.hasHandlers():
        if withheld:
            logger.log(level, "%s raised %s; %s.\n%s", who, kind, then, "".join(_places(error).format()).rstrip())
        else:
            logger.log(level, "%s raised %s; %s.", who, kind, then, exc_info=error)
    elif not quiet:
        said = one_line(f"{kind}: {ErrorInfo.of(error).message}").rstrip(".")
        if withheld:
            said = " in ".join([kind, *(f"{place.filename}:{place.lineno}" for place in _places(error)[-1:])])
        print(f"headwater: {who[0].lower()}{who[1:]} raised {said}; {then}.", file=sys.stderr)  # noqa: T201


def _places(error: BaseException) -> traceback.StackSummary:
    """Where user code raised it: the lines of its traceback, without ours before them and without any values."""
    return traceback.StackSummary.extract(
        (frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if not _is_ours(frame)
    )

"""How an event loop ends, and what is closed before it does, whoever ends it and however.

`asyncio.run` closes asynchronous generators first; `loop.close()` alone does not, and a loop that nobody closes is not
even told that the program ends. What holds connections on a loop says so here, and is closed in all three cases.
Nothing here knows what that is.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from headwater.backends.interrupt import running_loop

__all__ = ("Suspended", "before_end", "resume", "suspend")

LAST_SECONDS: Final = 1.0
"""How long the end of a loop waits for what is closed: over what a socket takes, too short to be taken for a hang."""

Finish: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


def before_end(loop: asyncio.AbstractEventLoop, finish: Finish) -> None:
    """Have `finish` run on the loop before it is closed, or the program ends; once. A later one takes its place.

    It runs for at most LAST_SECONDS. A loop of another thread that is still there when the program ends is left as it
    is: the thread may be between two steps of something that it reads.
    """
    if loop not in _endings:
        with contextlib.suppress(AttributeError, TypeError):  # one without attributes closes as it always did
            _watch_close(loop)
    _endings[loop] = _Ending(finish)


class _Ending:
    """What is done before one loop ends."""

    __slots__ = ("_finish", "_process", "_thread")

    def __init__(self, finish: Finish) -> None:
        self._finish: Finish | None = finish
        self._process = os.getpid()
        self._thread = threading.current_thread()

    @property
    def is_anothers(self) -> bool:
        """Whether the thread that works on the loop is another one, which has not ended."""
        return self._thread is not threading.current_thread() and self._thread.is_alive()

    def __call__(self, loop: asyncio.AbstractEventLoop) -> None:
        # After a fork the loop is the parent's, and so is the selector with what it watches.
        if self._process != os.getpid() or loop.is_closed() or loop.is_running() or self._finish is None:
            return
        finish, self._finish = self._finish, None
        outer = suspend()
        try:
            loop.run_until_complete(_in_time(finish()))
        except Exception:  # of some task of the program's own: no reason for a loop to stay open
            return
        finally:
            resume(outer)


_endings: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Ending] = weakref.WeakKeyDictionary()


def _watch_close(loop: asyncio.AbstractEventLoop) -> None:
    """Have `loop.close()` see to the ending first."""
    known = weakref.ref(loop)  # a loop that held itself would wait for the garbage collector
    before = vars(loop).get("close")

    def close() -> None:
        loop = known()
        if loop is None:
            return
        if (ending := _endings.get(loop)) is not None:
            ending(loop)
        if not loop.is_running() and vars(loop).get("close") is close:
            del vars(loop)["close"]
            _endings.pop(loop, None)
        type(loop).close(loop) if before is None else before()

    loop.close = close  # type: ignore[method-assign]


async def _in_time(finish: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            await finish


@atexit.register
def _end_all() -> None:
    for loop, ending in [*_endings.items()]:
        if not ending.is_anothers:
            ending(loop)


# --- one loop inside another

Suspended: TypeAlias = tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None] | None


def suspend() -> Suspended:
    """Make room in this thread for another loop to run; what stands still meanwhile, for `resume`."""
    loop = running_loop()
    if loop is None:
        return None
    if (task := asyncio.current_task()) is not None:
        asyncio.tasks._leave_task(loop, task)  # from Python 3.14 on a thread runs one task, whatever its loop
    asyncio._set_running_loop(None)
    return loop, task


def resume(suspended: Suspended) -> None:
    """Have the loop that stood still go on."""
    if suspended is not None:
        loop, task = suspended
        asyncio._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)

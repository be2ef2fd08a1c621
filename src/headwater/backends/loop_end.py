"""Closes resources before their event loop ends, however it ends.

`asyncio.run` closes asynchronous generators first; `loop.close()` alone does not, and an unclosed loop gets no notice
when the program ends. Resources that hold connections on a loop register here, and are closed in all three cases.
Nothing here knows those resources.
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

__all__ = ("Suspended", "at_last", "before_end", "end", "resume", "suspend")

LAST_SECONDS: Final = 1.0
"""How long the end of a loop waits for its resources: longer than closing a socket takes, too short to look like a
hang."""

Finish: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


def before_end(loop: asyncio.AbstractEventLoop, finish: Finish, *, what: str = "connections") -> None:
    """Runs `finish` once on the loop before it is closed or the program ends.

    A later registration under the same name, which is `what` it closes, replaces it.

    It runs for at most LAST_SECONDS. If the program ends while another thread still has the loop, it is left alone: the
    thread may be between two steps of reading a stream.
    """
    if loop not in _endings:
        with contextlib.suppress(AttributeError, TypeError):  # one without attributes closes as before
            _watch_close(loop)
    _endings.setdefault(loop, {})[what] = _Ending(finish)


def end(loop: asyncio.AbstractEventLoop) -> None:
    """Runs what is registered for a loop that is about to be closed, and not running."""
    for ending in [*reversed(_endings.get(loop, {}).values())]:
        ending(loop)


class _Ending:
    """The resources of one loop, and how they are closed."""

    __slots__ = ("_finish", "_process", "_thread")

    def __init__(self, finish: Finish) -> None:
        self._finish: Finish | None = finish
        self._process = os.getpid()
        self._thread = threading.current_thread()

    @property
    def is_anothers(self) -> bool:
        """Whether another thread, which is still alive, uses the loop."""
        return self._thread is not threading.current_thread() and self._thread.is_alive()

    def __call__(self, loop: asyncio.AbstractEventLoop) -> None:
        # After a fork the loop and its selector belong to the parent.
        if self._process != os.getpid() or loop.is_closed() or loop.is_running() or self._finish is None:
            return
        finish, self._finish = self._finish, None
        outer = suspend()
        try:
            loop.run_until_complete(_in_time(finish()))
        except Exception:  # from a task of the program: no reason to keep the loop open
            return
        finally:
            resume(outer)


_endings: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Ending]] = weakref.WeakKeyDictionary()


def _watch_close(loop: asyncio.AbstractEventLoop) -> None:
    """Makes `loop.close()` run the ending first."""
    known = weakref.ref(loop)  # avoids a reference cycle, which only the garbage collector could free
    before = vars(loop).get("close")

    def close() -> None:
        loop = known()
        if loop is None:
            return
        end(loop)
        if not loop.is_running() and vars(loop).get("close") is close:
            del vars(loop)["close"]
            _endings.pop(loop, None)
        type(loop).close(loop) if before is None else before()

    loop.close = close  # type: ignore[method-assign]


async def _in_time(finish: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            await finish


_last: list[Callable[[], None]] = []


def at_last(finish: Callable[[], None]) -> None:
    """Runs `finish` when the program ends, after all loops have ended."""
    _last.append(finish)


@atexit.register
def _end_all() -> None:
    for loop, endings in [*_endings.items()]:
        for ending in [*reversed(endings.values())]:
            if not ending.is_anothers:
                ending(loop)
    for finish in _last:
        finish()


# --- one loop inside another

Suspended: TypeAlias = tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None] | None


def suspend() -> Suspended:
    """Suspends the running loop so that this thread can run another; returns the state for `resume`."""
    loop = running_loop()
    if loop is None:
        return None
    if (task := asyncio.current_task()) is not None:
        asyncio.tasks._leave_task(loop, task)  # since Python 3.14 a thread has only one current task, whatever its loop
    asyncio._set_running_loop(None)
    return loop, task


def resume(suspended: Suspended) -> None:
    """Resumes the suspended loop."""
    if suspended is not None:
        loop, task = suspended
        asyncio._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)

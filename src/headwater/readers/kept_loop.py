"""The event loops that sync code runs on.

A thread that uses the sync API (`run()` in a script, a plain `for`) gets an event loop that is kept for its next call,
so that connections are reused and callbacks run in the caller's thread. Nothing here knows an agent or a stream.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import inspect
import os
import selectors
import signal
import sys
import threading
import weakref
from collections.abc import Coroutine
from types import FrameType, GeneratorType
from typing import Any, Final, TypeVar

from headwater.backends.interrupt import running_loop
from headwater.backends.loop_end import end, resume, suspend
from headwater.errors import LoopMisuse

__all__ = ("KeptLoop", "blocks_here", "in_loop", "is_kept", "kept_loop", "kept_loop_for", "refuse_inside_loop")

T = TypeVar("T")

try:
    # The public functions create an enum for each value: six microseconds, these take a third of one.
    from _signal import getsignal  # type: ignore[import-not-found, unused-ignore]
    from _signal import signal as set_handler
except ImportError:
    from signal import getsignal
    from signal import signal as set_handler

SIGINT = int(signal.SIGINT)


def in_loop() -> bool:
    """Whether an event loop is running in this thread."""
    return running_loop() is not None


def blocks_here() -> bool:
    """Whether a call that can be sync or async should block: in sync code, in a notebook cell, in a sync callback.

    A sync callback runs inside the loop that was started for sync code, and is sync code itself. The code of an async
    tool or callback must not block there, since the loop and the run's timeouts would stop.
    """
    running = running_loop()
    return running is None or (running in _kept_loops and not _in_async_code()) or _in_notebook_cell()


def is_kept(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop is kept for sync code, so that it runs only while a caller waits."""
    return loop in _kept_loops


def _in_async_code() -> bool:
    """Whether the caller of this library is a coroutine."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and (
        frame.f_globals.get("__name__", "").startswith("headwater.") or frame.f_code.co_name in _INSIDE
    ):
        frame = frame.f_back
    return frame is not None and bool(frame.f_code.co_flags & _ASYNC)


_ASYNC: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_INSIDE: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
"""Frames that are part of the surrounding code, such as comprehensions."""


def _in_notebook_cell() -> bool:
    """Whether the running code is a notebook cell, in the cell's own task."""
    if "ipykernel" not in sys.modules:
        return False
    # A cell with a top-level await runs in the kernel's loop; functions it calls, and coroutines it awaits, are above
    # IPython's run_code on the stack. A task that the cell started is not.
    frame = sys._getframe()
    while (caller := frame.f_back) is not None:
        frame = caller
        if frame.f_code.co_name == "run_code" and frame.f_globals.get("__name__") == "IPython.core.interactiveshell":
            return True
    return False


class KeptLoop:
    """An event loop that runs only while a caller in its thread waits for something on it."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self.thread: int = threading.get_ident()
        self.process: int = os.getpid()
        self.busy: bool = False
        self._awaited: asyncio.Task[Any] | None = None
        """The task for whose end the loop runs."""
        self.readers: weakref.WeakSet[GeneratorType[Any, None, None]] = weakref.WeakSet()
        """The generators that use the loop between their yields; they are closed before the loop."""
        self._hears_ctrl_c = self.thread == threading.main_thread().ident
        _kept_loops.add(self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs the coroutine and returns its result; also inside another running loop, which is suspended.

        Ctrl-C cancels it, and raises KeyboardInterrupt once it has ended.
        """
        ctrl_c = outer = task = None
        try:
            if self._hears_ctrl_c:
                ctrl_c = _CtrlC.watch(self.loop)
            outer = suspend()
            self.busy = True
            task = self.loop.create_task(coroutine)
            if ctrl_c is not None:
                ctrl_c.cancels(task)
            self._run_until_done(task)
            result = task.result()
        except BaseException as error:
            if task is None:  # Ctrl-C before anything was started
                coroutine.close()
            elif not task.done():  # the loop itself raised an exception
                task.cancel()
                self._run_until_done(task)
            if task is not None and not task.cancelled():
                task.exception()  # is raised here already, or gives way to Ctrl-C
            if ctrl_c is not None and ctrl_c.pressed and not isinstance(error, KeyboardInterrupt):
                # A program that goes on after errors must still end by Ctrl-C.
                raise KeyboardInterrupt from None if isinstance(error, asyncio.CancelledError) else error
            raise
        finally:
            resume(outer)
            self.busy = False
            if ctrl_c is not None:
                # Releasing the task calls finalizers, in which the exception of Python's own handler would be lost.
                task = ctrl_c.task = None
                ctrl_c.unwatch()
        if ctrl_c is not None and ctrl_c.pressed:
            raise KeyboardInterrupt
        return result

    def _run_until_done(self, task: asyncio.Task[Any]) -> None:
        """Runs the loop until the task is done.

        If the loop is interrupted when the task is done already, the stop that was meant for that task is still due. It
        must not end the next run of the loop, as that of `run_until_complete` does.
        """
        self._awaited = task
        task.add_done_callback(self._stop)
        try:
            while not task.done():
                self.loop.run_forever()
        finally:
            task.remove_done_callback(self._stop)
            self._awaited = None

    def _stop(self, task: asyncio.Task[Any]) -> None:
        if self._awaited is task:
            self.loop.stop()

    @property
    def read_from(self) -> bool:
        """Whether a generator uses the loop, from whatever thread asks for its next piece."""
        return any(reader.gi_frame is not None for reader in self.readers)

    def settle(self, turns: int = 3) -> None:
        """Runs one turn of the loop: closed transports release their sockets one turn later."""
        if not self.loop.is_closed():
            self.run(_turns(turns))

    def let_go(self) -> None:
        """Called when its reader has ended: closes the loop if its thread has ended already."""
        if self in _outliving:
            _outliving.discard(self)
            self.close()

    def close(self) -> None:
        """Closes it: generators first, since they hold the connections."""
        if self.loop.is_closed() or self.loop.is_running() or not self._is_ours():
            return
        for reader in tuple(self.readers):
            with contextlib.suppress(ValueError):  # it is running, and ends on its own
                reader.close()
        end(self.loop)  # tasks that hold asynchronous generators, which must be closed where they were opened
        outer = suspend()
        try:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(_turns(3))
            # close() releases its executor without waiting: waiting needs another thread, and starting one in a thread
            # that is ending leaves a ghost in threading.enumerate().
            self.loop.close()
        finally:
            resume(outer)

    def _is_ours(self) -> bool:
        """Whether this process may close it: a fork shares the parent's selector, and a change here would affect the
        parent. So it gets its own selector first, if it is of a kind that has one."""
        if self.process != os.getpid():
            shared = getattr(self.loop, "_selector", None)
            if shared is None:
                return False
            self.loop._selector = selectors.DefaultSelector()  # type: ignore[attr-defined]
            shared.close()
            self.process = os.getpid()
        return True


class _CtrlC:
    """Handles Ctrl-C while waiting for a task, and cancels that task.

    Python's own handler raises wherever the loop is, which may be in a task of the HTTP client, where the exception is
    lost, or between a task's end and the stop of the loop. A second Ctrl-C raises immediately anyway. The program's own
    handler is not replaced.
    """

    __slots__ = ("_before", "_loop", "pressed", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, before: Any) -> None:
        self.pressed = False
        self._loop = loop
        self.task: asyncio.Task[Any] | None = None
        self._before = before

    @classmethod
    def watch(cls, loop: asyncio.AbstractEventLoop) -> _CtrlC | None:
        """Installs the handler in the main thread; None if another handler is installed."""
        before = getsignal(SIGINT)
        if before is not signal.default_int_handler and not isinstance(before, _CtrlC):
            return None
        ctrl_c = cls(loop, before)
        try:
            set_handler(SIGINT, ctrl_c)
        except ValueError:  # not the main interpreter
            return None
        return ctrl_c

    def cancels(self, task: asyncio.Task[Any]) -> None:
        """Sets the task that Ctrl-C cancels: now, if it was pressed before."""
        self.task = task
        if self.pressed:
            task.cancel()

    def unwatch(self) -> None:
        """Restores the previous handler."""
        set_handler(SIGINT, self._before)

    def __call__(self, number: int, frame: Any) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        if self.task is not None and not self.task.done():
            self._loop.call_soon_threadsafe(self.task.cancel)  # which wakes the loop too


async def _turns(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


class _Holder:
    """Closes a thread's loops when the thread has ended and its locals are released."""

    __slots__ = ("__weakref__", "loops", "process", "thread")

    def __init__(self) -> None:
        self.loops: list[KeptLoop] = []
        self.process = os.getpid()
        self.thread = threading.get_ident()
        _holders.add(self)

    @property
    def in_use(self) -> bool:
        """Whether one of the loops is running, or a generator uses it."""
        return any(kept.busy or kept.read_from for kept in self.loops)

    def close(self) -> None:
        loops, self.loops = self.loops, []
        for kept in loops:
            kept.close()

    def __del__(self) -> None:
        if self.process != os.getpid():
            _inherited.extend(self.loops)  # of a thread that this process does not have
        elif not sys.is_finalizing():
            for kept in [one for one in self.loops if one.read_from]:
                # A reader that outlives its thread is used by others, such as a server that asks for each piece in any
                # free thread. Closing it would silently cut off its answer.
                self.loops.remove(kept)
                _outliving.add(kept)
            self.close()


_outliving: set[KeptLoop] = set()
"""Loops of ended threads that still have readers."""

_inherited: list[KeptLoop] = []
"""After a fork: the parent's loops, which are not touched until the end."""

_kept_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
_holders: weakref.WeakSet[_Holder] = weakref.WeakSet()
_thread = threading.local()


def kept_loop() -> KeptLoop:
    """Returns this thread's loop for sync code, created on first use.

    If that one is running already (a sync callback that blocks on a run), another one; also if a generator uses it,
    since the next piece may be requested in another thread at any time.
    """
    holder: _Holder | None = getattr(_thread, "holder", None)
    if holder is None or holder.process != os.getpid():
        # After a fork the loop belongs to the parent: its selector and sockets are shared.
        holder = _thread.holder = _Holder()
    for kept in holder.loops:
        if not (kept.busy or kept.read_from or kept.loop.is_closed()):
            return kept
    kept = KeptLoop()
    holder.loops.append(kept)
    return kept


def kept_loop_for(loop: asyncio.AbstractEventLoop | None) -> KeptLoop:
    """Returns the loop itself if it belongs to this thread and is idle; else `kept_loop`."""
    holder: _Holder | None = getattr(_thread, "holder", None)
    for kept in holder.loops if holder is not None and holder.process == os.getpid() else ():
        if kept.loop is loop and not (kept.busy or loop.is_closed()):
            return kept
    return kept_loop()


def refuse_inside_loop(instead: str) -> None:
    """Raises LoopMisuse if this would block the thread's running loop; `instead` says what to write."""
    if not blocks_here():
        raise LoopMisuse(
            "This would block the running event loop, and with it everything else.",
            hint=f"Write {instead} instead.",
        )


@atexit.register
def _close_all() -> None:
    # A daemon thread that is still running ends with the process: its loop is in use, and must not be closed here. One
    # that only waits for its next call, as tool threads do, does not close its loop itself.
    alive = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
    for holder in list(_holders):
        if holder.thread not in alive or not holder.in_use:
            holder.close()
    for kept in [*_outliving, *_inherited]:
        kept.close()

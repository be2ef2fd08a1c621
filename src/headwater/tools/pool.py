"""Threads for users' sync functions: a limited number of daemon threads that end when idle.

Not the loop's executor, which other code may fill, and not concurrent.futures, whose exit hook waits for every thread:
a hanging tool must not keep the program from ending. Owns only threads; it does not know tools, loops or results.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

__all__ = ("MAX_TOOL_THREADS", "Pool", "aside", "call", "submit")

T = TypeVar("T")

MAX_TOOL_THREADS = 64
"""Number of sync tools that run at once, for each depth: they mostly wait for a network or a disk, so more than there
are cores; each needs a stack and contends for the interpreter's lock, so fewer than there may be runs. Others wait."""

IDLE_SECONDS = 5.0
"""How long an idle thread waits for another job: longer than the pause between two steps of a run."""


class Pool:
    """Runs jobs in at most `limit` threads, in the order of submission."""

    def __init__(self, limit: int = MAX_TOOL_THREADS, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._idle = 0

    @property
    def threads(self) -> int:
        """The number of threads, busy or idle."""
        return self._threads

    @property
    def waiting(self) -> int:
        """The number of jobs that wait for a thread."""
        return len(self._jobs)

    def submit(self, job: Callable[[], None]) -> Callable[[], bool]:
        """Runs `job`, which must not raise. Returns a function that withdraws it; its result says whether that was in
        time.

        Raises: RuntimeError, if no thread can be started and none exists.
        """
        with self._changed:
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._changed.notify()
            elif self._threads < self._limit:
                self._start(job)
        return lambda: self._take_back(job)

    def _start(self, job: Callable[[], None]) -> None:
        self._threads += 1
        try:
            threading.Thread(target=self._work, name=f"headwater-tool-{self._threads}", daemon=True).start()
        except RuntimeError:
            self._threads -= 1
            if not self._threads:
                self._jobs.remove(job)
                raise

    @contextlib.contextmanager
    def stretched(self) -> Iterator[None]:
        """One more thread may run meanwhile: one of them waits for what another job does."""
        with self._changed:
            self._limit += 1
            if self._jobs and self._threads < self._limit:
                self._start(self._jobs[0])
        try:
            yield
        finally:
            with self._changed:
                self._limit -= 1

    def _take_back(self, job: Callable[[], None]) -> bool:
        with self._changed:
            try:
                self._jobs.remove(job)
            except ValueError:
                return False
            return True

    def _work(self) -> None:
        # A tool may still wait in `input()` when the program ends. Python would then release standard input and abort
        # the process, because this thread reads from it. A reference from this thread prevents that.
        _held = sys.stdin
        while (job := self._next()) is not None:
            job()
            del job  # it holds the tool's arguments, which should not live as long as an idle thread

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._jobs:
                self._idle += 1
                woken = self._changed.wait(self._idle_seconds)
                self._idle -= 1
                if not woken and not self._jobs:
                    self._threads -= 1
                    return None
            return self._jobs.popleft()


# A sync tool may run an agent with sync tools, and wait for them. With one shared limit, that many waiting tools would
# leave no thread for those they wait for; so each depth has its own pool.
_depth: contextvars.ContextVar[int] = contextvars.ContextVar("headwater_tool_depth", default=0)
_inside: contextvars.ContextVar[Pool | None] = contextvars.ContextVar("headwater_tool_pool", default=None)
_pools: dict[int, Pool] = {}
_lock = threading.Lock()


def submit(job: Callable[[], None]) -> Callable[[], bool]:
    """Runs `job` in a tool thread, in a copy of the current context variables; see `Pool.submit`."""
    depth = _depth.get()
    with _lock:
        pool = _pools.get(depth)
        if pool is None:
            pool = _pools[depth] = Pool()
    variables = contextvars.copy_context()
    variables.run(_depth.set, depth + 1)
    variables.run(_inside.set, pool)
    return pool.submit(lambda: variables.run(job))


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Around waiting for a run that is driven elsewhere, whose tools may need threads of the same pool.

    In a tool thread, which waits, one more thread may run meanwhile.
    """
    pool = _inside.get()
    with contextlib.nullcontext() if pool is None else pool.stretched():
        yield


async def call(function: Callable[[], T]) -> T:
    """Runs `function` in a tool thread; if this task is cancelled, its result is dropped."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            set_it(value)

    def job() -> None:
        told: tuple[Callable[[Any], None], Any]
        try:
            told = (done.set_result, function())
        except BaseException as error:
            # A future cannot hold a StopIteration, which would end the awaiting generator.
            kept = RuntimeError(f"It raised {error!r}.") if isinstance(error, StopIteration) else error
            told = (done.set_exception, kept)
        try:
            loop.call_soon_threadsafe(settle, *told)
        except RuntimeError:  # the loop is closed, so the result is not needed
            return

    take_back = submit(job)
    try:
        return await done
    except asyncio.CancelledError:
        take_back()
        raise


def live_threads() -> int:
    """The number of tool threads in the process."""
    with _lock:
        return sum(pool.threads for pool in _pools.values())


def _forget() -> None:
    global _lock
    # A forked child has none of its parent's threads, and a lock that one of them held stays locked.
    _lock = threading.Lock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

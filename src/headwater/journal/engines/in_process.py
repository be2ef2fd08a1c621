"""The engine of one process: runs are driven as tasks on its event loop, and nothing is stored.

Where the process dies, what it had queued is found in the journal by whoever looks for runs that nobody drives.
Everything happens in the loop's own thread; `submit` may be called before `serve`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Callable, Sequence

from headwater.journal.engines.executor import Drive, Executor

__all__ = ("InProcess",)

_logger = logging.getLogger("headwater.journal")


class InProcess(Executor):
    """Drives runs on the event loop that it is used in. `now` is the clock of `not_before`, the store's."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._waiting: dict[str, list[tuple[int, int, str]]] = {}
        """By queue: a heap of (priority, order, run)."""
        self._queued: set[str] = set()
        self._again: dict[str, tuple[str, int]] = {}
        """What was submitted while it was driven: queue and priority."""
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._driven: dict[str, asyncio.Task[None]] = {}
        self._order = itertools.count()
        self._news = asyncio.Event()
        self._draining = False

    @property
    def driven(self) -> frozenset[str]:
        """The runs that are being driven."""
        return frozenset(self._driven)

    async def submit(
        self, run: str, *, queue: str = "default", not_before: float | None = None, priority: int = 0
    ) -> None:
        """See Executor."""
        if (timer := self._later.pop(run, None)) is not None:
            timer.cancel()
        if not_before is not None and (delay := not_before - self._now()) > 0:
            loop = asyncio.get_running_loop()
            self._later[run] = loop.call_later(delay, self._put, run, queue, priority)
            return
        self._put(run, queue, priority)

    def _put(self, run: str, queue: str, priority: int) -> None:
        self._later.pop(run, None)
        if run in self._driven:
            self._again[run] = queue, priority
        elif run not in self._queued:
            self._queued.add(run)
            heapq.heappush(self._waiting.setdefault(queue, []), (-priority, next(self._order), run))
            self._news.set()

    async def serve(
        self, drive: Drive, *, queues: Sequence[str] = ("default",), concurrency: int = 100, name: str = ""
    ) -> None:
        """See Executor."""
        try:
            while not self._draining:
                self._news.clear()
                while len(self._driven) < concurrency and (run := self._next(queues)) is not None:
                    self._begin(run, drive)
                await self._news.wait()
            if self._driven:
                await asyncio.wait([*self._driven.values()])
        finally:
            await self._stop()

    def _next(self, queues: Sequence[str]) -> str | None:
        heaps = [self._waiting[queue] for queue in queues if self._waiting.get(queue)]
        if not heaps or self._draining:
            return None
        _, _, run = heapq.heappop(min(heaps))
        self._queued.discard(run)
        return run

    def _begin(self, run: str, drive: Drive) -> None:
        task = asyncio.get_running_loop().create_task(_driving(drive, run), name=f"headwater drive {run}")
        self._driven[run] = task
        task.add_done_callback(lambda _: self._ended(run))

    def _ended(self, run: str) -> None:
        del self._driven[run]
        self._news.set()
        if (again := self._again.pop(run, None)) is not None:
            self._put(run, *again)

    def let_go(self) -> None:
        """Cancel what is driven, and go on serving."""
        for task in self._driven.values():
            task.cancel()

    async def drain(self, seconds: float) -> None:
        """See Executor."""
        self._draining = True
        self._news.set()
        if self._driven:
            await asyncio.wait([*self._driven.values()], timeout=seconds)
        await self._stop()

    async def _stop(self) -> None:
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
        tasks = [*self._driven.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _driving(drive: Drive, run: str) -> None:
    try:
        await drive(run)
    except Exception:  # a failure of one run must not stop the others; the journal still has it
        _logger.exception("Driving %s failed; it is tried again when no process drives it.", run)

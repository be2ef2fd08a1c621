"""The engine of one process: runs are driven as tasks on its event loop, and nothing is stored.

Where the process dies, what it had queued is found in the journal by whoever looks for runs that nobody drives.
Everything happens in the loop's own thread; `submit` may be called before `serve`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence

from headwater.journal.engines.executor import Drive, Executor, enter

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
        self._left: dict[str, asyncio.Future[bool]] = {}
        """For `through`: whether a run was driven, once it is no more here."""
        self._order = itertools.count()
        self._aside = 0
        """How many of the driven runs wait for other runs."""
        self._news = asyncio.Event()
        self.freed: asyncio.Event = asyncio.Event()
        """Set when fewer runs are busy."""
        self._draining = False

    def __contains__(self, run: str) -> bool:
        """Whether the run is driven, or is going to be; from any thread."""
        return run in self._driven or run in self._queued or run in self._later

    @property
    def driven(self) -> frozenset[str]:
        """The runs that are being driven."""
        return frozenset(self._driven)

    @property
    def aside(self) -> int:
        """The number of driven runs that wait for other runs."""
        return self._aside

    @property
    def busy(self) -> int:
        """The number of runs that are driven and wait for no other run, or are about to be driven."""
        return len(self._driven) - self._aside + len(self._queued)

    async def submit(
        self,
        run: str,
        *,
        queue: str = "default",
        agent: str = "",
        not_before: float | None = None,
        priority: int = 0,
    ) -> None:
        """See Executor."""
        self.put(run, queue=queue, not_before=not_before, priority=priority)

    def put(self, run: str, *, queue: str = "default", not_before: float | None = None, priority: int = 0) -> None:
        """`submit` as a plain function."""
        if (timer := self._later.pop(run, None)) is not None:
            timer.cancel()
        if not_before is not None and (delay := not_before - self._now()) > 0:
            loop = asyncio.get_running_loop()
            self._later[run] = loop.call_later(delay, self._put, run, queue, priority)
            return
        self._put(run, queue, priority)

    async def through(self, run: str, *, priority: int = 0) -> bool:
        """Submits the run, and returns once it is no more here: whether it was driven, which ends with `drain`.

        Whoever stops waiting for it changes nothing.
        """
        if self._draining:
            return False
        self.put(run, priority=priority)
        left = self._left.setdefault(run, asyncio.get_running_loop().create_future())
        return await asyncio.shield(left)

    def _leave(self, run: str, driven: bool) -> None:
        if (left := self._left.pop(run, None)) is not None:
            left.set_result(driven)

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
                while len(self._driven) - self._aside < concurrency and (run := self._next(queues)) is not None:
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
        # In a context of its own: a run that was submitted in a tool is no part of the run that called the tool.
        variables = contextvars.Context()
        variables.run(enter, _Slot(self, asyncio.get_running_loop()))
        work = _driving(drive, run)
        task = asyncio.get_running_loop().create_task(work, name=f"headwater drive {run}", context=variables)
        self._driven[run] = task
        task.add_done_callback(lambda _: self._ended(run))

    def _ended(self, run: str) -> None:
        del self._driven[run]
        self._news.set()
        self.freed.set()
        if (again := self._again.pop(run, None)) is not None and not self._draining:
            self._put(run, *again)
        else:
            self._leave(run, driven=True)

    def _stepped(self, change: int) -> None:
        self._aside += change
        self._news.set()
        self.freed.set()

    def let_go(self) -> None:
        """Cancel what is driven, and go on serving."""
        for task in self._driven.values():
            task.cancel()

    async def drain(self, seconds: float) -> None:
        """See Executor."""
        self._begin_no_more()
        if self._driven:
            await asyncio.wait([*self._driven.values()], timeout=seconds)
        await self._stop()

    def _begin_no_more(self) -> None:
        self._draining = True
        self._news.set()
        for run in [*self._left]:
            if run not in self._driven:
                self._leave(run, driven=False)

    async def _stop(self) -> None:
        self._begin_no_more()
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
        tasks = [*self._driven.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class _Slot:
    """The slot of one driven run; see `Slot`. The run may wait for several others at once."""

    def __init__(self, engine: InProcess, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop
        self._lock = threading.Lock()
        self._waits = 0

    def leave(self) -> None:
        """See Slot."""
        with self._lock:
            self._waits += 1
            if self._waits == 1:
                self._tell(1)

    def take_back(self) -> None:
        """See Slot."""
        with self._lock:
            self._waits -= 1
            if self._waits == 0:
                self._tell(-1)

    def _tell(self, change: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._engine._stepped, change)


async def _driving(drive: Drive, run: str) -> None:
    try:
        await drive(run)
    except Exception:  # a failure of one run must not stop the others; the journal still has it
        _logger.exception("Driving %s failed; it is tried again when no process drives it.", run)

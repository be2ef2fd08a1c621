"""One event loop's part of a journal: its store, its writer, and the runs driven on it.

Owns opening and closing, which happens before the loop ends. `home` owns the heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping

from headwater.backends.loop_end import before_end
from headwater.durable.drive import Drivable, drive
from headwater.errors import HeadwaterError, RunLost
from headwater.journal.engines.in_process import InProcess
from headwater.journal.run_log import RunLog
from headwater.journal.writer import Begin, Writer, Writing
from headwater.runtime.run import Run

__all__ = ("Station",)


class Station:
    """See `drive.Place`. `open` returns the store; `worker` is this process, `members` who can be driven in it."""

    def __init__(self, open: Callable[[], Awaitable[RunLog]], *, worker: str, members: Mapping[str, Drivable]) -> None:
        self.loop = asyncio.get_running_loop()
        self.worker = worker
        self.members = members
        self.writer = Writer(self.log)
        self.engine: InProcess | None = None
        self.turned = True
        """Whether the loop has responded since the last check."""
        self.ahead = 0.0
        """Seconds by which the store's clock is ahead of this machine's, as it was when the store was opened."""
        self._open = open
        self._opening: asyncio.Task[RunLog] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._writing: dict[str, tuple[Run, Writing]] = {}
        before_end(self.loop, self.close, what="journal")

    async def log(self) -> RunLog:
        """Returns the store, opened on first use. Raises like `open_journal`."""
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = self.loop.create_task(self._opened(), name="headwater journal")
        return await asyncio.shield(self._opening)

    async def _opened(self) -> RunLog:
        log = await self._open()
        self.ahead = await log.now() - time.time()
        return log

    # --- runs that are read here

    def record(
        self,
        run: Run,
        *,
        first: int,
        begin: Begin,
        said: Callable[[], tuple[bytes, ...]] | None = None,
        ended: Callable[[], None] | None = None,
    ) -> None:
        """Store the log of a run that is read here, as it grows. `begin` creates it, `ended` is called at its end."""

        def lost(error: HeadwaterError) -> None:
            run.abandon(error)

        by = f"{self.worker}/{os.urandom(4).hex()}"
        writing = Writing(
            self.writer, run.id, first=first, by=by, owner=self.worker, lost=lost, begin=begin, said=said, ended=ended
        )
        run.store(writing)
        self._writing[run.id] = run, writing

    def writing_of(self, run: str) -> Writing | None:
        """Returns the writer of the run with that id, which is read here."""
        found = self._writing.get(run)
        return found[1] if found is not None else None

    # --- runs that are driven here

    async def submit(self, run: str, *, not_before: float | None = None, priority: int = 0) -> None:
        """Drives the run on this loop; see `Executor`. In a process the agent of a run counts, not its queue."""
        if self.engine is None:
            self.engine = InProcess(now=lambda: time.time() + self.ahead)
            self._serving = self.loop.create_task(self.engine.serve(self._drive), name="headwater engine")
        await self.engine.submit(run, not_before=not_before, priority=priority)

    async def _drive(self, run: str) -> None:
        done = await drive(self, run)
        if done is not None and done.fold.end is not None:
            await self._next_of_thread(run)

    async def _next_of_thread(self, run: str) -> None:
        """The run of the same thread that has waited for this one to end."""
        log = await self.log()
        thread = (await log.info(run)).request.thread
        if thread is not None:
            queued = [one for one in await log.runs(states=("queued",), thread=thread) if one.ahead is None]
            for one in queued[-1:]:
                await self.submit(one.run, not_before=one.request.not_before, priority=one.request.priority)

    @property
    def driving(self) -> bool:
        """Whether a run is driven or read here."""
        self._writing = {run: one for run, one in self._writing.items() if not one[0].over}
        return bool(self._writing) or (self.engine is not None and bool(self.engine.driven))

    def abandon(self) -> None:
        """Stops driving all runs: the store is unreachable, and others take over."""
        for run, _ in self._writing.values():
            if not run.over:
                run.abandon(
                    RunLost(f"The journal cannot be reached, so this process stops driving {run.id}.", hint=_ATTACH)
                )
        if self.engine is not None:
            self.engine.let_go()

    async def close(self) -> None:
        """Stops driving, stores the remaining events, and closes the store."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])
        await self.writer.settle()
        if self._opening is not None:
            opening, self._opening = self._opening, None
            with contextlib.suppress(HeadwaterError, asyncio.CancelledError):
                await (await opening).close()


_ATTACH = "Another process continues it: read it with headwater.attach(id)."

"""One event loop's part of a journal: its store, its writer, and the runs driven on it.

A station is one worker of the journal. It sends a heartbeat before it claims its first run, and removes itself when its
loop ends, so that other stations, in this process or another, continue its runs at once. After it has stopped driving
while its loop goes on, it is another worker: its runs would otherwise have an owner that is alive and does not drive
them.

Owns opening and closing, which happens before the loop ends. `home` sends its later heartbeats.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from headwater.backends.loop_end import before_end
from headwater.durable.drive import Drivable, drive
from headwater.durable.turns import Turns
from headwater.errors import HeadwaterError, RunLost, UnknownRun
from headwater.journal.engines.in_process import InProcess
from headwater.journal.run_log import RunInfo, RunLog, Worker
from headwater.journal.writer import Begin, Writer, Writing
from headwater.runtime.run import Run

if TYPE_CHECKING:
    from headwater.journal.engines.engine import Engine

__all__ = ("Station",)

_logger = logging.getLogger("headwater.journal")

AGAIN: Final = 5.0
"""Seconds after which a run is driven again whose drive failed."""


class Station:
    """See `drive.Place`. `open` returns the store, `members` are those that can be driven in this process.

    `about` is the worker that the station is in the journal. `submit` has another run driven in this process.
    """

    def __init__(
        self,
        open: Callable[[], Awaitable[RunLog]],
        *,
        about: Worker,
        members: Mapping[str, Drivable],
        submit: Callable[[RunInfo], None],
    ) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.about: Worker = about
        self.former: set[str] = set()
        """The workers that it was, until the journal has forgotten them."""
        self.members = members
        self.writer: Writer = Writer(self.log)
        self.turns: Turns = Turns()
        self.engine: InProcess | None = None
        self.turned = True
        """Whether the loop has responded since the last check."""
        self.closed: bool = False
        self.stuck = False
        """Whether its loop did not respond at the last check: no more runs are submitted to it."""
        self.claims: bool = False
        """Whether it has claimed runs, so that it needs heartbeats."""
        self.told: float = 0.0
        """The time of the last heartbeat, on the monotonic clock."""
        self.ahead: float = 0.0
        """Seconds by which the store's clock is ahead of this machine's, as it was when the store was opened."""
        self._claiming = asyncio.Lock()
        self._open = open
        self._submit = submit
        self._opening: asyncio.Task[RunLog] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._writing: dict[str, tuple[Run, Writing]] = {}
        self._unknown: Callable[[str], None] | None = None
        before_end(self.loop, self.close, what=f"journal of {about.id}")

    @property
    def worker(self) -> str:
        """The id of the worker that it is in the journal."""
        return self.about.id

    async def log(self) -> RunLog:
        """Returns the store, opened on first use. Raises like `open_journal`."""
        opening = self._opening
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            self._opening = self.loop.create_task(self._opened(), name="headwater journal")
        return await asyncio.shield(self._opening)  # type: ignore[arg-type]  # it was made above

    @property
    def opened(self) -> RunLog | None:
        """The store, if it is open."""
        opening = self._opening
        done = opening is not None and opening.done() and not opening.cancelled() and opening.exception() is None
        return opening.result() if opening is not None and done else None

    async def _opened(self) -> RunLog:
        log = await self._open()
        self.ahead = await log.now() - time.time()
        return log

    def now(self) -> float:
        """Returns the store's time, in Unix seconds."""
        return time.time() + self.ahead

    async def claim(self, log: RunLog) -> None:
        """Sends a heartbeat before the first run is claimed. Raises JournalUnavailable."""
        if self.claims:
            return
        async with self._claiming:  # many runs may begin at once
            if not self.claims:
                await log.beat(self.about)
                self.claims, self.told = True, time.monotonic()

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

        async def claimed(log: RunLog) -> None:
            await self.claim(log)
            await begin(log)

        writing = Writing(
            self.writer,
            run.id,
            first=first,
            by=f"{self.worker}/{os.urandom(4).hex()}",
            owner=self.worker,
            lost=lost,
            begin=claimed,
            said=said,
            ended=ended,
        )
        run.store(writing)
        self._writing[run.id] = run, writing

    def writing_of(self, run: str) -> Writing | None:
        """Returns the writer of the run with that id, which is read here."""
        found = self._writing.get(run)
        return found[1] if found is not None else None

    # --- runs that are driven here

    def submit(self, run: str, *, not_before: float | None = None, priority: int = 0) -> None:
        """Drives the run on this loop; call it in the loop's own thread. A run's agent counts here, not its queue."""
        if self.closed:
            return  # it is found in the journal
        if self.engine is None:
            self.engine = InProcess(now=self.now)
            self._serving = self.loop.create_task(self.engine.serve(self._drive), name="headwater engine")
        self.engine.put(run, not_before=not_before, priority=priority)

    async def serve(
        self, engine: Engine, *, queues: Sequence[str], concurrency: int, unknown: Callable[[str], None]
    ) -> None:
        """Drives the runs of these queues whose agents are known here, until the engine is drained. The worker is alive
        from now on. `unknown` is called with each delivered run that the journal does not have.
        """
        self.engine = engine.here
        self._unknown = unknown
        await self.claim(await self.log())
        await engine.serve(self._drive, queues=queues, concurrency=concurrency, name=self.worker, agents=self.members)

    def has(self, run: str) -> bool:
        """Whether the run is driven here, or is going to be; from any thread."""
        return self.engine is not None and run in self.engine

    async def _drive(self, run: str) -> None:
        await self.claim(await self.log())
        try:
            await drive(self, run)
        except UnknownRun:  # it is over here; where it belongs to another journal, that finds it again
            if self._unknown is not None:
                self._unknown(run)
        except Exception:  # nobody else finds it: this process is alive, and may own it
            _logger.exception("Driving %s failed; it is tried again in %g s.", run, AGAIN)
            if self.engine is not None:
                self.engine.put(run, not_before=self.now() + AGAIN)

    async def next_of_thread(self, thread: str) -> None:
        """See `drive.Place`."""
        log = await self.log()
        queued = [one for one in await log.runs(states=("queued",), thread=thread) if one.ahead is None]
        for one in queued[-1:]:
            self._submit(one)

    @property
    def driving(self) -> bool:
        """Whether a run is driven or read here."""
        self._writing = {run: one for run, one in self._writing.items() if not one[0].over}
        return bool(self._writing) or self.engaged

    @property
    def engaged(self) -> bool:
        """Whether a run is driven here, which needs no reader."""
        return self.engine is not None and bool(self.engine.driven)

    def abandon(self) -> None:
        """Stops driving all runs: the store is unreachable, and others take over, or this one as another worker."""
        if self.claims:
            self.claims = False
            self.former.add(self.worker)
            another = f"{self.worker.rpartition('-')[0] or self.worker}-{os.urandom(4).hex()}"
            self.about = msgspec.structs.replace(self.about, id=another)
        for run, _ in self._writing.values():
            if not run.over:
                run.abandon(
                    RunLost(f"The journal cannot be reached, so this process stops driving {run.id}.", hint=_ATTACH)
                )
        if self.engine is not None:
            self.engine.let_go()

    async def forget(self, log: RunLog) -> None:
        """Has the journal forget it, so that others continue its runs at once. Raises JournalUnavailable."""
        if self.claims:
            await log.forget(self.worker)
        await self.forget_former(log)

    async def forget_former(self, log: RunLog) -> None:
        """Has the journal forget the workers that it was, so that their runs are due. Raises JournalUnavailable."""
        for worker in [*self.former]:
            await log.forget(worker)
            self.former.discard(worker)  # the journal's thread may have done it meanwhile

    async def close(self) -> None:
        """Stops driving, stores the remaining events, gives the runs back, and closes the store."""
        self.closed = True
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])
        await self.writer.settle()
        if self._opening is not None:
            opening, self._opening = self._opening, None
            opening.cancel()  # if it is still being opened, nothing has been stored, and no thread may be left to do it
            with contextlib.suppress(HeadwaterError, asyncio.CancelledError):
                log = await opening
                try:
                    await self.forget(log)
                finally:
                    await log.close()


_ATTACH = "Another process continues it: read it with headwater.attach(id)."

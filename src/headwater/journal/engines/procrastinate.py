"""The engine of many machines: the ids of submitted runs wait in procrastinate's tables, in the journal's PostgreSQL.

Theory of operation. A submitted run is one job, whose queueing lock is the run's id: it waits once, however often it is
submitted. A worker with room takes jobs out and deletes them in the same transaction, and drives the runs as tasks of
its event loop. So a job is never in progress, and nothing is ever retried: from then on the run's owner in the journal
counts, and the search for due runs finds what a dead worker had taken.

Notifications wake a worker sooner; behind a pooler in transaction mode there are none, and it polls more often.

Owns the jobs; `in_process` owns the driven runs. It belongs to the event loop that it is used in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import psycopg
from procrastinate.manager import get_channel_for_queues

from headwater.errors import HeadwaterError
from headwater.journal.engines.engine import Engine
from headwater.journal.engines.executor import Drive
from headwater.journal.engines.in_process import InProcess
from headwater.journal.engines.queue_tables import SCHEMA, SESSION, check_queue_version, queue_session, set_up_queue
from headwater.journal.grouping import Grouped
from headwater.journal.postgres.connection import Connection, Database, connect

__all__ = ("Procrastinate",)

TASK: Final = "headwater.drive"

QUIET: Final = 2.0
"""Seconds between two looks into the queue; a notification comes sooner."""

BLIND: Final = 0.25
"""Seconds between two looks if there are no notifications."""

AT_ONCE: Final = 8
"""Jobs in one transaction: few, so that workers share a burst."""

_logger = logging.getLogger("headwater.journal")


class Procrastinate(Engine):
    """Opens the queue of the journal with that URL on first use. `now` is the clock of `not_before`, the store's."""

    def __init__(self, url: str, *, now: Callable[[], float] = time.time) -> None:
        self.here: InProcess = InProcess(now=now)
        """The runs that are driven in this process."""
        self._url = url
        self._now = now
        self._connection = Connection(url, settings=SESSION)
        self._submits: Grouped[_Job, None] = Grouped(self._submit)
        self._checked = False
        self._checking = asyncio.Lock()
        self._news = asyncio.Event()
        self._draining = False
        self._interval = BLIND

    # --- submitting

    async def submit(
        self,
        run: str,
        *,
        queue: str = "default",
        agent: str = "",
        not_before: float | None = None,
        priority: int = 0,
    ) -> None:
        """See Executor. Raises JournalUnavailable, and JournalMismatch if another version has set up the queue."""
        later = not_before is not None and not_before > self._now()
        await self._check()
        await self._submits(_Job(run, queue, priority, not_before if later else None))

    async def _submit(self, jobs: Sequence[_Job]) -> Sequence[None]:
        return await self._connection.do(lambda db: _defer(db, jobs))

    async def waiting(self, runs: Sequence[str]) -> set[str]:
        """See Engine. Raises like `submit`."""
        if not runs:
            return set()
        await self._check()
        return await self._connection.do(lambda db: _waiting(db, runs))

    async def _check(self) -> None:
        """Sets up a new queue. Raises JournalMismatch."""
        async with self._checking:  # the first runs may be submitted at once
            if self._checked:
                return
            db = await connect(self._url)
            try:
                if not await check_queue_version(db, self._url):
                    await set_up_queue(db, self._url)
            finally:
                await db.close()
            self._checked = True

    # --- serving

    async def serve(
        self,
        drive: Drive,
        *,
        queues: Sequence[str] = ("default",),
        concurrency: int = 100,
        name: str = "",
        agents: Iterable[str] | None = None,
    ) -> None:
        """See Engine. While the queue does not answer, it tries again; driven runs continue."""
        await self._check()
        loop = asyncio.get_running_loop()
        others = [
            loop.create_task(self._listen(queues), name="headwater queue listener"),
            loop.create_task(self._take_all(queues, concurrency, agents), name="headwater queue"),
        ]
        try:
            await self.here.serve(drive, concurrency=concurrency)
        finally:
            for task in others:
                task.cancel()
            await asyncio.wait(others)

    async def _take_all(self, queues: Sequence[str], concurrency: int, agents: Iterable[str] | None) -> None:
        """Takes jobs whenever there is room for more runs."""
        here = self.here
        while not self._draining:
            here.freed.clear()
            self._news.clear()
            room = min(concurrency - here.busy, AT_ONCE)
            if room <= 0:
                await here.freed.wait()
                continue
            known = None if agents is None else [*agents]
            try:
                taken = await self._connection.do(lambda db: _take(db, queues, known, room))  # noqa: B023 - done at once
            except HeadwaterError as error:
                _logger.warning("The queue cannot be read: %s", error.message)
                taken = []
            for run, priority in taken:
                here.put(run, priority=priority)
            if len(taken) < room:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._news.wait()

    async def _listen(self, queues: Sequence[str]) -> None:
        """Waits for procrastinate's notifications, forever, or until a pooler shows that there are none."""
        while True:
            try:
                db = await connect(self._url)
            except HeadwaterError:
                await asyncio.sleep(QUIET)
                continue
            try:
                if db.prepare_threshold is None:  # see `connect`: a pooler, which delivers no notifications
                    return
                for channel in get_channel_for_queues(queues):
                    await db.execute(psycopg.sql.SQL("listen {}").format(psycopg.sql.Identifier(channel)))
                self._interval = QUIET
                self._news.set()
                async for _ in db.notifies():
                    self._news.set()
            except (psycopg.Error, OSError):
                pass
            finally:
                self._interval = BLIND
                await db.close()
            await asyncio.sleep(1.0)

    async def drain(self, seconds: float) -> None:
        """See Executor."""
        self._draining = True
        await self.here.drain(seconds)

    async def close(self) -> None:
        """See Engine."""
        await self._submits.settle()
        await self._connection.close()


class _Job(NamedTuple):
    """A run to submit. `at` is when, in Unix seconds, or None for at once."""

    run: str
    queue: str
    priority: int
    at: float | None


DEFER: Final = f"""
    insert into {SCHEMA}.procrastinate_jobs(queue_name, task_name, priority, queueing_lock, args, scheduled_at)
    select queue, '{TASK}', priority, run, jsonb_build_object('run', run), to_timestamp(at)
    from unnest(%(run)s::text[], %(queue)s::text[], %(priority)s::int[], %(at)s::float8[]) with ordinality
        as j(run, queue, priority, at, place)
    order by place on conflict (queueing_lock) where status = 'todo' do nothing returning queueing_lock"""

POSTPONED: Final = f"""
    delete from {SCHEMA}.procrastinate_jobs
    where queueing_lock = any(%s) and status = 'todo' and scheduled_at is not null returning queueing_lock"""

WAITING: Final = f"""
    select queueing_lock from {SCHEMA}.procrastinate_jobs
    where queueing_lock = any(%s) and status = 'todo' and (scheduled_at is null or scheduled_at <= now())"""

TAKE: Final = f"""
    with next as (
        select id from {SCHEMA}.procrastinate_jobs
        where status = 'todo' and queue_name = any(%(queues)s) and (scheduled_at is null or scheduled_at <= now())
            and (%(agents)s::text[] is null or not exists (
                select 1 from headwater.runs r where r.root = queueing_lock and r.agent <> all(%(agents)s)))
        order by priority desc, id limit %(room)s for update skip locked
    ), taken as (
        delete from {SCHEMA}.procrastinate_jobs where id in (select id from next) returning id, queueing_lock, priority
    )
    select queueing_lock, priority from taken order by priority desc, id"""
"""What procrastinate's functions `fetch_job` and `finish_job` do for a job without a lock, for several at once."""


async def _defer(db: Database, jobs: Sequence[_Job]) -> list[None]:
    """Has each run wait once. One that waits for its time already, and is submitted for now, waits no longer."""
    chosen: dict[str, _Job] = {}
    for job in jobs:
        if (first := chosen.get(job.run)) is None or (first.at is not None and job.at is None):
            chosen[job.run] = job
    async with queue_session(db):
        deferred = await _deferred(db, [*chosen.values()])
        hurried = [job for job in chosen.values() if job.run not in deferred and job.at is None]
        if hurried:
            async with db.transaction():
                cursor = await db.execute(POSTPONED, ([job.run for job in hurried],))
                postponed = {run for (run,) in await cursor.fetchall()}
                if postponed:
                    await _deferred(db, [job for job in hurried if job.run in postponed])
    return [None] * len(jobs)


async def _deferred(db: Database, jobs: Sequence[_Job]) -> set[str]:
    runs, queues, priorities, at = map(list, zip(*jobs, strict=True))
    cursor = await db.execute(DEFER, {"run": runs, "queue": queues, "priority": priorities, "at": at})
    return {run for (run,) in await cursor.fetchall()}


async def _waiting(db: Database, runs: Sequence[str]) -> set[str]:
    return {str(run) for (run,) in await (await db.execute(WAITING, ([*runs],))).fetchall()}


async def _take(db: Database, queues: Sequence[str], agents: Sequence[str] | None, room: int) -> list[tuple[str, int]]:
    """Takes at most that many jobs for these agents, or for any, out of the queue; their runs and priorities."""
    async with queue_session(db):
        return await (await db.execute(TAKE, {"queues": [*queues], "agents": agents, "room": room})).fetchall()

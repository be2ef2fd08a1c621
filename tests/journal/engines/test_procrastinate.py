"""The engine of many machines: each submitted run reaches a worker, once, and what is taken is gone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headwater.journal.engines import procrastinate
from headwater.journal.engines.executor import aside
from headwater.journal.engines.procrastinate import Procrastinate
from headwater.journal.postgres.connection import Database, connect
from headwater.journal.postgres.store import upgrade_postgres
from tests.journal.engines.drives import Drives
from tests.journal.postgres.databases import execute, name_of, through_pgbouncer, until
from tests.support.postgres import running_postgres

pytestmark = pytest.mark.xdist_group("postgres")


@contextlib.asynccontextmanager
async def serving(url: str, drives: Any, **options: Any) -> AsyncIterator[Procrastinate]:
    engine = Procrastinate(url)
    task = asyncio.ensure_future(engine.serve(drives, **options))
    try:
        yield engine
    finally:
        await engine.drain(0.0)
        await task
        await engine.close()


@contextlib.asynccontextmanager
async def submitting(url: str) -> AsyncIterator[Procrastinate]:
    engine = Procrastinate(url)
    try:
        yield engine
    finally:
        await engine.close()


async def fresh() -> str:
    url = running_postgres().database()
    await upgrade_postgres(url)
    return url


JOBS = "select count(*) from headwater_queue.procrastinate_jobs"


def test_each_run_reaches_one_of_two_workers_and_nothing_is_left_in_the_queue() -> None:
    async def main() -> None:
        url = await fresh()
        one, other = Drives(), Drives()
        runs = [f"run{number}" for number in range(40)]
        async with serving(url, one), serving(url, other), submitting(url) as engine:
            await asyncio.gather(*(engine.submit(run) for run in runs))

            async def all_begun() -> bool:
                return len(one.begun) + len(other.begun) >= len(runs)

            await until(all_begun)
        assert sorted(one.begun + other.begun) == sorted(runs)
        assert await execute(url, JOBS) == [(0,)]

    asyncio.run(main())


def test_a_run_waits_once_in_order_of_priority_and_in_its_queue() -> None:
    async def main() -> None:
        url = await fresh()
        drives = Drives()
        async with submitting(url) as engine:
            for run, priority, queue in (("a", 0, "mine"), ("b", 5, "mine"), ("a", 0, "mine"), ("c", 9, "others")):
                await engine.submit(run, priority=priority, queue=queue)
            assert await execute(url, JOBS) == [(3,)]
            async with serving(url, drives, queues=("mine",), concurrency=1):
                await drives.has(2)
        assert drives.begun == ["b", "a"]
        assert await execute(url, JOBS) == [(1,)]

    asyncio.run(main())


def test_a_run_waits_for_its_time_and_goes_at_once_when_it_is_submitted_again() -> None:
    async def main() -> None:
        url = await fresh()
        drives = Drives()
        async with serving(url, drives), submitting(url) as engine:
            await engine.submit("a", not_before=time.time() + 1000.0)
            await engine.submit("b", not_before=time.time() + 1000.0)
            await engine.submit("b")
            await engine.submit("past", not_before=time.time() - 1.0)
            await drives.has(2)
        assert sorted(drives.begun) == ["b", "past"]
        assert await execute(url, JOBS) == [(1,)]

    asyncio.run(main())


def test_runs_that_are_submitted_together_wait_once_and_for_the_earlier_time() -> None:
    async def main() -> None:
        url = await fresh()
        drives, later = Drives(), time.time() + 1000.0
        async with submitting(url) as engine:
            await engine.submit("first")
            times = [("a", None), ("b", later), ("b", None), ("c", later), ("c", later), ("a", later), ("a", None)]
            await asyncio.gather(*(engine.submit(run, not_before=at) for run, at in times))
            assert await engine.waiting(["a", "b", "c"]) == {"a", "b"}
            assert await execute(url, JOBS) == [(4,)]
            async with serving(url, drives):
                await drives.has(3)
        assert drives.begun == ["first", "a", "b"]
        assert await execute(url, JOBS) == [(1,)]

    asyncio.run(main())


def test_the_first_submits_at_once_open_one_connection_to_check_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = 0

    async def counted(url: str) -> Database:
        nonlocal opened
        opened += 1
        return await connect(url)

    monkeypatch.setattr(procrastinate, "connect", counted)

    async def main() -> None:
        url = await fresh()
        async with submitting(url) as engine:
            await asyncio.gather(*(engine.submit(f"run{number}") for number in range(50)))
        assert await execute(url, JOBS) == [(50,)]

    asyncio.run(main())
    assert opened == 1


def test_a_worker_takes_no_more_than_it_may_drive_except_for_runs_that_wait_for_others() -> None:
    async def main() -> None:
        url = await fresh()
        begun: list[str] = []
        go_aside, ended = asyncio.Event(), asyncio.Event()

        async def drive(run: str) -> None:
            begun.append(run)
            if run == "first":
                await go_aside.wait()
                with aside():
                    await ended.wait()
            else:
                ended.set()

        async with serving(url, drive, concurrency=1) as engine, submitting(url) as other:
            await other.submit("first")

            async def first() -> bool:
                return begun == ["first"]

            await until(first)
            await other.submit("second")
            assert await execute(url, JOBS) == [(1,)]
            assert engine.here.busy == 1
            go_aside.set()
            await ended.wait()
        assert begun == ["first", "second"]

    asyncio.run(main())


def test_drain_takes_nothing_more_and_cancels_what_takes_too_long() -> None:
    async def main() -> None:
        url = await fresh()
        drives = Drives()
        engine = Procrastinate(url)
        task = asyncio.ensure_future(engine.serve(drives))
        await engine.submit("long")
        await drives.has(1)
        await engine.drain(0.0)
        await engine.submit("later")
        await task
        await engine.close()
        assert drives.cancelled == ["long"]
        assert await execute(url, JOBS) == [(1,)]

    asyncio.run(main())


def test_it_polls_behind_a_pooler() -> None:
    async def main() -> None:
        direct = await fresh()
        url = through_pgbouncer(direct)
        drives = Drives()
        async with serving(url, drives) as engine:
            await engine.submit("a")
            await drives.has(1)
            listening = (
                "select count(*) from pg_stat_activity where query like 'listen%procrastinate%'"
                f" and datname = '{name_of(direct)}'"
            )
            assert await execute(direct, listening) == [(0,)]

    asyncio.run(main())


def test_a_queue_that_was_not_set_up_is_made_on_first_use() -> None:
    async def main() -> None:
        from headwater.journal.postgres.store import PostgresLog

        url = running_postgres().database()
        await (await PostgresLog.open(url)).close()
        async with submitting(url) as engine:
            await engine.submit("a")
        assert await execute(url, JOBS) == [(1,)]

    asyncio.run(main())


def test_the_server_may_go_and_come_back(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        url = await fresh()
        drives = Drives()
        terminate = (
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        async with serving(url, drives):
            async with submitting(url) as engine:
                await engine.submit("a")
                await drives.has(1)
            await execute(url, terminate)
            async with submitting(url) as engine:
                await engine.submit("b")
                await drives.has(2)
        assert drives.begun == ["a", "b"]

    asyncio.run(main())

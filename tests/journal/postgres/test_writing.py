"""What is written to PostgreSQL: that deleting takes every row, and that a lost race is told from a refusal."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from headwater.journal.run_log import Batch, Request, Worker
from tests.journal.postgres.databases import batch, execute, opened, someone_waits_for_a_lock
from tests.support.postgres import running_postgres

pytestmark = pytest.mark.xdist_group("postgres")


def test_deleting_takes_every_row_of_a_run() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log = await opened(url)
        await log.create("t", Request(agent="a", thread="t"))
        await log.append(Batch(run="t", first=0, lines=(b"{}",), by="w", said=(b"{}",)))
        await log.post("t", "steer", "s", b"{}")
        await log.append(Batch(run="t", first=1, lines=(b"{}",), by="w", state="finished"))
        assert await log.pack(after=0.0) == 1
        assert await log.delete("t")
        counts = [await execute(url, f"select count(*) from headwater.{one}") for one in ("packs", "inbox", "threads")]
        assert counts == [[(0,)]] * 3
        assert await execute(url, "select root from headwater.runs") == [("r",)]
        await log.close()

    asyncio.run(main())


def test_a_place_that_was_taken_and_rolled_back_is_free() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log = await opened(url)
        async with await psycopg.AsyncConnection.connect(url) as other:
            take = "insert into headwater.events select no, 0, 1, 'other', '{}' from headwater.runs"
            await other.execute(take)
            mine = asyncio.create_task(log.append(batch(0)))
            await someone_waits_for_a_lock(url)
            await other.rollback()
            assert await mine == 1
        await log.close()

    asyncio.run(main())


def test_workers_without_a_heartbeat_for_a_day_are_removed() -> None:
    async def main() -> None:
        url = running_postgres().database()
        log = await opened(url, hints=False)
        for name in ("old", "new"):
            await log.beat(Worker(id=name, host="h", boot="b", pid=1))
        await execute(url, "update headwater.workers set beat = beat - interval '2 days' where id = 'old'")
        await log.expire()
        assert await execute(url, "select id from headwater.workers") == [("new",)]
        await log.close()

    asyncio.run(main())

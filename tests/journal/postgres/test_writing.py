"""What is written to PostgreSQL: that deleting takes every row, and that a lost race is told from a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from headwater.journal.postgres.connection import Database
from headwater.journal.postgres.writing import OPEN_ONE, STANDING, New, create_many
from headwater.journal.run_log import Batch, Created, Request, Worker
from headwater.journal.wording import LONGEST_KEEP
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


class Meanwhile:
    """A connection on which something happens once, before a statement of that beginning is executed."""

    def __init__(self, db: Database, before: str, does: Callable[[], Awaitable[object]]) -> None:
        self._db, self._before, self._does = db, before, does

    async def execute(self, statement: str, values: Any = None) -> Any:
        if self._before and statement.strip().startswith(self._before):
            self._before = ""
            await self._does()
        return await self._db.execute(statement, values)

    def transaction(self) -> Any:
        return self._db.transaction()


def test_a_run_is_created_if_the_one_before_it_in_the_thread_ends_at_that_moment() -> None:
    """Between the statement that finds the other open and the one that asks which it is."""
    url = running_postgres().database()

    async def main() -> None:
        log = await opened(url)
        await log.create("first", Request(agent="a", thread="t"))
        end = Batch(run="first", first=0, lines=(b"{}",), by="w", state="finished")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
            both: Any = Meanwhile(db, OPEN_ONE.strip(), lambda: log.append(end))
            second = New("second", Request(agent="a", thread="t"), None, queue_up=False)
            assert await create_many(both, [second]) == [Created("second", new=True)]
        assert (await log.info("second")).state == "queued"
        await log.close()

    asyncio.run(main())


def test_a_run_is_created_if_the_one_with_its_key_is_deleted_at_that_moment() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log = await opened(url)
        await log.create("first", Request(agent="a"), key="k")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
            both: Any = Meanwhile(db, STANDING.strip(), lambda: log.delete("first"))
            second = New("second", Request(agent="a"), "k", queue_up=False)
            assert await create_many(both, [second]) == [Created("second", new=True)]
        assert (await log.info("second")).key == "k"
        await log.close()

    asyncio.run(main())


def test_a_run_that_is_kept_as_long_as_can_be_said_ends() -> None:
    """The time at which it expires is one that PostgreSQL has, and Python too."""

    async def main() -> None:
        log = await opened(running_postgres().database(), hints=False)
        await log.create("kept", Request(agent="a", keep=LONGEST_KEEP))
        assert await log.append(Batch(run="kept", first=0, lines=(b"{}",), by="w", state="finished")) == 1
        expires_at = (await log.info("kept")).expires_at
        assert expires_at is not None
        assert datetime.fromtimestamp(expires_at, UTC).year > 3000
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

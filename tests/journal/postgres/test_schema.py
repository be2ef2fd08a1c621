"""The tables in PostgreSQL: made once, brought up to date, and told apart by their version."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from headwater.errors import JournalMismatch
from headwater.journal.postgres.schema import MIGRATIONS, set_up, version_of
from headwater.journal.postgres.store import PostgresLog, upgrade_postgres
from tests.journal.postgres.databases import execute, someone_waits_for_a_lock
from tests.support.postgres import running_postgres

pytestmark = pytest.mark.xdist_group("postgres")


def test_another_version_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    url = running_postgres().database()

    async def main() -> None:
        await (await PostgresLog.open(url)).close()
        newer = (*MIGRATIONS, ("create table headwater.more(x int)",))
        with monkeypatch.context() as patch:
            patch.setattr("headwater.journal.postgres.schema.MIGRATIONS", newer)
            with pytest.raises(JournalMismatch, match="headwater journal upgrade postgresql://"):
                await PostgresLog.open(url)
            assert sorted(await asyncio.gather(upgrade_postgres(url), upgrade_postgres(url))) == [1, 2]
            await (await PostgresLog.open(url)).close()
        for doing in (PostgresLog.open, upgrade_postgres):
            with pytest.raises(JournalMismatch, match="Upgrade headwater on this machine"):
                await doing(url)
        assert await execute(url, "select version from headwater.meta") == [(2,)]

    asyncio.run(main())


def test_waiting_for_another_set_up_sees_its_tables() -> None:
    url = running_postgres().database()

    async def main() -> None:
        one, other = [await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(2)]
        assert [await version_of(one), await version_of(other)] == [0, 0]
        async with one.transaction():
            assert await set_up(one, url) == 0
            waiting = asyncio.ensure_future(set_up(other, url))
            await someone_waits_for_a_lock(url)
        assert await waiting == len(MIGRATIONS)
        for db in (one, other):
            await db.close()

    asyncio.run(main())


def test_a_set_up_that_breaks_off_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    url = running_postgres().database()

    async def main() -> None:
        monkeypatch.setattr("headwater.journal.postgres.schema.MIGRATIONS", (*MIGRATIONS, ("no statement",)))
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
            with pytest.raises(psycopg.errors.SyntaxError):
                await set_up(db, url)
            assert await version_of(db) == 0
        there = await execute(url, "select 1 from pg_namespace where nspname = 'headwater'")
        assert there == []

    asyncio.run(main())


def test_all_is_in_one_schema_and_the_events_are_stored_as_they_are() -> None:
    url = running_postgres().database()

    async def main() -> None:
        await upgrade_postgres(url)
        tables = await execute(url, "select tablename from pg_tables where schemaname = 'headwater' order by 1")
        assert [name for (name,) in tables] == ["events", "inbox", "meta", "packs", "runs", "threads", "workers"]
        others = await execute(url, "select count(*) from pg_tables where schemaname = 'public'")
        assert others == [(0,)]
        stored = (
            "select attstorage from pg_attribute where attrelid = 'headwater.events'::regclass and attname = 'data'"
        )
        assert await execute(url, stored) in ([(b"e",)], [("e",)])

    asyncio.run(main())

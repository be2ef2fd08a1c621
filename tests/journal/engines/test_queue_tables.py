"""procrastinate's tables of a journal: made once, also by two machines at once, and apart from a user's own."""

from __future__ import annotations

import asyncio

import pytest

from headwater.errors import JournalMismatch
from headwater.journal.engines import queue_tables
from headwater.journal.engines.queue_tables import check_queue_version, set_up_queue
from headwater.journal.postgres.connection import connect
from headwater.journal.postgres.store import upgrade_postgres
from tests.journal.postgres.databases import execute
from tests.support.postgres import running_postgres

pytestmark = pytest.mark.xdist_group("postgres")


TRIGGER = "procrastinate_trigger_status_events_update_v1"
"""What procrastinate's last migration makes."""


def test_they_are_made_once_also_by_two_machines_at_once() -> None:
    url = running_postgres().database()

    async def main() -> None:
        assert sorted(await asyncio.gather(upgrade_postgres(url), upgrade_postgres(url))) == [0, 1]
        await upgrade_postgres(url)
        schemas = await execute(url, "select schemaname from pg_tables where tablename = 'procrastinate_jobs'")
        assert schemas == [("headwater_queue",)]
        assert await execute(url, "select count(*) from headwater.meta where engine_version > 0") == [(1,)]

    asyncio.run(main())


def test_those_of_another_version_are_upgraded_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    url = running_postgres().database()

    async def main() -> None:
        await upgrade_postgres(url)
        db = await connect(url)
        latest = queue_tables._migrations()
        oldest = dict([*latest.items()][:-1])
        with monkeypatch.context() as patch:
            patch.setattr(queue_tables, "_migrations", lambda: oldest)
            for check in (check_queue_version, set_up_queue):
                with pytest.raises(JournalMismatch, match="Upgrade procrastinate"):
                    await check(db, url)
        await db.execute(f"update headwater.meta set engine_version = {[*latest][-2]}")
        await db.execute(f"drop trigger {TRIGGER} on headwater_queue.procrastinate_jobs")
        with pytest.raises(JournalMismatch, match="headwater journal upgrade"):
            await check_queue_version(db, url)
        await set_up_queue(db, url)
        assert await check_queue_version(db, url)
        there = await db.execute(f"select count(*) from pg_trigger where tgname = '{TRIGGER}'")
        assert await there.fetchone() == (1,)
        await db.close()

    asyncio.run(main())

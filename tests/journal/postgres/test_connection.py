"""One connection: what it says where there is no server, what it does twice, and that it is bounded."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import Callable
from typing import Final

import psycopg
import pytest

from headwater.errors import ConfigurationError, JournalUnavailable
from headwater.journal.postgres import connection as postgres_connection
from headwater.journal.postgres.connection import Connection, Database, connect
from tests.journal.postgres.databases import execute, name_of, shared, through_pgbouncer, until
from tests.support.postgres import running_postgres
from tests.support.proxy import Proxy

pytestmark = pytest.mark.xdist_group("postgres")

READY: Final = b"Z\0\0\0\5I"
"""The server's message that it is ready for queries."""


async def one(db: Database) -> int:
    row = await (await db.execute("select 1")).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("url", "kind", "said"),
    [
        ("postgresql://u:secret@127.0.0.1:1/x", JournalUnavailable, "does not answer"),
        ("postgresql://u:secret@no-such-host.invalid/x", JournalUnavailable, "does not answer"),
    ],
)
def test_a_missing_server_is_reported(url: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        asyncio.run(connect(url))
    assert "secret" not in str(raised.value)


def test_permanent_errors_are_reported() -> None:
    server = running_postgres()
    with pytest.raises(ConfigurationError, match='database "nonesuch" does not exist'):
        asyncio.run(connect(server.url("nonesuch")))
    with pytest.raises(ConfigurationError, match='role "nobody_here" does not exist'):
        asyncio.run(connect(server.url("postgres").replace("tests@", "nobody_here@")))


def test_behind_a_pooler_nothing_is_prepared() -> None:
    async def main() -> None:
        direct, pooled = await connect(shared()), await connect(through_pgbouncer(shared()))
        assert direct.prepare_threshold is not None
        assert pooled.prepare_threshold is None
        await direct.close()
        await pooled.close()

    asyncio.run(main())


def test_a_statement_is_planned_once_for_all_arrays_and_after_a_while_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL would plan a statement with an array each time, which takes longer than running it."""

    async def main() -> None:
        connection = Connection(running_postgres().database())

        async def prepared(db: Database) -> None:
            await db.execute("create table kept(no int primary key)")
            await db.execute("vacuum kept")
            await db.execute("prepare asked(int[]) as select * from unnest($1) as a(no) join kept using (no)")
            await db.execute("execute asked('{1}')")

        async def filled(db: Database) -> None:
            await db.execute("insert into kept select generate_series(1, 10000)")

        async def plan(db: Database) -> str:
            rows = await (await db.execute("explain execute asked('{1,2}')")).fetchall()
            return "\n".join(str(row) for (row,) in rows)

        await connection.do(prepared)
        await connection.do(filled)
        assert "Index Cond: (no = a.no)" not in await connection.do(plan)
        monkeypatch.setattr(postgres_connection, "PLANNED_FOR", -1.0)
        assert "Index Cond: (no = a.no)" in await connection.do(plan)
        await connection.close()

    asyncio.run(main())


class Asked(Proxy):
    """Calls `asked` when the first client that was let in asks for something, before the server hears of it."""

    def __init__(self, server: int, asked: Callable[[], object]) -> None:
        super().__init__(server)
        self._asked: Callable[[], object] | None = asked
        self._ready = False

    def passing(self, data: bytes, *, back: bool) -> None:
        if back and data.endswith(READY):
            self._ready = True
        elif not back and self._ready and self._asked is not None:
            asked, self._asked = self._asked, None
            asked()


def test_a_connection_that_is_cancelled_while_it_opens_is_closed() -> None:
    """psycopg ends what a cancelled caller has asked, and leaves the connection open: nobody else has it."""

    async def main() -> None:
        async with Asked(running_postgres().port, lambda: opening.cancel()) as server:
            url = running_postgres().url(name_of(shared()), server.port)
            opening = asyncio.create_task(connect(url))
            await asyncio.wait({opening})
            assert opening.cancelled()

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(main())
        gc.collect()
    assert [str(one.message) for one in warned] == []


def test_a_connection_that_broke_is_opened_again() -> None:
    async def main() -> None:
        connection = Connection(shared())
        assert await connection.do(one) == 1
        db = connection._db
        assert db is not None
        async with await psycopg.AsyncConnection.connect(shared(), autocommit=True) as other:
            await other.execute("select pg_terminate_backend(%s)", (db.info.backend_pid,))
        assert await connection.do(one) == 1
        assert connection._db is not db
        await connection.close()
        with pytest.raises(JournalUnavailable, match="closed"):
            await connection.do(one)

    asyncio.run(main())


def test_a_job_that_takes_too_long_is_given_up() -> None:
    async def main() -> None:
        connection = Connection(shared(), patience=0.3)

        async def sleeps(db: Database) -> None:
            await db.execute("select pg_sleep(60)")

        with pytest.raises(JournalUnavailable, match=r"no answer within 0\.3 seconds"):
            await connection.do(sleeps)
        assert await connection.do(one) == 1
        await connection.close()

    asyncio.run(main())


def test_a_job_is_completed_even_if_its_caller_is_cancelled() -> None:
    async def main() -> None:
        connection, done = Connection(shared()), asyncio.Event()

        async def job(db: Database) -> None:
            await one(db)
            done.set()

        caller = asyncio.create_task(connection.do(job))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
        assert caller.cancelled()
        await done.wait()
        await connection.close()

    asyncio.run(main())


def test_server_errors_are_translated_and_job_errors_are_not() -> None:
    async def main() -> None:
        connection = Connection(shared())

        async def wrong(db: Database) -> None:
            await db.execute("select * from nothing.at_all")

        async def raises(db: Database) -> None:
            raise KeyError("mine")

        with pytest.raises(JournalUnavailable, match="nothing"):
            await connection.do(wrong)
        with pytest.raises(KeyError, match="mine"):
            await connection.do(raises)
        await connection.close()

    asyncio.run(main())


def test_a_job_costs_two_turns_of_the_loop_besides_its_own() -> None:
    """One to begin, one to have its result: where a loop reads many streams each turn is long, and the journal late."""

    async def main() -> None:
        connection, turns = Connection(shared()), 0
        loop, over = asyncio.get_running_loop(), False

        async def nothing(db: Database) -> int:
            return 1

        def turn() -> None:
            nonlocal turns
            turns += 1
            if not over:
                loop.call_soon(turn)

        await connection.do(nothing)
        loop.call_soon(turn)
        await connection.do(nothing)
        over = True
        assert turns <= 2
        await connection.close()

    asyncio.run(main())


def warnings_of_the_driver(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "psycopg" and one.levelno >= logging.WARNING]


SLEEPS: Final = "select count(*) from pg_stat_activity where query like 'select pg_sleep(60)%' and state = 'active'"


@pytest.mark.parametrize("ended", ["by its time", "with the loop"])
def test_a_job_that_is_ended_is_cancelled_in_the_server(ended: str, caplog: pytest.LogCaptureFixture) -> None:
    url = running_postgres().database()

    async def long(db: Database) -> None:
        await db.execute("select pg_sleep(60)")

    async def runs(many: int) -> bool:
        return await execute(url, SLEEPS) == [(many,)]

    async def main() -> None:
        connection = Connection(url, patience=1.0 if ended == "by its time" else 60.0)
        waiting = asyncio.ensure_future(connection.do(long))
        await until(lambda: runs(1))
        if ended == "by its time":
            with pytest.raises(JournalUnavailable, match="no answer within 1 seconds"):
                await waiting

    asyncio.run(main())
    asyncio.run(until(lambda: runs(0)))
    assert warnings_of_the_driver(caplog) == []


def test_a_server_that_does_not_answer_a_cancel_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        url = running_postgres().database()
        async with Proxy(running_postgres().port) as proxy:
            connection = Connection(running_postgres().url(name_of(url), proxy.port), patience=3.0)
            assert await connection.do(one) == 1
            proxy.stalled = True
            with pytest.raises(JournalUnavailable, match="no answer"):
                await connection.do(one)
            proxy.stalled = False
            assert await connection.do(one) == 1
            await connection.close()

    asyncio.run(main())
    assert warnings_of_the_driver(caplog) == []

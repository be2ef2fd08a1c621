"""Databases for the tests of the store in PostgreSQL."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

import psycopg

from headwater.journal.postgres.store import PostgresLog
from headwater.journal.run_log import Batch, Request
from tests.support.postgres import running_pgbouncer, running_postgres

__all__ = ("batch", "execute", "name_of", "opened", "shared", "someone_waits_for_a_lock", "through_pgbouncer", "until")


@functools.cache
def shared() -> str:
    """One database for all that does not mind other runs."""
    return running_postgres().database()


def name_of(url: str) -> str:
    """The database's name."""
    return url.rsplit("/", 1)[1]


def through_pgbouncer(url: str) -> str:
    """The same database through pgbouncer in transaction mode."""
    return running_postgres().url(name_of(url), running_pgbouncer().port)


def batch(first: int, many: int = 1, *, run: str = "r", by: str = "w#1", said: bytes = b"{}") -> Batch:
    """Some events."""
    return Batch(run=run, first=first, lines=(said,) * many, by=by)


async def opened(url: str, **more: object) -> PostgresLog:
    """A store with a run "r" in it."""
    log = await PostgresLog.open(url, **more)  # type: ignore[arg-type]
    await log.create("r", Request(agent="a"))
    return log


async def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    """What another client of the database sees or does."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        cursor = await db.execute(statement)
        return await cursor.fetchall() if cursor.description else []


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something of another process, which nothing here is told of: ask for it again and again."""
    while not await holds():  # noqa: ASYNC110  # no event of ours comes of it
        await asyncio.sleep(0.01)


async def someone_waits_for_a_lock(url: str) -> None:
    """Wait until a client of the database waits for another's transaction."""
    blocked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"

    async def holds() -> bool:
        return await execute(url, blocked) != [(0,)]

    await until(holds)

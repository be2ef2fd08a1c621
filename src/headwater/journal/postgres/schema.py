"""The tables of a journal in PostgreSQL, in the schema `headwater`: their creation and their updates.

Owns the statements and the order of set-up; it must never open a connection.
"""

from __future__ import annotations

from typing import Any, Final

from psycopg import AsyncConnection

from headwater.journal.wording import newer_schema, older_schema

__all__ = ("MIGRATIONS", "check_version", "id_of", "set_up", "version_of")

LOCK: Final = 0x68656164  # "head", in ASCII
"""The advisory lock under which one process at a time sets up."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "create schema if not exists headwater",
        """create table headwater.runs(
            no bigint generated always as identity unique,
            root text primary key,
            agent text not null,
            state text not null default 'queued',
            key text,
            thread text,
            request bytea not null,
            labels jsonb not null,
            keep float8,
            owner text,
            drives int not null default 0,
            posted int not null default 0,
            packed boolean not null default false,
            wake_at timestamptz,
            created_at timestamptz not null default clock_timestamp(),
            ended_at timestamptz,
            expires_at timestamptz,
            outcome text not null default ''
        ) with (fillfactor = 70)""",
        "create unique index runs_key on headwater.runs(agent, key) where key is not null",
        "create index runs_open on headwater.runs(no) where state in ('queued', 'running', 'waiting')",
        "create index runs_unpacked on headwater.runs(ended_at) where ended_at is not null and not packed",
        "create index runs_expiring on headwater.runs(expires_at) where expires_at is not null",
        "create index runs_thread on headwater.runs(thread, no) where thread is not null",
        "create table headwater.events(no bigint, first int, n int not null, by text not null, data bytea not null,"
        " primary key (no, first))",
        "alter table headwater.events alter column data set storage external",  # most rows are too small to compress
        "create table headwater.packs(no bigint primary key, n int not null, data bytea not null)",
        "alter table headwater.packs alter column data set storage external",  # already compressed
        """create table headwater.inbox(
            id bigint generated always as identity primary key, no bigint not null, kind text not null,
            key text not null, body bytea not null, unique (no, key)
        )""",
        """create table headwater.workers(
            id text primary key, host text not null, boot text not null, pid int not null, about bytea not null,
            beat timestamptz not null
        )""",
        "create table headwater.threads(thread text, no bigint, first int, data bytea not null,"
        " primary key (thread, no, first))",
        "create index threads_of_a_run on headwater.threads(no)",
        "create table headwater.meta(version int not null, engine_version int,"
        " id text not null default gen_random_uuid()::text)",
    ),
)
"""The updates of a journal from each version to the next; the first creates everything. Never change a released one;
add another."""


_THERE: Final = "select 1 from pg_catalog.pg_tables where schemaname = 'headwater' and tablename = 'meta'"


async def version_of(db: AsyncConnection[Any]) -> int:
    """The version of the tables; 0 if there are none."""
    # Not to_regclass: it answers from the session's cache, which may not have tables created while this one waited.
    there = await (await db.execute(_THERE)).fetchone()
    if there is None:
        return 0
    row = await (await db.execute("select version from headwater.meta")).fetchone()
    return 0 if row is None else int(row[0])


async def id_of(db: AsyncConnection[Any]) -> str:
    """The random id of the journal, which its copies share."""
    row = await (await db.execute("select id from headwater.meta")).fetchone()
    assert row is not None
    return str(row[0])


async def check_version(db: AsyncConnection[Any], url: str) -> bool:
    """Whether the tables exist and match. Raises JournalMismatch if they are of another version."""
    version = await version_of(db)
    if version > len(MIGRATIONS):
        raise newer_schema(url, version, len(MIGRATIONS))
    if 0 < version < len(MIGRATIONS):
        raise older_schema(url, version, len(MIGRATIONS))
    return version > 0


async def set_up(db: AsyncConnection[Any], url: str) -> int:
    """Creates or updates the tables in one transaction. Returns the version before.

    A second call does nothing, and of several concurrent calls only one works. Raises JournalMismatch if the tables are
    newer.
    """
    async with db.transaction():
        await db.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        before = await version_of(db)
        if before > len(MIGRATIONS):
            raise newer_schema(url, before, len(MIGRATIONS))
        for statements in MIGRATIONS[before:]:
            for statement in statements:
                await db.execute(statement)
        if before == 0:
            await db.execute("insert into headwater.meta(version) values (%s)", (len(MIGRATIONS),))
        else:
            await db.execute("update headwater.meta set version = %s", (len(MIGRATIONS),))
    return before

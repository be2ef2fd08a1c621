"""The tables of a journal in SQLite: their creation, their updates, and the check of their version.

Owns the statements; it must never open a file.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

from headwater.journal.wording import newer_schema, older_schema

__all__ = ("MIGRATIONS", "check_version", "id_of", "set_up", "transaction", "version_of")

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """create table runs(
            no integer primary key autoincrement,
            root text not null unique,
            agent text not null,
            state text not null default 'queued',
            key text,
            thread text,
            request blob not null,
            labels text not null,
            owner text,
            drives integer not null default 0,
            posted integer not null default 0,
            packed integer not null default 0,
            wake_at real,
            created_at real not null,
            ended_at real,
            expires_at real,
            outcome text not null default ''
        )""",
        "create unique index runs_key on runs(agent, key) where key is not null",
        "create index runs_open on runs(no) where state in ('queued', 'running', 'waiting')",
        "create index runs_unpacked on runs(ended_at) where ended_at is not null and packed = 0",
        "create index runs_expiring on runs(expires_at) where expires_at is not null",
        "create index runs_thread on runs(thread, no) where thread is not null",
        'create table events(no integer not null, first integer not null, n integer not null, "by" text, data blob)',
        "create unique index events_place on events(no, first)",
        "create table packs(no integer primary key, n integer not null, data blob not null)",
        """create table inbox(
            id integer primary key autoincrement, no integer not null, kind text not null, key text not null,
            body blob not null, unique(no, key)
        )""",
        """create table workers(
            id text primary key, host text not null, boot text not null, pid integer not null, about text not null,
            beat real not null
        )""",
        "create table threads(thread text not null, no integer not null, first integer not null, data blob not null,"
        " primary key(thread, no, first))",
        "create table meta(version integer not null, engine_version integer,"
        " id text not null default (lower(hex(randomblob(16)))))",
    ),
)
"""The updates of a journal from each version to the next; the first creates everything. Never change a released one;
add another."""


def version_of(db: sqlite3.Connection) -> int:
    """The version of the tables; 0 if there are none."""
    there = db.execute("select 1 from sqlite_master where type = 'table' and name = 'meta'").fetchone()
    return int(db.execute("select version from meta").fetchone()[0]) if there else 0


def id_of(db: sqlite3.Connection) -> str:
    """The random id of the journal, which its copies share."""
    return str(db.execute("select id from meta").fetchone()[0])


def check_version(db: sqlite3.Connection, url: str) -> bool:
    """Whether the tables exist and match. Raises JournalMismatch if they are of another version."""
    version = version_of(db)
    if version > len(MIGRATIONS):
        raise newer_schema(url, version, len(MIGRATIONS))
    if 0 < version < len(MIGRATIONS):
        raise older_schema(url, version, len(MIGRATIONS))
    return version > 0


def set_up(db: sqlite3.Connection, url: str) -> int:
    """Creates or updates the tables in one transaction. Returns the version before.

    A second call does nothing, and of two concurrent calls only one works. Raises JournalMismatch if the tables are
    newer.
    """
    with transaction(db):
        before = version_of(db)
        if before > len(MIGRATIONS):
            raise newer_schema(url, before, len(MIGRATIONS))
        for statements in MIGRATIONS[before:]:
            for statement in statements:
                db.execute(statement)
        if before == 0:
            db.execute("insert into meta(version) values (?)", (len(MIGRATIONS),))
        else:
            db.execute("update meta set version = ?", (len(MIGRATIONS),))
    return before


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, begin: str = "begin immediate") -> Iterator[None]:
    """Runs the block in a transaction."""
    db.execute(begin)
    try:
        yield
        db.execute("commit")
    except BaseException:
        if db.in_transaction:  # a full disk has already rolled it back
            db.execute("rollback")
        raise

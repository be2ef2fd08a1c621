"""procrastinate's tables, in the schema `headwater_queue` of a journal: how they are made, upgraded and reached.

A database may have a procrastinate of its own, with workers that take every job, so these tables have a schema of their
own. procrastinate's statements do not name one; `queue_tables` sets it for one transaction, which holds behind a pooler
too. Procrastinate stores no version: `headwater.meta.engine_version` is that of its last migration.

Owns the set-up and procrastinate's connector; it must never open a connection.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any, Final, LiteralString

import psycopg
from procrastinate.connector import BaseAsyncConnector
from procrastinate.exceptions import NoResult, UniqueViolation
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from headwater.errors import JournalMismatch
from headwater.journal.addresses import shown
from headwater.journal.postgres.connection import Database
from headwater.journal.postgres.schema import LOCK

__all__ = ("SCHEMA", "check_queue_version", "queue_tables", "set_up_queue")

SCHEMA: Final = "headwater_queue"

_MIGRATION: Final = re.compile(r"(\d\d)\.(\d\d)\.(\d\d)_(\d\d)_\w+\.sql")


def _migrations() -> dict[int, str]:
    """Returns the files of procrastinate's migrations by their version, in order: 03.04.00_50 is 3040050."""
    found = {}
    for file in resources.files("procrastinate.sql").joinpath("migrations").iterdir():
        if named := _MIGRATION.fullmatch(file.name):
            found[int("".join(named.groups()))] = file.name
    return dict(sorted(found.items()))


async def set_up_queue(db: Database, url: str) -> None:
    """Makes or upgrades the tables in one transaction. A second call does nothing; of two at once one does it.

    The journal must be set up. Raises JournalMismatch if the tables are newer.
    """
    migrations = _migrations()
    known = max(migrations)
    async with db.transaction():
        await db.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        version = await _version(db)
        if version > known:
            raise _newer(url)
        if version == known:
            return
        await db.execute(f"create schema if not exists {SCHEMA}")
        await db.execute(f"set local search_path to {SCHEMA}")
        if version == 0:
            await db.execute(SchemaManager.get_schema())
        for migration, name in migrations.items():
            if 0 < version < migration:
                file = resources.files("procrastinate.sql").joinpath("migrations", name)
                await db.execute(file.read_text(encoding="utf-8").encode())
        await db.execute("update headwater.meta set engine_version = %s", (known,))


async def check_queue_version(db: Database, url: str) -> bool:
    """Returns whether the tables are there. Raises JournalMismatch if they are of another version of procrastinate."""
    version, known = await _version(db), max(_migrations())
    if version > known:
        raise _newer(url)
    if 0 < version < known:
        raise JournalMismatch(
            f"The queue of {shown(url)} was set up by an older procrastinate than the installed one.",
            hint=f"Stop the older workers and run: headwater journal upgrade {shown(url)}",
        )
    return version > 0


async def _version(db: Database) -> int:
    row = await (await db.execute("select engine_version from headwater.meta")).fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def _newer(url: str) -> JournalMismatch:
    return JournalMismatch(
        f"The queue of {shown(url)} was set up by a newer procrastinate than the installed one.",
        hint="Upgrade procrastinate on this machine.",
    )


@contextlib.asynccontextmanager
async def queue_tables(db: Database) -> AsyncIterator[JobManager]:
    """Returns procrastinate's manager of jobs for one transaction, which an exception rolls back."""
    async with db.transaction():
        await db.execute(f"set local search_path to {SCHEMA}")
        yield JobManager(_Connector(db))


class _Connector(BaseAsyncConnector):
    """See procrastinate: its statements, within the transaction of an open connection."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        await self._rows(query, arguments)

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        rows = await self._rows(query, arguments)
        if not rows:
            raise NoResult
        return rows[0]

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        return await self._rows(query, arguments)

    async def _rows(self, query: LiteralString, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        given = {name: _adapted(value) for name, value in arguments.items()}
        async with self._db.cursor(row_factory=dict_row) as cursor:
            try:
                await cursor.execute(query, given)
            except psycopg.errors.UniqueViolation as error:
                raise UniqueViolation(constraint_name=error.diag.constraint_name, queueing_lock=None) from error
            return await cursor.fetchall() if cursor.description else []


def _adapted(value: Any) -> Any:
    """Returns the value as the driver takes it: a dict is JSON, also in a composite value."""
    if isinstance(value, dict):
        return Jsonb(value)
    if isinstance(value, list):
        return [_adapted(one) for one in value]
    if isinstance(value, tuple):
        return tuple([_adapted(one) for one in value])
    return value

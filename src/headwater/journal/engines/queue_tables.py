"""procrastinate's tables, in the schema `headwater_queue` of a journal: how they are made, upgraded and reached.

A database may have a procrastinate of its own, with workers that take every job, so these tables have a schema of their
own. procrastinate's triggers do not name one: it is the `SESSION`'s, or `queue_session` sets it for one transaction,
which holds behind a pooler too. Procrastinate stores no version: `headwater.meta.engine_version` is that of its last
migration.

Owns the set-up and the session's settings; it must never open a connection.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from importlib import resources
from typing import Final

from procrastinate.schema import SchemaManager

from headwater.errors import JournalMismatch
from headwater.journal.addresses import shown
from headwater.journal.postgres.connection import Database
from headwater.journal.postgres.schema import LOCK

__all__ = ("SCHEMA", "SESSION", "check_queue_version", "queue_session", "set_up_queue")

SCHEMA: Final = "headwater_queue"

SESSION: Final = {"search_path": SCHEMA, "synchronous_commit": "off"}
"""Settings of the queue's sessions. A crash of the server may undo the last submissions and deliveries: such a run is
found in the journal, which has it for certain, or is delivered once more. So no one waits for the disk."""

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
async def queue_session(db: Database) -> AsyncIterator[None]:
    """Within it the statements of a connection with the settings `SESSION` see the queue's tables.

    Behind a pooler, where these settings are left out, it is one transaction, which an exception rolls back.
    """
    if db.prepare_threshold is not None:
        yield
        return
    async with db.transaction():
        for name, value in SESSION.items():
            await db.execute("select set_config(%s, %s, true)", (name, value))
        yield

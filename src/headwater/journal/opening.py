"""A store by its URL.

memory:                     in this process only
    sqlite:///runs.db           a file in the working folder; four slashes for a whole path
    postgresql://user@host/db   a database of PostgreSQL, for any number of machines

Owns the format of URLs. A store's module is imported when it is first opened.
"""

from __future__ import annotations

import importlib
import os
import threading
import urllib.parse
from typing import Final

from headwater.errors import ConfigurationError
from headwater.journal.addresses import is_postgres_url, shown
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import RunLog

__all__ = ("check_url", "journal_id", "missing_file", "need", "open_journal", "schema_version", "upgrade")

_HOW: Final = "Write sqlite:///runs.db, postgresql://user@host/database or memory:."

_memory: MemoryLog | None = None
_one = threading.Lock()


def check_url(url: str) -> str:
    """Returns the store of the URL: memory, sqlite or postgresql. Raises ConfigurationError for an invalid URL."""
    if not isinstance(url, str):
        raise ConfigurationError(f"The journal is {url!r}, which is not a URL.", hint=_HOW)
    scheme, colon, rest = url.partition(":")
    if not colon or len(scheme) < 2:  # one letter is a drive
        raise ConfigurationError(
            f"The journal {shown(url)!r} is not a URL.", hint=f"For a file write sqlite:///{_file(url)}."
        )
    if scheme == "memory":
        if rest:
            raise ConfigurationError(
                f"The journal {shown(url)!r} has something after memory:.",
                hint="Use memory: without anything after it.",
            )
    elif scheme == "sqlite":
        _sqlite_path(url)
    elif scheme in ("postgresql", "postgres"):
        _check_postgres(url)
        return "postgresql"
    else:
        raise ConfigurationError(f"The journal {shown(url)!r} has an unknown scheme.", hint=_HOW)
    return scheme


def missing_file(url: str) -> str | None:
    """Returns the file of the store where that does not exist yet, so that nothing is stored in it; else None.

    Raises ConfigurationError for an invalid URL.
    """
    if check_url(url) != "sqlite" or os.path.exists(path := _sqlite_path(url)):
        return None
    return path


def _sqlite_path(url: str) -> str:
    path = urllib.parse.unquote(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:///") or not path or path.endswith("/") or "\0" in path:
        raise ConfigurationError(
            f"The journal {shown(url)!r} names no file.",
            hint="Write sqlite:///runs.db for a file in the working folder, sqlite:////var/lib/runs.db for any other.",
        )
    if path == ":memory:":
        raise ConfigurationError("A journal in SQLite is a file.", hint="For one that is not stored write memory:.")
    return path


def _file(name: str) -> str:
    """The name as that of a file, where it may be one."""
    return name if name and shown(name) == name else "runs.db"


def _check_postgres(url: str) -> None:
    if not is_postgres_url(url):
        raise ConfigurationError(
            f"The journal {shown(url)!r} is not a PostgreSQL URL.",
            hint="Write postgresql://user:password@host/database. In a password, / is %2F and @ is %40.",
        )


def need(url: str, *packages: str) -> None:
    """Imports what the store in PostgreSQL is used with. Raises ConfigurationError if it is not installed."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ConfigurationError(
                f"The journal {shown(url)} needs {package}: {error}.", hint='Run: pip install "headwater[postgres]"'
            ) from None


async def open_journal(url: str) -> RunLog:
    """Opens the store, and sets up a new one. Close it with `close`.

    Of `memory:` there is one in a process. Raises ConfigurationError for a URL that names no store, for a file or a
    database that cannot be opened and where psycopg is missing, JournalMismatch where another version of headwater
    has set it up, JournalUnavailable.
    """
    store = check_url(url)
    if store == "memory":
        global _memory
        with _one:
            _memory = _memory or MemoryLog()
            return _memory
    if store == "postgresql":
        need(url, "psycopg")
        from headwater.journal.postgres.store import PostgresLog

        return await PostgresLog.open(url)
    from headwater.journal.sqlite.store import SqliteLog

    return await SqliteLog.open(_sqlite_path(url), url)


async def journal_id(url: str) -> str:
    """Returns the random id that the store was given when it was set up. Raises like `open_journal`.

    Every process reads the same one, whatever URL it has; a restored copy has that of the original.
    """
    store = check_url(url)
    if store == "postgresql":
        need(url, "psycopg")
        from headwater.journal.postgres.store import postgres_id

        return await postgres_id(url)
    if store == "memory":
        return ""
    from headwater.journal.sqlite.store import sqlite_id

    return await sqlite_id(_sqlite_path(url), url)


async def upgrade(url: str) -> int:
    """Sets up the store, or upgrades it to this library's schema. Returns its earlier version, 0 for a new one.

    A second call does nothing; of two concurrent processes one does it. Raises like `open_journal`.
    """
    store = check_url(url)
    if store == "memory":
        return 0
    if store == "postgresql":
        need(url, "psycopg", "procrastinate")
        from headwater.journal.postgres.store import upgrade_postgres

        return await upgrade_postgres(url)
    from headwater.journal.sqlite.store import upgrade_sqlite

    return await upgrade_sqlite(_sqlite_path(url), url)


def schema_version(url: str) -> int:
    """The version of the schema that this library uses for the URL's store; 0 in memory. Raises ConfigurationError."""
    store = check_url(url)
    if store == "memory":
        return 0
    if store == "postgresql":
        need(url, "psycopg")
        from headwater.journal.postgres import schema as postgres

        return len(postgres.MIGRATIONS)
    from headwater.journal.sqlite import schema as sqlite

    return len(sqlite.MIGRATIONS)

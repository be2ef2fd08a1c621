"""`SqliteLog`: the store on one SQLite file.

Owns the connections and assigns the calls to them. One thread writes; writes that arrive during a commit share the next
one. Another thread reads, and a third connection checks every 5 ms whether another process has committed something. The
statements are in `writing` and `reading`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from headwater.errors import ConfigurationError
from headwater.journal.database import DatabaseLog
from headwater.journal.following import Following, Looked, Wanted
from headwater.journal.packing import pack
from headwater.journal.run_log import (
    Appended,
    Batch,
    Created,
    Due,
    Letter,
    LetterKind,
    Page,
    Posted,
    Request,
    RunInfo,
    State,
    Worker,
)
from headwater.journal.sqlite import reading, writing
from headwater.journal.sqlite.schema import check_version, id_of, set_up
from headwater.journal.sqlite.threads import DatabaseThread, in_thread
from headwater.journal.wording import unavailable, unknown

__all__ = ("SqliteLog", "sqlite_id", "upgrade_sqlite")

LOOK: Final = 0.005
"""Seconds between two reads of `data_version` while there are readers: the delay of another process's commits."""

READ_ALL: Final = 0.5
"""Seconds after which every followed inbox is read, also without a new letter: a run has ended or was deleted."""

BUSY: Final = 10.0
"""Seconds to wait for a lock of another process: the longest that any of our transactions could take."""

GIVEN_BACK: Final = 2000
"""Free pages that are returned to the disk at once: writers wait for that for a few milliseconds."""


def _connect(path: str, *, query_only: bool = False) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        db.execute("pragma auto_vacuum = incremental")  # has an effect only on a new file
        _write_ahead(db)
        db.execute("pragma synchronous = normal")
        if query_only:
            db.execute("pragma query_only = on")
    except BaseException:
        db.close()
        raise
    return db


def _write_ahead(db: sqlite3.Connection) -> None:
    """Has the file use a write-ahead log. While someone else makes a new file do so, SQLite refuses without waiting."""
    until = time.monotonic() + BUSY
    while True:
        try:
            db.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.005)


def _prepared(path: str, url: str, *, upgrade: bool) -> int:
    """Creates the file and its tables if necessary. Returns the version that was there before."""
    if not Path(path).parent.is_dir():
        raise ConfigurationError(
            f"The journal {url} cannot be opened: there is no folder {str(Path(path).parent)!r}.",
            hint="Create the folder, or name another file: sqlite:///runs.db is in the working folder.",
        )
    try:
        _make_file(path)
    except OSError as error:
        raise ConfigurationError(
            f"The journal {url} cannot be opened: {error.strerror}.", hint="Name a file that can be written."
        ) from None
    try:
        db = _connect(path)
    except sqlite3.DatabaseError as error:
        raise _unusable(url, error) from None
    try:
        if upgrade or not check_version(db, url):
            return set_up(db, url)
        return 0
    except sqlite3.DatabaseError as error:
        raise _unusable(url, error) from None
    finally:
        db.close()


_making: Final = threading.Lock()


def _make_file(path: str) -> None:
    """Creates the file, readable only by its owner, if it does not exist. Raises OSError.

    An existing file is not opened: closing it would drop every lock that SQLite holds on it in this process, and
    the next process that closes its journal would delete the write-ahead log that is in use here.
    """
    with _making:  # no connection exists while it is open here
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if Path(path).is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def _unusable(url: str, error: sqlite3.DatabaseError) -> Exception:
    if isinstance(error, sqlite3.OperationalError):
        return unavailable(url, error)
    return ConfigurationError(f"{url} is not a journal: {error}.", hint="Name another file, or remove this one.")


async def upgrade_sqlite(path: str, url: str) -> int:
    """Creates or updates the tables. Returns the version that was there before. Raises as `SqliteLog.open` does."""
    return await in_thread(lambda: _prepared(path, url, upgrade=True))


async def sqlite_id(path: str, url: str) -> str:
    """Returns the journal's id. Raises as `SqliteLog.open` does."""

    def read() -> str:
        _prepared(path, url, upgrade=False)
        try:
            with contextlib.closing(_connect(path, query_only=True)) as db:
                return id_of(db)
        except sqlite3.Error as error:
            raise unavailable(url, error) from None

    return await in_thread(read)


class SqliteLog(DatabaseLog):
    """A store in one file of the local disk. Open it with `open`."""

    def __init__(self, path: str, url: str, watch: sqlite3.Connection) -> None:
        self._url = url
        self._path = path
        self._writer = DatabaseThread(url, lambda: _connect(path), writes=True)
        self._reader = DatabaseThread(url, lambda: _connect(path, query_only=True), writes=False)
        self._watch = watch
        self._version = -1
        self._newest = -1
        self._read_all_at = 0.0
        self._quiet: set[Wanted] = set()
        """The inboxes without news, when all were read last; see `_look`."""
        self._following = Following(self._look, interval=lambda: LOOK, changed=self._changed)

    @classmethod
    async def open(cls, path: str, url: str | None = None) -> SqliteLog:
        """Opens the file; creates it, readable only by its owner, if it does not exist.

        Raises ConfigurationError, JournalMismatch if another version of headwater created it, JournalUnavailable.
        """
        url = url or f"sqlite:///{path}"
        await in_thread(lambda: _prepared(path, url, upgrade=False))  # it may wait for another process
        try:
            watch = await in_thread(lambda: _connect(path, query_only=True))
        except sqlite3.Error as error:
            raise unavailable(url, error) from None
        log = cls(path, url, watch)
        try:
            await log._reader.do(lambda db: None)  # opened now, because it could not be opened on a full disk
        except BaseException:
            await log.close()
            raise
        return log

    def __repr__(self) -> str:
        return f"SqliteLog({self._path!r})"

    def _changed(self) -> bool:
        try:
            version = self._watch.execute("pragma data_version").fetchone()[0]
        except sqlite3.Error:
            return True
        changed, self._version = version != self._version, version
        return bool(changed)

    async def _look(self, pages: set[Wanted], letters: set[Wanted]) -> Looked:
        """Queries the inboxes only if there is a new letter, and now and then, to see which runs have ended: this
        process's own commits count as changes too, hundreds a second.
        """
        now = asyncio.get_running_loop().time()
        return await self._reader.do(lambda db: self._news(db, pages, letters, now))

    def _news(self, db: sqlite3.Connection, pages: set[Wanted], letters: set[Wanted], now: float) -> Looked:
        if letters:
            newest = reading.newest_letter(db)
            if newest != self._newest or now - self._read_all_at >= READ_ALL:
                self._newest, self._read_all_at = newest, now
                self._quiet = set()
        asked = letters - self._quiet
        looked = reading.look(db, pages, asked)
        self._quiet |= {one for one in asked if one not in looked.letters and one[0] not in looked.missing}
        return looked

    # --- the log

    async def _read(self, run: str, after: int, limit: int) -> Page:
        page = await self._reader.do(lambda db: reading.page(db, run, after, limit))
        if page is None:
            raise unknown(run)
        return page

    async def _info(self, run: str) -> RunInfo:
        return await self._reader.do(lambda db: reading.info(db, run))

    async def _history(self, run: str) -> list[bytes]:
        return await self._reader.do(lambda db: reading.history(db, run))

    async def _thread(self, thread: str) -> list[bytes]:
        return await self._reader.do(lambda db: reading.thread(db, thread))

    # --- the inbox

    async def _inbox(self, run: str) -> list[Letter]:
        return await self._reader.do(lambda db: reading.inbox(db, reading.number(db, run)))

    # --- see DatabaseLog

    async def _create(self, run: str, request: Request, key: str | None, queue_up: bool) -> Created:
        return await self._writer.do(lambda db: writing.create(db, run, request, key, queue_up, time.time()))

    async def _append(self, rows: Sequence[tuple[Batch, bytes]]) -> list[Appended | None]:
        return await self._writer.do(lambda db: writing.append_many(db, rows, time.time()))

    async def _runs(
        self,
        states: tuple[State, ...],
        equal: dict[str, Any],
        labels: dict[str, str],
        begins: str,
        before: str | None,
        limit: int,
    ) -> list[RunInfo]:
        return await self._reader.do(lambda db: reading.runs(db, states, equal, labels, begins, before, limit))

    async def _post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
        return await self._writer.do(lambda db: writing.post(db, run, kind, key, body, time.time()))

    async def _expire(self, limit: int) -> int:
        gone = await self._writer.do(lambda db: writing.expire(db, time.time(), limit))
        if gone:
            await self._give_back()
        return gone

    async def _delete(self, run: str) -> bool:
        return await self._writer.do(lambda db: writing.delete(db, run))

    async def _delete_thread(self, thread: str) -> int:
        return await self._writer.do(lambda db: writing.delete_thread(db, thread))

    # --- workers and due runs

    async def now(self) -> float:
        """See RunLog. All processes are on one machine, so its clock is the store's."""
        return time.time()

    async def beat(self, worker: Worker) -> float:
        """See RunLog."""
        now = time.time()
        await self._writer.do(lambda db: writing.beat(db, worker, now))
        return now

    async def forget(self, worker: str) -> None:
        """See RunLog."""
        await self._writer.do(lambda db: writing.forget(db, worker))

    async def workers(self) -> list[Worker]:
        """See RunLog."""
        return await self._reader.do(lambda db: reading.workers(db, time.time()))

    async def due(
        self, *, agents: Iterable[str] | None = None, dead_after: float = 10.0, limit: int = 100
    ) -> list[Due]:
        """See RunLog."""
        known = None if agents is None else [*agents]
        return await self._reader.do(lambda db: reading.due(db, time.time(), known, dead_after, limit))

    # --- retention

    async def pack(self, *, after: float = 3600.0, limit: int = 100) -> int:
        """See RunLog."""
        before, packed = time.time() - after, 0
        for no in await self._reader.do(lambda db: reading.unpacked(db, before, limit)):
            # Compressed in the reader's thread, so that writers do not wait for it.
            data = await self._reader.do(lambda db, no=no: _packed(db, no))  # type: ignore[misc]
            if data is not None:
                packed += await self._writer.do(lambda db, no=no, data=data: writing.put_pack(db, no, data))  # type: ignore[misc]
        if packed:
            await self._give_back()
        return packed

    async def _give_back(self) -> None:
        """Returns free pages to the disk, a few at a time."""
        await self._writer.do(_vacuum)

    async def close(self) -> None:
        """See RunLog."""
        self._following.close()
        self._writer.stop()
        self._reader.stop()
        await self._writer.stopped()
        await self._reader.stopped()
        self._watch.close()


def _packed(db: sqlite3.Connection, no: int) -> tuple[int, bytes] | None:
    lines, deltas = reading.whole(db, no)
    return (len(lines), pack(lines, deltas=deltas)) if lines else None


def _vacuum(db: sqlite3.Connection) -> None:
    free = db.execute("pragma freelist_count").fetchone()[0]
    for _ in range(min(free, GIVEN_BACK)):
        db.execute(
            "pragma incremental_vacuum(1)"
        )  # one per execution: Python runs only the first step of the statement

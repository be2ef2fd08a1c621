"""`PostgresLog`: the store on PostgreSQL, for any number of machines.

Owns the connections and assigns the calls to them: one connection appends, one reads for followers, one does
everything else, one listens for hints. The statements are in `writing` and `reading`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headwater.journal.addresses import shown
from headwater.journal.database import DatabaseLog
from headwater.journal.following import Following, Looked, Wanted
from headwater.journal.grouping import Grouped
from headwater.journal.packing import pack
from headwater.journal.postgres import reading, writing
from headwater.journal.postgres.connection import PATIENCE, Connection, Database, connect
from headwater.journal.postgres.hints import Hints
from headwater.journal.postgres.schema import check_version, id_of, set_up
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
    Standing,
    State,
    Worker,
)
from headwater.journal.wording import check_known

__all__ = ("PostgresLog", "postgres_id", "upgrade_postgres")

LIVE: Final = 0.025
"""Seconds between two polls while a followed run has new events."""

QUIET: Final = 0.5
"""Seconds between two polls otherwise; a hint arrives sooner."""

OF_LATE: Final = 2.0
"""Seconds for which the short interval is used after new events."""


async def upgrade_postgres(url: str) -> int:
    """Creates or updates the tables, including the queue's. Returns the version that was there before.

    Raises as `PostgresLog.open` does.
    """
    from headwater.journal.engines.queue_tables import set_up_queue

    db = await connect(url)
    try:
        before = await set_up(db, url)
        await set_up_queue(db, url)
        return before
    finally:
        await db.close()


async def postgres_id(url: str) -> str:
    """Returns the journal's id. Raises as `PostgresLog.open` does."""
    connection = Connection(url)
    try:

        async def read(db: Database) -> str:
            if not await check_version(db, url):
                await set_up(db, url)
            return await id_of(db)

        return await connection.do(read)
    finally:
        await connection.close()


class PostgresLog(DatabaseLog):
    """A store in PostgreSQL. Open it with `open`."""

    def __init__(self, url: str, *, patience: float, hints: bool) -> None:
        self._url = url
        self._appends = Connection(url, patience=patience)
        self._calls = Connection(url, patience=patience)
        self._looks = Connection(url, patience=patience)
        self._creates: Grouped[writing.New, Created] = Grouped(self._create_many, size=_size)
        self._live_until = 0.0
        self._following = Following(self._look, interval=self._interval, changed=lambda: True)
        self._hints: Hints | None = None
        if hints:
            followed = self._following
            self._hints = Hints(url, self._calls, woken=followed.bump, followed=lambda: followed.followed)
            self._hints.start()

    @classmethod
    async def open(cls, url: str, *, patience: float = PATIENCE, hints: bool = True) -> PostgresLog:
        """Connects; creates the tables if the database has none. With `hints=False` readers only poll.

        `patience` is how many seconds any call may take. Raises ConfigurationError if the user, the password or the
        database is wrong, JournalMismatch if another version of headwater created it, JournalUnavailable.
        """
        db = await connect(url, patience=patience)
        try:
            if not await check_version(db, url):
                await set_up(db, url)
        finally:
            await db.close()
        return cls(url, patience=patience, hints=hints)

    def __repr__(self) -> str:
        return f"PostgresLog({shown(self._url)!r})"

    @property
    def hints(self) -> Hints | None:
        """The hints between processes; None if readers only poll."""
        return self._hints

    def _interval(self) -> float:
        return LIVE if asyncio.get_running_loop().time() < self._live_until else QUIET

    def _live(self) -> None:
        self._live_until = asyncio.get_running_loop().time() + OF_LATE

    async def _look(self, pages: set[Wanted], letters: set[Wanted]) -> Looked:
        looked = await self._looks.do(lambda db: reading.look(db, pages, letters))
        if looked.pages:
            self._live()
        return looked

    def _stored(self, runs: Iterable[str], *, anywhere: bool = True) -> None:
        super()._stored(runs, anywhere=anywhere)
        if self._hints is not None:
            self._hints.appended(runs)

    def _follow(self) -> None:
        if self._hints is not None:
            self._hints.follow()

    # --- the log

    async def _read(self, run: str, after: int, limit: int) -> Page:
        return await self._looks.do(lambda db: reading.page(db, run, after, limit))

    def tail_many(self, runs: Mapping[str, int]) -> AsyncGenerator[Page, None]:
        """See RunLog."""
        self._live()
        return super().tail_many(runs)

    async def _info(self, run: str) -> RunInfo:
        return await self._calls.do(lambda db: reading.info(db, run))

    async def standing(self, run: str) -> Standing:
        """See RunLog."""
        check_known(run)
        found, whole = await self._calls.do(lambda db: reading.standing(db, run))
        if whole:
            return found
        return msgspec.structs.replace(found, lines=await self.lines(run, found.lines))

    async def _history(self, run: str) -> list[bytes]:
        return await self._calls.do(lambda db: reading.history(db, run))

    async def _thread(self, thread: str) -> list[bytes]:
        return await self._calls.do(lambda db: reading.thread(db, thread))

    # --- the inbox

    async def _inbox(self, run: str) -> list[Letter]:
        return await self._calls.do(lambda db: reading.inbox(db, run))

    # --- see DatabaseLog

    async def _create(self, run: str, request: Request, key: str | None, queue_up: bool) -> Created:
        new, thread = writing.New(run, request, key, queue_up), request.thread
        if thread is None:
            return await self._creates(new)
        created = await self._calls.do(lambda db: writing.create_in_thread(db, new, thread))
        if isinstance(created, Exception):
            raise created
        return created

    async def _create_many(self, new: Sequence[writing.New]) -> list[Created | Exception]:
        return await self._calls.do(lambda db: writing.create_many(db, new))

    async def _append(self, rows: Sequence[tuple[Batch, bytes]]) -> list[Appended | None]:
        return await self._appends.do(lambda db: writing.append_many(db, rows))

    async def _runs(
        self,
        states: tuple[State, ...],
        equal: dict[str, Any],
        labels: dict[str, str],
        begins: str,
        before: str | None,
        limit: int,
    ) -> list[RunInfo]:
        return await self._calls.do(lambda db: reading.runs(db, states, equal, labels, begins, before, limit))

    async def _post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
        return await self._calls.do(lambda db: writing.post(db, run, kind, key, body))

    async def _expire(self, limit: int) -> int:
        return await self._calls.do(lambda db: writing.expire(db, limit))

    async def _delete(self, run: str) -> bool:
        return await self._calls.do(lambda db: writing.delete(db, run))

    async def _delete_thread(self, thread: str) -> int:
        return await self._calls.do(lambda db: writing.delete_thread(db, thread))

    # --- workers and due runs

    async def now(self) -> float:
        """See RunLog. It is the server's clock."""
        return await self._calls.do(_now)

    async def beat(self, worker: Worker) -> float:
        """See RunLog."""
        return await self._calls.do(lambda db: writing.beat(db, worker))

    async def forget(self, worker: str) -> None:
        """See RunLog."""
        await self._calls.do(lambda db: writing.forget(db, worker))

    async def workers(self) -> list[Worker]:
        """See RunLog."""
        return await self._calls.do(reading.workers)

    async def due(
        self, *, agents: Iterable[str] | None = None, dead_after: float = 10.0, limit: int = 100
    ) -> list[Due]:
        """See RunLog."""
        known = None if agents is None else [*agents]
        return await self._calls.do(lambda db: reading.due(db, known, dead_after, limit))

    # --- retention

    async def pack(self, *, after: float = 3600.0, limit: int = 100) -> int:
        """See RunLog."""
        packed = 0
        for no in await self._calls.do(lambda db: reading.unpacked(db, after, limit)):
            packed += await self._pack(no)
        return packed

    async def _pack(self, no: int) -> bool:
        lines, deltas = await self._calls.do(lambda db: reading.whole(db, no))
        if not lines:
            return False
        data = await asyncio.to_thread(pack, lines, deltas=deltas)
        return await self._calls.do(lambda db: writing.put_pack(db, no, len(lines), data))

    async def close(self) -> None:
        """See RunLog."""
        self._following.close()
        if self._hints is not None:
            await self._hints.close()
        await self._creates.settle()
        for connection in (self._appends, self._calls, self._looks):
            await connection.close()


def _size(new: writing.New) -> int:
    return memoryview(new.request.body).nbytes


async def _now(db: Database) -> float:
    row = await (await db.execute("select extract(epoch from clock_timestamp())::float8")).fetchone()
    assert row is not None
    return float(row[0])

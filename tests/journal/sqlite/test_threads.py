"""The thread of a connection: jobs in order, one commit for those that gather, and what becomes of one that fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.errors import JournalUnavailable
from headwater.journal.sqlite.threads import DatabaseThread


def started(path: Path, traced: list[str] | None = None) -> DatabaseThread:
    def connect() -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("create table if not exists t(x integer primary key)")
        if traced is not None:
            db.set_trace_callback(traced.append)
        return db

    return DatabaseThread("u", connect, writes=True)


def test_a_file_that_cannot_be_opened_is_reported_until_it_can(tmp_path: Path) -> None:
    async def main() -> None:
        tries = iter([sqlite3.OperationalError("unable to open database file"), None])

        def connect() -> sqlite3.Connection:
            if (error := next(tries)) is not None:
                raise error
            return sqlite3.connect(tmp_path / "t.db", isolation_level=None)

        thread = DatabaseThread("u", connect, writes=True)
        with pytest.raises(JournalUnavailable, match="unable to open"):
            await thread.do(lambda db: None)
        assert await thread.do(lambda db: db.execute("select 1").fetchone()) == (1,)
        thread.stop()
        await thread.stopped()

    asyncio.run(main())


def test_it_ends_while_the_interpreter_ends(tmp_path: Path) -> None:
    """From then on no executor accepts work, which a journal's loop thread finds out as it closes its stores."""

    async def main() -> None:
        thread = started(tmp_path / "t.db")
        await asyncio.get_running_loop().shutdown_default_executor()
        thread.stop()
        await thread.stopped()
        with pytest.raises(JournalUnavailable, match="closed"):
            await thread.do(insert(1))

    asyncio.run(main())


def insert(number: int, before: threading.Event | None = None) -> Callable[[sqlite3.Connection], int]:
    def job(db: sqlite3.Connection) -> int:
        if before is not None:
            before.wait()
        db.execute("insert into t values (?)", (number,))
        return number

    return job


def test_jobs_that_gather_share_a_commit(tmp_path: Path) -> None:
    traced: list[str] = []

    async def main() -> None:
        thread, gate = started(tmp_path / "t.db", traced), threading.Event()
        jobs = [thread.do(insert(0, gate)), *(thread.do(insert(number)) for number in range(1, 50))]
        waiting = [asyncio.ensure_future(job) for job in jobs]
        await asyncio.sleep(0)
        gate.set()
        assert await asyncio.gather(*waiting) == list(range(50))
        thread.stop()
        await thread.stopped()

    asyncio.run(main())
    assert sum(statement.lower() == "commit" for statement in traced) <= 2


def test_one_that_fails_takes_no_other_along(tmp_path: Path) -> None:
    async def main() -> None:
        thread, gate = started(tmp_path / "t.db"), threading.Event()
        numbers = (0, 1, 2, 1, 3)
        jobs = [thread.do(insert(number, gate if number == 0 else None)) for number in numbers]

        def refuse(db: sqlite3.Connection) -> int:
            raise KeyError("no")

        waiting = [asyncio.ensure_future(job) for job in (*jobs, thread.do(refuse))]
        await asyncio.sleep(0)
        gate.set()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert done[:3] == [0, 1, 2]
        assert isinstance(done[3], JournalUnavailable)
        assert done[4] == 3
        assert isinstance(done[5], KeyError)
        rows = await thread.do(lambda db: db.execute("select x from t").fetchall())
        assert rows == [(0,), (1,), (2,), (3,)]
        thread.stop()
        await thread.stopped()
        with pytest.raises(JournalUnavailable, match="closed"):
            await thread.do(lambda db: None)

    asyncio.run(main())

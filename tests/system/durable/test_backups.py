"""A journal that is restored from a backup, made by the database's own tools, while readers and drivers are further."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from headwater.durable.drive import drive
from headwater.durable.inbox import answer_body, asked_in
from headwater.errors import RunLost
from headwater.events import ApprovalAnswered, Event
from headwater.events.questions import Answer
from headwater.journal.opening import open_journal
from headwater.journal.run_log import Page, RunLog, answer
from headwater.testing import check_log
from tests.journal.postgres.databases import name_of
from tests.support.places import Place, stored, submitted
from tests.support.postgres import running_postgres
from tests.system.resume.scenarios import one_asked


@dataclass
class Backed:
    """A store that can be backed up, and restored from that."""

    url: str
    back_up: Callable[[], None]
    restore: Callable[[], None]


def in_sqlite(folder: Path) -> Backed:
    file, copy = folder / "runs.db", folder / "backup.db"

    def copied(source: Path, target: Path) -> None:
        with contextlib.closing(sqlite3.connect(source)) as one, contextlib.closing(sqlite3.connect(target)) as other:
            one.backup(other)

    return Backed(f"sqlite:///{file}", lambda: copied(file, copy), lambda: copied(copy, file))


def in_postgres(folder: Path) -> Backed:
    postgres = running_postgres()
    url, dump = postgres.database(), folder / "dump.sql"
    where = ["-h", "127.0.0.1", "-p", str(postgres.port), "-U", "tests", name_of(url)]

    def run(program: str, *options: str) -> None:
        # Not with this process's locale: the server's is C.
        command = [str(postgres.binaries / program), *options, *where]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})

    return Backed(
        url,
        lambda: run("pg_dump", "--clean", "--schema", "headwater", "--file", str(dump)),
        lambda: run("psql", "--quiet", "--single-transaction", "-v", "ON_ERROR_STOP=1", "--file", str(dump)),
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgres"))])
def backed(request: pytest.FixtureRequest, tmp_path: Path) -> Backed:
    return in_sqlite(tmp_path) if request.param == "sqlite" else in_postgres(tmp_path)


async def answered(log: RunLog, by: str) -> None:
    for question in asked_in(await stored(log)):
        await answer(log, "run_1", question, answer_body(Answer(by=by), "approval"))


async def opened_again(log: RunLog, url: str) -> RunLog:
    """The store as the next process opens it: connections to tables that were dropped are given up."""
    await log.close()
    return await open_journal(url)


def test_a_restored_run_continues_and_its_readers_start_over(backed: Backed) -> None:
    async def main() -> None:
        log = await open_journal(backed.url)
        try:
            await submitted(log, one_asked())
            await drive(Place(log, one_asked()), "run_1")
            before = await stored(log)
            await asyncio.to_thread(backed.back_up)
            await answered(log, "ann")
            await drive(Place(log, one_asked()), "run_1")
            lost = await stored(log)
            assert (await log.info("run_1")).state == "finished"

            await asyncio.to_thread(backed.restore)
            log = await opened_again(log, backed.url)
            assert (await log.info("run_1")).state == "waiting"
            assert await stored(log) == before
            page = await log.read("run_1", lost[-1].seq)
            assert (page.reset, [*page.events()]) == (True, before)

            pages: list[Page] = []
            reading = asyncio.ensure_future(read_on(log, lost[-1].seq, pages))
            while not pages:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await answered(log, "bob")
            await drive(Place(log, one_asked(), worker="another"), "run_1")
            await reading
            events = await stored(log)
            check_log(events)
            assert [event.by for event in events if isinstance(event, ApprovalAnswered)] == ["bob"]
            assert [page.reset for page in pages][:1] == [True]
            assert not any(page.reset for page in pages[1:])
            assert [event for page in pages for event in page.events()] == events, "nothing is spliced"
        finally:
            await log.close()

    asyncio.run(main())


def test_a_driver_that_is_further_than_a_restored_log_is_refused(backed: Backed) -> None:
    async def main() -> None:
        log = await open_journal(backed.url)
        try:
            await submitted(log, one_asked())
            await asyncio.to_thread(backed.back_up)
            restored = False

            class Further:
                """The store of a driver, which is restored in the middle of the run."""

                def __getattr__(self, name: str) -> object:
                    return getattr(log, name)

                async def append_many(self, batches: object) -> object:
                    nonlocal log, restored
                    done = await log.append_many(batches)  # type: ignore[arg-type]
                    if not restored and (await log.info("run_1")).end > 3:
                        restored = True
                        await asyncio.to_thread(backed.restore)
                        log = await opened_again(log, backed.url)
                    return done

            run = await drive(Place(Further(), one_asked(), worker="further"), "run_1")  # type: ignore[arg-type]
            assert run is not None
            assert isinstance(run.error, RunLost)
            assert await stored(log) == []
            await drive(Place(log, one_asked(), worker="another"), "run_1")
            await answered(log, "bob")
            await drive(Place(log, one_asked(), worker="another"), "run_1")
            events: list[Event] = await stored(log)
            check_log(events)
            assert events[-1].type == "run.finished"
        finally:
            await log.close()

    asyncio.run(main())


async def read_on(log: RunLog, after: int, pages: list[Page]) -> None:
    """Follow the run after that number to its end."""
    async for page in log.tail("run_1", after):
        pages.append(page)  # noqa: PERF401 - the caller looks at it meanwhile

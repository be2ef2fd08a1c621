"""The store in SQLite: every rule of a store, two processes at once, a killed one, a full disk, a restored backup."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import ConfigurationError, JournalMismatch, JournalUnavailable
from headwater.journal.run_log import Batch, Request, Worker
from headwater.journal.sqlite.schema import MIGRATIONS
from headwater.journal.sqlite.store import SqliteLog, upgrade_sqlite
from headwater.testing import JOURNAL_RULES, check_journal

PROGRAM = """
import asyncio, sys
from headwater.journal.run_log import Batch, Conflict
from headwater.journal.sqlite.store import SqliteLog

async def main(path, by):
    log = await SqliteLog.open(path)
    first = 0
    while True:
        try:
            first = await log.append(Batch(run="r", first=first, lines=(b'{"by":"%s"}' % by.encode(),) * 3, by=by))
            print(first, flush=True)
        except Conflict as conflict:
            first = conflict.end
        if first >= 600:
            break
    await log.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("rule", JOURNAL_RULES)
def test_it_keeps_the_rule(rule: str, tmp_path: Path) -> None:
    asyncio.run(check_journal(lambda: SqliteLog.open(str(tmp_path / "runs.db")), rules=[rule]))


async def opened(path: Path) -> SqliteLog:
    log = await SqliteLog.open(str(path))
    await log.create("r", Request(agent="a"))
    return log


def batch(first: int, many: int = 1, size: int = 10) -> Batch:
    return Batch(run="r", first=first, lines=(b'"' + b"x" * size + b'"',) * many, by="w#1")


def test_two_processes_race_and_every_batch_is_stored_once(tmp_path: Path) -> None:
    asyncio.run(_close(tmp_path / "r.db"))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "r.db")]
    racing = [subprocess.Popen([*command, by], stdout=subprocess.PIPE, text=True) for by in ("one", "two")]
    acknowledged = [process.communicate(timeout=120)[0].split() for process in racing]
    assert [process.returncode for process in racing] == [0, 0]
    ends = sorted(int(end) for one in acknowledged for end in one)
    assert ends == list(range(3, 601, 3)), "each place was taken once, by the one that was told so"
    with sqlite3.connect(tmp_path / "r.db") as db:
        rows = db.execute('select first, n, "by" from events order by first').fetchall()
    db.close()
    assert [(first, n) for first, n, _ in rows] == [(first, 3) for first in range(0, 600, 3)]


async def _close(path: Path) -> None:
    await (await opened(path)).close()


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    asyncio.run(_close(tmp_path / "r.db"))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "r.db"), "one"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        acknowledged = [60, *(int(end) for end in process.stdout.read().split())]

    async def main() -> None:
        log = await SqliteLog.open(str(tmp_path / "r.db"))
        end = (await log.info("r")).end
        assert end % 3 == 0
        assert end >= acknowledged[-1]
        assert await log.append(batch(end)) == end + 1
        await log.close()

    asyncio.run(main())


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    async def main() -> None:
        log = await opened(tmp_path / "r.db")
        await log.append(batch(0))
        for name in ("r.db", "r.db-shm", "r.db-wal"):
            assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600, name
        await log.close()

    asyncio.run(main())


class SmallDisk:
    """Where there is little room: a file system of its own, or a file that SQLite lets grow to so many pages alone.

    SQLite says the same of both. Only the first of them fails in the middle of a write.
    """

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self.file = folder / "r.db"
        self.mounted = mounted
        self._filler = folder / "filler"

    async def opened(self) -> SqliteLog:
        """A store with a run "r" in it and some room."""
        if self.mounted:
            self._filler.write_bytes(b"x" * 200_000)
        log = await opened(self.file)
        await self._limit(log, 200)
        return log

    async def make_room(self, log: SqliteLog) -> None:
        """Something else was deleted."""
        self._filler.unlink(missing_ok=True)
        await self._limit(log, 1_000_000)

    async def _limit(self, log: SqliteLog, pages: int) -> None:
        if not self.mounted:
            await log._writer.do(lambda db: db.execute(f"pragma max_page_count = {pages}").fetchone())


@pytest.fixture(params=["a file system", "pages"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    wanted = request.param == "a file system" and os.name == "posix"
    mounted = wanted and not subprocess.run(mounting, capture_output=True, check=False).returncode  # it takes root
    yield SmallDisk(disk, mounted=mounted)
    if mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)  # also where a failed test has the file open


def test_a_full_disk_is_reported_and_work_continues_once_there_is_room(small_disk: SmallDisk) -> None:
    async def main() -> None:
        log = await small_disk.opened()
        end = 0
        with pytest.raises(JournalUnavailable, match="full") as raised:  # noqa: PT012
            while end < 1000:
                end = await log.append(batch(end, size=20_000))
        assert raised.value.retryable
        assert 0 < end < 100
        assert (await log.info("r")).end == end, "what was refused is not there, what was stored is"
        await small_disk.make_room(log)
        assert await log.append(batch(end, size=1000)) == end + 1, "the same append, tried again"
        await log.close()

    asyncio.run(main())


def test_one_job_that_cannot_be_done_takes_no_other_along(small_disk: SmallDisk) -> None:
    async def main() -> None:
        log = await small_disk.opened()
        await log.create("s", Request(agent="a"))
        large = log.append(batch(0, size=3_000_000))
        small = log.append(Batch(run="s", first=0, lines=(b"1",), by="w"))
        refused, stored = await asyncio.gather(large, small, return_exceptions=True)
        assert isinstance(refused, JournalUnavailable)
        assert stored == 1
        await log.close()

    asyncio.run(main())


def test_a_reader_past_the_end_of_a_restored_backup_starts_over(tmp_path: Path) -> None:
    async def main() -> None:
        log = await opened(tmp_path / "r.db")
        await log.append(batch(0, 3))
        await log.close()
        shutil.copy(tmp_path / "r.db", tmp_path / "backup.db")
        log = await SqliteLog.open(str(tmp_path / "r.db"))
        await log.append(batch(3, 4))
        seen = (await log.read("r")).after
        await log.close()
        restored = await SqliteLog.open(str(tmp_path / "backup.db"))
        await restored.append(batch(3, 1))
        page = await restored.read("r", seen)
        assert (seen, page.reset, len(list(page.lines())), page.after) == (6, True, 4, 3)
        await restored.close()

    asyncio.run(main())


def test_another_version_of_the_schema_is_an_error_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "r.db")

    async def main() -> None:
        await (await SqliteLog.open(path)).close()
        newer = (*MIGRATIONS, ("create table more(x)",))
        with monkeypatch.context() as patch:
            patch.setattr("headwater.journal.sqlite.schema.MIGRATIONS", newer)
            with pytest.raises(JournalMismatch, match="headwater journal upgrade sqlite:///"):
                await SqliteLog.open(path)
            assert [await upgrade_sqlite(path, "u"), await upgrade_sqlite(path, "u")] == [1, 2]
            await (await SqliteLog.open(path)).close()
        with pytest.raises(JournalMismatch, match="Upgrade headwater on this machine"):
            await SqliteLog.open(path)
        with pytest.raises(JournalMismatch, match="version 2"):
            await upgrade_sqlite(path, "u")

    asyncio.run(main())


def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "text").write_text("This is no database, and longer than a header of one is, by far. " * 20)
        with pytest.raises(ConfigurationError, match="is not a journal"):
            await SqliteLog.open(str(tmp_path / "text"))
        with pytest.raises(ConfigurationError, match="no folder"):
            await SqliteLog.open(str(tmp_path / "none" / "r.db"))
        with pytest.raises(ConfigurationError, match="Is a directory"):
            await SqliteLog.open(str(tmp_path))

    asyncio.run(main())


def test_a_closed_store_says_so_to_callers_and_readers(tmp_path: Path) -> None:
    async def main() -> None:
        log = await opened(tmp_path / "r.db")
        reading = asyncio.ensure_future(anext(log.tail("r")))
        await log.info("r")
        await log.close()
        await log.close()
        for doing in (reading, log.info("r"), log.append(batch(0)), anext(log.tail("r"))):
            with pytest.raises(JournalUnavailable, match="closed"):
                await doing
        assert "r.db" in repr(log)

    asyncio.run(main())


def test_free_pages_go_back_to_the_disk(tmp_path: Path) -> None:
    async def main() -> None:
        log = await opened(tmp_path / "r.db")
        await log.append(batch(0, 300, size=10_000))
        await log.append(Batch(run="r", first=300, lines=(b"1",), by="w#1", state="finished"))
        assert await log.pack(after=0.0) == 1
        await log.close()

    asyncio.run(main())
    assert (tmp_path / "r.db").stat().st_size < 500_000


def test_opening_it_again_keeps_existing_locks(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    program = (
        "import asyncio, sys\n"
        "from headwater.journal.sqlite.store import SqliteLog\n"
        "async def main():\n"
        "    log = await SqliteLog.open(sys.argv[1])\n"
        "    print((await log.info('r')).end)\n"
        "    await log.close()\n"
        "asyncio.run(main())\n"
    )

    def another_process() -> int:
        done = subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True)
        return int(done.stdout)

    async def main() -> None:
        first = await opened(path)
        again = await SqliteLog.open(str(path))
        await first.append(batch(0))
        wal = path.with_name("runs.db-wal")
        before = wal.stat().st_ino
        assert another_process() == 1
        assert wal.stat().st_ino == before
        await first.append(batch(1))
        assert another_process() == 2
        assert (await again.info("r")).end == 2
        await first.close()
        await again.close()

    asyncio.run(main())


def test_workers_without_a_heartbeat_for_a_day_are_removed(tmp_path: Path) -> None:
    async def main() -> None:
        log = await opened(tmp_path / "r.db")
        for name in ("old", "new"):
            await log.beat(Worker(id=name, host="h", boot="b", pid=1))
        with sqlite3.connect(tmp_path / "r.db") as db:
            db.execute("update workers set beat = beat - 90000 where id = 'old'")
        await log.expire()
        with sqlite3.connect(tmp_path / "r.db") as db:
            assert db.execute("select id from workers").fetchall() == [("new",)]
        db.close()
        await log.close()

    asyncio.run(main())


def test_a_new_file_is_opened_by_many_at_once(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def open_it(path: str, together: threading.Barrier) -> None:
        together.wait()
        try:
            asyncio.run(_opened_and_closed(path))
        except Exception as error:
            failed.append(error)

    for number in range(20):
        together = threading.Barrier(4)
        path = str(tmp_path / f"{number}.db")
        threads = [threading.Thread(target=open_it, args=(path, together)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []


async def _opened_and_closed(path: str) -> None:
    await (await SqliteLog.open(path)).close()

"""The queue of a journal: what a process submits to it, from any thread, and what it does not submit twice."""

from __future__ import annotations

import asyncio

import pytest

from headwater.durable.queue import Queue
from headwater.journal.postgres.store import upgrade_postgres
from headwater.journal.run_log import Due
from tests.journal.postgres.databases import execute
from tests.support.postgres import running_postgres

pytestmark = pytest.mark.xdist_group("postgres")

JOBS = "select queueing_lock, queue_name, priority from headwater_queue.procrastinate_jobs order by id"


def queue_of(url: str) -> Queue:
    loop = asyncio.get_running_loop()
    return Queue(url, loop=lambda: loop, now=lambda: 0.0)


def test_runs_are_submitted_from_any_thread_and_due_ones_once() -> None:
    async def main() -> None:
        url = running_postgres().database()
        await upgrade_postgres(url)
        queue = queue_of(url)
        await asyncio.to_thread(queue.put, "a", queue="night", priority=3)
        await asyncio.sleep(0)
        due = [Due(run=run, queue="day", priority=1, why="owner", agent="x") for run in ("a", "b")]
        await queue.close()
        other = queue_of(url)
        await other.put_due(due)
        await other.put_due([])
        await other.close()
        assert await execute(url, JOBS) == [("a", "night", 3), ("b", "day", 1)]

    asyncio.run(main())


def test_a_due_run_that_cannot_be_submitted_keeps_no_other_back(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        url = running_postgres().database()
        await upgrade_postgres(url)
        queue = queue_of(url)
        names = {"a": "x" * 200, "b": "day"}
        await queue.put_due([Due(run=run, queue=names[run], priority=1, why="owner", agent="x") for run in names])
        await queue.close()
        assert await execute(url, JOBS) == [("b", "day", 1)]

    asyncio.run(main())
    assert "a could not be submitted" in caplog.text


def test_a_failed_submit_is_reported_and_left_to_the_journal(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        queue = queue_of("postgresql://u:secret@127.0.0.1:1/x")
        queue.put("a")
        await asyncio.sleep(0)
        await queue.close()

    asyncio.run(main())
    assert "a could not be submitted, and is submitted again later" in caplog.text
    assert "secret" not in caplog.text

"""An approval that is asked on Friday and answered on Monday, after every machine was switched off in between.

The clocks are moved by moving the past: all times in the database become three days older, as another process would
find them after a weekend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
import pytest

from headwater.events import ApprovalAnswered, ApprovalAsked
from headwater.testing import check_log
from tests.cli.commands import headwater
from tests.support.chromium import browser, found
from tests.support.postgres import running_postgres
from tests.system.durable.machines import Machines, Reader

pytestmark = pytest.mark.xdist_group("postgres")

WEEKEND: Final = 3 * 86_400.0
"""Seconds."""


async def _moved(url: str) -> None:
    """Makes everything in the journal three days older."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        back = "interval '3 days'"
        await db.execute(f"update headwater.runs set created_at = created_at - {back}, wake_at = wake_at - {back}")
        await db.execute(f"update headwater.workers set beat = beat - {back}")
        rows = await (await db.execute("select no, first, data from headwater.events")).fetchall()
        for no, first, data in rows:
            await db.execute(
                "update headwater.events set data = %s where no = %s and first = %s", (_older(bytes(data)), no, first)
            )


def _older(lines: bytes) -> bytes:
    events: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines.split(b"\n")]
    return b"\n".join(msgspec.json.encode({**event, "time": event["time"] - WEEKEND}) for event in events)


def by_command(journal: str, there: str, run: str, folder: Path) -> None:
    done = headwater("runs", "approve", run, "--journal", journal)
    assert done.returncode == 0, done.stderr


def on_the_page(journal: str, there: str, run: str, folder: Path) -> None:
    if found() is None:
        pytest.skip("no Chromium: install it, or set CHROMIUM to where it is")
    with browser(folder) as chromium:
        page = chromium.page()
        page.go(f"{there}/#run={run}")
        page.until("document.querySelector('.ask') !== null")
        page.press("a")
        page.until("document.querySelector('.how.done') !== null")
        assert "Paid." in page.text()
        assert page.problems == []


@pytest.mark.parametrize("approve", [by_command, on_the_page])
def test_an_approval_asked_on_friday_is_answered_on_monday(
    approve: Callable[[str, str, str, Path], None], tmp_path: Path
) -> None:
    url = running_postgres().database()
    assert headwater("journal", "upgrade", url).returncode == 0
    friday, monday = Machines(url), Machines(url)
    try:
        (_, there), _ = friday.web(), friday.worker()
        reader = Reader.start(there, "cashier", "5 euros")
        for event in reader.read(there):
            if event.type == "run.waiting":
                break
        friday.stop()
        asyncio.run(_moved(url))
        (_, there), _ = monday.web(), monday.worker()
        asked = next(event for event in Reader(reader.run).read(there) if isinstance(event, ApprovalAsked))
        approve(url, there, reader.run, tmp_path)
        events = Reader(reader.run).to_the_end(there)
    finally:
        for machines in (friday, monday):
            machines.stop()
    check_log(events)
    answered = next(event for event in events if isinstance(event, ApprovalAnswered))
    assert answered.approval == asked.approval
    assert WEEKEND <= answered.time - asked.time < 2 * WEEKEND
    assert events[-1].type == "run.finished"
    assert [event.type for event in events].count("tool.finished") == 1

"""`headwater workers`: the workers that a journal knows, for people and for programs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from headwater.cli import main
from headwater.journal import Batch, Request, open_journal
from headwater.journal.opening import upgrade
from headwater.journal.run_log import Worker


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


def test_none_is_said(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(upgrade(url))
    assert main(["workers", "--journal", url]) == 0
    said = capsys.readouterr().err
    assert "no process drives runs of this journal. The programs that start them do that" in said
    assert "headwater worker MODULE:NAME --engine temporal:" in said


def test_each_with_what_it_drives(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def fill() -> None:
        log = await open_journal(url)
        about = {"queues": "night", "agents": "pilot"}
        await log.beat(Worker(id="w1", host="h\x1b[31m", boot="b", pid=7, about=about))
        await log.create("r", Request(agent="pilot"))
        await log.append(Batch(run="r", first=0, lines=(b"{}",), by="w1/1", owner="w1", state="running"))
        await log.close()

    asyncio.run(fill())
    assert main(["workers", "--journal", url]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["WORKER", "HOST", "PID", "STATE", "BEAT", "RUNS", "QUEUES", "AGENTS"]
    assert "\x1b" not in row
    assert row.split()[0] == "w1"
    assert row.split()[2:] == ["7", "alive", *row.split()[4:7], "1", "night", "pilot"]
    assert main(["workers", "--journal", url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["runs"], told["alive"], told["about"]["queues"]) == ("w1", 1, True, "night")

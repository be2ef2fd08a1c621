"""A process that is stopped past its lease: another takes its run over, and it finds itself fenced when it goes on.

Real processes, SIGSTOP and SIGCONT, on each store that outlives a process.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from headwater import Agent
from headwater.durable import drive as drives
from headwater.events import Event
from headwater.journal.opening import open_journal
from headwater.journal.run_log import RunLog
from headwater.testing import ScriptedModel, check_log
from tests.support.places import Place, stored
from tests.support.postgres import running_postgres

PROGRAM: Final = """
import sys
from headwater import Agent
from headwater.errors import RunLost
from headwater.testing import ScriptedModel, Wait

model = ScriptedModel(lambda request: ["I ", Wait(2.0), "think."])
stream = Agent(name="slow", model=model, journal=sys.argv[1]).run_stream("Go")
try:
    for event in stream.events():
        if event.type == "text.delta":
            print(stream.run_id, flush=True)
    print("finished", flush=True)
except RunLost:
    print("lost", flush=True)
"""

LEASE: Final = 0.5
"""Seconds: what counts is that the stopped process is silent for longer."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return running_postgres().database() if request.param == "postgresql" else f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def program(url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, url], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits for what another process does."""
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110  # it happens in another process
            await asyncio.sleep(0.02)


async def taken_over(log: RunLog, run: str, program: subprocess.Popen[str]) -> list[Event]:
    """The log of the run after another process has ended it, while that program was stopped in the middle of it."""

    async def said() -> bool:
        return any(event.type == "text.delta" for event in await stored(log, run))

    async def silent() -> bool:
        return min(worker.age for worker in await log.workers()) > LEASE

    await until(said)
    program.send_signal(signal.SIGSTOP)
    await until(silent)
    place = Place(log, Agent(name="slow", model=ScriptedModel(["I think."])), worker="another")
    taken = await drives.drive(place, run)
    assert taken is not None
    assert taken.error is None
    return await stored(log, run)


def test_a_stopped_process_finds_itself_fenced(
    url: str, program: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drives, "DEAD_AFTER", LEASE)
    assert program.stdout is not None
    run = program.stdout.readline().strip()

    async def main() -> None:
        log = await open_journal(url)
        try:
            events = await taken_over(log, run, program)
            program.send_signal(signal.SIGCONT)
            rest = await asyncio.to_thread(program.communicate, timeout=60)
            assert rest[0].split()[-1] == "lost"
            assert await stored(log, run) == events, "the fenced process has stored something"
            check_log(events)
            assert [event.type for event in events].count("run.resumed") == 1
            assert events[-1].type == "run.finished"
            assert (await log.info(run)).owner == "another"
        finally:
            await log.close()

    asyncio.run(main())

"""Processes that drive a run of the kill suite and die of SIGKILL at one of its events.

Each knows nothing but what stands in the store. It does what any process of a journal does: it takes the names of dead
processes off, looks for due runs, has the run delivered by the engine and drives it, until the run is over. What it
found in the store is written to a file for the test, as is what tools have done.

Owns one process. `kills` decides where it dies, and looks at what came of it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from headwater.durable.drive import drive
from headwater.errors import JournalUnavailable
from headwater.events import Event, decode
from headwater.journal.opening import open_journal
from headwater.journal.run_log import Appended, Batch, RunLog, Worker
from tests.support.places import Place, stored, submitted
from tests.system.durable.deaths import Correspondents
from tests.system.durable.grounds import GROUNDS, delivering
from tests.system.resume.scenarios import SCENARIOS, done

__all__ = ("Death", "Life", "Seen", "live")

TRIES = 6
"""How often a process asks a store that does not answer, which may take ten seconds each time."""

T = TypeVar("T")

DRIVES = 60
"""Drives in one process after which a run has to be over."""


class Death(msgspec.Struct, frozen=True):
    """Where a process dies: at which event, counted from the end of the log that it found; before or after storing it.

    At -1 it dies when the run was delivered to it, before it has done anything.
    """

    at: int
    before: bool = False


class Life(msgspec.Struct, frozen=True):
    """What a process is to do."""

    ground: str
    url: str
    scenario: str
    run: str
    folder: str
    number: int
    """The processes of the run before it."""
    death: Death | None = None


class Seen(msgspec.Struct, frozen=True):
    """What a process found in the store, or left there."""

    lines: list[str]
    over: bool
    ran: int
    """How many lines tools had written by then."""

    def events(self) -> list[Event]:
        """The log."""
        return [decode(line.encode()) for line in self.lines]


def live(life: Life) -> bool:
    """Have a process live; returns whether it was killed. Raises AssertionError where it ended in any other way."""
    gc.freeze()  # what is there already is never written to in the child, and so never copied
    child = os.fork()
    if child == 0:
        status = 1
        try:
            gc.disable()
            asyncio.run(_live(life))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(ended)
    assert status in (0, -signal.SIGKILL), f"process {life.number} ended with {status}"
    assert status == 0 or life.death is not None, "killed by someone else"
    return status != 0


# --- in the process


class Deadly:
    """A store that ends this process when it is given event number `at`."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self.at: int | None = None
        self.before = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        """See RunLog."""
        dies = any(self.at is not None and batch.first <= self.at < batch.end for batch in batches)
        if dies and self.before:
            die()
        appended = await self._log.append_many(batches)
        if dies:
            die()
        return appended


def die() -> None:
    """End this process as a crash does."""
    os.kill(os.getpid(), signal.SIGKILL)


async def _live(life: Life) -> None:
    folder, scenario, people = (
        Path(life.folder),
        SCENARIOS[life.scenario],
        Correspondents(SCENARIOS[life.scenario], life.run),
    )
    traces = folder / "done"
    done.kept = os.open(traces, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    log = await open_journal(life.url)
    try:
        if life.number == 0:
            await _answered(lambda: submitted(log, scenario.make(), life.run))
        me = f"w{os.getpid()}"
        for dead in await log.workers():
            await log.forget(dead.id)
        await log.beat(Worker(id=me, host="here", boot="", pid=os.getpid()))
        events = await _tell(life, log, traces, "found")
        make = scenario.make if life.number == 0 or scenario.later is None else scenario.later
        deadly: Any = Deadly(log)
        if life.death is not None:
            deadly.at, deadly.before = len(events) + life.death.at, life.death.before
        place = Place(deadly, make(), worker=me)

        async def driven(run: str) -> None:
            if life.death is not None and life.death.at < 0:
                die()
            place.members = {(member := make()).name: member}
            await drive(place, run)
            await place.writer.settle()

        async with delivering(GROUNDS[life.ground].engine(life.url, life.run)) as delivery:
            delivery.drive = driven
            for _ in range(DRIVES):
                info = await log.info(life.run)
                if info.over:
                    break
                if info.state == "waiting":
                    await people.reply(log, await stored(log, life.run))
                due = [one.run for one in await log.due(dead_after=0.0)]
                assert life.run in due, f"{life.run} is {info.state}, and no process would find it"
                await _answered(lambda: delivery.deliver(life.run))
            else:
                raise AssertionError(f"not over after {DRIVES} drives")
        await _tell(life, log, traces, "left")
        await log.forget(me)
    finally:
        await log.close()
    left = [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}]
    assert not left, f"left behind: {left}"


async def _answered(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of the store. Where it does not answer, it is asked again, as docs/durable.md tells users to do."""
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except JournalUnavailable:
            await asyncio.sleep(1.0)  # the machine is busy: nothing tells when it is not
    return await ask()


async def _tell(life: Life, log: RunLog, traces: Path, what: str) -> list[Event]:
    """Write down what stands in the store."""
    page, lines = await log.read(life.run), list[str]()
    while page.spans:
        lines += [line.decode() for _, line in page.lines()]
        page = await log.read(life.run, page.after)
    seen = Seen(lines, (await log.info(life.run)).over, ran=count(traces))
    _write(Path(life.folder, f"{what}.{life.number}"), seen)
    return seen.events()


def _write(path: Path, seen: Seen) -> None:
    path.write_bytes(msgspec.json.encode(seen))


def count(traces: Path) -> int:
    """How many lines tools have written."""
    return len(traces.read_bytes().splitlines())

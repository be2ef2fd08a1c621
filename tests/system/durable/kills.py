"""Runs in a SQLite file whose process is killed with SIGKILL at an event, before or after it is stored.

    python -m tests.system.durable.kills                        # every event of every scenario; prints the table
    python -m tests.system.durable.kills "parallel tools"
    python -m tests.system.durable.kills --every 7

Each process opens the journal, drives the run and dies; another one continues, until the run is over. Asserted is what
`deaths` asserts. Scenarios in which somebody speaks to the run are `deaths`' alone, for they depend on the moment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from headwater.durable.drive import drive
from headwater.events import Event
from headwater.journal.opening import open_journal
from headwater.journal.run_log import Appended, Batch, RunLog
from tests.support.places import Place, stored, submitted
from tests.system.durable.deaths import ENOUGH, RUN, Correspondents, events_of, whole
from tests.system.resume.kills import Went
from tests.system.resume.kills import check_end as same_end
from tests.system.resume.kills import check_steps as right_steps
from tests.system.resume.scenarios import SCENARIOS, done

__all__ = ("KILLABLE", "check")

KILLABLE: Final = tuple(
    name for name, scenario in SCENARIOS.items() if not Correspondents(scenario).sayings and "cancelled" not in name
)
"""The scenarios that take no real minute, and in which nobody speaks to the run."""


class Deadly:
    """A store that ends this process when it is given event number `at`."""

    def __init__(self, log: RunLog, at: int | None, *, before: bool) -> None:
        self._log = log
        self._at = at
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        """See RunLog."""
        dies = any(self._at is not None and batch.first <= self._at < batch.end for batch in batches)
        if dies and self._before:
            os.kill(os.getpid(), signal.SIGKILL)
        appended = await self._log.append_many(batches)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return appended


def in_journal(url: str, use: Any) -> Any:
    """What `use` returns, with the journal opened for it."""

    async def main() -> Any:
        log = await open_journal(url)
        try:
            return await use(log)
        finally:
            await log.close()

    return asyncio.run(main())


def one_process(name: str, url: str, traces: Path, at: int | None, *, before: bool, first: bool) -> bool:
    """Drive the run in a process of its own. Returns whether that was killed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            done.kept = os.open(traces, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            scenario = SCENARIOS[name]
            make = scenario.make if first or scenario.later is None else scenario.later

            async def work(log: RunLog) -> None:
                deadly: Any = Deadly(log, at, before=before)
                place = Place(deadly, make(), worker=f"w{os.getpid()}")
                await drive(place, RUN)
                await place.writer.settle()

            in_journal(url, work)
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(ended)
    assert status in (0, -signal.SIGKILL), f"the process ended with {status}"
    return status != 0


def check(name: str, at: int | None, before: bool, expected: Went) -> None:
    """Carry out the scenario with that kill. Raises AssertionError and LogError."""
    scenario = SCENARIOS[name]
    people = Correspondents(scenario)
    with tempfile.TemporaryDirectory() as folder:
        url, traces = f"sqlite:///{folder}/runs.db", Path(folder, "done")
        in_journal(url, lambda log: submitted(log, scenario.make(), RUN))
        log: list[Event] = []
        ran: list[str] = []
        for number in range(ENOUGH):
            killed = one_process(name, url, traces, at, before=before, first=number == 0)
            at = None if killed else at

            async def look(store: RunLog) -> tuple[list[Event], bool]:
                events = await stored(store, RUN)
                info = await store.info(RUN)
                if info.state == "waiting":
                    await people.reply(store, events)
                return events, info.over

            events, over = in_journal(url, look)
            lines = traces.read_text().splitlines() if traces.exists() else []
            error = getattr(getattr(events[-1], "error", None), "type", "") if events else ""
            went = Went(events, lines[len(ran) :], error, None)
            assert events[: len(log)] == log, "what was stored stays"
            right_steps(log, went)
            log, ran = events, lines
            if over:
                same_end(scenario, Went(log, ran, error, None), expected)
                return
    raise AssertionError(f"not over after {ENOUGH} drives")


def main(arguments: Sequence[str]) -> int:
    """Try the scenarios that are named, or all; print the table."""
    parser = argparse.ArgumentParser(description="Kill processes at every event of their runs.")
    parser.add_argument("--every", type=int, default=1, help="kill at each so-many-th event")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args(arguments)
    begun, failures, total = time.monotonic(), list[str](), 0
    print(f"{'scenario':<40}{'events':>8}{'kills':>8}{'failed':>8}")
    for name in asked.names or KILLABLE:
        expected, size = whole(name), len(events_of(name))
        tried = failed = 0
        for at in range(0, size, asked.every):
            for before in (True, False):
                tried += 1
                try:
                    check(name, at, before, expected)
                except Exception as error:
                    failed += 1
                    failures.append(f"{name} {at} {before}: {type(error).__name__}: {str(error)[:500]}")
        total += tried
        print(f"{name:<40}{size:>8}{tried:>8}{failed:>8}", flush=True)
    for failure in failures[:40]:
        print(failure)
    print(f"{total} kills, {len(failures)} failures, {time.monotonic() - begun:.0f} s")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Many runs on two workers to which something happens, and what must be true of them afterwards.

Owns the workers, the people who submit, answer and read the runs, and the checks. `faults` owns what happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from headwater.durable.asked import asked_of
from headwater.errors import JournalUnavailable
from headwater.events import Event, RunResumed, ToolFinished, ToolStarted, decode
from headwater.events.messages import Message
from headwater.journal.engines.engine import Engine
from headwater.journal.engines.opening import open_engine
from headwater.journal.postgres.store import PostgresLog
from headwater.journal.run_log import Request
from tests.cli.commands import environment
from tests.journal.postgres.databases import execute, name_of
from tests.support import programs
from tests.support.paths import ROOT
from tests.support.places import stored
from tests.system.durable.crowd import CROWD, PLACES
from tests.system.durable.deaths import Correspondents, whole
from tests.system.resume.kills import Went
from tests.system.resume.kills import check_end as same_end
from tests.system.resume.scenarios import SCENARIOS

__all__ = ("Figures", "Soak", "Worker")

T = TypeVar("T")

PATIENCE: Final = 1200.0
"""Seconds for all runs to end; nothing waits this long when all is well."""

PACE: Final = "0.3"
"""Seconds before each piece of an answer: a run lasts a few seconds."""

TRACED: Final = ("weather", "add", "book")
"""The tools that leave a trace."""


class Figures(msgspec.Struct):
    """What was counted."""

    runs: int = 0
    events: int = 0
    faults: int = 0
    resumed: int = 0
    seconds: float = 0.0
    failures: list[str] = []


class Worker:
    """A `headwater worker` that drives the crowd of the journal with that URL, as the engine delivers it."""

    def __init__(self, url: str, folder: Path, engine: str | None = None, **more: str) -> None:
        self._made_of = url, folder, engine, more
        self.said = folder / f"worker.{time.monotonic_ns()}"
        env = {"HEADWATER_JOURNAL": url, "HEADWATER_TEST_PACE": PACE, "HEADWATER_TEST_TRACES": str(folder / "done")}
        line = ["-m", "headwater", "worker", *PLACES, "--grace", "1", "--concurrency", "50"]
        line += [] if engine is None else ["--engine", engine]
        with open(self.said, "wb") as said, open(os.devnull, "rb") as nothing:
            streams = [nothing.fileno(), said.fileno(), said.fileno()]
            self._process = programs.fork(line, env=environment(**env, **more), streams=streams, cwd=ROOT)

    async def ready(self) -> None:
        """Wait until it drives runs."""
        while "drives" not in self.said.read_text():  # another process says so
            assert self._process.poll() is None, self.said.read_text()
            await asyncio.sleep(0.05)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self._process.pid, number)

    def replaced(self) -> Worker:
        """Kill it as a crash does; returns one like it."""
        self.kill()
        url, folder, engine, more = self._made_of
        return Worker(url, folder, engine, **more)

    def kill(self) -> None:
        """Kill it as a crash does."""
        self._process.kill()

    async def stop(self) -> str:
        """Stop it as a deploy does; returns what was wrong with that."""
        self.signal(signal.SIGTERM)
        try:
            status = await asyncio.to_thread(self._process.wait, 60.0)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"a worker does not stop: {self.said.read_text()[-2000:]}"
        return f"a worker ended with {status}: {self.said.read_text()[-2000:]}" if status else ""


class Soak:
    """Runs of every kind of the crowd in the journal with that URL, and the workers that drive them."""

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        runs: int,
        engine: str | None = None,
        rate: float = 10.0,
        copies: int = 1,
        hints: bool = True,
    ) -> None:
        self.url = url
        self.folder = folder
        self.engine = engine
        self.workers: list[Worker] = []
        self.figures = Figures(runs=runs)
        self.runs = {f"run_{number}": list(CROWD)[number % len(CROWD)] for number in range(runs)}
        self._rate = rate
        self._copies = copies
        self._hints = hints
        self._submitted: set[str] = set()
        self._over: set[str] = set()
        self._read: dict[str, list[bytes]] = {run: [] for run in self.runs}

    @property
    def busy(self) -> bool:
        """Whether there are runs still to end."""
        return len(self._over) < len(self.runs)

    async def replace(self, at: int) -> None:
        """Stop that worker as a deploy does, and start another."""
        self._failed(await self.workers[at].stop())
        self.workers[at] = self.workers[at].replaced()
        await self.workers[at].ready()

    async def carry_out(self, fault: Callable[[Soak], Awaitable[int]]) -> Figures:
        """Submit the runs, have `fault` happen to their workers, and look at what came of it."""
        began = time.monotonic()
        (self.folder / "done").touch()
        log, queue = await PostgresLog.open(self.url, hints=self._hints), open_engine(self.url, self.engine)
        try:
            for worker in self.workers:
                await worker.ready()
            async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._submit(log, queue))
                tasks.create_task(self._attend(log))
                readers = [tasks.create_task(self._follow(log, run)) for run in self.runs]
                self.figures.faults = await fault(self)
                await asyncio.wait(readers)
            await self._emptied(queue)
            for said in [await worker.stop() for worker in self.workers]:
                self._failed(said)
            await self._check(log)
        except TimeoutError:
            left = [run for run in self.runs if run not in self._over]
            infos = [await settled(lambda run=run: log.info(run)) for run in left[:5]]  # type: ignore[misc]
            self._failed(f"not over after {PATIENCE:g} s: {left}: {infos}")
        finally:
            for worker in self.workers:
                worker.kill()
            await queue.close()
            await log.close()
        self.figures.seconds = time.monotonic() - began
        return self.figures

    def _failed(self, said: str) -> None:
        if said:
            self.figures.failures.append(said)

    # --- the people

    async def _submit(self, log: PostgresLog, queue: Engine) -> None:
        for run, agent in self.runs.items():
            request = Request(agent=agent, body=asked_of([Message.user("go")], options={}).encode())

            async def once(run: str = run, request: Request = request) -> None:
                await settled(lambda: log.create(run, request))
                await settled(lambda: queue.submit(run, agent=request.agent))

            await asyncio.gather(*(once() for _ in range(self._copies)))
            self._submitted.add(run)
            await asyncio.sleep(1 / self._rate)

    async def _attend(self, log: PostgresLog) -> None:
        """Answer what is asked."""
        while self.busy:
            for run in self._submitted - self._over:
                if self.runs[run] == "asker" and (await settled(lambda run=run: log.info(run))).state == "waiting":  # type: ignore[misc]
                    people = Correspondents(SCENARIOS[CROWD["asker"]], run)
                    events = await settled(lambda run=run: stored(log, run))  # type: ignore[misc]
                    await settled(lambda: people.reply(log, events))  # noqa: B023 - awaited at once
            await asyncio.sleep(0.3)

    async def _follow(self, log: PostgresLog, run: str) -> None:
        """Read the run as a reader of another machine does."""
        while run not in self._submitted:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        lines = self._read[run]
        async for page in log.tail(run):
            if page.reset:
                self._failed(f"{run}: its reader was reset")
            for number, line in page.lines():
                if number != len(lines):
                    self._failed(f"{run}: a reader was given {number} and not {len(lines)}")
                lines.append(line)
        self._over.add(run)

    # --- the checks

    async def _emptied(self, queue: Engine) -> None:
        """Wait until the queue is empty."""

        async def jobs() -> bool:
            if self.engine is not None:
                return bool(await queue.waiting([*self.runs]))
            return await execute(self.url, "select count(*) from headwater_queue.procrastinate_jobs") != [(0,)]

        async with asyncio.timeout(120):
            while await settled(jobs):  # noqa: ASYNC110  # other processes empty it
                await asyncio.sleep(0.2)

    async def _check(self, log: PostgresLog) -> None:
        traces = (self.folder / "done").read_text().splitlines()
        expected = await asyncio.to_thread(undisturbed)  # on an event loop of its own
        for run, agent in self.runs.items():
            events = await stored(log, run)
            self.figures.events += len(events)
            self.figures.resumed += sum(isinstance(event, RunResumed) for event in events)
            runs = {event.run for event in events}
            ran = [one for one in traces if one.split("/")[0] in runs]
            try:
                check_run(CROWD[agent], events, ran, expected[agent])
                assert [decode(line) for line in self._read[run]] == events, "its reader was given something else"
            except Exception as error:
                end = f"{events[-1].type} {getattr(events[-1], 'error', None) or ''}"
                self._failed(f"{run} ({agent}), which ended with {end}: {type(error).__name__}: {str(error)[:500]}")
        written = await execute(self.url, "select no, by from headwater.events order by no, first")
        for writer in fenced_and_came_back(written):
            self._failed(f"{writer} has stored something after it was fenced")
        if left := await execute(self.url, "select id from headwater.workers"):
            self._failed(f"left among the workers: {left}")
        used = f"select count(*) from pg_stat_activity where datname = '{name_of(self.url)}' and state <> 'idle'"
        if (many := await execute(self.url, f"{used} and application_name = 'headwater'")) != [(0,)]:
            self._failed(f"connections at work when all is over: {many}")


def undisturbed() -> dict[str, Went]:
    """The run of each agent as it goes where nothing happens."""
    return {agent: whole(scenario) for agent, scenario in CROWD.items()}


def check_run(scenario: str, events: Sequence[Event], ran: Sequence[str], expected: Went) -> None:
    """The log of one run is right, and tools did what it says. Raises AssertionError, LogError."""
    error = getattr(getattr(events[-1], "error", None), "type", "")
    same_end(SCENARIOS[scenario], Went([*events], [*ran], error, None), expected)
    begun = Counter(f"{event.run}/{event.call}" for event in events if isinstance(event, ToolStarted))
    times = Counter(one.split(" ")[0] for one in ran)
    more = {key: many for key, many in times.items() if many > begun[key]}
    assert not more, f"ran more often than the log says: {more}"
    tools = {f"{event.run}/{event.call}": event.name for event in events if isinstance(event, ToolStarted)}
    for event in events:
        if isinstance(event, ToolFinished) and not event.error and tools.get(f"{event.run}/{event.call}") in TRACED:
            assert times[f"{event.run}/{event.call}"], "told as done, and nothing was"


def fenced_and_came_back(written: Sequence[tuple[Any, ...]]) -> set[str]:
    """The writers that have stored a batch after another writer of the same log had followed them."""
    gone, last = set[tuple[Any, str]](), dict[Any, str]()
    back = set[str]()
    for no, by in written:
        if last.get(no, by) != by:
            gone.add((no, last[no]))
        if (no, by) in gone:
            back.add(by)
        last[no] = by
    return back


async def settled(ask: Callable[[], Awaitable[T]]) -> T:
    """What the store answers, asked again while it does not answer."""
    while True:
        with contextlib.suppress(JournalUnavailable):
            return await ask()
        await asyncio.sleep(0.2)

"""Runs whose process dies at an event, before or after it is stored, and which other processes go on with.

    python -m tests.system.durable.deaths             # every event of every scenario; prints the table
    python -m tests.system.durable.deaths "three deep"

A process here is a task on a virtual clock: from the moment of its death the store answers it no more, so nothing that
it does later counts, and tools and models are gone with it. `kills` does the same with real processes and SIGKILL.
Asserted is what `tests.system.resume.kills` asserts: the rules of logs, the same end and messages as undisturbed, what
had finished ran once, nothing ran that the log did not tell of first, or that was not allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from headwater.durable.drive import drive
from headwater.durable.inbox import answer_body, asked_in, steer_body
from headwater.errors import HeadwaterError
from headwater.events import Event, MessageAdded, MessageReceived, RunFinished
from headwater.events.messages import Message
from headwater.events.questions import Answer, Question
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Appended, Batch, RunLog, answer
from headwater.testing import check_log
from tests.support.places import Place, stored, submitted
from tests.support.virtual import run_virtual
from tests.system.resume.kills import Went, undisturbed
from tests.system.resume.kills import check_end as same_end
from tests.system.resume.kills import check_steps as right_steps
from tests.system.resume.people import Rule, Saying
from tests.system.resume.scenarios import SCENARIOS, Scenario, done

__all__ = ("ENOUGH", "RUN", "Correspondents", "check", "events_of", "whole")

RUN: Final = "run_1"

ENOUGH: Final = 60
"""Drives after which a run has to be over."""


class Correspondents:
    """The people of a scenario, who know the run from the store alone and speak to it through its inbox."""

    def __init__(self, scenario: Scenario, run: str = RUN) -> None:
        people = scenario.people()
        self._run = run
        self._answers: dict[str, Rule] = dict(getattr(people, "_answers", {}))
        self.sayings: Sequence[Saying] = getattr(people, "_sayings", ())
        self._patient: bool = getattr(people, "_patient", True)

    async def speak(self, log: RunLog, events: Sequence[Event]) -> None:
        """Say what is due, whether a process drives the run or not."""
        for number, one in enumerate(self.sayings):
            if any(map(one.after, events)):
                body = steer_body(Message.user(one.text), agent=one.agent, now=one.now, by="ann")
                await log.post(self._run, "steer", f"saying-{number}", body)

    async def reply(self, log: RunLog, events: Sequence[Event]) -> None:
        """Answer what stands open: one question where they are patient."""
        questions = [Question.of(asked) for asked in asked_in(events).values()]
        for question in questions[: 1 if self._patient else None]:
            rule = self._answers.get(question.tool)
            given = rule(question) if rule is not None else Answer(by="ann")
            await answer(log, self._run, question.id, answer_body(given, question.kind))


class Mortal(MemoryLog):
    """A store that ends the process that appends event number `at`, before or after it is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.at: int | None = None
        self.before = False
        self.people: Correspondents | None = None
        self._dead: set[str] = set()
        self.died = asyncio.Event()

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        """See RunLog."""
        (batch,) = batches
        if batch.by in self._dead:
            await asyncio.Event().wait()
        dies = self.at is not None and batch.first <= self.at < batch.end
        if dies and self.before:
            await self._die(batch.by)
        appended = await super().append_many(batches)
        if dies:
            await self._die(batch.by)
        if self.people is not None:
            await self.people.speak(self, await stored(self, RUN))
        return appended

    async def _die(self, by: str) -> None:
        self._dead.add(by)
        self.died.set()
        await asyncio.Event().wait()


async def one_process(log: Mortal, scenario: Scenario, *, first: bool) -> None:
    """Drive the run in a process of its own, until it ends, waits or dies."""
    make = scenario.make if first or scenario.later is None else scenario.later
    place = Place(log, make(), worker=f"w{time.monotonic_ns()}")
    log.died = asyncio.Event()
    task, death = asyncio.ensure_future(drive(place, RUN)), asyncio.ensure_future(log.died.wait())
    await asyncio.wait([task, death], return_when=asyncio.FIRST_COMPLETED)
    # The store does not answer a dead process, and a live one has nothing to wait for: all that is left ends here.
    while left := asyncio.all_tasks() - {asyncio.current_task()}:
        for other in left:
            other.cancel()
        await asyncio.sleep(0)
    if not log.died.is_set():
        await task


async def to_the_end(scenario: Scenario, *, at: int | None = None, before: bool = False) -> list[Went]:
    """The drives of a run whose first process dies at that event; the last came to the end."""
    log, drives = Mortal(), list[Went]()
    log.at, log.before, log.people = at, before, Correspondents(scenario)
    await submitted(log, scenario.make(), RUN)
    for number in range(ENOUGH):
        done.clear()
        await one_process(log, scenario, first=number == 0)
        if log.died.is_set():
            log.at = None
        events = await stored(log, RUN)
        error = getattr(getattr(events[-1], "error", None), "type", "") if events else ""
        drives.append(Went(events, [*done], error, None))
        if (await log.info(RUN)).over:
            return drives
        await log.people.speak(log, events)
        if (await log.info(RUN)).state == "waiting":
            await log.people.reply(log, events)
    raise AssertionError(f"not over after {ENOUGH} drives: {[event.type for event in events[-5:]]}")


def whole(name: str) -> Went:
    """The scenario as it goes where nothing dies and somebody reads it."""
    return undisturbed(SCENARIOS[name])


def events_of(name: str) -> list[Event]:
    """The stored log of the scenario where nothing dies."""
    return run_virtual(to_the_end(SCENARIOS[name]))[0][-1].log


def check(name: str, at: int | None, before: bool, expected: Went) -> None:
    """Carry out the scenario with that death. Raises AssertionError and LogError."""
    drives, _ = run_virtual(to_the_end(SCENARIOS[name], at=at, before=before))
    log: list[Event] = []
    for went in drives:
        assert went.log[: len(log)] == log, "what was stored stays"
        right_steps(log, went)
        log = went.log
    check_log(log)
    if sayings := Correspondents(SCENARIOS[name]).sayings:
        _all_heard(sayings, log)  # at which step depends on when the letter came
    else:
        same_end(SCENARIOS[name], drives[-1], expected)


def _all_heard(sayings: Sequence[Saying], log: Sequence[Event]) -> None:
    """Whatever was said stands in the log once, and a model has heard it, unless it came with the last words."""
    received = [event.key for event in log if isinstance(event, MessageReceived)]
    heard = [event.key for event in log if isinstance(event, MessageAdded) and event.cause == "steer"]
    assert len({*received}) == len(received) <= len(sayings)
    assert set(heard) <= set(received)
    assert isinstance(log[-1], RunFinished)
    assert log[-1].finish_reason == "stop"
    assert len(received) == len(sayings) or any(one.after(event) for one in sayings for event in log[-12:])


def main(arguments: Sequence[str]) -> int:
    """Try every event of the scenarios that are named, or of all; print the table."""
    parser = argparse.ArgumentParser(description="End the process of runs at every event, and go on with them.")
    parser.add_argument("names", nargs="*")
    names = parser.parse_args(arguments).names or [*SCENARIOS]
    begun, failures = time.monotonic(), Counter[str]()
    print(f"{'scenario':<40}{'events':>8}{'before':>14}{'after':>14}")
    for name in names:
        expected, size, row = whole(name), len(events_of(name)), ""
        for before in (True, False):
            failed = 0
            for at in range(size):
                try:
                    check(name, at, before, expected)
                except (AssertionError, HeadwaterError, Exception) as error:
                    failed += 1
                    failures[f"{name} {at} {before}: {type(error).__name__}: {str(error)[:500]}"] += 1
            row += f"{f'{size}' + (f', {failed} failed' if failed else ''):>14}"
        print(f"{name:<40}{size:>8}{row}", flush=True)
    for failure in [*failures][:40]:
        print(failure)
    print(f"{len(failures)} failures, {time.monotonic() - begun:.0f} s")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

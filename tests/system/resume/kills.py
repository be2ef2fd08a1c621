"""Runs that are stopped at every event of their log, and gone on with from what is saved of it, in a fresh declaration.

    python -m tests.system.resume.kills
    python -m tests.system.resume.kills --pairs 300 "steered now" denied

Each scenario is carried out undisturbed once. Then, for every event of its log: the log is cut after it, as where the
process dies, written as JSON, read back and gone on with; the run that goes on is cut again, at each of its own events;
and a run is left by `park`, gently and at once, and gone on with. And for real: a process is killed before and after it
has stored the event, another goes on with what is left, and while it does so two are killed in the same way at some of
its events, after each of which a third comes to the end. Where two deaths leave the same bytes, these are gone on with
once. Asserted is what `check` says: the rules of logs, the same end and messages, what had finished ran once, nothing
ran that was not allowed or that the log did not tell of first, and the live Response is that of the log. The command
tries everything (of the pairs of stops, which are very many, as many a scenario as `--pairs` says) and prints a table;
it ends with 1 where one failed.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater import Response, Results
from headwater.errors import HeadwaterError, Parked
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    RunStarted,
    ToolFinished,
    ToolStarted,
    decode,
    encode,
    tree_response,
)
from headwater.testing import check_log
from tests.support.virtual import run_virtual
from tests.system.invariants.late_reader import known
from tests.system.resume.processes import Job, Left, Processes, Stop
from tests.system.resume.scenarios import SCENARIOS, Scenario, done

__all__ = ("COUNTS", "Case", "Drive", "Went", "cases", "check", "check_end", "check_steps", "saved", "undisturbed")

Way: TypeAlias = Literal["killed", "killed twice", "parked", "parked at once", "kill -9"]
COUNTS: Final[tuple[Way, ...]] = ("killed", "killed twice", "parked", "parked at once", "kill -9")

ASKED_FIRST: Final = ("charge", "shell")
"""The tools that run only where someone has allowed it."""


class Went(msgspec.Struct):
    """What came of carrying out a run, or the rest of one."""

    log: list[Event]
    """All of it, with what was there before."""
    ran: list[str]
    """What tools have done in it: the words of `done`."""
    error: str
    live: Any
    """The live run's Response, as `known` has it."""
    left: bool = False
    """Whether it was parked."""
    _outcome: tuple[Any, ...] | None = None

    def outcome(self) -> tuple[Any, ...]:
        """How it ended, and the messages of each run."""
        if self._outcome is None:
            self._outcome = _end(self), _messages(self.log)
        return self._outcome


class Case(msgspec.Struct, frozen=True):
    """One stop of a scenario: in which way, after how many events, and after how many more the second time.

    `before`: the process dies before that event is stored.
    """

    way: Way
    first: int
    second: int = 0
    before: bool = False


# --- carrying out


class Drive:
    """Reads a run of the scenario to its end, or the rest of it after `before`, with its people in attendance.

    `park` is the number of new events after which it is parked; `now`: at once. `watch` is told of each new event.
    """

    def __init__(
        self,
        scenario: Scenario,
        before: Sequence[Event] = (),
        *,
        park: int | None = None,
        now: bool = False,
        watch: Callable[[Event], None] | None = None,
    ) -> None:
        self._watch = watch
        self._scenario = scenario
        self._before = [*before]
        self._park = park
        self._now = now

    def go(self) -> Went:
        done.clear()
        went, _ = run_virtual(self._read())
        return went

    async def _read(self) -> Went:
        scenario, log, error = self._scenario, [*self._before], ""
        people = scenario.people()
        if log and scenario.later is not None:
            stream = scenario.later().resume(log, on_changed="warn", keep_log=True)
        elif log:
            stream = scenario.make().resume(log, keep_log=True)
        else:
            stream = scenario.make().run_stream("go", keep_log=True)
        told: list[Event] = []
        stream._begun().watch(told.append)
        if self._watch is not None:
            stream._begun().watch(self._watch)
        new = 0
        try:
            async for event in stream.events():
                log.append(event)
                people(stream, log)
                new += 1
                if new == self._park:
                    stream.park(now=self._now)
        except HeadwaterError as raised:
            error = type(raised).__name__
            kept = raised.log if isinstance(raised, Parked) else log
        else:
            kept = log
        assert told == log[len(self._before) :], "who watches is told what its reader is given"
        assert [*kept] == log, "Parked has the log as it was told"
        response = stream.response
        assert isinstance(response, (Response, Results))
        return Went(log, [*done], error, known(response), error == "Parked")


def undisturbed(scenario: Scenario) -> Went:
    """The scenario, carried out once without anything in between."""
    went = Drive(scenario).go()
    check_log(went.log)
    return went


def saved(log: Sequence[Event]) -> list[Event]:
    """The log as another process reads it."""
    return [decode(line) for line in b"\n".join(map(encode, log)).split(b"\n") if line]


# --- cases


def cases(whole: Went, way: Way) -> Iterator[Case]:
    """All stops of a run in that way; of the second stops there may be more than events are left."""
    size = len(whole.log)
    for first in range(1, size + 1):
        if way == "killed twice":
            yield from (Case(way, first, second) for second in range(1, size - first + 6))
        elif way == "kill -9":
            yield Case(way, first, before=True)
            yield Case(way, first)
        else:
            yield Case(way, first)


def carried_out(name: str, case: Case, whole: Went) -> list[Went] | None:
    """The drives after the stop, the last of which came to the end; None where there is no such stop."""
    scenario = SCENARIOS[name]
    if case.way in ("parked", "parked at once"):
        left = Drive(scenario, park=case.first, now=case.way == "parked at once").go()
        if not left.left:
            return [left]  # it came to its end first
        if case.way == "parked":
            check_log(left.log, parked=True)
        return [left, Drive(scenario, saved(left.log)).go()]
    before = saved(whole.log[: case.first])
    went = Drive(scenario, before).go()
    if case.way == "killed":
        return [went]
    if case.first + case.second > len(went.log):
        return None
    return [went, Drive(scenario, saved(went.log[: case.first + case.second])).go()]


# --- what must be true


def check(name: str, case: Case, whole: Went, processes: Processes | None = None) -> bool:
    """Carry out the case and look at what came of it. Raises AssertionError and LogError. False: no such stop."""
    if case.way == "kill -9":
        assert processes is not None
        for _, wrong in check_processes(name, [case], whole, processes):
            if wrong is not None:
                raise wrong
        return True
    drives = carried_out(name, case, whole)
    if drives is None:
        return False
    scenario = SCENARIOS[name]
    kept = 0 if case.way in ("parked", "parked at once") else case.first
    log = whole.log[:kept]
    for went in drives:
        _check_once(log, went)
        _check_allowed(went)
        assert went.live == known(tree_response(went.log)), "the live Response is another than that of its log"
        if case.way == "killed twice" and went is drives[0]:
            log = went.log[: case.first + case.second]
            assert saved(went.log[: case.first]) == saved(whole.log[: case.first])
        else:
            log = went.log
    check_end(scenario, drives[-1], whole)
    return True


def check_processes(
    name: str, cases: Sequence[Case], whole: Went, processes: Processes
) -> Iterator[tuple[Case, Exception | None]]:
    """Carry out the cases in processes of their own, which are killed. Yields each, and what was wrong with it.

    With each comes a second death, before an event of the process that goes on and after another.
    """
    with tempfile.TemporaryDirectory() as folder:
        stops = tuple(Stop(case.first, f"{folder}/{number}", case.before) for number, case in enumerate(cases))
        processes.carry_out([Job(name, f"{folder}/undisturbed", stops)])
        same: dict[Left, list[Case]] = {}
        for case, stop in zip(cases, stops, strict=True):
            same.setdefault(Left.by(stop.folder), []).append(case)
        gone = [
            GoneOn(name, f"{folder}/after {number}", alike[0], Left(b"", b""), left, len(whole.log))
            for number, (left, alike) in enumerate(same.items())
        ]
        processes.carry_out([one.job for one in gone])
        for one, alike in zip(gone, same.values(), strict=True):
            wrong = one.wrong(whole)
            yield from ((case, wrong) for case in alike)
        again = [one.after(stop) for one in gone for stop in one.job.stops if stop.came]
        processes.carry_out([one.job for one in again])
        yield from ((one.case, one.wrong(whole)) for one in again)


class GoneOn:
    """What a killed process left in a case, and the process that goes on with it in `folder`.

    The killed one had gone on with what was left `before`. With `size`, two more are killed, before an event and after
    another, if they come so far: the undisturbed run has so many.
    """

    def __init__(self, name: str, folder: str, case: Case, before: Left, left: Left, size: int | None = None) -> None:
        self.case = case
        self._before = before
        self._left = left
        stops: list[Stop] = []
        for early in (True, False) if size is not None else ():
            at = random.Random(f"{size} {case.first} {early}").randint(1, (size or 0) - case.first + 6)
            stops.append(Stop(at, f"{folder} {early}", early))
        self.job = Job(name, folder, tuple(stops))
        Path(folder).mkdir()
        left.put(folder)

    def after(self, stop: Stop) -> GoneOn:
        """What the process left that was killed while it went on with this."""
        case = Case("kill -9", self.case.first, stop.at, stop.before)
        return GoneOn(self.job.scenario, f"{stop.folder} and again", case, self._left, Left.by(stop.folder))

    def wrong(self, whole: Went) -> Exception | None:
        """What was wrong with it, once it has been done."""
        try:
            now = Left.by(self.job.folder)
            _check_process(self._before, self._left)
            went = Went(now.log(), now.done(), self.job.error(), None)
            _check_process(self._left, now)
            _check_traces(went)
            check_end(SCENARIOS[self.job.scenario], went, whole)
        except Exception as error:
            return error
        return None


def _check_traces(went: Went) -> None:
    """Tools did what the log tells, as often as it tells of their beginning."""
    ends = [event for event in went.log if isinstance(event, ToolFinished) and not event.error]
    finished = {f"{event.run}/{event.call}" for event in ends}
    begun = Counter(f"{event.run}/{event.call}" for event in went.log if isinstance(event, ToolStarted))
    times = Counter(one.split(" ")[0] for one in went.ran)
    assert all(times[key] <= begun[key] for key in times)
    assert not {key for key in finished & _that_leave_traces(went.log) if not times[key]}, (
        "told as done, and it was not"
    )


def _check_process(before: Left, after: Left) -> None:
    """What one process did, alive or killed."""
    assert after.stored.startswith(before.stored), "what was stored stays"
    assert after.said.startswith(before.said)
    check_steps(before.log(), Went(after.log(), after.done()[len(before.done()) :], "", None))


def _that_leave_traces(log: Sequence[Event]) -> set[str]:
    """The calls of tools that leave a trace."""
    traces = ("weather", "add", "charge", "book", "shell", "send")
    return {f"{event.run}/{event.call}" for event in log if isinstance(event, ToolStarted) and event.name in traces}


def check_end(scenario: Scenario, went: Went, whole: Went) -> None:
    """It came to the end that is right, with the messages that are."""
    check_log(went.log)
    if scenario.ends:
        assert (went.error or str(tree_response(went.log))) in scenario.ends
    else:
        assert went.outcome() == whole.outcome()


def check_steps(before: Sequence[Event], went: Went) -> None:
    """What one drive did: nothing twice, and nothing that its log does not allow or does not tell of."""
    _check_once(before, went)
    _check_begun(went)
    _check_allowed(went)


def _check_once(before: Sequence[Event], went: Went) -> None:
    """What had finished does not run again, and nothing finishes twice."""
    finished = {f"{event.run}/{event.call}" for event in before if isinstance(event, ToolFinished)}
    again = [one for one in went.ran if one.split(" ")[0] in finished]
    assert not again, f"ran again: {again}"
    twice = [one for one, times in Counter(one.split(" ")[0] for one in went.ran).items() if times > 1]
    assert not twice, f"ran twice in one process: {twice}"


def _check_begun(went: Went) -> None:
    """Whatever was done, the stored log tells that it began."""
    begun = {f"{event.run}/{event.call}" for event in went.log if isinstance(event, ToolStarted)}
    untold = [one for one in went.ran if one.split(" ")[0] not in begun]
    assert not untold, f"ran, and the log does not say so: {untold}"


def _check_allowed(went: Went) -> None:
    """What was done had been allowed, with what it was allowed for."""
    asked = {event.approval: event for event in went.log if isinstance(event, ApprovalAsked)}
    answers = [event for event in went.log if isinstance(event, ApprovalAnswered)]
    allowed = {f"{one.run}/{asked[one.approval].call}": one for one in answers if one.allowed}
    refused = {f"{one.run}/{asked[one.approval].call}" for one in answers if not one.allowed}
    for_run = {(one.run, asked[one.approval].name) for one in answers if one.allowed and one.for_run}
    for one in went.ran:
        key, tool, *_ = one.split(" ")
        if tool in ASKED_FIRST:
            assert key in allowed or (key.split("/")[0], tool) in for_run, f"ran without being allowed: {one}"
        assert key not in refused, f"ran though it was refused: {one}"


def _end(went: Went) -> tuple[Any, ...]:
    end = went.log[-1]
    error = getattr(end, "error", None)
    reason, output = getattr(end, "finish_reason", None), getattr(end, "output", None)
    return end.type, reason, output, (error.type, error.message) if error is not None else None, went.error


def _messages(log: Sequence[Event]) -> list[Any]:
    """The messages of each run, by where it stands, without what is made up anew: the keys of calls."""
    runs = {event.run: event.path for event in log if isinstance(event, RunStarted)}
    whole = tree_response(log)
    told: list[Any] = [(member.agent, _plain(member.messages)) for member in whole.members.values()]
    if isinstance(whole, Response):
        told.append((whole.agent, whole.text, _plain(whole.messages)))
    return [sorted(runs.values()), *told]


def _plain(messages: Sequence[Any]) -> str:
    return re.sub(r"call_[0-9a-f]+_", "call_", repr(messages))


# --- the command


def main(arguments: Sequence[str]) -> int:
    """Try the stops of the scenarios that are named, or of all; print the table."""
    parser = argparse.ArgumentParser(description="Stop runs at every event, and go on with them.")
    parser.add_argument("--pairs", type=int, help="how many pairs of stops of each scenario; all, unless given")
    parser.add_argument("names", nargs="*", help="the scenarios; all, unless given")
    asked = parser.parse_args(arguments)
    with Processes() as processes:
        return _table(asked.names or [*SCENARIOS], asked.pairs, processes)


def _table(names: Sequence[str], pairs: int | None, processes: Processes) -> int:
    begun, failures, totals = time.monotonic(), list[str](), Counter[str]()
    columns = (*COUNTS, "and again")
    print(f"{'scenario':<48}{'events':>7}" + "".join(f"{way:>16}" for way in columns))
    for name in names:
        whole = undisturbed(SCENARIOS[name])
        tried, failed = Counter[str](), Counter[str]()
        for way, case, wrong in _tried(name, whole, pairs, processes):
            tried[way] += 1
            if wrong is not None:
                failed[way] += 1
                failures.append(f"{name}: {case}: {type(wrong).__name__}: {str(wrong)[:2000]}")
        totals.update(tried, events=len(whole.log))
        cells = (f"{tried[way]}" + (f", {failed[way]} failed" if failed[way] else "") for way in columns)
        print(f"{name:<48}{len(whole.log):>7}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
    print(f"{'all':<48}{totals['events']:>7}" + "".join(f"{totals[way]:>16}" for way in columns))
    for failure in failures[:40]:
        print(failure)
    print(f"{len(failures)} failures, {time.monotonic() - begun:.0f} s")
    return bool(failures)


def _tried(
    name: str, whole: Went, pairs: int | None, processes: Processes
) -> Iterator[tuple[str, Case, Exception | None]]:
    """Try all stops of a scenario. Yields the column of each, and what was wrong with it."""
    for way in COUNTS:
        stops = [*cases(whole, way)]
        if way == "kill -9":
            for case, wrong in check_processes(name, stops, whole, processes):
                yield ("and again" if case.second else way), case, wrong
            continue
        if way == "killed twice" and pairs is not None:
            stops = random.Random(name).sample(stops, k=min(pairs, len(stops)))
        for case in stops:
            try:
                if check(name, case, whole):
                    yield way, case, None
            except Exception as error:
                yield way, case, error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

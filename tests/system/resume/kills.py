"""Runs that are stopped at every event of their log, and gone on with from what is saved of it, in a fresh declaration.

    python -m tests.system.resume.kills
    python -m tests.system.resume.kills "steered now" denied

Each scenario is carried out undisturbed once. Then, for every event of its log: the log is cut after it, as where the
process dies, written as JSON, read back and gone on with; the run that goes on is cut again, at its own events; and a
run is left by `park`, gently and at once, and gone on with. A sample is gone on with in a process of its own. Asserted
is what `check` says: the rules of logs, the same end and messages, what had finished ran once, nothing ran that was not
allowed, and the live Response is that of the log. The command tries everything, prints a table, and ends with 1 where
anything failed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater import Response, Results
from headwater.errors import HeadwaterError, Parked
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    RunFailed,
    RunFinished,
    RunStarted,
    ToolFinished,
    decode,
    encode,
    tree_response,
)
from headwater.testing import check_log
from tests.support.virtual import run_virtual
from tests.system.invariants.late_reader import known
from tests.system.resume.scenarios import SCENARIOS, Scenario, done

__all__ = ("COUNTS", "Case", "Drive", "Went", "cases", "check", "undisturbed")

Way: TypeAlias = Literal["killed", "killed twice", "parked", "parked at once", "in a new process"]
COUNTS: Final[tuple[Way, ...]] = ("killed", "killed twice", "parked", "parked at once", "in a new process")

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


class Case(msgspec.Struct, frozen=True):
    """One stop of a scenario: in which way, after how many events, and after how many more the second time."""

    way: Way
    first: int
    second: int = 0


# --- carrying out


class Drive:
    """Reads a run of the scenario to its end, or the rest of it after `before`, with its people in attendance.

    `park` is the number of new events after which it is parked; `now`: at once.
    """

    def __init__(
        self, scenario: Scenario, before: Sequence[Event] = (), *, park: int | None = None, now: bool = False
    ) -> None:
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


def in_new_process(name: str, before: Sequence[Event]) -> Went:
    """The rest of a run, carried out by a process that has nothing but the saved log."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "log.jsonl")
        file.write_bytes(b"\n".join(map(encode, before)))
        command = [sys.executable, "-m", "tests.system.resume.kills", "--go-on", name, str(file)]
        told = subprocess.run(command, capture_output=True, check=False)
        assert told.returncode == 0, told.stderr.decode()
        ran, error, *lines = told.stdout.splitlines()
    log = [decode(line) for line in lines]
    return Went(log, msgspec.json.decode(ran), msgspec.json.decode(error), known(tree_response(log)))


def _go_on(name: str, file: str) -> int:
    """What the new process does."""
    went = Drive(SCENARIOS[name], [decode(line) for line in Path(file).read_bytes().splitlines()]).go()
    assert went.live == known(tree_response(went.log))
    sys.stdout.buffer.write(b"\n".join(map(msgspec.json.encode, (went.ran, went.error))))
    sys.stdout.buffer.write(b"".join(b"\n" + encode(event) for event in went.log))
    return 0


# --- cases


def cases(whole: Went, way: Way) -> Iterator[Case]:
    """All stops of a run in that way; of the second stops there may be more than events are left."""
    size = len(whole.log)
    for first in range(1, size + 1):
        if way == "killed twice":
            yield from (Case(way, first, second) for second in range(1, size - first + 6))
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
    if case.way == "in a new process":
        return [in_new_process(name, before)]
    went = Drive(scenario, before).go()
    if case.way == "killed":
        return [went]
    if case.first + case.second > len(went.log):
        return None
    return [went, Drive(scenario, saved(went.log[: case.first + case.second])).go()]


# --- what must be true


def check(name: str, case: Case, whole: Went) -> bool:
    """Carry out the case and look at what came of it. Raises AssertionError and LogError. False: no such stop."""
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
    check_log(drives[-1].log)
    if scenario.one_of:
        assert isinstance(drives[-1].log[-1], (RunFinished, RunFailed))
    else:
        assert _end(drives[-1]) == _end(whole)
        assert _messages(drives[-1].log) == _messages(whole.log)
    return True


def _check_once(before: Sequence[Event], went: Went) -> None:
    """What had finished does not run again, and nothing finishes twice."""
    finished = {f"{event.run}/{event.call}" for event in before if isinstance(event, ToolFinished)}
    again = [one for one in went.ran if one.split(" ")[0] in finished]
    assert not again, f"ran again: {again}"
    twice = [one for one, times in Counter(one.split(" ")[0] for one in went.ran).items() if times > 1]
    assert not twice, f"ran twice in one process: {twice}"


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


def main(names: Sequence[str]) -> int:
    """Try all stops of the scenarios of these names, or of all; print the table."""
    begun, failures = time.monotonic(), Counter[str]()
    print(f"{'scenario':<34}{'events':>7}" + "".join(f"{way:>18}" for way in COUNTS))
    for name in names or SCENARIOS:
        whole = undisturbed(SCENARIOS[name])
        row = f"{name:<34}{len(whole.log):>7}"
        for way in COUNTS:
            tried = failed = 0
            every = 9 if way == "in a new process" else 1
            for case in [*cases(whole, way)][::every]:
                try:
                    tried += check(name, case, whole)
                except Exception as error:
                    failed += 1
                    failures[f"{name}: {case}: {type(error).__name__}: {str(error)[:2000]}"] += 1
            row += f"{f'{tried}' + (f', {failed} failed' if failed else ''):>18}"
        print(row, flush=True)
    for failure in [*failures][:40]:
        print(failure)
    print(f"{len(failures)} failures, {time.monotonic() - begun:.0f} s")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(_go_on(*sys.argv[2:]) if sys.argv[1:2] == ["--go-on"] else main(sys.argv[1:]))

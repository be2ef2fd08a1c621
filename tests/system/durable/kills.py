"""Runs whose processes are killed with SIGKILL at every event, on every store and engine.

    python -m tests.system.durable.kills                         # twelve scenarios, every event; prints the table
    python -m tests.system.durable.kills --on procrastinate "parallel tools"
    python -m tests.system.durable.kills --in-turn --all         # one case of each event, of every scenario

For each event of a scenario's log a process is killed before the event is stored, and another after it; where the run
was delivered and nothing is stored yet, too. Each is done twice: the next process comes to the end, and the next
process is killed as well, at one of the events that it would store, and a third comes to the end. Asserted is what
`deaths` asserts, and that every process finds the run, whole, where the one before it has left it. Scenarios in which
somebody speaks to the run are `deaths`' alone, for they depend on the moment.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from headwater.events import Event
from tests.system.durable.deaths import Correspondents, events_of, whole
from tests.system.durable.grounds import GROUNDS, Ground
from tests.system.durable.mortals import Death, Life, Seen, live
from tests.system.resume.kills import Went, saved
from tests.system.resume.kills import check_end as same_end
from tests.system.resume.kills import check_steps as right_steps
from tests.system.resume.scenarios import SCENARIOS

__all__ = ("KILLABLE", "TWELVE", "Store", "cases", "check")

KILLABLE: Final = tuple(
    name for name, scenario in SCENARIOS.items() if not Correspondents(scenario).sayings and "cancelled" not in name
)
"""The scenarios that take no real minute, and in which nobody speaks to the run."""

TWELVE: Final = (
    "parallel tools",
    "retries and fallbacks",
    "an agent as a tool",
    "a handoff",
    "repair and loops",
    "bad calls",
    "giving up",
    "sequential",
    "concurrent",
    "a graph with a cycle",
    "nested, with a failed member",
    "a tool that asks",
)
"""The kinds of runs that are killed at each of their events."""


class Store:
    """A store and its engine, in which each case is a run of its own."""

    def __init__(self, ground: str, folder: Path) -> None:
        self.ground = ground
        self.folder = folder
        self.url = GROUNDS[ground].made(folder)
        self._runs = 0

    def next(self) -> tuple[str, Path]:
        """The id of a new run, and a folder for it."""
        self._runs += 1
        folder = self.folder / f"run_{self._runs}"
        folder.mkdir()
        return f"run_{self._runs}", folder


def cases(size: int, *, every: int = 1, in_turn: bool = True) -> Iterator[tuple[Death, ...]]:
    """The deaths of a run with so many events, at each so-many-th one: one of its four cases `in_turn`, or all."""
    yield (Death(-1),)
    for number, at in enumerate(range(0, size, every)):
        of_one = [*_at_event(size, at)]
        yield from [of_one[number % 4]] if in_turn else of_one


def _at_event(size: int, at: int) -> Iterator[tuple[Death, ...]]:
    for before in (True, False):
        dice = random.Random(f"{size} {at} {before}")
        yield (Death(at, before),)
        yield Death(at, before), Death(dice.randint(0, size - at + 3), dice.random() < 0.5)


def check(store: Store, name: str, deaths: Sequence[Death], expected: Went) -> int:
    """Carry out the scenario with those deaths. Returns how many died. Raises AssertionError and LogError."""
    run, folder = store.next()
    log: list[Event] = []
    ran: list[str] = []
    died = 0
    for number, death in enumerate((*deaths, None)):
        life = Life(store.ground, store.url, name, run, str(folder), number, death)
        killed = live(life)
        died += killed
        found = _seen(folder, f"found.{number}")
        _look(folder, log, ran, found)
        log, ran = found.events(), _traces(folder)[: found.ran]
        if not killed:
            left = _seen(folder, f"left.{number}")
            went = _look(folder, log, ran, left)
            assert left.over
            same_end(SCENARIOS[name], Went(went.log, _traces(folder), went.error, None), expected)
            return died
    raise AssertionError("the last process was killed")


def _look(folder: Path, log: Sequence[Event], ran: Sequence[str], seen: Seen) -> Went:
    """What was done between two looks into the store was right."""
    events = seen.events()
    error = getattr(getattr(events[-1], "error", None), "type", "") if events else ""
    went = Went(events, _traces(folder)[len(ran) : seen.ran], error, None)
    assert events[: len(log)] == list(log), "what was stored stays"
    right_steps(log, went)
    return went


def _seen(folder: Path, name: str) -> Seen:
    return msgspec.json.decode((folder / name).read_bytes(), type=Seen)


def _traces(folder: Path) -> list[str]:
    return (folder / "done").read_text().splitlines()


# --- the command


def main(arguments: Sequence[str]) -> int:
    """Try the scenarios that are named, or the twelve; print the table."""
    parser = argparse.ArgumentParser(description="Kill processes at every event of their runs.")
    parser.add_argument("--every", type=int, default=1, help="kill at each so-many-th event, once or twice")
    parser.add_argument("--in-turn", action="store_true", help="at each event one of the four cases, in turn")
    parser.add_argument("--on", choices=GROUNDS, action="append", help="the store and engine; all, unless given")
    parser.add_argument("--all", action="store_true", help="all scenarios, not only twelve")
    parser.add_argument("names", nargs="*", help="the scenarios; twelve, unless given")
    asked = parser.parse_args(arguments)
    names = asked.names or (KILLABLE if asked.all else TWELVE)
    begun, failures, total = time.monotonic(), list[str](), 0
    for ground in asked.on or GROUNDS:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(ground, Path(folder))
            kills, failed = _table(GROUNDS[ground], store, names, every=asked.every, in_turn=asked.in_turn)
        total += kills
        failures += failed
    for failure in failures[:40]:
        print(failure)
    print(f"{total} kills, {len(failures)} failures, {time.monotonic() - begun:.0f} s")
    return bool(failures)


def _table(ground: Ground, store: Store, names: Sequence[str], *, every: int, in_turn: bool) -> tuple[int, list[str]]:
    failures, totals = list[str](), [0] * 4
    print(f"{ground.name:<40}{'events':>8}{'killed once':>13}{'killed twice':>14}{'failed':>8}")
    for name in names:
        expected, size = whole(name), len(saved(events_of(name)))
        row = [size, 0, 0, 0]
        for deaths in cases(size, every=every, in_turn=in_turn):
            try:
                died = check(store, name, deaths, expected)
                row[died] += died > 0
            except Exception as error:
                row[3] += 1
                failures.append(f"{ground.name}: {name} {deaths}: {type(error).__name__}: {str(error)[:500]}")
        totals = [one + more for one, more in zip(totals, row, strict=True)]
        print(f"{name:<40}{row[0]:>8}{row[1]:>13}{row[2]:>14}{row[3]:>8}", flush=True)
    print(f"{'all':<40}{totals[0]:>8}{totals[1]:>13}{totals[2]:>14}{totals[3]:>8}\n", flush=True)
    return totals[1] + 2 * totals[2], failures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

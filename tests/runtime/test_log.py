"""What a tree of runs shares: a clock that never falls, and who is still to be told."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.events import Event
from headwater.runtime.log import Log


class Told:
    def __init__(self, name: str) -> None:
        self.id = name

    def tell(self, event: Event) -> None: ...


def test_a_clock_that_is_set_back_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    log, times = Log(), iter([10.0, 12.0, 5.0, 11.0, 13.0])
    monkeypatch.setattr(time, "time", lambda: next(times))
    read = []
    for _ in range(5):
        log.tick()
        read.append(log.now)
    assert read == [10.0, 12.0, 12.0, 12.0, 13.0]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"))))
def test_runs_are_known_from_their_joining_to_their_end(steps: list[tuple[bool, str]]) -> None:
    log, known = Log(), set[str]()
    for joins, name in steps:
        if joins:
            log.add(Told(name))
            known.add(name)
        else:
            log.remove(name)
            known.discard(name)
    assert set(log.runs or {}) == known


def test_a_tree_of_one_run_keeps_none() -> None:
    log = Log()
    log.remove("unknown")
    assert log.runs is None

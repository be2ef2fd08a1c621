"""Some of the kills of each kind of run, on every store and engine; `kills` tries every event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.effort import one_in, tries
from tests.system.durable.deaths import events_of, whole
from tests.system.durable.grounds import GROUNDS
from tests.system.durable.kills import TWELVE, Store, cases, check
from tests.system.resume.kills import saved

IN_POSTGRES = [name for name in GROUNDS if name != "sqlite"]
EACH: list[Any] = [
    "sqlite",
    *(pytest.param(name, marks=pytest.mark.xdist_group("postgres")) for name in IN_POSTGRES),
]


EVERY = one_in(30, 7)
"""A process is killed at each so-many-th event."""


@pytest.fixture(params=EACH)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(1800)  # where all of the scenarios are tried
@pytest.mark.parametrize("name", TWELVE[: tries(1, len(TWELVE))])
def test_a_killed_process_is_replaced_and_the_run_ends_the_same(store: Store, name: str) -> None:
    expected, size, died = whole(name), len(saved(events_of(name))), list[int]()
    for deaths in cases(size, every=EVERY):
        died.append(check(store, name, deaths, expected))
    assert {1, 2} <= {*died}, "some were killed once, and some twice"


def test_no_event_is_left_out() -> None:
    every = [*cases(20, in_turn=False)]
    assert {(one[0].at, one[0].before, len(one)) for one in every} == {
        (-1, False, 1),
        *((at, before, many) for at in range(20) for before in (True, False) for many in (1, 2)),
    }
    assert {one[0].at for one in cases(20, every=7)} == {-1, 0, 7, 14}

"""Some of the stops of each scenario of `kills`; see there for all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.effort import tries
from tests.system.resume.kills import COUNTS, Way, cases, check, undisturbed
from tests.system.resume.processes import Processes
from tests.system.resume.scenarios import SCENARIOS

STOPS: Final[dict[Way, int]] = {
    "killed": tries(2, 10_000),
    "killed twice": tries(1, 120),
    "parked": tries(1, 10_000),
    "parked at once": tries(1, 10_000),
    "kill -9": tries(1, 8),
}
"""How many stops of each scenario, in each way."""


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes() as these:
        yield these


@pytest.mark.long
@pytest.mark.timeout(1200)  # where all stops are tried
@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_stops_it_a_resumed_run_ends_the_same(name: str, processes: Processes) -> None:
    whole = undisturbed(SCENARIOS[name])
    tried = 0
    for way in COUNTS:
        stops = [*cases(whole, way)]
        for case in random.Random(name).sample(stops, k=min(STOPS[way], len(stops))):
            tried += check(name, case, whole, processes)
    assert tried > 3

"""Some of the stops of each scenario of `kills`; see there for all of them."""

from __future__ import annotations

import random
from typing import Final

import pytest

from tests.support.effort import LONG, tries
from tests.system.resume.kills import COUNTS, Way, cases, check, undisturbed
from tests.system.resume.scenarios import SCENARIOS

STOPS: Final[dict[Way, int]] = {
    "killed": tries(12, 10_000),
    "killed twice": tries(10, 400),
    "parked": tries(6, 10_000),
    "parked at once": tries(6, 10_000),
    "in a new process": tries(0, 4),
}
"""How many stops of each scenario, in each way."""

IN_NEW_PROCESSES: Final = ("an agent as a tool", "asked in nested workflows", "a tool that asks", "steered twice")
"""A new process takes a second: of these one stop each."""


@pytest.mark.long
@pytest.mark.timeout(1200)  # where all stops are tried
@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_stops_it_a_run_goes_on_to_the_same_end(name: str) -> None:
    whole = undisturbed(SCENARIOS[name])
    tried = 0
    for way in COUNTS:
        stops = [*cases(whole, way)]
        most = STOPS[way] or (not LONG and way == "in a new process" and name in IN_NEW_PROCESSES)
        for case in random.Random(name).sample(stops, k=min(int(most), len(stops))):
            tried += check(name, case, whole)
    assert tried > 10

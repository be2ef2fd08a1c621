"""Some of the deaths of each scenario; `deaths` tries all of them."""

from __future__ import annotations

import pytest

from tests.support.effort import one_in
from tests.system.durable.deaths import check, events_of, whole
from tests.system.resume.scenarios import SCENARIOS

EVERY = one_in(37, 2)
"""A process dies at each so-many-th event."""


@pytest.mark.long
@pytest.mark.timeout(1200)  # where every second event is tried
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_ends_the_same_wherever_its_process_dies(name: str) -> None:
    expected, size = whole(name), len(events_of(name))
    check(name, None, False, expected)
    for at in range(hash_of(name) % EVERY, size, EVERY):
        check(name, at, bool(at % 2), expected)


def hash_of(name: str) -> int:
    """Where to begin, so that not the same events are tried in each scenario."""
    return sum(name.encode())

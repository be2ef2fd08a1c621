"""A few of the kills of each kind of run; `kills` tries every event of every scenario."""

from __future__ import annotations

import pytest

from tests.support.effort import tries
from tests.system.durable.deaths import events_of, whole
from tests.system.durable.kills import KILLABLE, check

TRIED = ("parallel tools", "a tool that asks", "concurrent", "unknown: retry")


@pytest.mark.long
@pytest.mark.timeout(1800)  # where all scenarios are tried
@pytest.mark.parametrize("name", (tries(len(TRIED), 0) and TRIED) or KILLABLE)
def test_a_killed_process_is_replaced_and_the_run_ends_the_same(name: str) -> None:
    expected, size = whole(name), len(events_of(name))
    for at in range(3, size, 21):
        check(name, at, bool(at % 2), expected)

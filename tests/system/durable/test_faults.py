"""Some of what happens to workers and their database, on few runs; `faults` does all of it on two hundred."""

from __future__ import annotations

import os

import pytest

from tests.support.effort import LONG, WHOLE, tries
from tests.system.durable.faults import ROWS, WITH_TEMPORAL, carried_out
from tests.system.durable.soak import fenced_and_came_back

NEEDS_ROOT = ("disk full",)
"""Mounting a small disk does."""

OF_TEMPORAL = ("a partition past the lease", "Temporal killed")
"""What concerns the engine most: with Temporal the others are tried where all are."""

TRIED = [("procrastinate", name) for name in (ROWS if tries(0, 1) else ["rolling restart"])]
TRIED += [("temporal", name) for name in (WITH_TEMPORAL if WHOLE else OF_TEMPORAL) if LONG]
TRIED = [(on, name) for on, name in TRIED if os.getuid() == 0 or name not in NEEDS_ROOT]


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize(("on", "name"), TRIED)
def test_every_run_comes_to_its_end_and_every_reader_sees_it_whole(on: str, name: str) -> None:
    figures = carried_out(name, tries(4, 22), on)
    assert figures.failures == []
    assert figures.events > 30 * figures.runs


def test_a_writer_that_comes_back_after_it_was_fenced_is_found() -> None:
    assert fenced_and_came_back([(1, "a"), (1, "a"), (1, "b"), (2, "a"), (2, "c"), (2, "c")]) == set()
    assert fenced_and_came_back([(1, "a"), (1, "b"), (2, "c"), (1, "a")]) == {"a"}

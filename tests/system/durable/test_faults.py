"""Some of what happens to workers and their database, on few runs; `faults` does all of it on two hundred."""

from __future__ import annotations

import os

import pytest

from tests.support.effort import tries
from tests.system.durable.faults import ROWS, carried_out
from tests.system.durable.soak import fenced_and_came_back

NEEDS_ROOT = ("disk full",)
"""Mounting a small disk does."""

TRIED = [name for name in ROWS if os.getuid() == 0 or name not in NEEDS_ROOT] if tries(0, 1) else ["rolling restart"]


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize("name", TRIED)
def test_every_run_comes_to_its_end_and_every_reader_sees_it_whole(name: str) -> None:
    figures = carried_out(name, tries(4, 22))
    assert figures.failures == []
    assert figures.events > 30 * figures.runs


def test_a_writer_that_comes_back_after_it_was_fenced_is_found() -> None:
    assert fenced_and_came_back([(1, "a"), (1, "a"), (1, "b"), (2, "a"), (2, "c"), (2, "c")]) == set()
    assert fenced_and_came_back([(1, "a"), (1, "b"), (2, "c"), (1, "a")]) == {"a"}

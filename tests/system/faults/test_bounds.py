"""Things without end, or far too large: a clear error each, and no more memory than stated."""

from __future__ import annotations

import sys

import pytest

from tests.system.faults.bounds import BOUNDS, Bound, measure

pytestmark = pytest.mark.xdist_group("measured")  # they measure time or memory: not two at once


MUCH = (
    "endless event of many lines",
    "endless line (JSON lines)",
    "endless chunk (JSON array)",
    "endless answer",
    "compressed bomb, 1 MB that becomes 1 GB",
    "tool progress of 1 GB",
)
"""These read or make so much that the long counts run them; each of the others stands for another way in."""


@pytest.mark.skipif(sys.platform == "win32", reason="memory is measured in ways of Unix")
@pytest.mark.parametrize(
    "bound",
    [
        pytest.param(bound, id=bound.name, marks=[pytest.mark.long(only=True)] * (bound.name in MUCH))
        for bound in BOUNDS
        if not bound.slow
    ],
)
def test_a_bound_holds(bound: Bound) -> None:
    measured = measure(bound)
    assert bound.promised in measured.said
    assert measured.megabytes <= bound.megabytes

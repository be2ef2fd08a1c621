"""Things without end, or far too large: a clear error each, and no more memory than stated."""

from __future__ import annotations

import sys

import pytest

from tests.system.faults.bounds import BOUNDS, Bound, measure

pytestmark = pytest.mark.xdist_group("measured")  # they measure time or memory: not two at once


@pytest.mark.skipif(sys.platform == "win32", reason="memory is measured in ways of Unix")
@pytest.mark.parametrize("bound", [bound for bound in BOUNDS if not bound.slow], ids=lambda bound: bound.name)
def test_a_bound_holds(bound: Bound) -> None:
    measured = measure(bound)
    assert bound.promised in measured.said
    assert measured.megabytes <= bound.megabytes

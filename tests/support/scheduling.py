"""How pytest-xdist deals the tests out to its processes: consecutive tests of one file together.

With `--dist=loadgroup` alone, each test is a unit of work of its own. The scheduler counts all units of a process after
each test, which is quadratic: with eighteen thousand tests it took a tenth of the suite's time. Here a unit is a run of
tests from one file, or the whole of an `xdist_group`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController

__all__ = ("UNIT", "UnitScheduling", "units")

UNIT = 16
"""Tests a unit: few enough that all processes end at about the same time."""


def units(tests: Sequence[str]) -> dict[str, str]:
    """Returns the name of the unit of each test that is in no group; `tests` are ids in the order of collection."""
    seen: Counter[str] = Counter()
    named = {}
    for test in tests:
        file = test.split("::", 1)[0]
        named[test] = f"{file}#{seen[file] // UNIT}"
        seen[file] += 1
    return named


class UnitScheduling(LoadGroupScheduling):  # type: ignore[misc]  # pytest-xdist ships no types
    """Sends each process one unit after the other."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Names the units once a process has collected the tests."""
        self._units = units(collection)
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        group: str = super()._split_scope(nodeid)
        return self._units[nodeid] if group == nodeid else group

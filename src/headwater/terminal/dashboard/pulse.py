"""The amount written in each of the last seconds, and its display as a row of bars.

Pure, and of constant size for any length of a run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

__all__ = ("BARS", "SECONDS_KEPT", "Pulse", "bars")

SECONDS_KEPT: Final = 16
"""Number of bars: enough to see a stall, and short enough to fit next to the figures."""

BARS: Final = "▁▂▃▄▅▆▇"
"""Lowest first, without the full block, which would touch the row above."""


class Pulse:
    """Counts by the seconds of the log's clock; of what lies further back than the last ones nothing is kept.

    What is written before `until` adds to `count`, which whoever is in a hurry may do by itself: it is done for each
    token of each agent.
    """

    __slots__ = ("_before", "_second", "count", "until")

    def __init__(self) -> None:
        self._before: deque[int] = deque(maxlen=SECONDS_KEPT - 1)
        self._second = -1
        self.count: int = 0
        self.until: float = 0.0

    def wrote(self, count: int, time: float) -> None:
        """Adds an amount written at `time`, in Unix seconds."""
        if time < self.until:
            self.count += count
            return
        second = int(time)
        if self._second >= 0:
            self._before.append(self.count)
            self._before.extend([0] * min(second - self._second - 1, SECONDS_KEPT))
        self._second, self.count, self.until = second, count, second + 1.0

    def last(self, until: float) -> list[int]:
        """Returns the counts of the seconds until `until`; fewer if it started later, none without a start."""
        if self._second < 0:
            return []
        quiet = min(max(int(until) - self._second, 0), SECONDS_KEPT)
        return [*self._before, self.count, *([0] * quiet)][-SECONDS_KEPT:]


def bars(counts: Sequence[int]) -> str:
    """A bar for each count, the highest for the largest; what is not nothing is more than the lowest."""
    most = max(counts, default=0)
    if not most:
        return BARS[0] * len(counts)
    top = len(BARS) - 1
    return "".join(BARS[-(-count * top // most)] for count in counts)

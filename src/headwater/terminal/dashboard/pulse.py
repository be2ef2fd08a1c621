"""How much was written in each of the last seconds, and that as a row of bars.

Pure, and a few numbers however long the run is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

__all__ = ("BARS", "SECONDS_KEPT", "Pulse", "bars")

SECONDS_KEPT: Final = 16
"""As far back as the bars go: long enough to see a stall, short enough to fit beside the figures."""

BARS: Final = "▁▂▃▄▅▆▇"
"""Lowest first. The full block is none of them: it would touch the row above."""


class Pulse:
    """Counts by the seconds of the log's clock; of what lies further back than the last ones nothing is kept."""

    __slots__ = ("_counts", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._counts: deque[int] = deque(maxlen=SECONDS_KEPT)

    def wrote(self, count: int, time: float) -> None:
        """So much was written at `time`, in Unix seconds."""
        second = int(time)
        if second != self._second:
            self._turn(second)
        self._counts[-1] += count

    def last(self, until: float) -> list[int]:
        """The counts of the seconds up to the one of `until`; fewer where it began later, none where it never did."""
        if not self._counts:
            return []
        quiet = min(max(int(until) - self._second, 0), SECONDS_KEPT)
        return [*self._counts, *([0] * quiet)][-SECONDS_KEPT:]

    def _turn(self, second: int) -> None:
        """Another second has begun."""
        if not self._counts:
            self._second = second - 1
        for _ in range(min(max(second - self._second, 0), SECONDS_KEPT)):
            self._counts.append(0)
        self._second = max(second, self._second)


def bars(counts: Sequence[int]) -> str:
    """A bar for each count, the highest for the largest; what is not nothing is more than the lowest."""
    most = max(counts, default=0)
    if not most:
        return BARS[0] * len(counts)
    top = len(BARS) - 1
    return "".join(BARS[-(-count * top // most)] for count in counts)

"""A stream as it arrived: when which bytes and events came, and what that says about gaps and delays.

Pure: values and arithmetic. What a measurement means is for whoever shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec

__all__ = ("BUCKETS", "Arrived", "Measured", "Read")

BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0)
"""The upper bounds, in seconds, of a histogram of gaps; what is longer comes last."""


class Read(msgspec.Struct, frozen=True):
    """Bytes that arrived together: when (seconds since the request was sent), how many, and how many events in them."""

    at: float
    bytes: int
    events: int
    comments: int = 0


class Arrived(msgspec.Struct, frozen=True):
    """An event: when it arrived, and when the server stamped it (Unix seconds; None: it has no stamp, or is an old one
    that was sent again)."""

    at: float
    stamp: float | None = None


class Measured(msgspec.Struct, kw_only=True):
    """One stream, from the request to its end. Times are seconds since the request was sent."""

    url: str
    method: str
    kind: str
    """Which API it is: headwater or openai."""
    status: int = 0
    headers: Mapping[str, str] = {}
    head_at: float | None = None
    """When the response's head came."""
    reads: list[Read] = []
    events: list[Arrived] = []
    end: str = ""
    """The event that ended the stream, such as run.finished or [DONE]; empty if none came."""
    ended_at: float | None = None
    """When the response's body ended; None if it was left while it went on."""
    problem: str = ""
    """What went wrong, in words."""

    @property
    def bytes(self) -> int:
        """How many bytes came."""
        return sum(read.bytes for read in self.reads)

    @property
    def comments(self) -> int:
        """How many comments came: the first one, and heartbeats."""
        return sum(read.comments for read in self.reads)

    @property
    def first_byte(self) -> float | None:
        """When the first bytes of the body came."""
        return self.reads[0].at if self.reads else None

    @property
    def first_event(self) -> float | None:
        """When the first event came."""
        return self.events[0].at if self.events else None

    @property
    def lumps(self) -> Sequence[Read]:
        """The reads that completed events."""
        return [read for read in self.reads if read.events]

    @property
    def gaps(self) -> Sequence[float]:
        """Seconds between reads."""
        times = [read.at for read in self.reads]
        return [later - earlier for earlier, later in pairwise(times)]

    @property
    def histogram(self) -> Sequence[int]:
        """How many gaps are within each of BUCKETS; longer ones are the last number."""
        counts = [0] * (len(BUCKETS) + 1)
        for gap in self.gaps:
            counts[next((at for at, bound in enumerate(BUCKETS) if gap < bound), len(BUCKETS))] += 1
        return counts

    @property
    def longest_silence(self) -> float:
        """The longest gap, the wait for the first byte included."""
        return max((*self.gaps, self.first_byte or 0.0))

    @property
    def span(self) -> float:
        """Seconds between the stamps of the first and the last event that has one."""
        stamps = [event.stamp for event in self.events if event.stamp is not None]
        return max(stamps) - min(stamps) if stamps else 0.0

    @property
    def delays(self) -> Sequence[float]:
        """How much longer each stamped event took than the fastest one: the clocks of both sides may differ."""
        took = [event.at - event.stamp for event in self.events if event.stamp is not None]
        least = min(took, default=0.0)
        return [one - least for one in took]

    def to_dict(self) -> dict[str, object]:
        """All of it as plain values, with the figures that were computed."""
        delays = self.delays
        return {
            **{name: value for name, value in msgspec.to_builtins(self).items() if name not in ("reads", "events")},
            "first_byte": self.first_byte,
            "first_event": self.first_event,
            "bytes": self.bytes,
            "reads": len(self.reads),
            "events": len(self.events),
            "comments": self.comments,
            "longest_silence": self.longest_silence,
            "gaps": {"bounds": [*BUCKETS], "counts": [*self.histogram]},
            "delay": {"median": median(delays), "longest": max(delays)} if delays else None,
            "arrivals": [[read.at, read.bytes, read.events] for read in self.reads],
        }

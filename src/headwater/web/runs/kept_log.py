"""One run's log, kept in memory: every event at its position, finished steps in a tenth of the memory.

The deltas of a finished step are stored as one string per part, with the seq, time and end of each. They are returned
as the original events, so a reader can resume at every position. It must never merge two deltas, call a run, or read a
clock.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final

from headwater.errors import InvalidRecord
from headwater.events import (
    CallDelta,
    Event,
    ReasoningDelta,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    TextDelta,
)
from headwater.events.codec import encode
from headwater.events.types import End

__all__ = ("KeptLog",)

_DELTAS: Final = frozenset({TextDelta, ReasoningDelta, CallDelta})
_ENDS: Final = frozenset({RunFinished, RunFailed, RunCancelled})

DELTA_BYTES: Final = 24
"""Bytes of a packed delta besides its text: its slot in the list, its seq, its time, its end."""

UNKNOWN_BYTES: Final = 200
"""Assumed bytes of an event that cannot be encoded as JSON."""


class KeptLog:
    """The events of one tree of runs in order; position and `seq` are the same number."""

    __slots__ = ("_deltas", "_slots", "end", "size", "started")

    def __init__(self) -> None:
        self._slots: list[Event | _Pack] = []
        self._deltas: dict[tuple[str, int], list[Any]] = {}
        """The deltas of each run's current step."""
        self.size: int = 0
        """Approximate size in bytes."""
        self.started: RunStarted | None = None
        """The first event."""
        self.end: End | None = None
        """The final event of the outermost run."""

    def append(self, event: Event) -> None:
        """Appends the next event."""
        self._slots.append(event)
        kind = event.__class__
        if kind in _DELTAS:
            text: str = event.json if kind is CallDelta else event.text  # type: ignore[attr-defined]
            self.size += DELTA_BYTES + (len(text) if text.isascii() else 4 * len(text))
            if event.extra is None:
                place = (event.run, event.step)  # type: ignore[attr-defined]
                try:
                    self._deltas[place].append(event)
                except KeyError:
                    self._deltas[place] = [event]
            return
        self.size += _size(event)
        if kind is StepFinished:
            self._pack(self._deltas.pop((event.run, event.step), ()))  # type: ignore[attr-defined]
        elif self.started is None and isinstance(event, RunStarted):
            self.started = event
        elif kind in _ENDS and self.started is not None and event.run == self.started.run:
            self.end = event  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._slots)

    def __getitem__(self, position: int) -> Event:
        slot = self._slots[position]
        return slot.event(position) if slot.__class__ is _Pack else slot  # type: ignore[return-value]

    def __iter__(self) -> Iterator[Event]:
        return self.between(0, len(self._slots))

    def between(self, first: int, end: int) -> Iterator[Event]:
        """Returns the events from position `first` up to, but not including, `end`."""
        for position in range(first, min(end, len(self._slots))):
            yield self[position]

    def _pack(self, deltas: Any) -> None:
        parts: dict[tuple[Any, ...], list[Any]] = {}
        for delta in deltas:
            part = delta.call if delta.__class__ is CallDelta else delta.part
            parts.setdefault((delta.__class__, part, delta.path), []).append(delta)
        for of_part in parts.values():
            if len(of_part) > 1:
                pack = _Pack(of_part)
                for delta in of_part:
                    self._slots[delta.seq] = pack


class _Pack:
    """The deltas of one part."""

    __slots__ = ("_common", "_ends", "_kind", "_name", "_seqs", "_text", "_times")

    def __init__(self, deltas: list[Any]) -> None:
        first = deltas[0]
        self._kind: Any = first.__class__
        self._name = "json" if self._kind is CallDelta else "text"
        self._common: dict[str, Any] = {"step": first.step, "run": first.run, "path": first.path}
        if self._kind is CallDelta:
            self._common["call"] = first.call
        else:
            self._common["part"] = first.part
        self._text = "".join(getattr(delta, self._name) for delta in deltas)
        self._seqs = array("Q", [delta.seq for delta in deltas])
        self._times = array("d", [delta.time for delta in deltas])
        self._ends = array("Q")
        end = 0
        for delta in deltas:
            end += len(getattr(delta, self._name))
            self._ends.append(end)

    def event(self, seq: int) -> Event:
        """Returns the delta with that number, as it was added."""
        at = bisect_left(self._seqs, seq)
        text = self._text[self._ends[at - 1] if at else 0 : self._ends[at]]
        made: Event = self._kind(seq=seq, time=self._times[at], **{self._name: text}, **self._common)
        return made


def _size(event: Event) -> int:
    try:
        return len(encode(event))
    except InvalidRecord:
        return UNKNOWN_BYTES

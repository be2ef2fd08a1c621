"""Compacts the queue of a slow reader: adjacent deltas of one part are joined, and only a tool's latest progress is
kept.

For a reader that prefers longer pieces later to slowing the models down. Joining never crosses a run, a step, a part or
another event of the same run, so each run's own log keeps its content, in fewer pieces.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater.events import CallDelta, Event, FileMade, ReasoningDelta, TextDelta, ToolFinished, ToolProgress
from headwater.events.messages import AnyPart, Text
from headwater.tools.progress_value import memory_of

__all__ = ("JOINED", "SLOW_READERS", "Joined", "SlowReader")

SlowReader: TypeAlias = Literal["wait", "coalesce", "drop_progress"]
SLOW_READERS: Final = ("wait", "coalesce", "drop_progress")

JOINED: Final = (TextDelta, ReasoningDelta, CallDelta, ToolProgress)
"""Events that may be joined with their neighbors or replaced by later ones, and so may never be appended."""

MAX_CHARS_AHEAD: Final = 1_000_000
"""Maximum number of queued characters per member: longer than any answer, and three hundred of them fit in memory."""

EVENT_CHARS: Final = 200
"""The size of an event besides its text: about its memory."""


class _Pieces:
    """A delta, and the following ones of the same part."""

    __slots__ = ("first", "place", "texts")

    def __init__(self, first: Any, place: tuple[Any, ...], text: str) -> None:
        self.first = first
        self.place = place
        self.texts = [text]

    def event(self) -> Event:
        if len(self.texts) == 1:
            return self.first  # type: ignore[no-any-return]
        return msgspec.structs.replace(self.first, **{self.place[-1]: "".join(self.texts)})  # type: ignore[no-any-return]


class _News:
    """A tool's latest progress."""

    __slots__ = ("event",)

    def __init__(self, event: ToolProgress) -> None:
        self.event: ToolProgress | None = event


class Joined:
    """A queue that joins events where possible. `newest_only`: only the latest progress of each call is kept."""

    def __init__(self, *, newest_only: bool) -> None:
        self._newest_only = newest_only
        self._queue: list[Event | _Pieces | _News] = []
        self._last: dict[str, _Pieces] = {}
        self._news: dict[tuple[str, str], _News] = {}

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, events: list[Event]) -> int:
        """Adds events; returns the number of characters by which the queue grew."""
        return sum(map(self._add, events))

    def take(self) -> list[Event]:
        """Returns all queued events, in order."""
        queue, self._queue = self._queue, []
        self._last.clear()
        self._news.clear()
        events = [
            one.event() if isinstance(one, _Pieces) else one.event if isinstance(one, _News) else one for one in queue
        ]
        return [event for event in events if event is not None]

    def _add(self, event: Event) -> int:
        place = _place(event)
        if place is None:
            self._last.pop(event.run, None)
            if self._newest_only and isinstance(event, ToolProgress):
                return self._add_news(event)
            self._queue.append(event)
            return EVENT_CHARS + _size(event)
        text: str = getattr(event, place[-1])
        last = self._last.get(event.run)
        if last is not None and last.place == place:
            last.texts.append(text)
            return len(text)
        pieces = self._last[event.run] = _Pieces(event, place, text)
        self._queue.append(pieces)
        return EVENT_CHARS + len(text)

    def _add_news(self, event: ToolProgress) -> int:
        known = self._news.get((event.run, event.call))
        size = EVENT_CHARS + _size(event)
        if known is not None and known.event is not None:
            size -= _size(known.event)
            known.event = None
        news = self._news[event.run, event.call] = _News(event)
        self._queue.append(news)
        return size


def _place(event: Event) -> tuple[Any, ...] | None:
    """Returns the identity of a delta's part, and the name of the field with its text; None for other events."""
    if isinstance(event, (TextDelta, ReasoningDelta)):
        return (event.__class__, event.step, event.part, "text")
    if isinstance(event, CallDelta):
        return (event.__class__, event.step, event.call, "json")
    return None


def _size(event: Event) -> int:
    if isinstance(event, FileMade):
        return len(event.data or b"")
    if isinstance(event, ToolProgress):
        return memory_of(event.data)
    if isinstance(event, ToolFinished):
        parts = (event.result,) if isinstance(event.result, str) else event.result
        return sum(map(_size_of_part, parts))
    return 0


def _size_of_part(part: str | AnyPart) -> int:
    if isinstance(part, str):
        return len(part)
    return len(part.text) if isinstance(part, Text) else len(getattr(part, "data", None) or b"")

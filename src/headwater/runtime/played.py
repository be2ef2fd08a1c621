"""Replays a log as a run: the same events with their stamps, at their times or faster.

Owns the pace. No request is sent, no tool runs, nothing changes, and leaving it adds nothing to the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headwater.errors import Parked
from headwater.events import Event
from headwater.runtime.from_log import FromLog

__all__ = ("Played",)


class Played(FromLog):
    """A replayed run. `speed` is relative to the original; 0 means without waiting."""

    def __init__(self, events: Sequence[Event], *, speed: float = 1.0) -> None:
        super().__init__()
        self._events = tuple(events)
        self._speed = speed
        self._at = 0
        self._begun_at = 0.0
        self._meet(events[0])

    async def _advance(self) -> list[Event]:
        events, at = self._events, self._at
        if at >= len(events):
            return self._ended()
        loop = asyncio.get_running_loop()
        if at == 0:
            self._begun_at = loop.time()
        elif self._speed:
            due = self._begun_at + (events[at].time - events[0].time) / self._speed
            if due > loop.time():
                await self._interruptible.wait(asyncio.sleep(due - loop.time()))
        while self._at < len(events) and events[self._at].time <= events[at].time:
            self._at += 1
        return list(events[at : self._at])

    def _ended(self) -> list[Event]:
        super()._ended()
        if isinstance(error := self.node.error, Parked):
            error.hint, error.log = "Resume it: agent.resume(file.events).", self._events
        return []

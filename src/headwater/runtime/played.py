"""A log that is read as if it happened now: the same events, with the stamps that they have, at their times or faster.

Owns the pace. Nothing is asked, run or changed, and leaving it adds nothing to the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from headwater.errors import Parked
from headwater.events import Event, RunFailed, RunStarted
from headwater.events.fold import Fold
from headwater.events.tree import Tree
from headwater.runtime.ending import CancelledBy
from headwater.runtime.run import Run

__all__ = ("Played",)


class Played(Run):
    """The run that a log tells of, read again. `speed` is how much faster than it was; 0 is without waiting."""

    def __init__(self, events: Sequence[Event], *, speed: float = 1.0) -> None:
        first = events[0]
        super().__init__(first.agent)
        self._events = tuple(events)
        self._speed = speed
        self._at = 0
        self._begun_at = 0.0
        self._tree = Tree()
        self._tree.add(first)
        assert self._tree.root is not None
        self.id, self.path, self.node = first.run, first.path, self._tree.root
        self.node.fold, self.node.callback_errors = self.fold, self.callback_errors

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

    def append(self, event: Event) -> Awaitable[Any] | None:
        """Take the event in as it is, and tell those who watch."""
        if event is not self._events[0]:
            self._tree.add(event)
        node = self._tree.node(event)
        if node.fold is None:
            node.fold = Fold()
        node.fold.add(event)
        self._log.now = event.time
        return self.tell(event) if self._watchers else None

    def _ended(self) -> list[Event]:
        end = self.fold.end
        if isinstance(end, RunFailed):
            self.node.error = end.error.exception()
        elif end is None:
            self.node.error = Parked(
                "The log of this run stops here, without an end.",
                hint="Go on with it: agent.resume(file.events).",
                log=self._events,
            )
        self.close()
        return []

    def _started(self) -> RunStarted:
        raise AssertionError("a log that is played has its beginning")

    # Whoever leaves adds nothing to what is only looked at.

    def cancel(self, by: CancelledBy = "caller") -> None:
        """Stop playing; from any thread."""
        loop = self._event_loop
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(self.abort, by)
        else:
            self.abort(by)

    def abort(self, by: CancelledBy = "left") -> None:
        """Stop playing."""
        if self.ending.break_off():
            self.interrupt()
            self._finish()

"""A log as a run: every reader sees it as a late reader would, in another process, from a file.

    chunks = [chunk async for chunk in late_stream(log)]

Only the run's events are known. Anything that accepts a `Run` (streams, callbacks) accepts a `Late`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from headwater import AgentStream
from headwater.events import Event
from headwater.runtime.run import Run

__all__ = ("Late", "late_stream")


class Late(Run):
    """Yields the events unchanged. They may belong to a run in a larger tree."""

    def __init__(self, log: Sequence[Event]) -> None:
        super().__init__(log[0].agent)
        self.id, self.path = log[0].run, log[0].path
        self._all = [*log]

    async def _advance(self) -> list[Event]:
        events, self._all = self._all, []
        if not events:
            self.close()
        return events

    def append(self, event: Event) -> Awaitable[Any] | None:
        """Folds the event with its stamps, and notifies the watchers."""
        if event.run == self.id:
            self.fold.add(event)
        return self.tell(event)


def late_stream(log: Sequence[Event]) -> AgentStream[Any]:
    """Returns the stream of a run from its log."""
    return AgentStream(lambda: Late(log))

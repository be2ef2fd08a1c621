"""A log as a run to be read: every reader sees it as one that comes late, in another process, from a file.

    chunks = [chunk async for chunk in late_stream(log)]

Nothing is known of the run but its events. Who can be handed a `Run` (streams, callbacks) can be handed a `Late`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from headwater import AgentStream
from headwater.events import Event
from headwater.runtime.run import Run

__all__ = ("Late", "late_stream")


class Late(Run):
    """Hands out the events as they stand. They may be those of a run that stands in a larger tree."""

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
        """Take the event in with the stamps that it has, and tell those who watch."""
        if event.run == self.id:
            self.fold.add(event)
        return self.tell(event)


def late_stream(log: Sequence[Event]) -> AgentStream[Any]:
    """The stream of a run of which only the log is left."""
    return AgentStream(lambda: Late(log))

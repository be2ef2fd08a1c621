"""The last run of each conversation that a client names by its own id, and its grace period after a disconnect.

With a journal the conversation is stored with its runs, so that every server finds the last one.

Owns the limit on the number of conversations. It holds ids and must never hold a log: the manager owns those.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import Final, TypeAlias

from headwater.web.limits import WORK_SECONDS
from headwater.web.problems import Problem
from headwater.web.runs.live_run import LiveRun
from headwater.web.runs.manager import NOW, Manager

__all__ = ("GRACE", "PATIENCE", "Conversation", "Latest", "answered_before_its_end", "told_to_the_end")

GRACE: Final = 30.0
"""Seconds in which a page that was closed, or lost its network, can reconnect to its run."""

PATIENCE: Final = WORK_SECONDS
"""The same while the run waits for a person and the client has ended its stream for that."""

Conversation: TypeAlias = tuple[str | None, ...]
"""The owner, then the client's id of the conversation."""


class Latest:
    """The last run of each conversation of a wire; beyond `most`, the least recently used is dropped."""

    def __init__(self, manager: Manager, wire: str, most: int) -> None:
        self._wire = wire
        self._manager = manager
        self._most = most
        self._known: OrderedDict[Conversation, str] = OrderedDict()

    async def get(self, conversation: Conversation) -> LiveRun | None:
        """Returns the last run of the conversation, if it is still known; with a journal, on whichever server it
        was started. Raises Problem."""
        live: LiveRun | None = None
        with contextlib.suppress(Problem):
            live = self._manager.get(self._known.get(conversation, ""), conversation[0])
        durable = self._manager.durable
        if durable is None or (live is not None and not live.over):
            return live
        info = await durable.latest(conversation[0], self.named(conversation))
        if info is None or (live is not None and info.run == live.id):
            return live
        return await self._manager.find(info.run, conversation[0], position=NOW)

    def named(self, conversation: Conversation) -> tuple[str, ...]:
        """Returns the name of the conversation, for `Manager.start`."""
        return (self._wire, *(str(part) for part in conversation[1:]))

    def put(self, conversation: Conversation, live: LiveRun) -> None:
        """Makes the run the last one of the conversation."""
        self._known[conversation] = live.id
        self._known.move_to_end(conversation)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def answered_before_its_end(live: LiveRun) -> None:
    """Called after a client was told that its run waits for people: it has not left, so the run is not cancelled."""
    if not live.over and live.on_disconnect != "continue":
        live.on_disconnect = PATIENCE


def told_to_the_end(live: LiveRun) -> None:
    """Called after a complete stream. If its run continues, it waits for a person, so the grace period is extended."""
    if not live.over and live.on_disconnect == GRACE:
        live.on_disconnect = PATIENCE

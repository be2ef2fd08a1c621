"""The last run of each conversation that a client names by its own id, and its grace period after a disconnect.

Owns the limit on the number of conversations. It holds ids and must never hold a log: the manager owns those.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeAlias

from headwater.web.limits import WORK_SECONDS
from headwater.web.problems import Problem
from headwater.web.runs.live_run import LiveRun
from headwater.web.runs.manager import Manager

__all__ = ("GRACE", "PATIENCE", "Conversation", "Latest", "answered_before_its_end", "told_to_the_end")

GRACE: Final = 30.0
"""Seconds in which a page that was closed, or lost its network, can reconnect to its run."""

PATIENCE: Final = WORK_SECONDS
"""The same while the run waits for a person and the client has ended its stream for that."""

Conversation: TypeAlias = tuple[str | None, ...]
"""The owner, then the client's id of the conversation."""


class Latest:
    """The last run of each conversation; beyond `most`, the least recently used is dropped."""

    def __init__(self, manager: Manager, most: int) -> None:
        self._manager = manager
        self._most = most
        self._known: OrderedDict[Conversation, str] = OrderedDict()

    def get(self, conversation: Conversation) -> LiveRun | None:
        """Returns the last run of the conversation, if it is still known."""
        try:
            return self._manager.get(self._known.get(conversation, ""), conversation[0])
        except Problem:
            return None

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

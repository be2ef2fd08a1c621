"""The last run of each conversation that a client keeps by an id of its own, and how long it waits for who has left.

Owns the bound on how many conversations are known. It holds ids and never a log: that is the manager's.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeAlias

from headwater.web.limits import WORK_SECONDS
from headwater.web.problems import Problem
from headwater.web.runs.live_run import LiveRun
from headwater.web.runs.manager import Manager

__all__ = ("GRACE", "PATIENCE", "Conversation", "Latest", "told_to_the_end")

GRACE: Final = 30.0
"""Seconds in which a page that was left, or lost its network, may come back to its run."""

PATIENCE: Final = WORK_SECONDS
"""The same while a person is asked something and the client has ended its stream for that."""

Conversation: TypeAlias = tuple[str | None, ...]
"""Whose it is, then what the client calls it."""


class Latest:
    """Which run is the last one of each conversation; of more than `most` the least recently used is forgotten."""

    def __init__(self, manager: Manager, most: int) -> None:
        self._manager = manager
        self._most = most
        self._known: OrderedDict[Conversation, str] = OrderedDict()

    def get(self, conversation: Conversation) -> LiveRun | None:
        """The last run of the conversation, if it is still known."""
        try:
            return self._manager.get(self._known.get(conversation, ""), conversation[0])
        except Problem:
            return None

    def put(self, conversation: Conversation, live: LiveRun) -> None:
        """The run is now the last one of the conversation."""
        self._known[conversation] = live.id
        self._known.move_to_end(conversation)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def told_to_the_end(live: LiveRun) -> None:
    """A stream was read to its end. If its run goes on, it waits for a person, who may take their time."""
    if not live.over and live.on_disconnect == GRACE:
        live.on_disconnect = PATIENCE

"""A run with a conversation: it accepts messages while it is running, and can hand the conversation over.

Owns the way of a message from any thread to the run that has the conversation. `ear` stores messages; the subclass
decides when they are added.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final

from headwater.backends.interrupt import running_loop
from headwater.errors import GuardBlocked, MaxHandoffsReached
from headwater.events import Event, Handoff, MessageAdded
from headwater.events.messages import Message
from headwater.runtime.children import Parent
from headwater.runtime.ear import EAR, Ear
from headwater.runtime.job import HandoffTool, Job
from headwater.runtime.run import Run

__all__ = ("LEAD", "MAX_HANDOFFS", "Cut", "Hearing")


LEAD: Final = "\n\n"
"""The separator between the texts of two steps."""

MAX_HANDOFFS: Final = 20
"""Maximum number of handoffs in one conversation: more than any real chain; it stops agents that hand it back and
forth."""


class Cut(Exception):  # internal: it interrupts the await of an answer, and never leaves the run
    """Interrupts the current answer."""


class Hearing(Parent):
    """A run whose model receives messages."""

    _ear: Ear | None = None
    """The messages to it."""
    _successor: Run | None = None
    """The run that has the conversation now."""
    unguarded: Job | None = None
    """Its job, until guards have let its input pass."""
    refusal: GuardBlocked | None = None
    """The error of a guard that did not let pass what it was asked."""
    handoffs = 0
    """Number of handoffs up to this run."""
    job: Job

    @property
    def deaf(self) -> bool:
        """Whether the run has its answer, so that no more messages are accepted."""
        raise NotImplementedError

    @property
    def speaks(self) -> bool:
        """Whether its model is answering."""
        raise NotImplementedError

    def receive(self, message: Message, *, by: str, now: bool, key: str = "") -> bool:
        """See `Run`: passed to the run that has the conversation."""
        with EAR:
            if isinstance(self._successor, Hearing):
                return self._successor.receive(message, by=by, now=now, key=key)
            if self.stopping or self.deaf:
                return False
            if self._ear is None:
                self._ear = Ear()
            check = bool(self.job.guards_of("input"))
            self._ear.say(self.id, message, by=by, now=now, key=key, check=check)
        loop = self._event_loop
        if loop is None or running_loop() is loop:
            self._notice()
        else:
            with contextlib.suppress(RuntimeError):  # the loop may have been closed meanwhile
                loop.call_soon_threadsafe(self._notice)
        return True

    def _notice(self) -> None:
        """Handles a new message: wakes a wait for tools, and cuts off the answer if requested."""
        self.look_again()
        if self._ear is not None and self._ear.cut and self.speaks:
            self._interruptible.interrupt(Cut("cut"))

    def _told(self) -> list[Event]:
        return self._ear.told() if self._ear is not None else []

    def _last_heard(self) -> list[Event]:
        """See `Run`."""
        with EAR:  # messages that were accepted before are added already
            told = self._told()
        return [self._started(), *told] if told and self.fold.started is None else told

    def inherit(self, unheard: Mapping[str, Message]) -> None:
        """Takes over the messages to the run that handed over, which no model has seen."""
        added = () if self.past is None else (one.key for one in self.past.events if isinstance(one, MessageAdded))
        heard = {*added}
        new = {key: said for key, said in unheard.items() if key not in heard}
        if new:
            self._ear = Ear({**new, **(self._ear.pass_on() if self._ear is not None else {})})

    def hand_over(self, tool: HandoffTool, note: str, *, told: bool) -> list[Event]:
        """Hands the conversation to another agent, whose run is part of this one and whose text counts as this run's.

        `told`: the log has the handoff already. Raises MaxHandoffsReached.
        """
        if self.handoffs >= MAX_HANDOFFS:
            raise MaxHandoffsReached(
                f"The conversation was handed over {MAX_HANDOFFS} times, and would go to {tool.to!r} next.",
                hint="Tell the agents when to answer themselves, or remove the way back from handoffs=.",
                limit="max_handoffs",
                size=MAX_HANDOFFS,
            )
        with EAR:  # from now on messages go to the other agent
            received = self._told()
            self._successor = successor = tool.take_over(tuple(self.fold.messages), self.job.context)
        successor.join(self, role="handoff", final=True)
        if isinstance(successor, Hearing):
            successor.handoffs = self.handoffs + 1
            successor.inherit(self._ear.pass_on() if self._ear is not None else {})
        successor.lead = LEAD if self.fold.has_text else self.lead
        self.mux.spawn(self.conduct(successor), f"handoff {tool.to}")
        return received if told else [*received, Handoff(to=tool.to, note=note)]

    async def hear_successor(self) -> list[Event]:
        """Returns the other agent's events; [] once it has answered. Raises the error that ended it."""
        successor = self._successor
        assert successor is not None
        if events := await self.pull_below():
            return events
        if successor.error is not None:
            raise successor.error
        self.node.output = successor.node.output
        return []

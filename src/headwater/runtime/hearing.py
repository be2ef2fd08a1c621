"""A run with a conversation: people can speak to it while it works, and it can hand the conversation over.

Owns how what is said gets from any thread to whoever has the conversation. What is kept of it is `ear`'s, when it is
heard the subclass's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final

from headwater.backends.interrupt import running_loop
from headwater.errors import MaxHandoffsReached
from headwater.events import Event, Handoff, MessageAdded
from headwater.events.messages import Message
from headwater.runtime.children import Parent
from headwater.runtime.ear import EAR, Ear
from headwater.runtime.job import HandoffTool, Job
from headwater.runtime.run import Run

__all__ = ("LEAD", "MAX_HANDOFFS", "Cut", "Hearing")


LEAD: Final = "\n\n"
"""What parts a step's text from the text of the step before it."""

MAX_HANDOFFS: Final = 20
"""Handoffs of one conversation: more than any honest chain of desks; agents that hand it to and fro end there."""


class Cut(Exception):  # no error of ours: it ends the await of an answer, and never leaves the run
    """The answer that is being given is to be cut."""


class Hearing(Parent):
    """A run with a model that hears what is said to it."""

    _ear: Ear | None = None
    """What people have said to it while it works."""
    _successor: Run | None = None
    """Who has the conversation by now."""
    handoffs = 0
    """How often the conversation has been handed over on its way here."""
    job: Job

    @property
    def deaf(self) -> bool:
        """Whether the run has come to its answer, so that nothing more is heard."""
        raise NotImplementedError

    @property
    def speaks(self) -> bool:
        """Whether its model is being listened to."""
        raise NotImplementedError

    def receive(self, message: Message, *, by: str, now: bool, key: str = "") -> bool:
        """See `Run`: whoever has the conversation hears it."""
        with EAR:
            if isinstance(self._successor, Hearing):
                return self._successor.receive(message, by=by, now=now, key=key)
            if self.stopping or self.deaf:
                return False
            if self._ear is None:
                self._ear = Ear()
            self._ear.say(self.id, message, by=by, now=now, key=key)
        loop = self._event_loop
        if loop is None or running_loop() is loop:
            self._notice()
        else:
            with contextlib.suppress(RuntimeError):  # the loop may have been closed meanwhile
                loop.call_soon_threadsafe(self._notice)
        return True

    def _notice(self) -> None:
        """Something was said: whoever waits for tools tells of it, and an answer is cut where that is asked for."""
        self.look_again()
        if self._ear is not None and self._ear.cut and self.speaks:
            self._interruptible.interrupt(Cut("cut"))

    def _told(self) -> list[Event]:
        return self._ear.told() if self._ear is not None else []

    def _last_heard(self) -> list[Event]:
        """See `Run`."""
        with EAR:  # whoever was let speak before has spoken
            told = self._told()
        return [self._started(), *told] if told and self.fold.started is None else told

    def inherit(self, unheard: Mapping[str, Message]) -> None:
        """Hear what was said to the run that has handed over, and that no model has heard."""
        added = () if self.past is None else (one.key for one in self.past.events if isinstance(one, MessageAdded))
        heard = {*added}
        new = {key: said for key, said in unheard.items() if key not in heard}
        if new:
            self._ear = Ear({**new, **(self._ear.pass_on() if self._ear is not None else {})})

    def hand_over(self, tool: HandoffTool, note: str, *, told: bool) -> list[Event]:
        """Give the conversation to another agent, whose run stands in this one and speaks for it.

        `told`: the log says already that it has it. Raises MaxHandoffsReached.
        """
        if self.handoffs >= MAX_HANDOFFS:
            raise MaxHandoffsReached(
                f"The conversation was handed over {MAX_HANDOFFS} times, and {tool.to!r} would have it next.",
                hint="Tell the agents when to answer themselves, or take the way back out of handoffs=.",
                limit="max_handoffs",
                size=MAX_HANDOFFS,
            )
        with EAR:  # from now on the other agent hears what is said
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
        """What the other agent says; [] once it has come to its answer. Raises what ended it."""
        successor = self._successor
        assert successor is not None
        if events := await self.pull_below():
            return events
        if successor.error is not None:
            raise successor.error
        self.node.output = successor.node.output
        return []

"""A run that people can speak to while it works: its model hears them before it is asked again.

Owns how what is said gets from any thread to the run's loop. What is kept of it is `ear`'s, when it is heard the
subclass's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from headwater.backends.interrupt import running_loop
from headwater.events import Event, MessageAdded
from headwater.events.messages import Message
from headwater.runtime.children import Parent
from headwater.runtime.ear import EAR, Ear
from headwater.runtime.run import Run

__all__ = ("Cut", "Hearing")


class Cut(Exception):  # no error of ours: it ends the await of an answer, and never leaves the run
    """The answer that is being given is to be cut."""


class Hearing(Parent):
    """A run with a model that hears what is said to it."""

    _ear: Ear | None = None
    """What people have said to it while it works."""
    _successor: Run | None = None
    """Who has the conversation by now."""

    @property
    def deaf(self) -> bool:
        """Whether the run has come to its answer, so that nothing more is heard."""
        raise NotImplementedError

    @property
    def speaks(self) -> bool:
        """Whether its model is being listened to."""
        raise NotImplementedError

    def receive(self, message: Message, *, by: str, now: bool) -> bool:
        """See `Run`: whoever has the conversation hears it."""
        with EAR:
            if isinstance(self._successor, Hearing):
                return self._successor.receive(message, by=by, now=now)
            if self.stopping or self.deaf:
                return False
            if self._ear is None:
                self._ear = Ear()
            self._ear.say(self.id, message, by=by, now=now)
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

    def inherit(self, unheard: Mapping[str, Message]) -> None:
        """Hear what was said to the run that has handed over, and that no model has heard."""
        added = () if self.past is None else (one.key for one in self.past.events if isinstance(one, MessageAdded))
        heard = {*added}
        new = {key: said for key, said in unheard.items() if key not in heard}
        if new:
            self._ear = Ear({**new, **(self._ear.pass_on() if self._ear is not None else {})})

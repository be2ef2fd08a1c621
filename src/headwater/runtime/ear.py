"""What people say to an agent's run while it works: heard before the model is asked again, and never lost.

Owns what was said and is not in the log yet, and what the log tells of that no model has heard. Things may be said from
any thread; the rest is the loop's own. It must never decide whether a run goes on.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping
from typing import Final

from headwater.events import Event, MessageAdded, MessageReceived
from headwater.events.messages import Message
from headwater.schema import all_well_formed, well_formed

__all__ = ("EAR", "Ear")

EAR: Final = threading.RLock()
"""Held while something is said to a run, and while a run makes up its mind that it is over: so nothing is lost."""


class Ear:
    """What was said to one run."""

    __slots__ = ("_said", "_unheard", "cut")

    def __init__(self, unheard: Mapping[str, Message] | None = None) -> None:
        self.cut = False
        """Whether the answer that is being given is to be cut for it."""
        self._said: deque[tuple[str, Message, str]] = deque()
        """What the log does not tell yet, each with its key and who said it."""
        self._unheard: dict[str, Message] = dict(unheard or {})

    def __bool__(self) -> bool:
        """Whether there is anything that no model has heard."""
        return bool(self._said or self._unheard)

    @property
    def untold(self) -> bool:
        """Whether there is anything that the log does not tell."""
        return bool(self._said)

    def say(self, run: str, message: Message, *, by: str, now: bool, key: str = "") -> None:
        """Something is said to the run of that id, under a new key where none is given; from any thread."""
        key = key or f"{run}/said-{os.urandom(4).hex()}"
        self._said.append((key, all_well_formed(message), well_formed(by)))
        self.cut = self.cut or now

    def told(self) -> list[Event]:
        """What was said, as the log is to tell it."""
        events: list[Event] = []
        while self._said:
            key, message, by = self._said.popleft()
            self._unheard[key] = message
            events.append(MessageReceived(key=key, message=message, by=by))
        return events

    def heard(self) -> list[Event]:
        """All that was said since the model was asked last joins the conversation."""
        self.cut = False
        events = self.told()
        events += [MessageAdded(message=said, cause="steer", key=key) for key, said in self._unheard.items()]
        self._unheard = {}
        return events

    def pass_on(self) -> dict[str, Message]:
        """What the log tells of and no model has heard: whoever has the conversation from now on hears it."""
        unheard, self._unheard = self._unheard, {}
        return unheard

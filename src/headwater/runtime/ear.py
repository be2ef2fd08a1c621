"""Messages from people to a running agent: delivered before the next model request, and never lost.

Owns messages that are not in the log yet, and logged ones that no model has seen. Messages may come from any thread;
everything else runs in the loop. It must never decide whether a run continues.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from headwater.errors import ConfigurationError
from headwater.events import Event, MessageAdded, MessageReceived
from headwater.events.messages import File, Image, Message, Text
from headwater.schema.well_formed import all_well_formed, well_formed

__all__ = ("EAR", "Ear", "to_say")

EAR: Final = threading.RLock()
"""Held while a message is added, and while a run decides that it is over, so that no message is lost."""


def to_say(message: Any, by: Any = "", agent: Any = None) -> Message:
    """Returns the message to a run, which may be given as text. Raises ConfigurationError.

    It is checked where it is said: a run must not fail later because somebody said something invalid to it. `by` is who
    says it, `agent` the name of the agent that is meant.
    """
    if agent is not None and not isinstance(agent, str):
        raise ConfigurationError(f"agent is {agent!r}.", hint="Pass the name of a member that is running.")
    if not isinstance(by, str):
        raise ConfigurationError(f"by is {by!r}.", hint="Pass the name of the person as text.")
    if isinstance(message, str):
        return Message.user(message)
    if not isinstance(message, Message):
        raise ConfigurationError(
            f"The message to the run is of type {type(message).__name__}.",
            hint='Pass text, or a message such as Message.user("…").',
        )
    if message.role not in ("user", "system"):
        raise ConfigurationError(
            f"The message to the run has the role {message.role!r}.", hint="Pass text, or Message.user(…)."
        )
    for part in message.content:
        if not isinstance(part, (Text, Image, File)):
            raise ConfigurationError(
                f"The message to the run contains an object of type {type(part).__name__}.",
                hint='Pass text, Image and File: Message.user("…", Image(url="https://…")).',
            )
    return message


class Ear:
    """The messages to one run."""

    __slots__ = ("_said", "_unheard", "cut", "unchecked")

    def __init__(self, unheard: Mapping[str, Message] | None = None) -> None:
        self.cut: bool = False
        """Whether to cut off the current answer."""
        self._said: deque[tuple[str, Message, str]] = deque()
        """Messages that are not in the log yet, each with its key and sender."""
        self._unheard: dict[str, Message] = dict(unheard or {})
        self.unchecked: deque[tuple[str, Message, str]] = deque()
        """Messages that guards have to let pass first."""

    def __bool__(self) -> bool:
        """Whether there are messages that no model has seen."""
        return bool(self._said or self._unheard or self.unchecked)

    @property
    def untold(self) -> bool:
        """Whether there are messages that are not in the log."""
        return bool(self._said)

    def say(self, run: str, message: Message, *, by: str, now: bool, key: str = "", check: bool = False) -> None:
        """Adds a message to the run of that id, with a new key if none is given; from any thread.

        `check`: guards have to let it pass first.
        """
        key = key or f"{run}/said-{os.urandom(4).hex()}"
        (self.unchecked if check else self._said).append((key, all_well_formed(message), well_formed(by)))
        self.cut = self.cut or now

    def let_pass(self, key: str, message: Message, by: str) -> None:
        """A message has passed the guards."""
        self._said.append((key, message, by))

    def told(self) -> list[Event]:
        """Returns the events for messages that are not in the log yet."""
        events: list[Event] = []
        while self._said:
            key, message, by = self._said.popleft()
            self._unheard[key] = message
            events.append(MessageReceived(key=key, message=message, by=by))
        return events

    def heard(self) -> list[Event]:
        """Returns the events that add all messages since the last model request to the conversation."""
        self.cut = False
        events = self.told()
        events += [MessageAdded(message=said, cause="steer", key=key) for key, said in self._unheard.items()]
        self._unheard = {}
        return events

    def take_back(self, events: Iterable[Event]) -> list[Event]:
        """Keeps the messages among the events of a stopped run, which come too late; returns what is left of them."""
        said = [event for event in events if isinstance(event, MessageReceived)]
        self._said.extendleft((event.key, event.message, event.by) for event in reversed(said))
        return []

    def pass_on(self) -> dict[str, Message]:
        """Returns logged messages that no model has seen, for the run that takes over the conversation."""
        unheard, self._unheard = self._unheard, {}
        return unheard

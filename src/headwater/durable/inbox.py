"""Messages to a run while a process drives it: read from the inbox, and delivered once.

Owns which letters were delivered. A letter whose key is in the log was delivered by an earlier drive. Answers
go to `people`, steering to the run that is named, a cancel to the outermost run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from headwater.errors import AlreadyAnswered, AnswerInvalid, ConfigurationError, RunEnded, UnknownQuestion
from headwater.events import ApprovalAnswered, ApprovalAsked, Event, InputAnswered, InputAsked, MessageReceived
from headwater.events.messages import Message
from headwater.events.questions import Answer
from headwater.journal.run_log import WAKING, Letter
from headwater.runtime.people import unfit
from headwater.runtime.run import Run

__all__ = ("Inbox", "Said", "answer_body", "steer_body")


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of a letter."""

    answer: Answer | None = None
    kind: Literal["approval", "input"] = "approval"
    message: Message | None = None
    agent: str | None = None
    now: bool = False
    by: str = ""


_decoder: Final = msgspec.json.Decoder(Said)


def answer_body(answer: Answer, kind: Literal["approval", "input"]) -> dict[str, Any]:
    """Returns the body of a letter that answers a question of that kind."""
    body: dict[str, Any] = msgspec.to_builtins(Said(answer=answer, kind=kind, by=answer.by))
    return body


def steer_body(message: Message, *, agent: str | None = None, now: bool = False, by: str = "") -> bytes:
    """Returns the body of a letter that steers the run."""
    return msgspec.json.encode(Said(message=message, agent=agent, now=now, by=by))


class Inbox:
    """The letters to one run that this process drives. `events` are those of its log so far."""

    def __init__(self, run: Run, events: Iterable[Event] = ()) -> None:
        self.heard: int = 0
        """Number of read letters that wake a run."""
        self._run = run
        self._known = {key for event in events if (key := _key(event)) is not None}
        self._steering: list[Letter] = []
        """Undelivered steering: the named agent is not active."""

    def before(self, letters: Sequence[Letter]) -> None:
        """Delivers the letters from before this drive, before the first event."""
        self.hear(letters)

    def hear(self, letters: Sequence[Letter]) -> None:
        """Delivers the new letters. `letters` is the complete inbox, in order of ids."""
        for letter in letters:
            if letter.key in self._known:
                continue
            self._known.add(letter.key)
            if letter.kind == "answer":
                self._answer(letter)
            elif letter.kind == "cancel":
                self._run.cancel("caller")
            elif letter.kind == "steer":
                self._steering.append(letter)
        self.heard = sum(letter.kind in WAKING for letter in letters)
        self.say()

    def say(self) -> None:
        """Delivers the steering that could not be delivered before."""
        if self._steering:
            self._steering = [letter for letter in self._steering if not self._steer(letter)]

    @property
    def silent(self) -> bool:
        """Whether there are no undelivered messages."""
        return not self._steering

    def _answer(self, letter: Letter) -> None:
        said = _read(letter)
        if said.answer is None:
            return
        people, answer = self._run.people, said.answer
        try:
            people.deliver(letter.key, answer, said.kind)
        except UnknownQuestion:
            people.give({letter.key: answer})  # it is asked later, or again
        except AnswerInvalid as problem:
            question = next((one for one in people.pending if one.id == letter.key), None)
            if question is not None:
                people.deliver(letter.key, unfit(question, answer, problem), question.kind)
        except (AlreadyAnswered, RunEnded):
            pass

    def _steer(self, letter: Letter) -> bool:
        said = _read(letter)
        if said.message is None:
            return True
        try:
            return self._run.steer(said.message, agent=said.agent, by=said.by, now=said.now, key=letter.key)
        except ConfigurationError:
            return True  # a workflow without a named agent: rejected before it is posted


def _key(event: Event) -> str | None:
    if isinstance(event, MessageReceived):
        return event.key
    if isinstance(event, ApprovalAnswered):
        return event.approval
    return event.input if isinstance(event, InputAnswered) else None


def _read(letter: Letter) -> Said:
    try:
        return _decoder.decode(letter.body)
    except msgspec.MsgspecError:
        return Said()


def asked_in(events: Iterable[Event]) -> dict[str, ApprovalAsked | InputAsked]:
    """Returns the open questions of a log, by id."""
    open_: dict[str, ApprovalAsked | InputAsked] = {}
    for event in events:
        if isinstance(event, ApprovalAsked):
            open_[event.approval] = event
        elif isinstance(event, InputAsked):
            open_[event.input] = event
        elif isinstance(event, ApprovalAnswered):
            open_.pop(event.approval, None)
        elif isinstance(event, InputAnswered):
            open_.pop(event.input, None)
    return open_

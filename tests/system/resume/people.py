"""The people of a scenario: they answer what they are asked, and say what they have to say, at moments of the log.

So what they do depends on the log alone: in another process, which goes on with it, they do what is left to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from headwater import AgentStream
from headwater.events import Event, MessageReceived, RunWaiting
from headwater.events.questions import Answer, Question

__all__ = ("Attending", "People", "Rule", "Saying", "answer")

Rule: TypeAlias = Callable[[Question], Answer]

Attending: TypeAlias = Callable[[AgentStream[object], Sequence[Event]], None]
"""Whoever is there while a run is read; called with its stream and the log so far, after each event."""


class People:
    """Whoever is there while a run is read; called with its stream and the log so far, after each event.

    `answers` are by the name of the tool that asks; a tool that is not named is allowed. With `patient` they wait until
    the outermost run waits for them, and answer one question at a time. `sayings` are what they say to the run.
    """

    def __init__(
        self,
        answers: Mapping[str, Rule] | None = None,
        *,
        patient: bool = True,
        sayings: Sequence[Saying] = (),
    ) -> None:
        self._answers = answers or {}
        self._patient = patient
        self._sayings = sayings
        self._said: set[str] = set()
        self.answered: list[str] = []

    def __call__(self, stream: AgentStream[object], log: Sequence[Event]) -> None:
        """Look at the run."""
        for one in self._sayings:
            self._say(one, stream, log)
        waits = isinstance(log[-1], RunWaiting) and len(log[-1].path) == 1
        if self._patient and not waits:
            return
        for question in stream.pending[: 1 if self._patient else None]:
            rule = self._answers.get(question.tool, _allow)
            self.answered.append(question.id)
            answer(stream, question, rule(question))

    def _say(self, one: Saying, stream: AgentStream[object], log: Sequence[Event]) -> None:
        told = any(isinstance(event, MessageReceived) and event.message.text == one.text for event in log)
        if one.text in self._said or told or not any(map(one.after, log)):
            return
        if stream.steer(one.text, now=one.now, agent=one.agent, by="ann"):
            self._said.add(one.text)


def _allow(question: Question) -> Answer:
    return Answer(by="ann")


class Saying:
    """Something that is said to the run once an event of which `after` holds stands in its log."""

    def __init__(
        self, text: str, after: Callable[[Event], bool], *, now: bool = False, agent: str | None = None
    ) -> None:
        self.text = text
        self.after = after
        self.now = now
        self.agent = agent


def answer(stream: AgentStream[object], question: Question, given: Answer) -> None:
    """Answer a question on a stream."""
    if question.kind == "approval" and given.allowed:
        arguments, for_run = given.arguments, given.for_run
        stream.approve(question.id, arguments=arguments, note=given.note, by=given.by, for_run=for_run)
    elif question.kind == "approval":
        stream.deny(question.id, note=given.note, by=given.by, for_run=given.for_run)
    elif given.action == "accept":
        stream.answer(question.id, given.content, by=given.by)
    else:
        stream.decline(question.id, by=given.by)

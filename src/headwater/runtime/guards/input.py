"""The input of a run with guards: its task and later messages, which no event has before they have passed.

Owns what stands in the log in place of an input that was blocked, or that nobody has checked yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from headwater.events import Event, GuardTripped
from headwater.events.messages import Message, Text
from headwater.runtime.guards.guard import GuardContext, Replace
from headwater.runtime.guards.verdicts import WITHHELD, blocked, judge

if TYPE_CHECKING:
    from headwater.runtime.ear import Ear
    from headwater.runtime.hearing import Hearing
    from headwater.runtime.job import Job

__all__ = ("UNCHECKED", "check_heard", "check_input", "withhold_input")

UNCHECKED: Final = "[Withheld: the run ended before its guards had let it pass.]"
"""What stands in the log for an input that was not checked."""


def withhold_input(run: Hearing) -> None:
    """Puts the input of a new run aside, if a guard has to let it pass first."""
    job = run.job
    if job.guards_of("input"):
        run.unguarded = job
        run.job = msgspec.structs.replace(job, input=_in_place_of(job.input, UNCHECKED))


async def check_input(run: Hearing, job: Job) -> list[Event]:
    """Gives the run the input of its job as it passes, and returns what the log is told of it."""
    given, told = await _passed(run, job, job.input)
    run.job, run.unguarded = msgspec.structs.replace(job, input=given), None
    return told


async def check_heard(run: Hearing, ear: Ear) -> list[Event]:
    """Checks the next message that was sent to the run; returns what the log is told. One that is blocked is told as
    withheld."""
    key, message, by = ear.unchecked[0]
    given, told = await _passed(run, run.job, (message,))
    ear.unchecked.popleft()
    ear.let_pass(key, given[0], by)
    return told if run.stopping else [*told, *ear.told()]  # then it is told with the run's end


async def _passed(run: Hearing, job: Job, messages: Sequence[Message]) -> tuple[tuple[Message, ...], list[Event]]:
    """Returns the messages with what guards replaced in them, and what the log is told.

    If one is blocked, the run is refused and all of them are withheld.
    """
    told: list[Event] = []
    given = tuple(messages)
    for guard in job.guards_of("input"):
        for at, message in enumerate(given):
            if not (text := message.text):
                continue
            about = GuardContext(on="input", agent=job.name, run=run.id, context=job.context)
            verdict = await judge(run, guard, text, about)
            if verdict is None:
                continue
            if isinstance(verdict, Replace):
                told.append(GuardTripped(guard=guard.name, on="input", action="replace", chars=len(text)))
                given = (*given[:at], _with_text(message, verdict.text), *given[at + 1 :])
                continue
            told.append(GuardTripped(guard=guard.name, on="input", note=verdict.note, chars=len(text)))
            run.refusal = blocked(guard, "input", verdict.note)
            return _in_place_of(given, WITHHELD.format(guard.name)), told
    return given, told


def _in_place_of(messages: Sequence[Message], words: str) -> tuple[Message, ...]:
    return tuple(msgspec.structs.replace(one, content=(Text(text=words),)) for one in messages)


def _with_text(message: Message, text: str) -> Message:
    rest = tuple(part for part in message.content if not isinstance(part, Text))
    return msgspec.structs.replace(message, content=(Text(text=text), *rest))

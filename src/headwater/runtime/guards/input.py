"""The input of a run with guards: its task and later messages, which no event has before they have passed.

The task may begin with the results of tools that the client ran, which are checked as results.

Owns what stands in the log in place of an input that was blocked, or that nobody has checked yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from headwater.events import Event, GuardTripped
from headwater.events.messages import AnyPart, Message, Text, ToolCall, ToolResult
from headwater.runtime.guards.guard import GuardContext, Replace
from headwater.runtime.guards.parts import judged_parts
from headwater.runtime.guards.results import guarded_outcome
from headwater.runtime.guards.verdicts import WITHHELD, blocked
from headwater.tools.outcome import ToolOutcome

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
    results = any(isinstance(part, ToolResult) for message in job.input for part in message.content)
    if job.guards_of("input") or (results and job.guards_of("result")):
        run.unguarded = job
        run.job = msgspec.structs.replace(job, input=_in_place_of(job.input, UNCHECKED))


async def check_input(run: Hearing, job: Job, history: Sequence[Message]) -> list[Event]:
    """Gives the run the input of its job as it passes, and returns what the log is told of it; `history` is before."""
    given, told = await _passed(run, job, job.input)
    if run.refusal is None:
        given, more = await _results_passed(run, job, history, given)
        told += more
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
    about = GuardContext(on="input", agent=job.name, run=run.id, context=job.context)
    for guard in job.guards_of("input"):
        for at, message in enumerate(given):
            parts, verdict, chars = await judged_parts(run, guard, message.content, about)
            if verdict is None:
                continue
            if isinstance(verdict, Replace):
                told.append(GuardTripped(guard=guard.name, on="input", action="replace", chars=chars))
                given = (*given[:at], msgspec.structs.replace(message, content=parts), *given[at + 1 :])
                continue
            told.append(GuardTripped(guard=guard.name, on="input", note=verdict.note, chars=chars))
            run.refusal = blocked(guard, "input", verdict.note)
            return _in_place_of(given, WITHHELD.format(guard.name)), told
    return given, told


async def _results_passed(
    run: Hearing, job: Job, history: Sequence[Message], messages: tuple[Message, ...]
) -> tuple[tuple[Message, ...], list[Event]]:
    """Returns the messages with the results in them as they passed, and what the log is told; as `_passed`."""
    told: list[Event] = []
    guards = job.guards_of("result")
    if not guards:
        return messages, told
    calls = {call.id: call for message in (*history, *messages) for call in message.tool_calls}
    given: list[Message] = []
    for message in messages:
        parts: list[AnyPart] = []
        for part in message.content:
            if not isinstance(part, ToolResult):
                parts.append(part)
                continue
            before = ToolOutcome(result=part.content, error=str(part.content) if part.error else None)
            call = calls.get(part.id) or ToolCall(id=part.id, name=part.name, arguments={})
            after, tripped, error = await guarded_outcome(run, guards, before, call=call, context=job.context)
            told += tripped
            if error is not None:
                run.refusal = error
                return _in_place_of(messages, WITHHELD.format(error.guard)), told
            if after is not before:
                part = msgspec.structs.replace(part, content=after.result, error=after.error is not None)
            parts.append(part)
        given.append(msgspec.structs.replace(message, content=tuple(parts)))
    return tuple(given), told


def _in_place_of(messages: Sequence[Message], words: str) -> tuple[Message, ...]:
    def withheld(message: Message) -> tuple[AnyPart, ...]:
        results = [part for part in message.content if isinstance(part, ToolResult)]
        return tuple(msgspec.structs.replace(part, content=words) for part in results) or (Text(text=words),)

    return tuple(msgspec.structs.replace(one, content=withheld(one)) for one in messages)

"""A run as an MCP tool call: its text as a stream, its waits for people, and its result.

Maps events to notes, lines of JSON that `calls` converts to protocol messages. Pure: the same log always gives the same
notes and the same result.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from headwater.agents.runnable import Runnable, tool_name
from headwater.errors import ConfigurationError
from headwater.events import ApprovalAnswered, Event, InputAnswered, RunCancelled, RunFailed, RunFinished
from headwater.schema.output import OutputType
from headwater.web.ag_ui.questions import Questions
from headwater.web.runs.live_run import LiveRun
from headwater.web.wires.voice import Voice
from headwater.web.wires.wire import Map, Wire

__all__ = ("MCP", "Note", "Offered", "Result", "offered", "result_of")

INPUT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "What is to be done, in full."}},
    "required": ["input"],
    "additionalProperties": False,
}
"""The input schema of every tool."""


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """A note: `text` to show; `waits`, the position after which the run waits for people; or an answered question."""

    text: str = ""
    waits: int = 0
    answered: str = ""


class Offered(NamedTuple):
    """A member as a tool. `output` is the schema of its structured content; None if its answer is text."""

    name: str
    member: str
    description: str
    output: dict[str, Any] | None
    wrapped: bool
    """Whether the structured content is `{"result": …}`, because the output type is not an object."""


class Result(NamedTuple):
    """The result of a call: `texts` for the model, and `value` as structured content."""

    texts: tuple[str, ...]
    value: dict[str, Any] | None = None
    failed: bool = False


def offered(members: Iterable[Runnable]) -> dict[str, Offered]:
    """Returns the members as tools by name: unique, of letters, digits, _ and -."""
    tools: dict[str, Offered] = {}
    for member in members:
        name = base = tool_name(member.name)
        number = 1
        while name in tools:
            number += 1
            name = f"{base[:60]}_{number}"
        description = getattr(member, "description", "") or f"Ask {member.name}, and get the answer."
        output, wrapped = _output(member)
        tools[name] = Offered(name, member.name, description, output, wrapped)
    return tools


def _output(member: Runnable) -> tuple[dict[str, Any] | None, bool]:
    """Returns the schema of a member's answers, and whether it wraps them."""
    kind = getattr(member, "output_type", None)
    if kind is None or kind is str:
        return None, False
    try:
        read: OutputType[Any] = OutputType(kind)
    except ConfigurationError:
        return None, False
    return read.schema, read.wrapped


def _map() -> Map:
    voice, questions = Voice(), Questions()

    def frame_of(event: Event) -> bytes:
        said = "".join(one.text for one in voice(event) if one.kind != "reasoning")
        notes = [Note(text=said)] if said else []
        if questions.add(event):
            notes.append(Note(waits=event.seq + 1))
        elif isinstance(event, ApprovalAnswered):
            notes.append(Note(answered=event.approval))
        elif isinstance(event, InputAnswered):
            notes.append(Note(answered=event.input))
        return b"".join(msgspec.json.encode(note) + b"\n" for note in notes)

    return frame_of


MCP: Final = Wire(key="mcp", make=_map, media_type="application/x-ndjson")


def result_of(live: LiveRun, tool: Offered) -> Result:
    """Returns the result of an ended run."""
    end, response = live.log.end, live.response
    text = getattr(response, "text", None)
    said = str(response or "") if text is None else text
    if isinstance(end, RunFinished):
        if tool.output is None or end.output is msgspec.UNSET:
            return Result((said,))
        value = {"result": end.output} if tool.wrapped else end.output
        return Result((said or msgspec.json.encode(end.output).decode(),), value)
    if isinstance(end, RunFailed):
        wrong = f"The run failed: {end.error.message}"
    else:
        wrong = f"The run was cancelled ({end.by})." if isinstance(end, RunCancelled) else "The run ended too early."
    return Result((*((said,) if said else ()), f"{wrong} Its log is /runs/{live.id}."), failed=True)

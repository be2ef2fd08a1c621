"""A run as an MCP tool call: its text as a stream, its waits for people, and its result.

Maps events to notes, lines of JSON that `calls` converts to protocol messages. Pure: the same log always gives the same
notes and the same result.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from headwater.events import ApprovalAnswered, End, Event, InputAnswered, RunCancelled, RunFailed, RunFinished
from headwater.events.response import Response
from headwater.events.results import Results
from headwater.web.wires.questions import Questions
from headwater.web.wires.voice import Voice
from headwater.web.wires.wire import Map, Wire

__all__ = ("MCP", "Note", "Offered", "Result", "result_of")


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


def result_of(run: str, end: End | None, response: Response[Any] | Results | None, tool: Offered) -> Result:
    """Returns the result of a run that has ended: `run` is its id, `end` its last event, `response` its answer."""
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
        wrong = f"The run was cancelled ({end.by})." if isinstance(end, RunCancelled) else "The run was interrupted."
    return Result((*((said,) if said else ()), f"{wrong} Its log is /runs/{run}."), failed=True)

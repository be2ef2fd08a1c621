"""Events of a tool's call: what ran, what people were asked about it, and what a guard blocked."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from headwater.events.error_info import ErrorInfo
from headwater.events.event import Event
from headwater.events.messages import AnyPart

__all__ = (
    "ApprovalAnswered",
    "ApprovalAsked",
    "GuardTripped",
    "InputAnswered",
    "InputAsked",
    "ToolFinished",
    "ToolProgress",
    "ToolStarted",
)


# --- tools: what ran


class ToolStarted(Event, frozen=True, gc=False, tag="tool.started"):
    """A tool starts to run, after its call was ready."""

    type: ClassVar[Literal["tool.started"]]
    step: int
    call: str
    name: str
    try_: int = msgspec.field(name="try", default=1)
    """Counts from 1; a tool starts again if the run is resumed in the middle of it."""
    idempotency_key: str = ""
    """The same for every try of the call: the run's id and the call's key, separated by a slash."""


class ToolProgress(Event, frozen=True, gc=False, tag="tool.progress"):
    """Progress that the tool reports while it runs; JSON data."""

    type: ClassVar[Literal["tool.progress"]]
    step: int
    call: str
    name: str
    data: Any


class ToolFinished(Event, frozen=True, gc=False, tag="tool.finished"):
    """The tool ended: exactly one per call. `result` is what the model gets."""

    type: ClassVar[Literal["tool.finished"]]
    step: int
    call: str
    name: str
    result: str | tuple[AnyPart, ...] = ""
    error: str | None = None
    duration: float = 0.0
    truncated_from: int | None = None
    """The original length of the result, in characters, if it was truncated to the limit."""
    invalid: bool = False
    """Whether the call did not fit the tool, which therefore did not run: the model's mistake."""
    failure: ErrorInfo | None = None
    """The error with which the run ends because of this call; None: the model is told the result."""


class ApprovalAsked(Event, frozen=True, gc=False, tag="approval.asked"):
    """A call is waiting for approval; `until` is when the question expires, in Unix seconds."""

    type: ClassVar[Literal["approval.asked"]]
    approval: str
    call: str
    name: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    """The arguments that it would run with; a custom tool's text is `{"input": text}`."""
    reason: str = ""
    until: float | None = None


class ApprovalAnswered(Event, frozen=True, gc=False, tag="approval.answered"):
    """A person approved or denied it."""

    type: ClassVar[Literal["approval.answered"]]
    approval: str
    allowed: bool
    by: str = ""
    note: str = ""
    arguments: dict[str, Any] | None = None
    """The approved arguments, if they differ from the model's."""
    for_run: bool = False
    """Whether the answer applies to every further call of this tool in the run."""


class InputAsked(Event, frozen=True, gc=False, tag="input.asked"):
    """A running tool asks a person for input: a form (`schema`), or to open `url`.

    `until` is when the question expires, in Unix seconds; `state` belongs to the asker and comes back with the answer.
    """

    type: ClassVar[Literal["input.asked"]]
    input: str
    call: str
    name: str
    message: str = ""
    schema: dict[str, Any] = msgspec.field(default_factory=dict)
    url: str = ""
    until: float | None = None
    state: str = ""


class InputAnswered(Event, frozen=True, gc=False, tag="input.answered"):
    """The person answered; `content` is the answer."""

    type: ClassVar[Literal["input.answered"]]
    input: str
    action: Literal["accept", "decline", "cancel"]
    content: Any = None
    by: str = ""


class GuardTripped(Event, frozen=True, gc=False, tag="guard.tripped"):
    """A guard blocked something. `chars` counts the characters that it held back, which were never shown."""

    type: ClassVar[Literal["guard.tripped"]]
    guard: str
    on: Literal["input", "output", "arguments", "result", "reasoning"] = "output"
    """What it checked."""
    action: Literal["block", "replace", "retry"] = "block"
    """What follows: the run fails, the text is replaced, or the model is asked again with the note."""
    step: int | None = None
    call: str | None = None
    note: str = ""
    chars: int = 0

"""The event union: everything that can happen in a run, as frozen values.

An event holds data only. One function in `runtime` stamps `seq`, `time`, `run` and `path` when it appends the event to
the log; until then they hold their defaults, and decoders never set them. Names follow `<noun>.<verb>`; anything
streamed is started, has deltas, and is ended. This file has the events of the
tree of runs and gathers those of `run_events`, `step_events` and `tool_events`; `fold` assembles them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

from headwater.events.error_info import ErrorInfo
from headwater.events.event import Event
from headwater.events.messages import Message, Usage
from headwater.events.run_events import (
    End,
    ForkedFrom,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    RunWaiting,
    WorkflowShape,
)
from headwater.events.step_events import (
    AttemptAccepted,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    FileMade,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
)
from headwater.events.tool_events import (
    ApprovalAnswered,
    ApprovalAsked,
    GuardTripped,
    InputAnswered,
    InputAsked,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)

__all__ = (
    "AnyEvent",
    "ApprovalAnswered",
    "ApprovalAsked",
    "AttemptAccepted",
    "AttemptFailed",
    "AttemptStarted",
    "CallDelta",
    "CallReady",
    "CallRejected",
    "CallStarted",
    "ChildFinished",
    "ChildStarted",
    "Custom",
    "End",
    "ErrorInfo",
    "Event",
    "FileMade",
    "ForkedFrom",
    "GuardTripped",
    "Handoff",
    "InputAnswered",
    "InputAsked",
    "MessageAdded",
    "MessageReceived",
    "ProviderItemMade",
    "Raw",
    "ReasoningDelta",
    "ReasoningEnded",
    "ReasoningStarted",
    "Retracted",
    "RunCancelled",
    "RunFailed",
    "RunFinished",
    "RunResumed",
    "RunStarted",
    "RunWaiting",
    "SourceFound",
    "StepFinished",
    "StepStarted",
    "TextDelta",
    "TextEnded",
    "TextStarted",
    "ToolFinished",
    "ToolProgress",
    "ToolStarted",
    "Unknown",
    "UsageReported",
    "Warned",
    "WorkflowShape",
)


# --- the tree of runs, and the rest


class ChildStarted(Event, frozen=True, gc=False, tag="child.started"):
    """A run inside this one starts."""

    type: ClassVar[Literal["child.started"]]
    child: str
    name: str
    call: str | None = None
    role: Literal["member", "handoff", "tool", "helper"] = "member"
    """Its relation to this run: a workflow's member, the agent that takes over, a call's tool, or a helper, whose text
    belongs to no answer. Empty in a log of grammar 1."""
    after: tuple[str, ...] = ()
    """The runs whose answers are part of its task."""
    final: bool | None = None
    """Whether its answer is the workflow's; null if that is known only at the workflow's end."""


class ChildFinished(Event, frozen=True, gc=False, tag="child.finished"):
    """It ended: `outcome` is finished, failed or cancelled. `origin` is the source of its usage; see UsageReported."""

    type: ClassVar[Literal["child.finished"]]
    child: str
    name: str
    call: str | None = None
    outcome: Literal["finished", "failed", "cancelled"] = "finished"
    usage: Usage = Usage()
    origin: Literal["measured", "estimated", "unknown"] = "measured"
    error: ErrorInfo | None = None
    """The error that prevented its start; a run that did start reports its error itself."""


class Handoff(Event, frozen=True, gc=False, tag="handoff"):
    """The conversation is handed to another agent."""

    type: ClassVar[Literal["handoff"]]
    to: str
    note: str = ""


class MessageReceived(Event, frozen=True, gc=False, tag="message.received"):
    """Someone sent a message to the run, which no model has seen yet; `key` is unique in the log."""

    type: ClassVar[Literal["message.received"]]
    key: str
    message: Message
    by: str = ""


class MessageAdded(Event, frozen=True, gc=False, tag="message.added"):
    """A message that came neither from the task nor from a step was added to the conversation."""

    type: ClassVar[Literal["message.added"]]
    message: Message
    cause: Literal["steer", "loop", "input", "handoff", "repair", "compact"] = "input"
    key: str = ""
    """The key of the `message.received` that the model now sees."""


class UsageReported(Event, frozen=True, gc=False, tag="usage.reported"):
    """The usage of the attempt so far: cumulative, the last report counts.

    If the attempt did not end, a final report is an estimate: the larger of the reported and the generated amount.
    """

    type: ClassVar[Literal["usage.reported"]]
    step: int
    attempt: int
    usage: Usage
    origin: Literal["measured", "estimated", "unknown"] = "measured"


class Warned(Event, frozen=True, gc=False, tag="warning"):
    """Information that does not affect the run."""

    type: ClassVar[Literal["warning"]]
    code: str
    message: str
    hint: str = ""


class Custom(Event, frozen=True, gc=False, tag="custom"):
    """A program's own event; `data` is JSON data."""

    type: ClassVar[Literal["custom"]]
    name: str
    data: Any = None


class Raw(Event, frozen=True, gc=False, tag="raw"):
    """The provider's raw data, only on request, never kept."""

    type: ClassVar[Literal["raw"]]
    body: Any = None


class Unknown(Event, frozen=True, gc=False, tag="unknown"):
    """An event from a newer version: `name` is its type, `body` the whole event, passed on unchanged."""

    type: ClassVar[Literal["unknown"]]
    name: str
    body: dict[str, Any]


AnyEvent: TypeAlias = (
    RunStarted
    | RunResumed
    | RunWaiting
    | RunFinished
    | RunFailed
    | RunCancelled
    | StepStarted
    | StepFinished
    | AttemptStarted
    | AttemptAccepted
    | AttemptFailed
    | Retracted
    | TextStarted
    | TextDelta
    | TextEnded
    | ReasoningStarted
    | ReasoningDelta
    | ReasoningEnded
    | SourceFound
    | FileMade
    | ProviderItemMade
    | CallStarted
    | CallDelta
    | CallReady
    | CallRejected
    | ToolStarted
    | ToolProgress
    | ToolFinished
    | ApprovalAsked
    | ApprovalAnswered
    | InputAsked
    | InputAnswered
    | GuardTripped
    | ChildStarted
    | ChildFinished
    | Handoff
    | MessageReceived
    | MessageAdded
    | UsageReported
    | Warned
    | Custom
    | Raw
    | Unknown
)
"""Every event: type checkers narrow it by `event.type`, as `match` on the class does."""

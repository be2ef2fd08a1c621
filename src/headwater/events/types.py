"""The event union: everything that can happen in a run, as frozen values.

An event holds data only. One function in `runtime` stamps `seq`, `time`, `run` and `path` when it appends the event to
the log; until then they hold their defaults, and decoders never set them. Names follow `<noun>.<verb>`; anything
streamed is started, has deltas, and is ended. This file owns the shapes; `fold` assembles them.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater import errors
from headwater.events.messages import AnyPart, Message, Usage
from headwater.schema.well_formed import well_formed

__all__ = (
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


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as data: its class's name, its message, and what to do about it."""

    type: str
    message: str
    hint: str = ""
    status: int | None = None
    retryable: bool = False
    retry_after: float | None = None
    """Seconds that the provider asked to wait, where it said so."""

    @classmethod
    def of(cls, error: BaseException) -> ErrorInfo:
        """Returns the exception as data; if it was made from an ErrorInfo, that one."""
        told = error.__dict__.get("info")
        if isinstance(told, cls):
            return told
        # A user's exception may have any value in these attributes.
        message, hint, status, wait = (getattr(error, name, None) for name in _RECORDED)
        return cls(
            type=type(error).__name__,
            message=well_formed(
                (message if isinstance(message, str) else "") or _text_of(error) or type(error).__name__
            ),
            hint=well_formed(hint) if isinstance(hint, str) else "",
            status=status if type(status) is int else None,
            retryable=getattr(error, "retryable", False) is True,
            retry_after=float(wait) if isinstance(wait, (int, float)) else None,
        )

    def exception(self) -> errors.HeadwaterError:
        """Returns an exception, of the original class if that is one of headwater's. Its `info` holds this value."""
        kind = getattr(errors, self.type, None)
        made: errors.HeadwaterError
        if isinstance(kind, type) and issubclass(kind, errors.HeadwaterError):
            state = {"message": self.message, "hint": self.hint, "response": None, "status": self.status}
            made = errors.rebuilt(kind, {**state, "retryable": self.retryable, "retry_after": self.retry_after})
        else:
            made = errors.HeadwaterError(f"{self.type}: {self.message}", hint=self.hint)
        made.__dict__["info"] = self
        return made


_RECORDED: Final = ("message", "hint", "status", "retry_after")
"""The attributes of an exception that an event records, if it has them."""


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a user's __str__
        return ""


class WorkflowShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a workflow combines its members' answers, for a reader that has only the log.

    `kind` is an open set (sequential, concurrent, graph), `members` their names in the order of declaration, `collect`
    whether a member's error is kept in its Response.
    """

    kind: str = ""
    members: tuple[str, ...] = ()
    collect: bool = False
    edges: tuple[tuple[str, str], ...] = ()
    """The declared edges from one member to another: who may wait for whom. A route, which may lead anywhere, appears
    as edges to the members that no other edge leads to."""


class ForkedFrom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The run that this one was forked from, and the number of the last event that was copied."""

    run: str
    seq: int


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="type", kw_only=True, omit_defaults=True):
    """The fields that every event has: its place in the log.

    `seq` counts from 0 without gaps in its log, `time` is in Unix seconds and never decreases, `run` is the id of the
    event's run and `path` the names from the outermost run down to it.
    """

    seq: int = 0
    time: float = 0.0
    run: str = ""
    path: tuple[str, ...] = ()
    extra: dict[str, Any] | None = None
    """Fields from a newer version that this one does not know; the codec writes them back in place."""

    @property
    def agent(self) -> str:
        """The name of the event's run: the last part of the path."""
        return self.path[-1] if self.path else ""

    @property
    def type(self) -> str:
        """The event's name on the wire, such as `text.delta`."""
        return type(self).__struct_config__.tag  # type: ignore[return-value]


# --- the run


class RunStarted(Event, frozen=True, gc=False, tag="run.started"):
    """The first event of every run."""

    agent_name: str = msgspec.field(name="agent", default="")
    """The agent's or workflow's own name; inside a larger run it may have another one, which is in `path`."""
    input: tuple[Message, ...] = ()
    """The task."""
    history: tuple[Message, ...] = ()
    """The conversation before the task."""
    model: str = ""
    """The model that it calls first; empty for a workflow."""
    settings: dict[str, Any] = {}
    context: Any = None
    """The context that the program passed to tools and instructions, if it can be written as JSON."""
    parent: str | None = None
    """The id of the run that this one is part of."""
    call: str | None = None
    """The parent's call that this run answers."""
    definition_hash: str = ""
    """A hash of the agent's or workflow's declaration; empty if unknown."""
    grammar: int = 1
    """The grammar that the run's events follow: 1 is that of headwater 0.1, 2 that of 0.2; see `checker`."""
    workflow: WorkflowShape | None = None
    """Set if the run is a workflow's; null for an agent's."""
    forked_from: ForkedFrom | None = None
    """Set if its first events were copied from another run."""
    thread: str = ""
    """The id of its conversation, if it has one."""
    answer_tool: str = ""
    """The tool that a model may call to give the answer: the call's arguments are the text of the run once it has
    finished. Empty if the answer is always text."""


class RunResumed(Event, frozen=True, gc=False, tag="run.resumed"):
    """The outermost run is resumed, by `by`: whatever was running in any run below was interrupted."""

    by: str = ""
    definition_hash: str = ""


class RunWaiting(Event, frozen=True, gc=False, tag="run.waiting"):
    """Nothing in the run is active until someone answers, or until `until` (Unix seconds); this is not its end."""

    on: Literal["approval", "input", "children", "time"] = "input"
    """The first thing that it waits for."""
    ids: tuple[str, ...] = ()
    """The ids of all approvals, inputs and child runs that it waits for."""
    until: float | None = None


class RunFinished(Event, frozen=True, gc=False, tag="run.finished"):
    """The end: the run completed with an answer."""

    finish_reason: str | None = None
    output: Any = msgspec.UNSET
    """The answer as the output type, in JSON; it may be null. Absent if the output type is text."""
    usage: Usage = Usage()
    answer: tuple[str, ...] = ()
    """The children whose text is the run's answer, by id and in order; empty if the text is its own."""


class RunFailed(Event, frozen=True, gc=False, tag="run.failed"):
    """The end: an error that could not be recovered from."""

    error: ErrorInfo
    usage: Usage = Usage()


class RunCancelled(Event, frozen=True, gc=False, tag="run.cancelled"):
    """The end: the run was cancelled."""

    by: Literal["caller", "left", "deadline", "parent", "shutdown"] = "caller"
    usage: Usage = Usage()


# --- steps and attempts


class StepStarted(Event, frozen=True, gc=False, tag="step.started"):
    """One model request, and everything that follows from it."""

    step: int


class StepFinished(Event, frozen=True, gc=False, tag="step.finished"):
    """`message` is the authoritative record of the step, with signatures and items that must be sent back."""

    step: int
    finish_reason: str | None = None
    provider_finish_reason: str | None = None
    message: Message | None = None
    usage: Usage = Usage()


class AttemptStarted(Event, frozen=True, gc=False, tag="attempt.started"):
    """A request is sent to a provider; `attempt` counts from 1 within its step."""

    step: int
    attempt: int = 1
    model: str = ""
    provider: str = ""
    cause: Literal["first", "retry", "fallback", "restart", "resume", "guard"] = "first"
    final: bool = False
    """Whether its text is known to be the answer, unless it fails or a message arrives."""
    may_retract: bool = False
    """Whether its text may be retracted before its step ends."""


class AttemptAccepted(Event, frozen=True, gc=False, tag="attempt.accepted"):
    """The provider starts to answer; `id` and `model` are as it reports them."""

    step: int
    attempt: int
    id: str = ""
    model: str = ""


class AttemptFailed(Event, frozen=True, gc=False, tag="attempt.failed"):
    """The attempt failed; `then` says what happens next, after `wait` seconds."""

    step: int
    attempt: int
    error: ErrorInfo
    then: Literal["retry", "fallback", "restart", "resume", "guard", "raise"] = "raise"
    wait: float = 0.0
    usage: Usage = Usage()


class Retracted(Event, frozen=True, gc=False, tag="retracted"):
    """The last `chars` characters shown are retracted; comes before the next attempt, only if some were shown."""

    step: int
    attempt: int
    chars: int
    cause: str = ""
    """The type of the error that caused it."""


# --- what a model says


class TextStarted(Event, frozen=True, gc=False, tag="text.started"):
    """A part of text starts. `lead` separates it from the text of the step before."""

    step: int
    part: int
    kind: Literal["answer", "refusal"] = "answer"
    lead: str = ""


class TextDelta(Event, frozen=True, gc=False, tag="text.delta"):
    """The next piece of the part's text, never empty."""

    step: int
    part: int
    text: str


class TextEnded(Event, frozen=True, gc=False, tag="text.ended"):
    """The part is complete, or cut off where the step was."""

    step: int
    part: int
    signature: str | None = None


class ReasoningStarted(Event, frozen=True, gc=False, tag="reasoning.started"):
    """A part of reasoning starts: the model's own words, or a summary of them."""

    step: int
    part: int
    kind: Literal["summary", "full"] = "full"


class ReasoningDelta(Event, frozen=True, gc=False, tag="reasoning.delta"):
    """The next piece of the part's reasoning, never empty."""

    step: int
    part: int
    text: str


class ReasoningEnded(Event, frozen=True, gc=False, tag="reasoning.ended"):
    """The part is complete. `redacted` is its encrypted form, if that is all the provider shows."""

    step: int
    part: int
    signature: str | None = None
    redacted: str | None = None


class SourceFound(Event, frozen=True, gc=False, tag="source"):
    """A citation. `span` is its position in the step's text, in characters: [start, end)."""

    step: int
    kind: Literal["url", "document", "file"] = "url"
    url: str = ""
    title: str = ""
    quote: str = ""
    span: tuple[int, int] | None = None


class FileMade(Event, frozen=True, gc=False, tag="file"):
    """An image or file that the model generated: its bytes, a URL, or the provider's id (`ref`)."""

    step: int
    media_type: str = ""
    data: bytes | None = None
    url: str | None = None
    ref: str | None = None
    name: str = ""
    signature: str | None = None


class ProviderItemMade(Event, frozen=True, gc=False, tag="provider.item"):
    """An item that only the provider's API `api` understands and expects back at this place."""

    step: int
    api: str
    item: dict[str, Any]


# --- tool calls: what the model wrote


class CallStarted(Event, frozen=True, gc=False, tag="call.started"):
    """The model starts to write a call. `call` is unique in the run; `id` is the provider's own if it differs."""

    step: int
    call: str
    name: str
    id: str = ""
    by: Literal["agent", "provider", "client"] = "agent"
    """Who runs it: this library, the provider on its side, or the program that reads the answer."""


class CallDelta(Event, frozen=True, gc=False, tag="call.delta"):
    """The next piece of the call's argument JSON, never empty."""

    step: int
    call: str
    json: str


class CallReady(Event, frozen=True, gc=False, tag="call.ready"):
    """The arguments are complete: a dict, or the text of a custom tool's input."""

    step: int
    call: str
    name: str
    arguments: dict[str, Any] | str
    by: Literal["agent", "provider", "client"] = "agent"
    custom: bool = False
    signature: str | None = None
    item_id: str | None = None


class CallRejected(Event, frozen=True, gc=False, tag="call.rejected"):
    """The arguments are cut off or not a JSON object: `raw` is what arrived. Such a call is never run."""

    step: int
    call: str
    name: str
    raw: str
    error: str
    cut: bool = False
    """Whether the input ended before the call did; otherwise it is complete and the model may correct it."""
    by: Literal["agent", "provider", "client"] = "agent"
    signature: str | None = None
    item_id: str | None = None


# --- tools: what ran


class ToolStarted(Event, frozen=True, gc=False, tag="tool.started"):
    """A tool starts to run, after its call was ready."""

    step: int
    call: str
    name: str
    try_: int = msgspec.field(name="try", default=1)
    """Counts from 1; a tool starts again if the run is resumed in the middle of it."""
    idempotency_key: str = ""
    """The same for every try of the call: the run's id and the call's key, separated by a slash."""


class ToolProgress(Event, frozen=True, gc=False, tag="tool.progress"):
    """Progress that the tool reports while it runs; JSON data."""

    step: int
    call: str
    name: str
    data: Any


class ToolFinished(Event, frozen=True, gc=False, tag="tool.finished"):
    """The tool ended: exactly one per call. `result` is what the model gets."""

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


class ApprovalAsked(Event, frozen=True, gc=False, tag="approval.asked"):
    """A call is waiting for approval; `until` is when the question expires, in Unix seconds."""

    approval: str
    call: str
    name: str
    arguments: dict[str, Any] = {}
    """The arguments that it would run with; a custom tool's text is `{"input": text}`."""
    reason: str = ""
    until: float | None = None


class ApprovalAnswered(Event, frozen=True, gc=False, tag="approval.answered"):
    """A person approved or refused it."""

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

    input: str
    call: str
    name: str
    message: str = ""
    schema: dict[str, Any] = {}
    url: str = ""
    until: float | None = None
    state: str = ""


class InputAnswered(Event, frozen=True, gc=False, tag="input.answered"):
    """The person answered; `content` is the answer."""

    input: str
    action: Literal["accept", "decline", "cancel"]
    content: Any = None
    by: str = ""


class GuardTripped(Event, frozen=True, gc=False, tag="guard.tripped"):
    """A guard blocked something. `chars` counts the characters that it held back, which were never shown."""

    guard: str
    on: Literal["input", "output", "arguments", "result", "reasoning"] = "output"
    """What it checked."""
    action: Literal["block", "replace", "retry"] = "block"
    """What follows: the run fails, the text is replaced, or the model is asked again with the note."""
    step: int | None = None
    call: str | None = None
    note: str = ""
    chars: int = 0


# --- the tree of runs, and the rest


class ChildStarted(Event, frozen=True, gc=False, tag="child.started"):
    """A run inside this one starts."""

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

    to: str
    note: str = ""


class MessageReceived(Event, frozen=True, gc=False, tag="message.received"):
    """Someone sent a message to the run, which no model has seen yet; `key` is unique in the log."""

    key: str
    message: Message
    by: str = ""


class MessageAdded(Event, frozen=True, gc=False, tag="message.added"):
    """A message that came neither from the task nor from a step was added to the conversation."""

    message: Message
    cause: Literal["steer", "loop", "input", "handoff", "repair", "compact"] = "input"
    key: str = ""
    """The key of the `message.received` that the model now sees."""


class UsageReported(Event, frozen=True, gc=False, tag="usage.reported"):
    """The usage of the attempt so far: cumulative, the last report counts.

    If the attempt did not end, a final report is an estimate: the larger of the reported and the generated amount.
    """

    step: int
    attempt: int
    usage: Usage
    origin: Literal["measured", "estimated", "unknown"] = "measured"


class Warned(Event, frozen=True, gc=False, tag="warning"):
    """Information that does not affect the run."""

    code: str
    message: str
    hint: str = ""


class Custom(Event, frozen=True, gc=False, tag="custom"):
    """A program's own event; `data` is JSON data."""

    name: str
    data: Any = None


class Raw(Event, frozen=True, gc=False, tag="raw"):
    """The provider's raw data, only on request, never kept."""

    body: Any = None


class Unknown(Event, frozen=True, gc=False, tag="unknown"):
    """An event from a newer version: `name` is its type, `body` the whole event, passed on unchanged."""

    name: str
    body: dict[str, Any]


End: TypeAlias = RunFinished | RunFailed | RunCancelled
"""The events that end a run: exactly one per run."""

"""The event union: everything that can happen in a run, as frozen values.

An event holds data only. `seq`, `time`, `run` and `path` are stamped when it is appended to its log, by one function
in `runtime`; until then they hold their defaults, and decoders know none of them. Names follow `<noun>.<verb>`; a
streamed thing is started, has deltas, and is ended. This file owns the shapes; what they add up to is `fold`'s.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater import errors
from headwater.events.messages import AnyPart, Message, Usage
from headwater.schema import well_formed

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
    """An error as data: its class's name, what it says, and what can be done."""

    type: str
    message: str
    hint: str = ""
    status: int | None = None
    retryable: bool = False
    retry_after: float | None = None
    """Seconds that the provider asked to wait, where it said so."""

    @classmethod
    def of(cls, error: BaseException) -> ErrorInfo:
        """An exception as an event holds it; one that was made of an ErrorInfo as it was told."""
        told = error.__dict__.get("info")
        if isinstance(told, cls):
            return told
        # A user's exception may hold anything under these names.
        message, hint, status, wait = (getattr(error, name, None) for name in _TOLD)
        return cls(
            type=type(error).__name__,
            message=well_formed((message if isinstance(message, str) else "") or _said(error) or type(error).__name__),
            hint=well_formed(hint) if isinstance(hint, str) else "",
            status=status if type(status) is int else None,
            retryable=getattr(error, "retryable", False) is True,
            retry_after=float(wait) if isinstance(wait, (int, float)) else None,
        )

    def exception(self) -> errors.HeadwaterError:
        """The error as an exception: of its own class where that is ours. What it was made of stands in its `info`."""
        kind = getattr(errors, self.type, None)
        made: errors.HeadwaterError
        if isinstance(kind, type) and issubclass(kind, errors.HeadwaterError):
            state = {"message": self.message, "hint": self.hint, "response": None, "status": self.status}
            made = errors.rebuilt(kind, {**state, "retryable": self.retryable, "retry_after": self.retry_after})
        else:
            made = errors.HeadwaterError(f"{self.type}: {self.message}", hint=self.hint)
        made.__dict__["info"] = self
        return made


_TOLD: Final = ("message", "hint", "status", "retry_after")
"""What of an exception an event tells, as far as it has these."""


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a user's __str__
        return ""


class WorkflowShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a workflow puts its members' answers together, for a reader that has only the log.

    `kind` is an open word (sequential, concurrent, graph), `members` their names in the order in which they were
    declared, `collect` whether a member's error stays with its Response.
    """

    kind: str = ""
    members: tuple[str, ...] = ()
    collect: bool = False
    edges: tuple[tuple[str, str], ...] = ()
    """The ways from one member to another, as far as they were declared: who may wait for whom. A route, which may lead
    anywhere, is told as ways to those members to which nothing else leads."""


class ForkedFrom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The run that this one was forked from, and the number of the last event that was taken over."""

    run: str
    seq: int


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="type", kw_only=True, omit_defaults=True):
    """What every event has: its place in the log.

    `seq` is dense from 0 in its log, `time` Unix seconds that never fall, `run` the id of the run it belongs to and
    `path` the names from the outermost run down to that one.
    """

    seq: int = 0
    time: float = 0.0
    run: str = ""
    path: tuple[str, ...] = ()
    extra: dict[str, Any] | None = None
    """Fields that a newer writer knew and this reader does not; the codec writes them back where they stood."""

    @property
    def agent(self) -> str:
        """Whose event it is: the last part of the path."""
        return self.path[-1] if self.path else ""

    @property
    def type(self) -> str:
        """The event's name on the wire, such as `text.delta`."""
        return type(self).__struct_config__.tag  # type: ignore[return-value]


# --- the run


class RunStarted(Event, frozen=True, gc=False, tag="run.started"):
    """The first event of every run."""

    agent_name: str = msgspec.field(name="agent", default="")
    """The agent's or workflow's own name; in a larger run it may go by another, which stands in `path`."""
    input: tuple[Message, ...] = ()
    """What it is asked."""
    history: tuple[Message, ...] = ()
    """The conversation before that."""
    model: str = ""
    """The model that it asks first; empty for a workflow."""
    settings: dict[str, Any] = {}
    context: Any = None
    """What the program handed to its tools and instructions, as far as that is JSON."""
    parent: str | None = None
    """The id of the run that this one is part of."""
    call: str | None = None
    """The call in the parent that this run answers."""
    definition_hash: str = ""
    """Changes with what the agent or workflow was declared as; empty where it is not known."""
    grammar: int = 1
    """The rules that the run's events keep: 1 is headwater 0.1's, 2 that of 0.2; see `checker`."""
    workflow: WorkflowShape | None = None
    """Set where the run is a workflow's; null is an agent's."""
    forked_from: ForkedFrom | None = None
    """Set where its first events are another run's."""
    thread: str = ""
    """The id of the conversation it belongs to, where that has one."""
    answer_tool: str = ""
    """The tool by whose call a model may give the answer: the call's arguments are the text of the run once it has
    finished. Empty where an answer is always text."""


class RunResumed(Event, frozen=True, gc=False, tag="run.resumed"):
    """The outermost run is taken up again, by `by`: what was at work in any run below is at work no more."""

    by: str = ""
    definition_hash: str = ""


class RunWaiting(Event, frozen=True, gc=False, tag="run.waiting"):
    """Nothing of the run is at work until someone answers, or `until` (Unix seconds); this is not its end."""

    on: Literal["approval", "input", "children", "time"] = "input"
    """The first of these that it waits for."""
    ids: tuple[str, ...] = ()
    """All the approvals, inputs and runs below that it waits for."""
    until: float | None = None


class RunFinished(Event, frozen=True, gc=False, tag="run.finished"):
    """The end: the run came to its answer."""

    finish_reason: str | None = None
    output: Any = msgspec.UNSET
    """The answer as the type that was asked for, in JSON, be it null; absent where any text would do."""
    usage: Usage = Usage()
    answer: tuple[str, ...] = ()
    """The children whose text is the run's, by id and in order; empty where the text is its own."""


class RunFailed(Event, frozen=True, gc=False, tag="run.failed"):
    """The end: an error that nothing could mend."""

    error: ErrorInfo
    usage: Usage = Usage()


class RunCancelled(Event, frozen=True, gc=False, tag="run.cancelled"):
    """The end: someone stopped it."""

    by: Literal["caller", "left", "deadline", "parent", "shutdown"] = "caller"
    usage: Usage = Usage()


# --- steps and attempts


class StepStarted(Event, frozen=True, gc=False, tag="step.started"):
    """One model request, and all that comes of it."""

    step: int


class StepFinished(Event, frozen=True, gc=False, tag="step.finished"):
    """`message` is the durable truth of the step, with signatures and items that must be sent back."""

    step: int
    finish_reason: str | None = None
    provider_finish_reason: str | None = None
    message: Message | None = None
    usage: Usage = Usage()


class AttemptStarted(Event, frozen=True, gc=False, tag="attempt.started"):
    """A provider is asked; `attempt` counts from 1 within its step."""

    step: int
    attempt: int = 1
    model: str = ""
    provider: str = ""
    cause: Literal["first", "retry", "fallback", "restart", "resume", "guard"] = "first"
    final: bool = False
    """Whether its text is known to be the answer, unless it fails or is steered."""
    may_retract: bool = False
    """Whether its text may be taken back before its step ends."""


class AttemptAccepted(Event, frozen=True, gc=False, tag="attempt.accepted"):
    """The provider begins to answer; `id` and `model` are in its own words."""

    step: int
    attempt: int
    id: str = ""
    model: str = ""


class AttemptFailed(Event, frozen=True, gc=False, tag="attempt.failed"):
    """It did not work out; `then` says what happens next, after `wait` seconds."""

    step: int
    attempt: int
    error: ErrorInfo
    then: Literal["retry", "fallback", "restart", "resume", "guard", "raise"] = "raise"
    wait: float = 0.0
    usage: Usage = Usage()


class Retracted(Event, frozen=True, gc=False, tag="retracted"):
    """The last `chars` characters shown are taken back; stands before the next attempt, only where some were shown."""

    step: int
    attempt: int
    chars: int
    cause: str = ""
    """The type of the error that made it necessary."""


# --- what a model says


class TextStarted(Event, frozen=True, gc=False, tag="text.started"):
    """A part of text begins. `lead` is what parts it from the text of the step before it."""

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
    """The part is whole, or cut where the step was."""

    step: int
    part: int
    signature: str | None = None


class ReasoningStarted(Event, frozen=True, gc=False, tag="reasoning.started"):
    """A part of reasoning begins: the model's own words, or a summary of them."""

    step: int
    part: int
    kind: Literal["summary", "full"] = "full"


class ReasoningDelta(Event, frozen=True, gc=False, tag="reasoning.delta"):
    """The next piece of the part's reasoning, never empty."""

    step: int
    part: int
    text: str


class ReasoningEnded(Event, frozen=True, gc=False, tag="reasoning.ended"):
    """The part is whole. `redacted` is its encrypted form, where that is all the provider shows."""

    step: int
    part: int
    signature: str | None = None
    redacted: str | None = None


class SourceFound(Event, frozen=True, gc=False, tag="source"):
    """A citation. `span` is where in the step's text it stands, in characters: [start, end)."""

    step: int
    kind: Literal["url", "document", "file"] = "url"
    url: str = ""
    title: str = ""
    quote: str = ""
    span: tuple[int, int] | None = None


class FileMade(Event, frozen=True, gc=False, tag="file"):
    """A picture or file that the model made: its bytes, a URL, or the provider's id (`ref`)."""

    step: int
    media_type: str = ""
    data: bytes | None = None
    url: str | None = None
    ref: str | None = None
    name: str = ""
    signature: str | None = None


class ProviderItemMade(Event, frozen=True, gc=False, tag="provider.item"):
    """Something that only the provider's API `api` understands and wants back at this place."""

    step: int
    api: str
    item: dict[str, Any]


# --- tool calls: what the model wrote


class CallStarted(Event, frozen=True, gc=False, tag="call.started"):
    """The model begins to write a call. `call` is unique in the run; `id` is the provider's own where that is not."""

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
    """The arguments are whole: a dict, or the text of a custom tool's input."""

    step: int
    call: str
    name: str
    arguments: dict[str, Any] | str
    by: Literal["agent", "provider", "client"] = "agent"
    custom: bool = False
    signature: str | None = None
    item_id: str | None = None


class CallRejected(Event, frozen=True, gc=False, tag="call.rejected"):
    """The arguments are cut or no JSON object: `raw` is what came. Such a call is never run."""

    step: int
    call: str
    name: str
    raw: str
    error: str
    cut: bool = False
    """Whether the input ended before the call did; else what came is whole and the model may mend it."""
    by: Literal["agent", "provider", "client"] = "agent"
    signature: str | None = None
    item_id: str | None = None


# --- tools: what ran


class ToolStarted(Event, frozen=True, gc=False, tag="tool.started"):
    """A tool begins to run, after its call was ready."""

    step: int
    call: str
    name: str
    try_: int = msgspec.field(name="try", default=1)
    """Counts from 1; a tool starts again where the log was taken up in the middle of it."""
    idempotency_key: str = ""
    """The same on every try of the call: the run's id and the call's key, with a slash between."""


class ToolProgress(Event, frozen=True, gc=False, tag="tool.progress"):
    """Something the tool says while it runs; JSON-able."""

    step: int
    call: str
    name: str
    data: Any


class ToolFinished(Event, frozen=True, gc=False, tag="tool.finished"):
    """The tool ended: exactly one a call. `result` is what the model will read."""

    step: int
    call: str
    name: str
    result: str | tuple[AnyPart, ...] = ""
    error: str | None = None
    duration: float = 0.0
    truncated_from: int | None = None
    """How long the result was, in characters, where it was cut to the bound."""
    invalid: bool = False
    """Whether the call did not fit its tool, which did not run: the model's mistake."""


class ApprovalAsked(Event, frozen=True, gc=False, tag="approval.asked"):
    """A call is waiting for approval; `until` is when the question lapses, in Unix seconds."""

    approval: str
    call: str
    name: str
    arguments: dict[str, Any] = {}
    """What it would run with; a custom tool's text is `{"input": text}`."""
    reason: str = ""
    until: float | None = None


class ApprovalAnswered(Event, frozen=True, gc=False, tag="approval.answered"):
    """Someone allowed or refused it."""

    approval: str
    allowed: bool
    by: str = ""
    note: str = ""
    arguments: dict[str, Any] | None = None
    """The arguments it is allowed with, where those are not the model's."""
    for_run: bool = False
    """Whether the answer holds for every further call of this tool in the run."""


class InputAsked(Event, frozen=True, gc=False, tag="input.asked"):
    """A tool at work asks a person something: a form (`schema`), or to open `url`.

    `until` is when the question lapses, in Unix seconds; `state` is the asker's own, handed back with the answer.
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
    """The person answered; `content` is what they gave."""

    input: str
    action: Literal["accept", "decline", "cancel"]
    content: Any = None
    by: str = ""


class GuardTripped(Event, frozen=True, gc=False, tag="guard.tripped"):
    """A guard would not let something pass. `chars` counts the characters it held back, which were never shown."""

    guard: str
    on: Literal["input", "output", "arguments", "result", "reasoning"] = "output"
    """What it looked at."""
    action: Literal["block", "replace", "retry"] = "block"
    """What follows: the run fails, other text stands there, or the model is asked again with the note."""
    step: int | None = None
    call: str | None = None
    note: str = ""
    chars: int = 0


# --- the tree of runs, and the rest


class ChildStarted(Event, frozen=True, gc=False, tag="child.started"):
    """A run inside this one begins."""

    child: str
    name: str
    call: str | None = None
    role: Literal["member", "handoff", "tool", "helper"] = "member"
    """What it is to this run: a workflow's member, the agent that takes over, a call's tool, or a helper, whose text is
    nobody's. In a log of grammar 1 it says nothing."""
    after: tuple[str, ...] = ()
    """The runs whose answers are in its task."""
    final: bool | None = None
    """Whether its answer is the workflow's; null where that is told only at the workflow's end."""


class ChildFinished(Event, frozen=True, gc=False, tag="child.finished"):
    """It ended: `outcome` is finished, failed or cancelled. `origin` is what its usage rests on; see UsageReported."""

    child: str
    name: str
    call: str | None = None
    outcome: Literal["finished", "failed", "cancelled"] = "finished"
    usage: Usage = Usage()
    origin: Literal["measured", "estimated", "unknown"] = "measured"
    error: ErrorInfo | None = None
    """What kept it from beginning; a run that has begun tells of its error itself."""


class Handoff(Event, frozen=True, gc=False, tag="handoff"):
    """The conversation goes to another agent."""

    to: str
    note: str = ""


class MessageReceived(Event, frozen=True, gc=False, tag="message.received"):
    """Someone said something to the run, which no model has heard yet; `key` is its own in the log."""

    key: str
    message: Message
    by: str = ""


class MessageAdded(Event, frozen=True, gc=False, tag="message.added"):
    """A message joined the conversation that neither the task nor a step brought."""

    message: Message
    cause: Literal["steer", "loop", "input", "handoff", "repair", "compact"] = "input"
    key: str = ""
    """The key of the `message.received` that the model now hears."""


class UsageReported(Event, frozen=True, gc=False, tag="usage.reported"):
    """What the attempt has cost so far: cumulative, the last one counts.

    One that did not end is told of once more, as an estimate: the larger of what was reported and what was said.
    """

    step: int
    attempt: int
    usage: Usage
    origin: Literal["measured", "estimated", "unknown"] = "measured"


class Warned(Event, frozen=True, gc=False, tag="warning"):
    """Something to know that changes nothing of the run."""

    code: str
    message: str
    hint: str = ""


class Custom(Event, frozen=True, gc=False, tag="custom"):
    """A program's own event; `data` is JSON-able."""

    name: str
    data: Any = None


class Raw(Event, frozen=True, gc=False, tag="raw"):
    """The provider's own words, only where asked for, never kept."""

    body: Any = None


class Unknown(Event, frozen=True, gc=False, tag="unknown"):
    """An event of a newer writer: `name` is its type, `body` all of it, passed on whole."""

    name: str
    body: dict[str, Any]


End: TypeAlias = RunFinished | RunFailed | RunCancelled
"""What ends a run: exactly one a run."""

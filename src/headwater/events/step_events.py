"""Events of a step: the model request, its attempts, and what the model says and calls."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from headwater.events.error_info import ErrorInfo
from headwater.events.event import Event
from headwater.events.messages import Message, Usage

__all__ = (
    "AttemptAccepted",
    "AttemptFailed",
    "AttemptStarted",
    "CallDelta",
    "CallReady",
    "CallRejected",
    "CallStarted",
    "FileMade",
    "ProviderItemMade",
    "ReasoningDelta",
    "ReasoningEnded",
    "ReasoningStarted",
    "Retracted",
    "SourceFound",
    "StepFinished",
    "StepStarted",
    "TextDelta",
    "TextEnded",
    "TextStarted",
)


# --- steps and attempts


class StepStarted(Event, frozen=True, gc=False, tag="step.started"):
    """One model request, and everything that follows from it."""

    type: ClassVar[Literal["step.started"]]
    step: int


class StepFinished(Event, frozen=True, gc=False, tag="step.finished"):
    """`message` is the authoritative record of the step, with signatures and items that must be sent back."""

    type: ClassVar[Literal["step.finished"]]
    step: int
    finish_reason: str | None = None
    provider_finish_reason: str | None = None
    message: Message | None = None
    usage: Usage = Usage()


class AttemptStarted(Event, frozen=True, gc=False, tag="attempt.started"):
    """A request is sent to a provider; `attempt` counts from 1 within its step."""

    type: ClassVar[Literal["attempt.started"]]
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
    """The provider starts to answer; `id` and `model` are as it reports them.

    Optional: only adapters of other frameworks write it, where these report it. A reader takes the first output, or a
    measured usage, for the beginning of an answer. The message of `step.finished` has the model; the id that a
    provider gives an answer is in no other event.
    """

    type: ClassVar[Literal["attempt.accepted"]]
    step: int
    attempt: int
    id: str = ""
    model: str = ""


class AttemptFailed(Event, frozen=True, gc=False, tag="attempt.failed"):
    """The attempt failed; `then` says what happens next, after `wait` seconds."""

    type: ClassVar[Literal["attempt.failed"]]
    step: int
    attempt: int
    error: ErrorInfo
    then: Literal["retry", "fallback", "restart", "resume", "guard", "raise"] = "raise"
    wait: float = 0.0
    usage: Usage = Usage()


class Retracted(Event, frozen=True, gc=False, tag="retracted"):
    """The last `chars` characters shown are retracted; comes before the next attempt, only if some were shown."""

    type: ClassVar[Literal["retracted"]]
    step: int
    attempt: int
    chars: int
    cause: str = ""
    """The type of the error that caused it."""


# --- what a model says


class TextStarted(Event, frozen=True, gc=False, tag="text.started"):
    """A part of text starts. `lead` separates it from the text of the step before."""

    type: ClassVar[Literal["text.started"]]
    step: int
    part: int
    kind: Literal["answer", "refusal"] = "answer"
    lead: str = ""


class TextDelta(Event, frozen=True, gc=False, tag="text.delta"):
    """The next piece of the part's text, never empty."""

    type: ClassVar[Literal["text.delta"]]
    step: int
    part: int
    text: str


class TextEnded(Event, frozen=True, gc=False, tag="text.ended"):
    """The part is complete, or cut off where the step was."""

    type: ClassVar[Literal["text.ended"]]
    step: int
    part: int
    signature: str | None = None


class ReasoningStarted(Event, frozen=True, gc=False, tag="reasoning.started"):
    """A part of reasoning starts: the model's own words, or a summary of them."""

    type: ClassVar[Literal["reasoning.started"]]
    step: int
    part: int
    kind: Literal["summary", "full"] = "full"


class ReasoningDelta(Event, frozen=True, gc=False, tag="reasoning.delta"):
    """The next piece of the part's reasoning, never empty."""

    type: ClassVar[Literal["reasoning.delta"]]
    step: int
    part: int
    text: str


class ReasoningEnded(Event, frozen=True, gc=False, tag="reasoning.ended"):
    """The part is complete. `redacted` is its encrypted form, if that is all the provider shows."""

    type: ClassVar[Literal["reasoning.ended"]]
    step: int
    part: int
    signature: str | None = None
    redacted: str | None = None


class SourceFound(Event, frozen=True, gc=False, tag="source"):
    """A citation. `span` is its position in the step's text, in characters: [start, end)."""

    type: ClassVar[Literal["source"]]
    step: int
    kind: Literal["url", "document", "file"] = "url"
    url: str = ""
    title: str = ""
    quote: str = ""
    span: tuple[int, int] | None = None


class FileMade(Event, frozen=True, gc=False, tag="file"):
    """An image or file that the model generated: its bytes, a URL, or the provider's id (`ref`)."""

    type: ClassVar[Literal["file"]]
    step: int
    media_type: str = ""
    data: bytes | None = None
    url: str | None = None
    ref: str | None = None
    name: str = ""
    signature: str | None = None


class ProviderItemMade(Event, frozen=True, gc=False, tag="provider.item"):
    """An item that only the provider's API `api` understands and expects back at this place."""

    type: ClassVar[Literal["provider.item"]]
    step: int
    api: str
    item: dict[str, Any]


# --- tool calls: what the model wrote


class CallStarted(Event, frozen=True, gc=False, tag="call.started"):
    """The model starts to write a call. `call` is unique in the run; `id` is the provider's own if it differs."""

    type: ClassVar[Literal["call.started"]]
    step: int
    call: str
    name: str
    id: str = ""
    by: Literal["agent", "provider", "client"] = "agent"
    """Who runs it: this library, the provider on its side, or the program that reads the answer."""


class CallDelta(Event, frozen=True, gc=False, tag="call.delta"):
    """The next piece of the call's argument JSON, never empty."""

    type: ClassVar[Literal["call.delta"]]
    step: int
    call: str
    json: str


class CallReady(Event, frozen=True, gc=False, tag="call.ready"):
    """The arguments are complete: a dict, or the text of a custom tool's input."""

    type: ClassVar[Literal["call.ready"]]
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

    type: ClassVar[Literal["call.rejected"]]
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

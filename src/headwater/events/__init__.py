"""The log as values: what can happen in a run, what is said in it, and what it adds up to. Pure.

This package's own name is the public home of the event types, of `encode` and `decode` (an event as a line of JSON, and
back), and of `tree_response` (the Response that a log comes to). The other files are imported by name. Bottom first:
`pieces`, `messages`, `types`, `codec`, `response`; `growing`, `spending`, `closing`, `fold` (one run); `results`,
`tree`, `answers` (a tree of runs); `checker`.
"""

from typing import TYPE_CHECKING, Any

from headwater.events.types import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptAccepted,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    Custom,
    End,
    ErrorInfo,
    Event,
    FileMade,
    ForkedFrom,
    GuardTripped,
    Handoff,
    InputAnswered,
    InputAsked,
    MessageAdded,
    MessageReceived,
    ProviderItemMade,
    Raw,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    RunWaiting,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    Unknown,
    UsageReported,
    Warned,
    WorkflowShape,
)

if TYPE_CHECKING:
    from headwater.events.answers import tree_response
    from headwater.events.codec import decode, encode

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
    "decode",
    "encode",
    "tree_response",
)


def __getattr__(name: str) -> Any:
    # The event types are imported by everything that is below these.
    import importlib

    home = {"decode": "codec", "encode": "codec", "tree_response": "answers"}.get(name)
    if home is None:
        raise AttributeError(f"module 'headwater.events' has no attribute {name!r}")
    return getattr(importlib.import_module(f"headwater.events.{home}"), name)

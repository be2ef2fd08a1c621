"""The log as values: the events of a run, the messages in it, and the results computed from it. Pure.

This package exports the event types, `encode` and `decode` (between events and lines of JSON), and `tree_response` (the
Response computed from a log). The other modules are imported by name. Bottom first:
`pieces`, `messages`; `event`, `error_info`, `run_events`, `step_events`, `tool_events`, `types` (the events); `codec`,
`response`; `growing`, `spending`, `closing`, `fold` (one run); `results`,
`tree`, `answers` (a tree of runs); `checker`.
"""

from typing import TYPE_CHECKING, Any

from headwater.events.types import (
    AnyEvent,
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
    "decode",
    "encode",
    "tree_response",
)


def __getattr__(name: str) -> Any:
    # Every module below imports the event types.
    import importlib

    home = {"decode": "codec", "encode": "codec", "tree_response": "answers"}.get(name)
    if home is None:
        raise AttributeError(f"module 'headwater.events' has no attribute {name!r}")
    return getattr(importlib.import_module(f"headwater.events.{home}"), name)

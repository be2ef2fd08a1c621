"""Handwritten logs and their stamps, for tests that modify them.

log = stamped([RunStarted(), StepStarted(step=1), …, of("below", RunStarted(parent="top")), …])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    Custom,
    ErrorInfo,
    Event,
    FileMade,
    Handoff,
    MessageAdded,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFinished,
    RunStarted,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UsageReported,
    Warned,
)
from headwater.events.fold import Fold
from headwater.events.messages import File, Message, ProviderItem, Reasoning, Source, Text, ToolCall, ToolResult, Usage

__all__ = ("check_history", "closed", "folds", "full_log", "of", "said", "stamped")

BEGUN = 1_000_000.0
"""The start time of the logs: any time works."""


def of(run: str, *events: Event) -> list[Event]:
    """The events as those of a child run with this path: "heir", "below/deep"."""
    return [msgspec.structs.replace(event, run=run, path=("top", *run.split("/"))) for event in events]


def stamped(events: Iterable[Event]) -> list[Event]:
    """The events with numbers and times half a second apart; they belong to the outermost run unless they say
    otherwise."""
    return [
        msgspec.structs.replace(
            event,
            seq=seq,
            time=BEGUN + seq / 2,
            run=event.run or "top",
            path=event.path or ("top",),
        )
        for seq, event in enumerate(events)
    ]


def said(step: int, part: int, *pieces: str, lead: str = "") -> list[Event]:
    """A complete part of text."""
    return [
        TextStarted(step=step, part=part, lead=lead),
        *(TextDelta(step=step, part=part, text=piece) for piece in pieces),
        TextEnded(step=step, part=part),
    ]


def full_log() -> list[Event]:
    """A log with everything in it: three steps, a retracted attempt, tools, a child run and a successor."""
    busy = ErrorInfo(type="Overloaded", message="busy", retryable=True)
    return stamped(
        [
            RunStarted(agent_name="top", input=(Message.user("Go."),)),
            StepStarted(step=1),
            AttemptStarted(step=1),
            *said(1, 0, "Let me ", "see."),
            UsageReported(step=1, attempt=1, usage=Usage(input_tokens=3, output_tokens=1)),
            AttemptFailed(step=1, attempt=1, error=busy, then="restart"),
            Retracted(step=1, attempt=1, chars=11),
            AttemptStarted(step=1, attempt=2, cause="restart"),
            ReasoningStarted(step=1, part=1),
            ReasoningDelta(step=1, part=1, text="Hm."),
            ReasoningEnded(step=1, part=1, signature="sig"),
            *said(1, 2, "I ", "look."),
            CallStarted(step=1, call="c1", name="look", id="c"),
            CallDelta(step=1, call="c1", json="{}"),
            CallStarted(step=1, call="c2", name="ask", id="c"),
            CallReady(step=1, call="c1", name="look", arguments={}),
            CallReady(step=1, call="c2", name="ask", arguments={"task": "x"}),
            CallStarted(step=1, call="c3", name="look"),
            CallRejected(step=1, call="c3", name="look", raw="[", error="no JSON object"),
            CallStarted(step=1, call="c4", name="search", by="provider"),
            CallReady(step=1, call="c4", name="search", arguments={}, by="provider"),
            UsageReported(step=1, attempt=2, usage=Usage(input_tokens=5, output_tokens=7)),
            StepFinished(
                step=1,
                finish_reason="tool_calls",
                message=Message.assistant(
                    Reasoning(text="Hm.", signature="sig"),
                    "I look.",
                    ToolCall(id="c", name="look", arguments={}),
                    ToolCall(id="c", name="ask", arguments={"task": "x"}),
                    ToolCall(id="c3", name="look", arguments="["),
                    ToolCall(id="c4", name="search", arguments={}, by="provider"),
                ),
                usage=Usage(input_tokens=8, output_tokens=8),
            ),
            ApprovalAsked(approval="a", call="c1", name="look"),
            ApprovalAnswered(approval="a", allowed=True),
            ToolStarted(step=1, call="c1", name="look"),
            ToolStarted(step=1, call="c2", name="ask"),
            ToolProgress(step=1, call="c1", name="look", data=0.5),
            ChildStarted(child="below", name="below", call="c2"),
            *of(
                "below",
                RunStarted(agent_name="below", input=(Message.user("x"),), parent="top", call="c2"),
                StepStarted(step=1),
                AttemptStarted(step=1),
                *said(1, 0, "Yes."),
            ),
            ToolFinished(step=1, call="c1", name="look", result="seen"),
            *of(
                "below",
                UsageReported(step=1, attempt=1, usage=Usage(input_tokens=1, output_tokens=1)),
                StepFinished(
                    step=1,
                    finish_reason="stop",
                    message=Message.assistant("Yes."),
                    usage=Usage(input_tokens=1, output_tokens=1),
                ),
                RunFinished(finish_reason="stop", usage=Usage(input_tokens=1, output_tokens=1)),
            ),
            ChildFinished(child="below", name="below", call="c2", usage=Usage(input_tokens=1, output_tokens=1)),
            ToolFinished(step=1, call="c2", name="ask", result="Yes."),
            StepStarted(step=2),
            AttemptStarted(step=2),
            TextStarted(step=2, part=0, kind="refusal", lead="\n\n"),
            TextDelta(step=2, part=0, text="Not that."),
            TextEnded(step=2, part=0),
            SourceFound(step=2, url="https://example.org"),
            *said(2, 1, "But this."),
            ProviderItemMade(step=2, api="offline", item={"type": "odd"}),
            StepFinished(
                step=2,
                finish_reason="stop",
                message=Message.assistant(
                    Text(text="Not that.", refusal=True),
                    Source(url="https://example.org"),
                    "But this.",
                    ProviderItem(api="offline", item={"type": "odd"}),
                ),
            ),
            MessageAdded(message=Message.user("Go on."), cause="loop"),
            StepStarted(step=3),
            AttemptStarted(step=3),
            FileMade(step=3, media_type="text/plain", ref="file_1"),
            Warned(code="odd", message="An odd one."),
            CallStarted(step=3, call="c5", name="transfer_to_heir"),
            CallReady(step=3, call="c5", name="transfer_to_heir", arguments={}),
            StepFinished(
                step=3,
                finish_reason="tool_calls",
                message=Message(
                    role="assistant",
                    content=(
                        File(id="file_1", media_type="text/plain"),
                        ToolCall(id="c5", name="transfer_to_heir", arguments={}),
                    ),
                ),
            ),
            ToolStarted(step=3, call="c5", name="transfer_to_heir"),
            ToolFinished(step=3, call="c5", name="transfer_to_heir", result="gone"),
            Handoff(to="heir"),
            ChildStarted(child="heir", name="heir"),
            *of(
                "heir",
                RunStarted(agent_name="heir", parent="top"),
                StepStarted(step=1),
                AttemptStarted(step=1),
                *said(1, 0, "Done.", lead="\n\n"),
                StepFinished(step=1, finish_reason="length", message=Message.assistant("Done.")),
                RunFinished(finish_reason="length"),
            ),
            ChildFinished(child="heir", name="heir"),
            Custom(name="mine", data={"k": 1}),
            RunFinished(finish_reason="length", usage=Usage(input_tokens=9, output_tokens=9)),
        ]
    )


def folds(log: Sequence[Event]) -> dict[str, Fold]:
    """The fold of each run in the log, in the order in which they started."""
    found: dict[str, Fold] = {}
    for event in log:
        found.setdefault(event.run, Fold()).add(event)
    return found


def closed(log: Sequence[Event]) -> list[Event]:
    """Ends a log that stops anywhere like a run that is cancelled there: the innermost run first."""
    whole, known = list(log), folds(log)
    paths = {event.run: event.path for event in log}

    def append(run: str, event: Event) -> None:
        last = whole[-1]
        whole.append(msgspec.structs.replace(event, seq=last.seq + 1, time=last.time, run=run, path=paths[run]))
        known[run].add(whole[-1])

    for run, fold in reversed(known.items()):
        if fold.end is not None:
            continue
        for event in fold.closing("It was stopped.", known):
            append(run, event)
        if fold.in_step is not None:
            append(run, fold.step_end(api="", model="", finish_reason="cancelled"))
        append(run, RunCancelled(usage=fold.usage))
    return whole


def check_history(messages: Sequence[Message]) -> None:
    """Asserts that every call of the agent has one result, right after its message."""
    for at, message in enumerate(messages):
        assert message.content, "every message says something"
        before = messages[at - 1] if at else Message.user()
        if message.role == "tool":
            results = [part for part in message.content if isinstance(part, ToolResult)]
            assert len(results) == len(message.content)
            assert [(part.id, part.name) for part in results] == _asked(before)
        else:
            assert not _asked(before), "the message before waits for results"
    assert not (messages and _asked(messages[-1])), "the last message waits for results"


def _asked(message: Message) -> list[tuple[str, str]]:
    return [(call.id, call.name) for call in message.tool_calls if call.by == "agent"]

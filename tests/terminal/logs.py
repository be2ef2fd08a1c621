"""Short logs for the terminal's tests: what a run appends, without what the terminal never reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from headwater.events import (
    AttemptFailed,
    CallReady,
    CallStarted,
    ErrorInfo,
    Event,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)


def begin(run: str = "r1", step: int = 1) -> list[Event]:
    return stamped([RunStarted(agent_name="writer"), StepStarted(step=step)], run)


def text(
    *pieces: str, step: int = 1, part: int = 0, kind: Literal["answer", "refusal"] = "answer", lead: str = ""
) -> list[Event]:
    deltas = [TextDelta(step=step, part=part, text=piece) for piece in pieces]
    return stamped(
        [TextStarted(step=step, part=part, kind=kind, lead=lead), *deltas, TextEnded(step=step, part=part)], "r1"
    )


def reasoning(*pieces: str, step: int = 1, part: int = 9) -> list[Event]:
    deltas = [ReasoningDelta(step=step, part=part, text=piece) for piece in pieces]
    return stamped([ReasoningStarted(step=step, part=part), *deltas, ReasoningEnded(step=step, part=part)], "r1")


def call(name: str, key: str, by: Literal["agent", "provider", "client"] = "agent", **arguments: Any) -> list[Event]:
    return stamped(
        [
            CallStarted(step=1, call=key, name=name, by=by),
            CallReady(step=1, call=key, name=name, arguments=arguments, by=by),
        ],
        "r1",
    )


def tool_started(name: str, key: str, try_: int = 1) -> list[Event]:
    return stamped([ToolStarted(step=1, call=key, name=name, try_=try_)], "r1")


def tool_progress(name: str, key: str, data: Any) -> list[Event]:
    return stamped([ToolProgress(step=1, call=key, name=name, data=data)], "r1")


def tool_finished(name: str, key: str, duration: float = 0.4, error: str | None = None) -> list[Event]:
    return stamped([ToolFinished(step=1, call=key, name=name, duration=duration, error=error)], "r1")


def next_step(*tools: Sequence[Event], step: int = 2) -> list[Event]:
    """The end of the step before, then its `tools`, then the beginning of `step`."""
    ended = StepFinished(step=step - 1, finish_reason="tool_calls")
    return [*stamped([ended], "r1"), *joined(*tools), *stamped([StepStarted(step=step)], "r1")]


def step_ended() -> list[Event]:
    """The end of the first step, whose tools run next."""
    return next_step()[:1]


def broken_off(chars: int) -> list[Event]:
    error = ErrorInfo(type="ConnectionFailed", message="The connection was reset.", retryable=True)
    return stamped(
        [
            AttemptFailed(step=1, attempt=1, error=error, then="restart", wait=1.25),
            Retracted(step=1, attempt=1, chars=chars, cause="ConnectionFailed"),
        ],
        "r1",
    )


def finished(finish_reason: str = "stop", step: int = 1) -> list[Event]:
    return stamped(
        [StepFinished(step=step, finish_reason=finish_reason), RunFinished(finish_reason=finish_reason)], "r1"
    )


def failed(message: str = "No capacity.", hint: str = "Try later.") -> list[Event]:
    return stamped([RunFailed(error=ErrorInfo(type="Overloaded", message=message, hint=hint))], "r1")


def cancelled(by: Literal["caller", "left", "deadline", "parent", "shutdown"] = "caller") -> list[Event]:
    return stamped([RunCancelled(by=by)], "r1")


def stamped(events: Iterable[Event], run: str) -> list[Event]:
    return [msgspec.structs.replace(event, run=run) for event in events]


def joined(*parts: Sequence[Event]) -> list[Event]:
    return [event for part in parts for event in part]

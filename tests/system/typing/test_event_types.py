"""What type checkers make of an event: its type narrows it to its class, with `==` and `match`."""

from __future__ import annotations

from typing import assert_type

from headwater import Agent
from headwater.events import (
    AnyEvent,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepStarted,
    TextDelta,
    ToolFinished,
    ToolProgress,
)


def length(event: AnyEvent) -> int:
    if event.type == "text.delta":
        assert_type(event, TextDelta)
        return len(event.text)
    if event.type == "tool.progress" or event.type == "tool.finished":  # with `in`, mypy narrows and pyright does not
        assert_type(event, ToolProgress | ToolFinished)
        return len(event.name)
    match event.type:
        case "run.started":
            assert_type(event, RunStarted)
            return len(event.agent_name)
        case "run.finished" | "run.failed" | "run.cancelled":
            assert_type(event, RunFinished | RunFailed | RunCancelled)
            return event.usage.output_tokens or 0
        case _:
            return 0


def step(event: AnyEvent) -> int:
    match event:
        case StepStarted():
            assert_type(event.step, int)
            return event.step
        case _:
            return 0


def test_the_type_of_an_event_says_its_class() -> None:
    events = list(Agent(model="offline").run_stream("Hello").events())
    assert sum(map(length, events)) > 0
    assert sum(map(step, events)) == 1


def name_of(event: Event) -> str:
    assert_type(event.type, str)
    return event.type


def test_an_event_of_any_class_has_a_type_too() -> None:
    assert name_of(TextDelta(step=1, part=0, text="a")) == "text.delta"

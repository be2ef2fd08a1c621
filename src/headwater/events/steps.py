"""Summarizes a log step by step: text, calls, results and usage of each step; and compares two logs.

Owns the comparison. Pure: it reads only the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from headwater.events.messages import Text, Usage
from headwater.events.types import (
    ApprovalAnswered,
    AttemptStarted,
    CallReady,
    Event,
    RunStarted,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
)

__all__ = ("Difference", "StepSummary", "differences", "steps_of")


class StepSummary(msgspec.Struct, kw_only=True):
    """One model request, and everything that followed from it."""

    path: tuple[str, ...]
    step: int
    model: str = ""
    text: str = ""
    calls: list[tuple[str, Any]] = []
    """Name and arguments of each complete call."""
    results: list[tuple[str, str, bool]] = []
    """For each tool that ended: its name, its result, and whether that is an error."""
    tries: dict[str, tuple[str, int]] = {}
    """For each call, by its key, whose tool was started again, because a process died meanwhile: its name, and how
    often it was started."""
    refused: int = 0
    """How many calls were denied by people."""
    finish_reason: str | None = None
    attempts: int = 0
    usage: Usage = Usage()
    duration: float = 0.0
    """Seconds that the model needed."""


def steps_of(events: Iterable[Event]) -> list[StepSummary]:
    """Returns every step of every run in the log, in the order in which they started."""
    found: dict[tuple[str, int], StepSummary] = {}
    begun: dict[tuple[str, int], float] = {}
    last: dict[str, StepSummary] = {}
    for event in events:
        match event:
            case StepStarted():
                key = (event.run, event.step)
                begun[key] = event.time
                last[event.run] = found[key] = StepSummary(path=event.path, step=event.step)
            case AttemptStarted():
                step = found[event.run, event.step]
                step.model, step.attempts, step.calls = event.model, event.attempt, []
            case CallReady():
                found[event.run, event.step].calls.append((event.name, event.arguments))
            case StepFinished():
                step = found[event.run, event.step]
                step.text = event.message.text if event.message is not None else ""
                step.finish_reason, step.usage = event.finish_reason, event.usage
                step.duration = max(0.0, event.time - begun[event.run, event.step])
            case ToolStarted() if event.try_ > 1:
                found[event.run, event.step].tries[event.call] = event.name, event.try_
            case ToolFinished():
                result = (event.name, _text(event.result), event.error is not None)
                found[event.run, event.step].results.append(result)
            case ApprovalAnswered() if not event.allowed and event.run in last:
                last[event.run].refused += 1
            case _:
                pass
    return list(found.values())


def _text(result: Any) -> str:
    if isinstance(result, str):
        return result
    return "".join(part.text if isinstance(part, Text) else f"[{type(part).__name__.lower()}]" for part in result)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The differences in one step; a side is None if that log has no such step."""

    path: tuple[str, ...]
    step: int
    one: StepSummary | None
    other: StepSummary | None
    fields: tuple[str, ...]
    """The fields that differ: text, calls, results, finish_reason, model."""


def differences(one: Iterable[Event], other: Iterable[Event]) -> list[Difference]:
    """Returns the steps in which two logs differ, in order. Times and costs are ignored."""
    ours, theirs = (_by_place(events) for events in (one, other))
    found: list[Difference] = []
    for place in [*ours, *(place for place in theirs if place not in ours)]:
        a, b = ours.get(place), theirs.get(place)
        fields = tuple(_fields(a, b)) if a is not None and b is not None else ()
        if fields or a is None or b is None:
            found.append(Difference(path=place[0], step=place[2], one=a, other=b, fields=fields))
    return found


def _by_place(events: Iterable[Event]) -> dict[tuple[tuple[str, ...], int, int], StepSummary]:
    """The steps by their run's path, the index of the run among those with that path, and their number."""
    log = tuple(events)
    runs: dict[str, int] = {}
    seen: dict[tuple[str, ...], int] = {}
    for event in log:
        if isinstance(event, RunStarted):
            runs[event.run] = seen[event.path] = seen.get(event.path, 0) + 1
    placed: dict[tuple[tuple[str, ...], int, int], StepSummary] = {}
    for event, step in zip((one for one in log if isinstance(one, StepStarted)), steps_of(log), strict=True):
        placed[event.path, runs[event.run], event.step] = step
    return placed


def _fields(one: StepSummary, other: StepSummary) -> Iterator[str]:
    for name in ("text", "calls", "finish_reason", "model"):
        if getattr(one, name) != getattr(other, name):
            yield name
    if sorted(one.results) != sorted(other.results):
        yield "results"

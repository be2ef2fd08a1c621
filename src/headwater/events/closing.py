"""Creates the events that end everything open in a run, so that its step's end and its own may follow.

Owns their order and wording. It must never end a step or a run: only the caller knows why those end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, Protocol

from headwater.events.growing import Call, Step
from headwater.events.messages import Usage
from headwater.events.spending import Origin
from headwater.events.types import (
    CallRejected,
    ChildFinished,
    ChildStarted,
    End,
    Event,
    ReasoningEnded,
    RunCancelled,
    RunFinished,
    TextEnded,
    ToolFinished,
)

__all__ = ("CANCELLED", "FAILED", "Below", "close_children", "close_step", "close_tools")


class Below(Protocol):
    """The part of a child run's fold that is needed here."""

    @property
    def end(self) -> End | None:
        """Its end, once there is one."""

    @property
    def usage(self) -> Usage:
        """Its usage."""

    @property
    def usage_origin(self) -> Origin:
        """The origin of its usage."""


CANCELLED: Final = "The run was cancelled before this was done."
"""The result of calls and tools that a cancelled run leaves unfinished."""

FAILED: Final = "The run failed before this was done."
"""The same for a failed one."""


def close_step(step: Step, why: str) -> Iterator[Event]:
    """Returns the ends of a step's parts, and of unfinished calls, with `why` as their result."""
    for number, stream in step.entries.items():
        if stream.open:
            end = TextEnded if stream.is_text else ReasoningEnded
            yield end(step=step.number, part=number)
    for call in step.calls.values():
        if call.open:
            yield CallRejected(
                step=step.number,
                call=call.key,
                name=call.call.name,
                raw=call.written(),
                error=why,
                cut=True,
                by=call.call.by,
            )


def close_children(children: Iterable[ChildStarted], folds: Mapping[str, Below]) -> Iterator[Event]:
    """Returns the ends of the child runs, whose folds are given by id: a missing one was cancelled at no cost."""
    for child in children:
        fold = folds.get(child.child)
        outcome: Literal["finished", "failed", "cancelled"] = "cancelled"
        if fold is not None and fold.end is not None and not isinstance(fold.end, RunCancelled):
            outcome = "finished" if isinstance(fold.end, RunFinished) else "failed"
        yield ChildFinished(
            child=child.child,
            name=child.name,
            call=child.call,
            outcome=outcome,
            usage=fold.usage if fold is not None else Usage(),
            origin=fold.usage_origin if fold is not None else "measured",
        )


def close_tools(calls: Iterable[Call], why: str, now: float) -> Iterator[Event]:
    """Returns the ends of the tools that are still running, with `why` as their result; `now` is in Unix seconds."""
    for call in calls:
        if call.started is not None and not call.answered:
            begun = call.started.time or now  # one that is not stamped yet starts now
            yield ToolFinished(
                step=call.step,
                call=call.key,
                name=call.call.name,
                result=why,
                error=why,
                duration=max(0.0, now - begun),
            )

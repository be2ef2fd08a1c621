"""Copies the start of a log under new ids, for a fork, which shares no id with the original run.

Owns which fields of an event name a run, and so are renamed. The idempotency keys of tools contain these ids, so a
fork's tools are never confused with those of the original run. Pure: the caller passes the new ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from headwater.events.types import (
    ApprovalAnswered,
    ApprovalAsked,
    ChildFinished,
    ChildStarted,
    Event,
    ForkedFrom,
    InputAnswered,
    InputAsked,
    MessageAdded,
    MessageReceived,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepFinished,
    ToolStarted,
)

__all__ = ("end_of_step", "forked")

_NAMES: Final[dict[type[Event], tuple[str, ...]]] = {
    RunStarted: ("parent",),
    RunWaiting: ("ids",),
    RunFinished: ("answer",),
    ChildStarted: ("child", "after"),
    ChildFinished: ("child",),
    ToolStarted: ("idempotency_key",),
    ApprovalAsked: ("approval",),
    ApprovalAnswered: ("approval",),
    InputAsked: ("input",),
    InputAnswered: ("input",),
    MessageReceived: ("key",),
    MessageAdded: ("key",),
}
"""The fields that hold a run's id, or a key that starts with one."""


def forked(events: Iterable[Event], name: str, new_id: Callable[[], str]) -> tuple[Event, ...]:
    """Returns the events, the start of a log, with new run ids; the outermost run gets the name `name`.

    The first event records what it was forked from. Events of a newer version are not renamed.
    """
    ids: dict[str, str] = {}

    def renamed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(renamed, value))
        if not isinstance(value, str):
            return value
        run, slash, rest = value.partition("/")
        return f"{ids[run]}{slash}{rest}" if run in ids else value

    old = tuple(events)
    made: list[Event] = []
    for event in old:
        for run in (event.run, getattr(event, "child", "")):
            if run and run not in ids:
                ids[run] = new_id()
        changes: dict[str, Any] = {one: renamed(getattr(event, one)) for one in _NAMES.get(event.__class__, ())}
        if event is old[0]:
            changes |= {"forked_from": ForkedFrom(run=event.run, seq=old[-1].seq), "agent_name": name, "parent": None}
        made.append(msgspec.structs.replace(event, run=renamed(event.run), path=(name, *event.path[1:]), **changes))
    return tuple(made)


def end_of_step(events: Iterable[Event], step: int, path: tuple[str, ...]) -> int | None:
    """Returns the number of the event that ends that step of the run at that path; None if there is none."""
    for event in events:
        if isinstance(event, StepFinished) and event.step == step and event.path == path:
            return event.seq
    return None

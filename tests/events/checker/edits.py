"""Edits to a log in one place; a breach is an edit and the rule that it violates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import pytest

from headwater.events import Event
from headwater.events.checker import LogError, check_log
from headwater.testing.handmade_logs import handmade_logs

__all__ = (
    "Breach",
    "Edit",
    "Log",
    "after",
    "both",
    "change",
    "check_breach",
    "cut",
    "drop",
    "move",
    "names",
    "nth",
    "numbered",
    "twice",
)

Log: TypeAlias = list[Event]
Edit: TypeAlias = Callable[[Log], Any]
Breach: TypeAlias = tuple[str, str, str, Edit]
"""The rule, the name of the violation, the handwritten log, and the edit to it."""


def nth(log: Log, kind: type[Event], n: int = 0) -> int:
    """The index of the n-th event of a class; from the end if n is negative."""
    return [at for at, event in enumerate(log) if type(event) is kind][n]


def drop(kind: type[Event], n: int = 0) -> Edit:
    return lambda log: log.pop(nth(log, kind, n))


def change(kind: type[Event], n: int = 0, **fields: Any) -> Edit:
    def edit(log: Log) -> None:
        at = nth(log, kind, n)
        log[at] = msgspec.structs.replace(log[at], **fields)

    return edit


def twice(kind: type[Event], n: int = 0) -> Edit:
    return lambda log: log.insert(nth(log, kind, n), log[nth(log, kind, n)])


def after(kind: type[Event], n: int, *events: Event) -> Edit:
    """Inserts events after the n-th of a class."""

    def edit(log: Log) -> None:
        at = nth(log, kind, n) + 1
        log[at:at] = events

    return edit


def move(kind: type[Event], n: int, to: type[Event], m: int = 0) -> Edit:
    """Moves the n-th event of a class right before the m-th of another."""

    def edit(log: Log) -> None:
        event = log.pop(nth(log, kind, n))
        log.insert(nth(log, to, m), event)

    return edit


def both(*edits: Edit) -> Edit:
    return lambda log: [edit(log) for edit in edits]


def cut(kind: type[Event], n: int = 0) -> Edit:
    """Removes everything that follows."""

    def edit(log: Log) -> None:
        del log[nth(log, kind, n) + 1 :]

    return edit


def numbered(log: Sequence[Event]) -> Log:
    """The log with numbers and times corrected after an edit."""
    return [msgspec.structs.replace(event, seq=seq, time=1e9 + seq) for seq, event in enumerate(log)]


def names(breaches: Sequence[Breach]) -> list[str]:
    """The ids of the parametrized tests."""
    return [f"{rule}: {what}" for rule, what, _, _ in breaches]


def check_breach(breach: Breach) -> None:
    """Asserts that the log is valid, and that the edited one is refused for the rule."""
    rule, _, name, edit = breach
    log = list(handmade_logs()[name])
    check_log(log, parked=True)
    edit(log)
    with pytest.raises(LogError) as refused:
        check_log(numbered(_owned(log)), parked=True)
    assert refused.value.rule == rule, str(refused.value)


def _owned(log: Log) -> Log:
    """Inserted events belong to the outermost run unless they say otherwise."""
    first = log[0] if log else None
    return [
        event if event.run or first is None else msgspec.structs.replace(event, run=first.run, path=first.path)
        for event in log
    ]

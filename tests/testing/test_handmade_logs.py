"""The logs written by hand keep the grammar, and hold everything that is new in 0.2."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.events import Event, RunStarted
from headwater.events.codec import decode, encode
from headwater.testing import check_log
from headwater.testing.handmade_logs import handmade_logs

NEW = {
    "run.resumed",
    "attempt.accepted",
    "input.asked",
    "input.answered",
    "guard.tripped",
    "message.received",
    "run.waiting",
    "approval.asked",
    "approval.answered",
}


@pytest.mark.parametrize("name", handmade_logs())
def test_a_log_keeps_the_grammar(name: str) -> None:
    log = handmade_logs()[name]
    check_log(log, parked=name in ("parked", "parked between steps", "parked below"))
    assert all(event.grammar == 2 for event in log if isinstance(event, RunStarted))
    assert [decode(encode(event)) for event in log] == list(log)


def test_they_hold_every_event_that_is_new() -> None:
    assert {event.type for log in handmade_logs().values() for event in log} >= NEW


@pytest.mark.parametrize(
    ("kind", "field", "words"),
    [
        ("attempt.started", "cause", {"first", "resume", "guard"}),
        ("attempt.failed", "then", {"raise", "resume", "guard"}),
        ("child.started", "role", {"member", "handoff", "tool", "helper"}),
        ("child.started", "final", {True, False, None}),
        ("child.finished", "outcome", {"finished", "failed"}),
        ("guard.tripped", "action", {"block", "replace", "retry"}),
        ("input.answered", "action", {"accept", "decline"}),
        ("message.added", "cause", {"steer", "compact", "loop"}),
        ("run.waiting", "on", {"approval", "input", "children"}),
        ("call.started", "by", {"agent", "client"}),
        ("approval.answered", "allowed", {True, False}),
        ("approval.answered", "for_run", {True, False}),
        ("attempt.started", "may_retract", {True, False}),
        ("attempt.started", "final", {True, False}),
    ],
)
def test_they_hold_every_word_that_is_new(kind: str, field: str, words: set[Any]) -> None:
    events: list[Event] = [event for log in handmade_logs().values() for event in log if event.type == kind]
    assert {getattr(event, field) for event in events} >= words

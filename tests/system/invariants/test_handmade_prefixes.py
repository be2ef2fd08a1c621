"""Every beginning of every sample log, through every reader: none may raise, whatever a log stops at."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.events import AttemptStarted, Event, TextDelta, Unknown, decode, encode, tree_response
from headwater.events.fold import Fold
from headwater.readers.chunks import Chunks
from headwater.readers.hold import Hold
from headwater.readers.selection import Choice, Selection
from headwater.testing import sample_logs

LOGS = {name: list(log) for name, log in sample_logs().items()}
CHOICES = Choice(final_only=True), Choice(depth=1), Choice(final_only=True, tail=("writer",))


def _read(log: list[Event]) -> None:
    fold, hold = Fold(), Hold[Event]()
    chunks = Chunks(log[0].run, None, fold)
    selections = [Selection(choice) for choice in CHOICES]
    for event in log:
        if event.run == log[0].run:
            fold.add(event)
        chunks.of(event)
        hold(event, (event,))
        for selection in selections:
            selection(event)


@pytest.mark.parametrize("name", LOGS)
def test_every_reader_accepts_a_log_that_stops_anywhere(name: str) -> None:
    log = LOGS[name]
    _read(log)
    for end in range(1, len(log) + 1):
        tree_response(log[:end])


WORDS = [
    ("child.started", "role"),
    ("text.started", "kind"),
    ("reasoning.started", "kind"),
    ("call.started", "by"),
    ("call.ready", "by"),
    ("attempt.started", "cause"),
    ("attempt.failed", "then"),
    ("message.added", "cause"),
    ("usage.reported", "origin"),
    ("run.waiting", "on"),
    ("input.answered", "action"),
    ("guard.tripped", "action"),
    ("source", "kind"),
]
"""Where a newer version may write a word that this one does not know: the whole event is Unknown here then."""


@pytest.mark.parametrize(("tag", "field"), WORDS)
def test_every_reader_accepts_events_of_a_newer_version(tag: str, field: str) -> None:
    tried = 0
    for log in LOGS.values():
        changed = [_with_a_new_word(event, tag, field) for event in log]
        if not any(isinstance(event, Unknown) for event in changed):
            continue
        tried += 1
        _read(changed)
        for end in range(1, len(changed) + 1):
            tree_response(changed[:end])
    assert tried


def _with_a_new_word(event: Event, tag: str, field: str) -> Event:
    if event.type != tag:
        return event
    body: dict[str, Any] = {**msgspec.json.decode(encode(event)), field: "a word of tomorrow"}
    return decode(msgspec.json.encode(body))


def test_the_samples_contain_what_is_tested_here() -> None:
    kinds = {type(event) for log in LOGS.values() for event in log}
    assert {AttemptStarted, TextDelta} <= kinds

"""The log format of 0.1, forever: every later version reads these logs as 0.1 did, and writes them back unchanged.

Owns the list of what 0.1 could write. See README.md for what the files are; they are never edited.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater.events import Event, Unknown
from headwater.events.codec import decode, encode, encode_messages
from headwater.events.fold import fold
from headwater.testing import check_log

FOLDER = Path(__file__).with_name("logs_0_1")
LOGS = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.jsonl"))

DIGEST = "d9d6f5668d1028a91ed4290f27c52168d6eb8d341dda9ac87f9899ee01a8b19a"
"""Of all files, names and bytes: so that none is edited, lost or made anew by accident."""

EVENTS = {
    "approval.answered": "approval allowed by note arguments",
    "approval.asked": "approval call name arguments reason until",
    "attempt.failed": "step attempt error then wait usage",
    "attempt.started": "step attempt model provider cause",
    "call.delta": "step call json",
    "call.ready": "step call name arguments by custom signature item_id",
    "call.rejected": "step call name raw error cut by signature item_id",
    "call.started": "step call name id by",
    "child.finished": "child name call outcome usage origin",
    "child.started": "child name call",
    "custom": "name data",
    "file": "step media_type data url ref name signature",
    "handoff": "to note",
    "message.added": "message cause",
    "provider.item": "step api item",
    "raw": "body",
    "reasoning.delta": "step part text",
    "reasoning.ended": "step part signature redacted",
    "reasoning.started": "step part kind",
    "retracted": "step attempt chars cause",
    "run.cancelled": "by usage",
    "run.failed": "error usage",
    "run.finished": "finish_reason output usage",
    "run.started": "agent input history model settings context parent call definition_hash",
    "run.waiting": "on ids until",
    "source": "step kind url title quote span",
    "step.finished": "step finish_reason provider_finish_reason message usage",
    "step.started": "step",
    "text.delta": "step part text",
    "text.ended": "step part signature",
    "text.started": "step part kind lead",
    "tool.finished": "step call name result error duration truncated_from",
    "tool.progress": "step call name data",
    "tool.started": "step call name try idempotency_key",
    "usage.reported": "step attempt usage origin",
    "warning": "code message hint",
}
"""Every event of 0.1 with its fields, by their names in JSON; beside these each has STAMPS."""

STAMPS = "seq time run path"

VALUES = {
    "ErrorInfo": "type message hint status retryable",
    "Usage": "input_tokens output_tokens cached_input_tokens cache_write_tokens reasoning_tokens raw",
    "Message": "role content name api model",
    "part text": "text refusal cache signature",
    "part reasoning": "text kind redacted signature",
    "part image": "data url media_type detail cache signature",
    "part file": "data url id name media_type cache signature",
    "part tool_call": "id name arguments by custom item_id signature",
    "part tool_result": "id name content error custom cache signature",
    "part source": "kind url title quote span signature",
    "part provider_item": "api item signature",
}
"""What stands in events, likewise."""

WORDS = {
    ("attempt.failed", "then"): "retry fallback restart raise",
    ("attempt.started", "cause"): "first retry fallback restart",  # "resume" is known, and stands in no well-formed log
    ("call.ready", "by"): "agent provider client",
    ("call.rejected", "by"): "agent provider client",
    ("call.started", "by"): "agent provider client",
    ("child.finished", "origin"): "measured estimated unknown",
    ("child.finished", "outcome"): "finished failed cancelled",
    ("message.added", "cause"): "steer loop input handoff repair",
    ("reasoning.started", "kind"): "summary full",
    ("run.cancelled", "by"): "caller left deadline parent shutdown",
    ("run.waiting", "on"): "approval input children time",
    ("source", "kind"): "url document file",
    ("text.started", "kind"): "answer refusal",
    ("usage.reported", "origin"): "measured estimated unknown",
    ("Message", "role"): "system user assistant tool",
    ("part image", "detail"): "low high auto",
    ("part reasoning", "kind"): "summary full",
    ("part source", "kind"): "url document file",
    ("part tool_call", "by"): "agent provider client",
}
"""The words of each field that takes only some."""


PLAIN = (
    *("text", "transcript", "reasoning", "refusal", "finish_reason", "model", "provider"),
    *("partial", "usage_origin", "time_to_first_token", "duration"),
)
"""Of what a run comes to, that which is JSON as it is."""


def lines(name: str) -> list[bytes]:
    return (FOLDER / f"{name}.jsonl").read_bytes().splitlines()


@cache
def events(name: str) -> tuple[Event, ...]:
    return tuple(map(decode, lines(name)))


# --- each log


@pytest.mark.parametrize("name", LOGS)
def test_what_is_read_is_written_back_unchanged(name: str) -> None:
    for line, event in zip(lines(name), events(name), strict=True):
        # The order of an object's keys says nothing, and is no promise.
        assert sorted_json(encode(event)) == sorted_json(line)


@pytest.mark.parametrize("name", LOGS)
def test_a_log_keeps_the_laws(name: str) -> None:
    check_log(events(name))


@pytest.mark.parametrize("name", LOGS)
def test_a_run_comes_to_what_it_did(name: str) -> None:
    wanted: dict[str, dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_bytes())
    assert {event.run for event in events(name)} == wanted.keys()
    for run, known in wanted.items():
        told = facts(event for event in events(name) if event.run == run)
        assert {fact: told[fact] for fact in known} == known


def facts(of_one_run: Iterable[Event]) -> dict[str, Any]:
    """What one run comes to, as JSON."""
    folded = fold(of_one_run)
    assert folded.end is not None
    response = folded.response()
    return {
        **{name: getattr(response, name) for name in PLAIN},
        "end": folded.end.type,
        "usage": response.usage.to_dict(),
        "tool_calls": json.loads(msgspec.json.encode(response.tool_calls)),
        "messages": json.loads(encode_messages(response.messages))["messages"],
    }


def sorted_json(data: bytes) -> str:
    # As text, for Python takes 1, 1.0 and true for equal.
    return json.dumps(json.loads(data), sort_keys=True)


# --- all of them


def test_no_file_was_touched() -> None:
    digest = hashlib.sha256()
    for name in sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.json*")):
        digest.update(name.encode() + b"\0" + (FOLDER / name).read_bytes())
    assert digest.hexdigest() == DIGEST


def test_every_event_and_field_is_still_there() -> None:
    known = {name: wire_names(value) for log in LOGS for name, value in said(events(log))}
    for name, fields in {**{name: f"{fields} {STAMPS}" for name, fields in EVENTS.items()}, **VALUES}.items():
        assert set(fields.split()) <= known[name], name


def test_every_field_is_said_in_some_log() -> None:
    told = {(name, field) for log in LOGS for name, value in said(events(log)) for field in said_fields(value)}
    for name, fields in {**EVENTS, **VALUES}.items():
        assert {(name, field) for field in fields.split()} <= told, name
    assert {(name, field) for name in EVENTS for field in STAMPS.split()} <= told


def test_every_word_is_said_in_some_log() -> None:
    told = {
        (name, field.encode_name, word)
        for log in LOGS
        for name, value in said(events(log))
        for field in msgspec.structs.fields(value)
        if isinstance(word := getattr(value, field.name), str)
    }
    for (name, field), words in WORDS.items():
        assert {(name, field, word) for word in words.split()} <= told, (name, field)


def test_what_a_newer_version_said_is_passed_on() -> None:
    strange = [event.name for event in events("by_hand_passed_on") if isinstance(event, Unknown)]
    assert strange == ["weather.changed", "source"]
    assert sum(event.extra is not None for event in events("by_hand_passed_on")) == 3


def said(value: Any) -> Iterator[tuple[str, msgspec.Struct]]:
    """The values in an event, itself among them, each with its name in the lists above."""
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        yield str(tag) if isinstance(value, Event) else f"part {tag}" if tag else type(value).__name__, value
        for name in value.__struct_fields__:
            yield from said(getattr(value, name))
    elif isinstance(value, tuple):
        for inner in value:
            yield from said(inner)


def wire_names(value: msgspec.Struct) -> set[str]:
    return set(value.__struct_encode_fields__)


def said_fields(value: msgspec.Struct) -> Iterator[str]:
    """The fields that a value does not merely have by default."""
    for field in msgspec.structs.fields(value):
        made = field.default_factory
        default = field.default if made is msgspec.NODEFAULT else made()
        if field.required or getattr(value, field.name) != default:
            yield field.encode_name

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import enum
import json
import types
import typing
from decimal import Decimal
from typing import Any, ClassVar, get_args

import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater import events
from headwater.errors import InvalidRecord
from headwater.events import Custom, Event, TextDelta, Unknown, codec
from headwater.events.codec import EVENT_TYPES, decode, encode
from headwater.events.messages import (
    AnyPart,
    File,
    Image,
    Message,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from headwater.events.response import Response
from headwater.providers.request import Secret
from tests.support.effort import tries
from tests.support.values import any_event, any_json, any_message, event_of

DELTA = TextDelta(seq=12, time=1_700_000_000.5, run="run_1", path=("team", "writer"), step=1, part=0, text="Hé\n")


def written(event: Event) -> dict[str, Any]:
    body = json.loads(encode(event))
    assert isinstance(body, dict)
    return body


# --- events


def test_an_event_is_one_json_object_with_version_and_type_and_without_defaults() -> None:
    assert written(DELTA) == {
        "v": 1,
        "type": "text.delta",
        "seq": 12,
        "time": 1_700_000_000.5,
        "run": "run_1",
        "path": ["team", "writer"],
        "step": 1,
        "part": 0,
        "text": "Hé\n",
    }
    assert encode(DELTA).startswith(b'{"v":1,"type":"text.delta",')
    assert b"\n" not in encode(DELTA)
    assert written(TextDelta(step=1, part=0, text="a")) == {
        "v": 1,
        "type": "text.delta",
        "step": 1,
        "part": 0,
        "text": "a",
    }


def test_with_stamps_the_common_fields_are_written_even_with_defaults() -> None:
    first = events.RunStarted(seq=0, time=3.0, run="r", path=("top",))
    assert encode(first, stamps=True) == (b'{"v":1,"type":"run.started","seq":0,"time":3.0,"run":"r","path":["top"]}')
    bare = encode(TextDelta(step=1, part=0, text="a", extra={"new": 1}), stamps=True)
    assert bare == (
        b'{"v":1,"type":"text.delta","seq":0,"time":0.0,"run":"","path":[],"step":1,"part":0,"text":"a","new":1}'
    )
    assert encode(DELTA, stamps=True) == encode(DELTA)
    half = TextDelta(step=1, part=0, text="\ud83d")
    assert encode(half, stamps=True) == encode(TextDelta(step=1, part=0, text="\ufffd"), stamps=True)


@given(event=any_event(), newer=st.none() | st.dictionaries(st.text(min_size=1).map("x-{}".format), any_json()))
@settings(max_examples=tries(25, 100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_with_stamps_the_event_is_the_same(event: Event, newer: dict[str, Any] | None) -> None:
    event = msgspec.structs.replace(event, extra=newer or None)
    line = encode(event, stamps=True)
    assert decode(line) == event
    assert json.loads(line).keys() >= {"v", "type", "seq", "time", "run", "path"}
    assert json.loads(encode(event)).items() <= json.loads(line).items()
    assert encode(decode(line), stamps=True) == line


def test_with_stamps_an_unknown_event_has_the_common_fields() -> None:
    read = decode({"v": 2, "type": "dream.started", "depth": 2, "run": "r"})
    assert json.loads(encode(read, stamps=True)) == {
        "v": 2, "type": "dream.started", "seq": 0, "time": 0.0, "run": "r", "path": [], "depth": 2,
    }  # fmt: skip
    odd = decode({"type": "dream.started", "seq": "seven"})
    assert json.loads(encode(odd, stamps=True))["seq"] == "seven", "whatever it was, it is not ours to repair"


@pytest.mark.parametrize("name", EVENT_TYPES)
@given(data=st.data())
@settings(max_examples=tries(12, 50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_event_survives_a_round_trip(name: str, data: st.DataObject) -> None:
    event = data.draw(event_of(EVENT_TYPES[name]))
    line = encode(event)
    assert written(event)["type"] == name
    assert decode(line) == event
    assert type(decode(line)) is EVENT_TYPES[name]
    assert encode(decode(line)) == line
    # in any form: as text, as an object, with other spacing, in another order of keys
    assert decode(line.decode()) == decode(bytearray(line)) == decode(memoryview(line)) == event
    assert decode(json.loads(line)) == event
    assert decode(json.dumps(dict(reversed(json.loads(line).items())), indent=1)) == event


@given(event=any_event(), newer=st.dictionaries(st.text(min_size=1).map("x-{}".format), any_json(), min_size=1))
@settings(max_examples=tries(25, 100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_fields_of_a_newer_writer_survive(event: Event, newer: dict[str, Any]) -> None:
    body = {**written(event), **newer}
    read = decode(json.dumps(body))
    assert read.extra == newer
    assert msgspec.structs.replace(read, extra=None) == event
    assert written(read) == body


@given(
    name=st.text(min_size=1).filter(lambda name: name not in EVENT_TYPES),
    body=st.dictionaries(st.text(), any_json()),
    version=st.integers(1, 9),
)
@settings(max_examples=tries(25, 100), deadline=None)
def test_an_event_of_an_unknown_type_survives_unchanged(name: str, body: dict[str, Any], version: int) -> None:
    body = {"v": version, **body, "type": name}
    body["v"] = version
    read = decode(json.dumps(body))
    assert isinstance(read, Unknown)
    assert read.name == name
    assert read.body == body
    assert json.loads(encode(read)) == body
    assert decode(encode(read)) == read


def test_an_unknown_event_keeps_its_place_in_the_log() -> None:
    body = {"v": 2, "type": "dream.started", "seq": 7, "time": 3, "run": "r", "path": ["a", "b"], "depth": 2}
    read = decode(body)
    assert (read.seq, read.time, read.run, read.path, read.agent) == (7, 3.0, "r", ("a", "b"), "b")
    assert written(read) == body
    odd = decode({"type": "dream.started", "seq": "seven"})
    assert odd.seq == 0
    assert written(odd) == {"type": "dream.started", "seq": "seven"}


def test_an_unknown_event_with_new_stamps_is_written_with_them() -> None:
    read = decode({"v": 1, "type": "dream.started", "seq": 7, "depth": 2})
    moved = msgspec.structs.replace(read, seq=9, path=("here",))
    assert written(moved) == {"v": 1, "type": "dream.started", "seq": 9, "depth": 2, "path": ["here"]}


def test_an_unknown_event_made_here_is_written_with_version_and_type() -> None:
    assert written(Unknown(name="my.own", body={"a": 1}, seq=3)) == {"v": 1, "type": "my.own", "a": 1, "seq": 3}


def test_unknown_is_not_a_type_on_the_wire() -> None:
    body = {"v": 1, "type": "unknown", "name": "x", "body": {"type": "text.delta"}}
    read = decode(body)
    assert isinstance(read, Unknown)
    assert (read.name, written(read)) == ("unknown", body)


def test_a_cost_is_a_string_in_json_and_keeps_every_digit() -> None:
    event = events.UsageReported(step=1, attempt=1, usage=Usage(cost=Decimal("0.0012345678901234567890")))
    assert written(event)["usage"] == {"cost": "0.0012345678901234567890"}
    assert decode(encode(event)) == event
    kept = Response("", usage=event.usage).to_json()
    assert Response.from_json(kept).usage == event.usage
    # as other writers may write it: read correctly, and passed on unchanged
    for cost in (0.5, 3, "1e5", "00.5"):
        body = {"v": 1, "type": "usage.reported", "step": 1, "attempt": 1, "usage": {"cost": cost}}
        read = decode(json.dumps(body))
        assert isinstance(read, events.UsageReported)
        assert read.usage.cost == Decimal(str(cost))
        assert written(read) == body


def test_a_field_named_extra_is_a_field_like_any_other() -> None:
    for extra in ({"a": 1}, {}, None, "text"):
        body = {"v": 1, "type": "raw", "extra": extra}
        read = decode(json.dumps(body))
        assert read.extra == {"extra": extra}
        assert written(read) == body


def test_a_newer_version_is_read_and_its_number_survives() -> None:
    body = {**written(DELTA), "v": 3, "tone": "glad"}
    read = decode(body)
    assert isinstance(read, TextDelta)
    assert (read.text, read.extra) == ("Hé\n", {"tone": "glad", "v": 3})
    assert written(read) == body


def test_unknown_fields_inside_a_known_field_survive() -> None:
    body = {
        "v": 1,
        "type": "step.finished",
        "step": 1,
        "message": {"role": "assistant", "content": [{"type": "text", "text": "hi", "tone": "glad"}], "mood": 1},
        "usage": {"input_tokens": 3, "thought_tokens": 4},
    }
    read = decode(json.dumps(body))
    assert isinstance(read, events.StepFinished)
    assert read.message == Message.assistant("hi")
    assert read.usage == Usage(input_tokens=3)
    assert written(read) == body


def test_written_defaults_are_not_unknown_fields() -> None:
    message = {
        "role": "user",
        "content": [{"type": "reasoning", "text": "", "kind": "full", "redacted": None, "signature": None}],
        "name": "",
        "api": "",
        "model": "",
    }
    read = decode({"v": 1, "type": "message.added", "message": message, "cause": "input", "seq": 0, "path": []})
    assert read == events.MessageAdded(message=Message(role="user", content=(Reasoning(),)))


@pytest.mark.parametrize(
    "body",
    [
        {"v": 1, "type": "attempt.started", "step": 1, "cause": "whim"},
        {"v": 1, "type": "message.added", "message": {"role": "user", "content": [{"type": "smell", "data": "aa"}]}},
        {"v": 1, "type": "message.added", "message": {"role": "chorus"}},
        {"v": 2, "type": "text.delta", "step": "one", "part": 0, "text": "a"},
        {"v": 2, "type": "text.delta"},
    ],
)
def test_a_known_event_with_newer_values_is_passed_on_unchanged(body: dict[str, Any]) -> None:
    read = decode(json.dumps(body))
    assert isinstance(read, Unknown)
    assert read.name == body["type"]
    assert written(read) == body


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"v":1,"type":"raw"', "not valid JSON"),
        (b'{"v":1,"type":"raw"}{', "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"type":"raw","body":"\xff"}', "not valid JSON"),
        (b'{"type":"raw","body":' + b"[" * 100_000, "not valid JSON"),
        (b"[]", "not a JSON object but list"),
        (b'"text"', "not a JSON object but str"),
        (b"null", "not a JSON object but NoneType"),
        (b"{}", "no type"),
        (b'{"v":1,"type":""}', "no type"),
        (b'{"v":1,"type":3}', "no type"),
        (b'{"v":"1","type":"raw"}', "version is '1'"),
        (b'{"v":true,"type":"raw"}', "version is True"),
        (b'{"v":0,"type":"raw"}', "version is 0"),
        (b'{"type":"text.delta","step":"one","part":0,"text":"a"}', r"text\.delta is not valid.*\$\.step"),
        (b'{"type":"text.delta","part":0,"text":"a"}', "missing required field `step`"),
        (b'{"type":"file","step":1,"data":"?"}', r"base64.*\$\.data"),
        (b'{"type":"message.added","message":{"role":"user","content":[{"type":"image"}]}}', "An Image needs either"),
    ],
)
def test_invalid_events_are_refused_with_a_reason(line: bytes, said: str) -> None:
    with pytest.raises(InvalidRecord, match=said):
        decode(line)


def test_deep_nesting_is_read_or_raises_invalid_record() -> None:
    for depth in (10, 100, 300, 500, 900, 5000):
        nested: Any = "core"
        for _ in range(depth):
            nested = {"in": [nested]}
        for data in ({"type": "raw", "body": nested, "new": 1}, {"type": "dream.started", "body": nested}):
            with contextlib.suppress(InvalidRecord):
                event = decode(data)
                assert written(event)["body"] == nested
            assert depth > 100 or written(decode(data))["body"] == nested


def test_invalid_json_raises_invalid_record() -> None:
    with pytest.raises(InvalidRecord):
        decode("\ud83d")
    assert decode('{"type":"raw","body":"é"}') == events.Raw(body="é")


@given(data=st.binary(max_size=40))
@settings(max_examples=tries(50, 200), deadline=None)
def test_any_bytes_are_an_event_or_raise_invalid_record(data: bytes) -> None:
    for line in (data, b'{"type":"raw",' + data, b'{"type":"text.delta","step":1,"part":0,"text":"' + data + b'"}'):
        try:
            event = decode(line)
        except InvalidRecord:
            continue
        assert decode(encode(event)) == event


# --- values outside JSON


class Color(enum.Enum):
    RED = "red"


class Level(int):
    pass


class Word(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not this"


class Share(float):
    pass


class Model(pydantic.BaseModel):
    name: str
    at: datetime.date


@dataclasses.dataclass
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Word("word"), "word"),
        (Response("text", model="m"), "text"),
        (Level(3), 3),
        (Share(0.5), 0.5),
        ([Word("a"), {"k": Level(1)}], ["a", {"k": 1}]),
        (b"\x00\xff", "AP8="),
        (Color.RED, "red"),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Model(name="n", at=datetime.date(2026, 1, 2)), {"name": "n", "at": "2026-01-02"}),
        (types.MappingProxyType({"a": (1, 2)}), {"a": [1, 2]}),
        ({1: "one"}, {"1": "one"}),
        (2**70, 2**70),
        (float("nan"), None),
        ("\ud83d\ude00 \ud83d.", "😀 \ufffd."),  # surrogate pairs are joined, lone surrogates are replaced
        ({"\udc80": ["\udc80"]}, {"\ufffd": ["\ufffd"]}),
    ],
)
def test_a_value_with_a_json_form_is_written_in_it(value: Any, plain: Any) -> None:
    event = Custom(name="mine", data=value)
    assert written(event)["data"] == plain
    assert decode(encode(event)) == Custom(name="mine", data=plain)
    assert written(Custom(name="mine", data=value, extra={"more": value})) == {
        "v": 1,
        "type": "custom",
        "name": "mine",
        "data": plain,
        "more": plain,
    }


def circle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize("value", [object(), Secret("sk-hidden"), circle(), {(1, 2): 3}, [object()]])
def test_a_value_without_a_json_form_is_an_error(value: Any) -> None:
    with pytest.raises(InvalidRecord, match="The event custom cannot be written as JSON") as caught:
        encode(Custom(name="mine", data=value))
    assert "sk-hidden" not in str(caught.value)


def test_a_lone_surrogate_does_not_break_a_log() -> None:
    event = TextDelta(step=1, part=0, text="a\ud83d", seq=4)
    assert decode(encode(event)) == TextDelta(step=1, part=0, text="a\ufffd", seq=4)
    wrong = {"type": "text.delta", "step": "\ud83d", "part": 0, "text": "x"}
    with pytest.raises(InvalidRecord):
        decode(wrong)


# --- messages


@given(message=any_message())
@settings(max_examples=tries(25, 100), deadline=None)
def test_a_message_survives_a_round_trip(message: Message) -> None:
    line = codec.encode_message(message)
    assert json.loads(line)["v"] == 1
    assert codec.decode_message(line) == message
    assert codec.decode_message(line.decode()) == codec.decode_message(json.loads(line)) == message


@given(history=st.lists(any_message(), max_size=4))
@settings(max_examples=tries(12, 50), deadline=None)
def test_a_history_survives_a_round_trip(history: list[Message]) -> None:
    line = codec.encode_messages(iter(history))
    assert json.loads(line)["v"] == 1
    assert codec.decode_messages(line) == tuple(history)


def test_the_json_of_a_message() -> None:
    message = Message.user("Look:", Image(data=b"\x89PNG\r\n\x1a\n"))
    assert json.loads(codec.encode_message(message)) == {
        "v": 1,
        "role": "user",
        "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image", "data": "iVBORw0KGgo=", "media_type": "image/png"},
        ],
    }


@pytest.mark.parametrize("data", [b"[]", b"{}", b"{", b'{"role":1}', b'{"v":0,"role":"user"}'])
def test_invalid_messages_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidRecord, match="The message"):
        codec.decode_message(data)
    with pytest.raises(InvalidRecord, match="The history"):
        codec.decode_messages(data)


def test_a_message_of_a_newer_version_says_to_upgrade() -> None:
    for data in ({"role": "user", "content": [{"type": "smell"}]}, {"v": 2, "role": 1}):
        with pytest.raises(InvalidRecord, match="newer version of headwater"):
            codec.decode_message(data)


def test_a_message_without_a_json_form_is_an_error() -> None:
    with pytest.raises(InvalidRecord, match="The message cannot be written"):
        codec.encode_message(Message.assistant(ToolCall(id="1", name="f", arguments={"x": object()})))
    lone = codec.encode_messages([Message.user("a\ud83d")])
    assert codec.decode_messages(lone) == (Message.user("a\ufffd"),)


# --- all event types


def test_events_that_every_reader_needs_have_no_new_values() -> None:
    """An unknown value makes the whole event unknown to a reader; every reader needs these events."""

    def words(kind: type[msgspec.Struct]) -> set[tuple[str, str]]:
        found = set()
        for name, hint in typing.get_type_hints(kind).items():
            if name not in kind.__struct_fields__:
                continue
            for inner in _leaves(hint):
                if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                    found |= words(inner)
                elif typing.get_origin(inner) is typing.Literal:
                    found.add((name, " ".join(get_args(inner))))
        return found

    names = ("run.started", "step.finished", "run.finished", "run.failed", "run.cancelled")
    assert set().union(*(words(EVENT_TYPES[name]) for name in names)) == {
        ("role", "system user assistant tool"),
        ("kind", "summary full"),
        ("kind", "url document file"),
        ("detail", "low high auto"),
        ("by", "agent provider client"),
        ("by", "caller left deadline parent shutdown"),
    }


def _leaves(hint: Any) -> list[Any]:
    if typing.get_origin(hint) is typing.Literal or not get_args(hint):
        return [hint]
    return [leaf for inner in get_args(hint) for leaf in _leaves(inner)]


class TestTypes:
    known: ClassVar = set(EVENT_TYPES.values())

    def test_every_event_class_has_its_type(self) -> None:
        classes = {
            value
            for value in vars(events).values()
            if isinstance(value, type) and issubclass(value, Event) and value not in (Event, Unknown)
        }
        assert classes == self.known

    def test_every_part_of_a_message_is_generated(self) -> None:
        # so that the round trips above cover every class
        assert {Text, Reasoning, Image, File, ToolCall, ToolResult, Source} < set(get_args(AnyPart))

"""A character split over two JSON strings is joined; a lone half is never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.events import TextDelta, Warned
from headwater.providers.halves import Halves
from headwater.providers.ollama.response import Decoder
from tests.support.recordings import decode


def told(data: bytes | None) -> Any:
    assert data is not None
    return json.loads(data)


def test_the_halves_of_a_character_are_joined() -> None:
    halves = Halves()
    assert told(halves.repair(b'{"a": "x\\ud83d"}')) == {"a": "x"}
    assert halves.waiting
    assert told(halves.repair(b'{"a": "\\ude00y"}')) == {"a": "\U0001f600y"}
    assert not halves.waiting


def test_each_stream_of_text_keeps_its_own_half() -> None:
    halves = Halves()
    halves.repair(b'{"index": 0, "a": "\\ud83d"}')
    halves.repair(b'{"index": 1, "a": "\\ud83c"}')
    halves.repair(b'{"index": 0, "b": "\\ud83e"}')
    assert told(halves.repair(b'{"index": 1, "a": "\\udf0a"}'))["a"] == "\U0001f30a"
    assert told(halves.repair(b'{"index": 0, "b": "\\udd80"}'))["b"] == "\U0001f980"
    assert told(halves.repair(b'{"index": 0, "a": "\\ude00"}'))["a"] == "\U0001f600"


def test_the_other_half_may_be_at_another_index() -> None:
    halves = Halves()
    value = told(halves.repair(b'{"parts": [{"text": "a\\ud83d"}, {"text": "\\ude00b"}]}'))
    assert value == {"parts": [{"text": "a"}, {"text": "\U0001f600b"}]}


def test_a_lone_half_becomes_the_replacement_character() -> None:
    halves = Halves()
    assert told(halves.repair(b'{"a": "x\\ud83dy\\ude00z"}')) == {"a": "x\ufffdy\ufffdz"}
    assert told(halves.repair(b'{"a": "\\ude00"}')) == {"a": "\ufffd"}
    halves.repair(b'{"a": "\\ud83d"}')
    assert told(halves.repair(b'{"a": "b"}')) == {"a": "\ufffdb"}
    assert told(halves.repair(b'{"\\ud83d": 1}')) == {"\ufffd": 1}


@pytest.mark.parametrize("data", [b'{"a": "b"', b"\xff", b'{"a": NaN, "b": "\\ud83d"}', b'{"a": "\\ud83d', b'["\\u'])
def test_other_errors_remain(data: bytes) -> None:
    assert Halves().repair(data) is None


def test_a_lone_half_at_the_end_is_reported() -> None:
    body = b'{"message":{"content":"a\\ud83d"}}\n{"done":true}\n'
    events = decode(Decoder(), [body])
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a"]
    assert [event.code for event in events if isinstance(event, Warned)] == ["half_character"]

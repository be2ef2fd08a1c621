"""A character cut over two JSON strings is one character again; half of one is never shown as it is."""

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


def test_the_halves_of_a_character_meet() -> None:
    halves = Halves()
    assert told(halves.mend(b'{"a": "x\\ud83d"}')) == {"a": "x"}
    assert halves.waiting
    assert told(halves.mend(b'{"a": "\\ude00y"}')) == {"a": "\U0001f600y"}
    assert not halves.waiting


def test_each_stream_of_text_has_its_own_half() -> None:
    halves = Halves()
    halves.mend(b'{"index": 0, "a": "\\ud83d"}')
    halves.mend(b'{"index": 1, "a": "\\ud83c"}')
    halves.mend(b'{"index": 0, "b": "\\ud83e"}')
    assert told(halves.mend(b'{"index": 1, "a": "\\udf0a"}'))["a"] == "\U0001f30a"
    assert told(halves.mend(b'{"index": 0, "b": "\\udd80"}'))["b"] == "\U0001f980"
    assert told(halves.mend(b'{"index": 0, "a": "\\ude00"}'))["a"] == "\U0001f600"


def test_the_other_half_may_come_in_another_place_of_a_list() -> None:
    halves = Halves()
    value = told(halves.mend(b'{"parts": [{"text": "a\\ud83d"}, {"text": "\\ude00b"}]}'))
    assert value == {"parts": [{"text": "a"}, {"text": "\U0001f600b"}]}


def test_a_half_that_stays_alone_is_the_replacement_character() -> None:
    halves = Halves()
    assert told(halves.mend(b'{"a": "x\\ud83dy\\ude00z"}')) == {"a": "x\ufffdy\ufffdz"}
    assert told(halves.mend(b'{"a": "\\ude00"}')) == {"a": "\ufffd"}
    halves.mend(b'{"a": "\\ud83d"}')
    assert told(halves.mend(b'{"a": "b"}')) == {"a": "\ufffdb"}
    assert told(halves.mend(b'{"\\ud83d": 1}')) == {"\ufffd": 1}


@pytest.mark.parametrize("data", [b'{"a": "b"', b"\xff", b'{"a": NaN, "b": "\\ud83d"}', b'{"a": "\\ud83d', b'["\\u'])
def test_what_is_wrong_for_another_reason_stays_wrong(data: bytes) -> None:
    assert Halves().mend(data) is None


def test_half_a_character_at_the_end_is_told() -> None:
    body = b'{"message":{"content":"a\\ud83d"}}\n{"done":true}\n'
    events = decode(Decoder(), [body])
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a"]
    assert [event.code for event in events if isinstance(event, Warned)] == ["half_character"]

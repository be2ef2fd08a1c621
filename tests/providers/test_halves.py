"""A character cut over two JSON strings is one character again; half of one is never shown as it is."""

from __future__ import annotations

import json

import msgspec
import pytest

from headwater.events import TextDelta, Warned
from headwater.providers.halves import Halves
from headwater.providers.ollama.response import Decoder
from tests.support.recordings import decode

ERROR = msgspec.DecodeError("truncated")


def test_the_halves_of_a_character_meet() -> None:
    halves = Halves()
    assert json.loads(halves.mend(b'{"a": "x\\ud83d"}', ERROR)) == {"a": "x"}
    assert halves.waiting
    assert json.loads(halves.mend(b'{"a": "\\ude00y"}', ERROR)) == {"a": "\U0001f600y"}
    assert not halves.waiting


def test_each_stream_of_text_has_its_own_half() -> None:
    halves = Halves()
    halves.mend(b'{"index": 0, "a": "\\ud83d"}', ERROR)
    halves.mend(b'{"index": 1, "a": "\\ud83c"}', ERROR)
    halves.mend(b'{"index": 0, "b": "\\ud83e"}', ERROR)
    assert json.loads(halves.mend(b'{"index": 1, "a": "\\udf0a"}', ERROR))["a"] == "\U0001f30a"
    assert json.loads(halves.mend(b'{"index": 0, "b": "\\udd80"}', ERROR))["b"] == "\U0001f980"
    assert json.loads(halves.mend(b'{"index": 0, "a": "\\ude00"}', ERROR))["a"] == "\U0001f600"


def test_the_other_half_may_come_in_another_place_of_a_list() -> None:
    halves = Halves()
    value = json.loads(halves.mend(b'{"parts": [{"text": "a\\ud83d"}, {"text": "\\ude00b"}]}', ERROR))
    assert value == {"parts": [{"text": "a"}, {"text": "\U0001f600b"}]}


def test_a_half_that_stays_alone_is_the_replacement_character() -> None:
    halves = Halves()
    assert json.loads(halves.mend(b'{"a": "x\\ud83dy\\ude00z"}', ERROR)) == {"a": "x\ufffdy\ufffdz"}
    assert json.loads(halves.mend(b'{"a": "\\ude00"}', ERROR)) == {"a": "\ufffd"}
    halves.mend(b'{"a": "\\ud83d"}', ERROR)
    assert json.loads(halves.mend(b'{"a": "b"}', ERROR)) == {"a": "\ufffdb"}
    assert json.loads(halves.mend(b'{"\\ud83d": 1}', ERROR)) == {"\ufffd": 1}


@pytest.mark.parametrize("data", [b'{"a": "b"', b"\xff", b'{"a": NaN, "b": "\\ud83d"}', b'{"a": "\\ud83d', b'["\\u'])
def test_what_is_wrong_for_another_reason_stays_wrong(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError, match="truncated"):
        Halves().mend(data, ERROR)


def test_half_a_character_at_the_end_is_told() -> None:
    body = b'{"message":{"content":"a\\ud83d"}}\n{"done":true}\n'
    events = decode(Decoder(), [body])
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a"]
    assert [event.code for event in events if isinstance(event, Warned)] == ["half_character"]

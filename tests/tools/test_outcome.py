from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from headwater.events.messages import File, Image, Text
from headwater.events.response import Response
from headwater.tools import outcome
from headwater.tools.outcome import ToolOutcome

PICTURE = Image(data=b"\x89PNG\r\n\x1a\n")


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("as it is\n", "as it is\n"),
        ("", ""),
        (None, "null"),
        (3, "3"),
        ({"a": [Point(1)]}, '{"a":[{"x":1}]}'),
        (Response("said"), "said"),
        ("\ud800", "\ufffd"),
        (PICTURE, (PICTURE,)),
        (["See:", PICTURE], (Text(text="See:"), PICTURE)),
        ((Text(text="a"), File(url="http://x/y", media_type="text/plain")), None),
        ([], "[]"),
        (["a", "b"], '["a","b"]'),
    ],
)
def test_results_for_a_model(value: Any, result: Any) -> None:
    made = ToolOutcome.of(value)
    assert made.result == (value if result is None else result)
    assert (made.error, made.truncated_from, made.value) == (None, None, value)


def test_parts_among_other_things_are_data() -> None:
    assert ToolOutcome.of([Text(text="a"), 3]).result == '[{"type":"text","text":"a"},3]'


def test_long_text_is_truncated_with_a_note() -> None:
    made = ToolOutcome.of("x" * 5000, max_chars=100)
    assert isinstance(made.result, str)
    assert len(made.result) == 100
    assert made.result.endswith("x\n[Truncated: this is the beginning of 5,000 characters.]")
    assert made.truncated_from == 5000
    assert made.value == "x" * 5000
    assert ToolOutcome.of("x" * 100, max_chars=100).truncated_from is None
    assert ToolOutcome.of("x" * 100, max_chars=3).result == "xxx"
    assert ToolOutcome.of(["x" * 50] * 50, max_chars=100).truncated_from == 2651


def test_long_text_among_parts_is_truncated() -> None:
    made = ToolOutcome.of(["a" * 60, PICTURE, "b" * 60, "c"], max_chars=100)
    assert made.result == (
        Text(text="a" * 60),
        PICTURE,
        Text(text="b" * 40),
        Text(text="[Truncated: this is the beginning of 121 characters.]"),
    )
    assert made.truncated_from == 121


def test_the_size_of_images_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "MAX_RESULT_BYTES", 10)
    made = ToolOutcome.of([PICTURE, PICTURE])
    assert made.error is not None
    assert "16 bytes; the limit is 10" in made.error
    assert made.result == made.error
    assert ToolOutcome.of(PICTURE).error is None


class Rude(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (KeyError(), "KeyError"),
        (Rude(), "Rude"),
        (OSError("\ud800"), "OSError: \ufffd"),
    ],
)
def test_an_exceptions_type_and_message(error: Exception, text: str) -> None:
    made = ToolOutcome.raised(error)
    assert (made.result, made.error, made.exception) == (text, text, error)


def test_a_long_error_is_truncated() -> None:
    made = ToolOutcome.failed("x" * 500, max_chars=80)
    assert made.error is not None
    assert len(made.error) == 80
    assert made.truncated_from == 500

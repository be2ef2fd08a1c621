"""The JSON in a growing text: at its end the same as `OutputType.parse` reads, however it was split."""

from __future__ import annotations

import random
from typing import Any

import pytest

from headwater.schema.json_in_text import JSONInText
from headwater.schema.output import OutputType, readings
from tests.support.effort import tries

TEXTS = [
    '{"a": 1}',
    ' \n{"a": [1, 2]}\n',
    '\ufeff{"a": 1}',
    "[1]",
    "5",
    '"word"',
    "null",
    'Here it is:\n```json\n{"a": "x```y"}\n```\nAnything else?',
    '~~~\n[1, {"b": 2}]\n~~~',
    "```json\n[1]",
    "````json\n[1]\n````",
    '```{"a": 1}```',
    'The answer is {"a": {"b": [1, 2]}}',
    'As [1] says: {"a": 2}',
    "See [this] for [1, 2]",
    '[1, p. 3] {"a": 1}',
    '{"a": 1} I hope it helps',
    "Just words, no more.",
    'The "word" is [1',
    "true story: [3]",
    "```python\nx = [1]\n```\nthen\n```json\n[2]\n```",
    "``` ``` [1]",
    "``[1]",
    '{"a": [1,], "b": {"c": 1}}',
    '{"a": [1,]} ```json\n{"a": [1]}\n```',
    "3 ports: [1, 2]",
    "```\n[1]\n``` and ```\n[2]\n```",
    "```\n[1] no\n``` and ```\n[2]\n```",
    "",
    "   ",
]
WRAPPED = [
    '{"result": [1, 2]}',
    '{"result": 5}',
    '{"result": {"result": 1}}',
    "[1, 2]",
    '```json\n{"result": [{"a": \'b\'}]}\n```',
    'So: {"result": ["x"]}',
    '{"result": 1, "other": [2]}',
    '{"result": {"a": 1}, "b": [{"c": 2}], "d": 3}',
    "{}",
    '{"other": 1}',
]


def read(text: str, pieces: list[str], wrapped: bool | None = False) -> tuple[JSONInText, list[Any]]:
    """What was read, and the completed paths since it last started again."""
    json = JSONInText(wrapped)
    done: list[Any] = []
    for piece in pieces:
        json.feed(piece)
        done = taken(json, done)
    json.end()
    return json, taken(json, done)


def taken(json: JSONInText, done: list[Any]) -> list[Any]:
    new, _, _ = json.take()
    if json.restarted:
        json.restarted, done = False, []
    return [*done, *new]


def splits(text: str) -> list[list[str]]:
    chance = random.Random(text)
    found = [[text], [*text]]
    for _ in range(tries(5, 300)):
        pieces, at = [], 0
        while at < len(text):
            size = chance.randint(1, 8)
            pieces.append(text[at : at + size])
            at += size
        found.append(pieces)
    return found


def found(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize("text", TEXTS)
def test_at_the_end_it_is_what_parse_reads(text: str) -> None:
    values, _ = readings(text)
    for pieces in splits(text):
        json, done = read(text, pieces)
        if not values:
            assert () not in done
            continue
        assert json.value == values[0][0], pieces
        assert done[-1] == ()
        assert len({*done}) == len(done)
        for path in done:
            found(json.value, path)


@pytest.mark.parametrize("text", WRAPPED)
def test_the_wrapper_is_taken_off_where_parse_does(text: str) -> None:
    output: OutputType[Any] = OutputType(dict[str, Any] | list[Any] | int)
    assert output.wrapped
    try:
        expected = output.parse(text)
    except ValueError:
        expected = None
    for wrapped in (True, None):
        for pieces in splits(text):
            json, done = read(text, pieces, wrapped)
            assert json.value == expected, pieces
            if expected is not None:
                assert done[-1] == ()
                assert len({*done}) == len(done)
                for path in done:
                    found(json.value, path)


def test_a_field_of_that_name_is_not_a_wrapper_for_a_type_without_one() -> None:
    json, done = read("", ['{"result": [1', "]}"], wrapped=False)
    assert json.value == {"result": [1]}
    assert done == [("result", 0), ("result",), ()]


def test_shown_text_that_is_not_the_answer_is_reported() -> None:
    json = JSONInText(wrapped=False)
    json.feed("As [1]")
    assert json.take()[0] == [(0,), ()]
    json.feed(" says: ")
    assert json.take() == ([], "", False)
    assert (json.restarted, json.value) == (True, None)
    json.restarted = False
    json.feed('{"a": "x')
    assert json.take() == ([], "x", True)
    assert json.value == {"a": "x"}
    assert not json.restarted


def test_what_was_not_taken_yet_needs_no_restart() -> None:
    json = JSONInText(wrapped=False)
    json.feed("As [1] says: [2]")
    json.take()
    assert (json.restarted, json.value) == (False, [2])


def test_a_second_name_shows_that_it_was_no_wrapper() -> None:
    json = JSONInText()
    json.feed('{"result": {"a": 1')
    json.take()
    assert json.value == {}
    json.feed(', "b": "x"}, "more": [1, {"y": "z')
    done, appended, _ = json.take()
    assert json.restarted
    assert json.value == {"result": {"a": 1, "b": "x"}, "more": [1, {"y": "z"}]}
    assert done == [("result", "a"), ("result", "b"), ("result",), ("more", 0)]
    assert appended == "z"
    assert json.open_path == ("more", 1, "y")

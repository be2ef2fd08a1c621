"""JSON that is parsed while it arrives: every prefix against a slow reference, and the whole against json.loads."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from headwater.schema.growing_json import MAX_DEPTH, GrowingJSON
from tests.support.effort import tries

NOTHING = object()
ends_in_a_number = re.compile(r"(?:^|[\s\[:,])-?[0-9][-+0-9.eE]*$").search


def reference(text: str) -> Any:
    """The value of a prefix: cut back to the longest beginning that becomes JSON when what is open is closed."""
    for size in range(len(text), 0, -1):
        closed = closings(text[:size])
        if closed is None:
            continue
        end, string = closed
        if string is None and ends_in_a_number(text[:size]) and text[size : size + 1] in ["", *"+-0123456789.eE"]:
            continue  # the number may go on
        try:
            value = json.loads(text[:size] + end)
        except ValueError:
            continue
        if string is not None and len(text) - size < 6 and ends_in_half_a_pair(string):
            continue  # the other half may follow
        return value
    return NOTHING


def ends_in_half_a_pair(string: str) -> bool:
    return is_half(json.loads(f'{string}"')[-1:]) and not is_half(string[-1])


def is_half(mark: str) -> bool:
    return "\ud800" <= mark < "\udc00"


def closings(text: str) -> tuple[str, str | None] | None:
    """What closes the text, and its open string, if any; None after a backslash."""
    open_, begin, at = [], None, 0
    while at < len(text):
        mark = text[at]
        if begin is not None:
            if mark == "\\":
                at += 1
                if at == len(text):
                    return None
            elif mark == '"':
                begin = None
        elif mark == '"':
            begin = at
        elif mark in "{[":
            open_.append("}" if mark == "{" else "]")
        elif mark in "}]":
            open_.pop()
        at += 1
    string = text[begin:] if begin is not None else None
    if string is not None:
        try:
            json.loads(string + '"')
        except ValueError:
            return None
    return ('"' if begin is not None else "") + "".join(reversed(open_)), string


LETTERS = ['"', "\\", "\n", "/", "a", "é", "\u2028", "😀", "\ud83d", "\udc00", "\x00", "]", "}", ",", ":", " "]


def value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 7:
        return {text(chance): value(chance, depth + 1) for _ in range(chance.randrange(4))}
    plain = (None, True, False, chance.random() * 10.0 ** chance.randrange(-30, 30), chance.randrange(-(10**9), 10**9))
    return plain[kind] if kind < 5 else text(chance)


def text(chance: random.Random) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(chance.randrange(6)))


def documents(count: int) -> Iterator[tuple[str, list[str]]]:
    """Documents, each with the pieces in which it arrives."""
    chance = random.Random(13)
    for _ in range(count):
        given: Any = value(chance) if chance.random() < 0.2 else {"a": value(chance), "b": [value(chance)]}
        said = json.dumps(given, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, None, 1]))
        if chance.random() < 0.1:
            said = said.replace("null", "NaN").replace("true", "-Infinity")
        said = chance.choice(["", " ", "\n"]) + said + chance.choice(["", " ", "\n\t"])
        longest, at, pieces = chance.choice([1, 3, 9, 40]), 0, []
        while at < len(said):
            size = chance.randint(1, longest)
            pieces.append(said[at : at + size])
            at += size
        yield said, pieces


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # NaN equals itself, and 1 is not 1.0 nor True


def test_each_prefix_equals_the_reference_and_the_whole_json_loads() -> None:
    for said, pieces in documents(tries(300, 10_000)):
        grown, before = GrowingJSON(), ""
        for piece in pieces:
            grown.feed(piece)
            before += piece
            expected = reference(before)
            assert grown.begun is (expected is not NOTHING), before
            assert same(grown.value, None if expected is NOTHING else expected), before
        grown.end()
        assert grown.complete
        assert same(grown.value, json.loads(said)), said


def test_each_value_is_completed_once() -> None:
    for said, pieces in documents(tries(200, 3_000)):
        grown = GrowingJSON()
        for piece in pieces:
            grown.feed(piece)
        grown.end()
        assert set(grown.done) == {*paths(json.loads(said))}
        assert grown.done[-1] == ()


def paths(given: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    for key, member in members:
        yield from paths(member, (*path, key))
    yield path


def test_completed_values_come_once_each_innermost_first() -> None:
    grown = GrowingJSON()
    grown.feed('{"a": [1, {"b": "x"}], "c": tru')
    assert grown.done == [("a", 0), ("a", 1, "b"), ("a", 1), ("a",)]
    assert grown.open_path == ("c",)
    grown.done.clear()
    grown.feed("e}")
    assert grown.done == [("c",), ()]


def test_the_open_string_tells_what_it_gained() -> None:
    grown = GrowingJSON()
    gained = []
    for piece in ('{"text": "ab', "cd", "", "\\", "n", 'e", "y": "f'):
        grown.feed(piece)
        gained.append((grown.take_appended(), grown.open_path))
    assert gained == [
        ("ab", ("text",)),
        ("cd", ("text",)),
        ("", ("text",)),
        ("", ("text",)),
        ("\n", ("text",)),
        ("f", ("y",)),
    ]
    assert grown.value == {"text": "abcd\ne", "y": "f"}


def test_the_value_is_live_and_what_was_kept_of_it_stays() -> None:
    grown = GrowingJSON()
    grown.feed('["ab')
    seen = grown.value
    kept = seen[0]
    grown.feed("cd")
    assert grown.value is seen
    assert (kept, seen) == ("ab", ["abcd"])


SHORT = r"""
    } ] , : {, [, [1,] {1 [01] [1.] [-] [+1] [.5] [1e] [--1] tru] [1} [-Inx 'a' Nan é {"a"} {"a":} {"a":1,} {"a":1] "\x"
    "\u12g" ["a""b"
"""
BROKEN = [*SHORT.split(), '"\n', "nul ", "[1 2", '{"a" 1', "[" + "9" * 5000 + "]"]


@pytest.mark.parametrize("said", BROKEN)
def test_what_is_not_json_is_broken_at_once_and_reads_no_more(said: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json.loads(said)
    for step in (1, len(said)):
        grown = GrowingJSON()
        for at in range(0, len(said), step):
            grown.feed(said[at : at + step])
        grown.end()
        assert grown.broken
        before = repr(grown.value)
        assert grown.feed("[1]") == 0
        assert repr(grown.value) == before


def test_nothing_after_the_value_is_read() -> None:
    grown = GrowingJSON()
    assert grown.feed(' {"a": 1} x') == 9
    assert grown.complete
    assert grown.feed("y") == 0


def test_what_is_nested_too_deep_is_broken() -> None:
    grown = GrowingJSON()
    grown.feed("[" * MAX_DEPTH)
    assert not grown.broken
    grown.feed("[")
    assert grown.broken

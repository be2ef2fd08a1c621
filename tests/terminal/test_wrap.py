"""Text in rows of a width: whole, in pieces, with everything that terminals see differently."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.terminal.wrap import ROWS_KEPT, Wrapped, breaks, cells, cut, settled
from tests.support.effort import tries

PIECES = st.lists(
    st.sampled_from(
        [
            *("a", "bb", "word", "longwordlongwordlongword", " ", "  ", "     ", "\n", "\n\n", "\t"),
            *("潮", "汐。", "る、", "e\u0301", "\x1b[2J", "⚠️", "🔄", "👨‍👩‍👧", "\u202e", "\ud800", "- ", "ｱ"),
        ]
    ),
    max_size=40,
)


def rows(*pieces: str, width: int = 10) -> list[str]:
    text = Wrapped(width)
    for piece in pieces:
        text.add(piece)
    return text.last(1000)


@given(PIECES, st.integers(2, 30), st.randoms())
@settings(max_examples=tries(50, 200), deadline=None)
def test_rows_do_not_depend_on_how_the_text_is_split(pieces: list[str], width: int, random: Random) -> None:
    text = "".join(pieces)
    cuts = sorted(random.randrange(len(text) + 1) for _ in range(5))
    split = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = rows(text, width=width)
    assert rows(*split, width=width) == whole
    assert rows(*text, width=width) == whole


@given(PIECES, st.integers(2, 30))
@settings(max_examples=tries(50, 200), deadline=None)
def test_no_row_is_wider_than_the_width_and_none_steers(pieces: list[str], width: int) -> None:
    for row in rows("".join(pieces), width=width):
        assert cells(row) <= width
        assert row.isprintable()


@given(PIECES, st.integers(2, 30))
@settings(max_examples=tries(50, 200), deadline=None)
def test_no_character_is_lost_but_space(pieces: list[str], width: int) -> None:
    text = "".join(pieces)
    assert "".join("".join(rows(text, width=width)).split()) == "".join(settled(text).split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("one two", ["one two"]),
        ("one two three", ["one two", "three"]),
        ("one two       three", ["one two", "three"]),
        ("one abcdefghijklmno", ["one", "abcdefghij", "klmno"]),
        ("a\n\n\n\nb\n\n", ["a", "", "b"]),
        ("\n\na", ["a"]),
        ("    code goes", ["    code", "goes"]),
        ("潮汐はとても。美しい", ["潮汐はとて", "も。美しい"]),
        ("潮汐はとて。美しい", ["潮汐はと", "て。美しい"]),
        ("see 潮汐はとても", ["see 潮汐は", "とても"]),
        ("a\tb", ["a    b"]),
    ],
)
def test_where_rows_are_broken(text: str, expected: list[str]) -> None:
    assert rows(text) == expected


def test_only_the_last_rows_are_given_and_no_empty_one_at_the_end() -> None:
    text = Wrapped(10)
    text.add("a\nb\n\nc\n\n")
    assert text.last(2) == ["", "c"]
    assert text.last(0) == []
    text.add("d")
    assert text.last(2) == ["", "d"]


def test_rows_are_bounded() -> None:
    text = Wrapped(10)
    text.add("x\n" * (ROWS_KEPT + 10))
    assert len(text.last(10_000)) == ROWS_KEPT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[2Jb", "a␛[2Jb"),
        ("⚠️", "⚠"),
        ("👨‍👩‍👧", "👨👩👧"),
        ("👍🏽", "👍"),
        ("a\u202eb\u2066c\u200bd\u200f\ufeff", "a�b�cd"),
        ("\ud83d", "�"),
        ("é e\u0301", "é e\u0301"),
    ],
)
def test_only_characters_of_a_known_width_are_left(text: str, expected: str) -> None:
    assert settled(text) == expected


@pytest.mark.parametrize(
    ("text", "room", "count"), [("abc", 2, 2), ("abc", 9, 3), ("潮汐", 3, 1), ("潮汐", 4, 2), ("e\u0301x", 1, 2)]
)
def test_how_much_fits(text: str, room: int, count: int) -> None:
    assert cut(text, room) == count


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [""]),
        ("   ", [""]),
        ("one two", ["one two"]),
        ("one two three", ["one two", "three"]),
        ("one two   three", ["one two", "three"]),
        ("exactly ten", ["exactly", "ten"]),
        ("ten cells. x", ["ten cells.", "x"]),
        ("    indented", ["indented"]),
        ("  indented x", ["  indented", "x"]),
        ("longwordlongword x", ["longwordlo", "ngword x"]),
        ("a longwordlongword", ["a", "longwordlo", "ngword"]),
        ("潮汐潮汐潮汐", ["潮汐潮汐潮", "汐"]),
        ("潮汐潮汐潮。", ["潮汐潮汐", "潮。"]),
    ],
)
def test_where_a_line_is_broken(line: str, expected: list[str]) -> None:
    assert [line[start:end] for start, end in breaks(line, 10)] == expected


@given(st.text("abé 潮", max_size=60), st.integers(2, 20))
@settings(max_examples=tries(50, 200), deadline=None)
def test_a_broken_line_keeps_words_whole_if_they_fit(line: str, width: int) -> None:
    rows = [line[start:end] for start, end in breaks(line, width)]
    assert all(cells(row) <= width for row in rows)
    assert "".join(rows).replace(" ", "") == line.replace(" ", "")
    fitting = [word for word in line.split() if cells(word) <= width and word.isascii()]
    assert all(any(word in row.split() or word in row for row in rows) for word in fitting)

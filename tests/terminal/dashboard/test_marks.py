"""Marks of Markdown in text that is not whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.terminal.dashboard.marks import closed, styled
from headwater.terminal.markdown.inline import spans
from headwater.terminal.markdown.parser import tree
from headwater.terminal.spans import Span, plain


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a **bold wor", "a **bold wor**"),
        ("a **bold*", "a **bold**"),
        ("a **bold**", "a **bold**"),
        ("a **", "a"),
        ("**", ""),
        ("x `co", "x `co`"),
        ("x ``a ` b", "x ``a ` b``"),
        ("an *it* and **b *c", "an *it* and **b *c***"),
        ("see [the filing](https://a", "see the filing"),
        ("see ![a picture](", "see a picture"),
        ("see [the fil", "see the fil"),
        ("see [", "see"),
        ("array[0", "array[0"),
        ("3 * 4 = 12", "3 * 4 = 12"),
        ("snake_case and __init", "snake_case and __init__"),
        ("~~gone", "~~gone~~"),
        ("`**` alone", "`**` alone"),
        (r"\*no", r"\*no"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_what_is_open_is_closed(text: str, told: str) -> None:
    assert closed(text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("old** and *then", [("old", "strong"), (" and ", ""), ("then", "emphasis")]),
        ("***all*** of it", [("all", "strong emphasis"), (" of it", "")]),
        ("a `b*c` _d_ ~~e~~", [("a ", ""), ("b*c", "code"), (" ", ""), ("d", "emphasis"), (" ", ""), ("e", "struck")]),
        ("filing](https://a.b/c) says [so](d) and [mo](https://x", [("filing says so and mo", "")]),
        ("cut`, and **so", [("cut", "code"), (", and ", ""), ("so", "strong")]),
        ("`, and `x`", [(", and ", ""), ("x", "code")]),
        ("(`x`)", [("(", ""), ("x", "code"), (")", "")]),
        ("lithium, see [the", [("lithium, see the", "")]),
        (r"3 \* 4", [("3 ", ""), ("* 4", "")]),
        ("2 ** 8", [("2 ** 8", "")]),
        ("plain", [("plain", "")]),
        ("", []),
    ],
)
def test_marks_of_a_part_become_styles(text: str, told: list[tuple[str, str]]) -> None:
    assert styled(text) == [Span(*span) for span in told]


def test_marks_are_added_to_the_agents_style() -> None:
    assert styled("a **b**", "dim") == [Span("a ", "dim"), Span("b", "dim strong")]


WORDS = st.lists(
    st.sampled_from(["tide", "high", "**06:12**", "*slack*", "`a b`", "~~no~~", "**a *b* c**"]), min_size=1
)


def parsed(text: str) -> list[Span]:
    """The same as the parser reads it."""
    return [span for block in tree(text).children for inner in block.children for span in spans(inner)]


def letters(found: list[Span]) -> list[tuple[str, frozenset[str]]]:
    return [(letter, frozenset(style.split())) for text, style in found for letter in text]


@given(WORDS)
@settings(deadline=None)
def test_whole_text_is_read_as_the_parser_reads_it(words: list[str]) -> None:
    text = " ".join(words)
    assert letters(styled(text)) == letters(parsed(text))


@given(WORDS, st.data())
@settings(deadline=None)  # the first draws the parser in
def test_wherever_it_is_cut_no_mark_is_left(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    end = data.draw(st.integers(0, len(text)))
    shown = plain(parsed(closed(text[:end])))
    assert not re.search(r"[*~`]", shown), shown
    whole = plain(parsed(text))
    assert whole.startswith(shown.rstrip())

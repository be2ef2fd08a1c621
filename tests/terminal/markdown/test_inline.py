"""What stands inside a block, as spans."""

from __future__ import annotations

import pytest

from headwater.terminal.markdown.inline import spans
from headwater.terminal.markdown.parser import tree
from headwater.terminal.spans import Span


def told(text: str) -> list[tuple[str, str]]:
    (paragraph,) = tree(text).children
    return [(span.text, span.style) for child in paragraph.children for span in spans(child) if span.text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a **b** c", [("a ", ""), ("b", "strong"), (" c", "")]),
        ("*a* ~~b~~", [("a", "emphasis"), (" ", ""), ("b", "struck")]),
        ("***a***", [("a", "emphasis strong")]),
        ("**a `b`**", [("a ", "strong"), ("b", "strong code")]),
        ("**a", [("**a", "")]),
        ("a\nb", [("a", ""), ("\n", ""), ("b", "")]),
        ("a  \nb", [("a", ""), ("\n", ""), ("b", "")]),
        ("a<br/>b <b>c</b>", [("a", ""), ("\n", ""), ("b ", ""), ("<b>", ""), ("c", ""), ("</b>", "")]),
        (r"\*a\* &amp; b", [("*", ""), ("a", ""), ("*", ""), (" ", ""), ("&", ""), (" b", "")]),
    ],
)
def test_marks_become_styles(text: str, expected: list[tuple[str, str]]) -> None:
    assert _merged(told(text)) == _merged(expected)


def _merged(pieces: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Neighbors in one style as one: a parser may cut its text anywhere."""
    merged: list[tuple[str, str]] = []
    for text, style in pieces:
        if merged and merged[-1][1] == style and "\n" not in (text, merged[-1][0]):
            merged[-1] = (merged[-1][0] + text, style)
        else:
            merged.append((text, style))
    return merged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[words](https://a.b)", [("words", "link"), (" (https://a.b)", "dim")]),
        ("[**w**](javascript:x)", [("w", "link strong"), (" (javascript:x)", "dim")]),
        ("<https://a.b>", [("https://a.b", "link")]),
        ("<me@a.b>", [("me@a.b", "link")]),
        ("[https://a.b](https://a.b)", [("https://a.b", "link")]),
        ("[](https://a.b)", [("https://a.b", "link")]),
        ("![a tide](tide.png)", [("a tide", "link"), (" (tide.png)", "dim")]),
        ("![](tide.png)", [("tide.png", "link")]),
    ],
)
def test_a_link_is_its_words_and_its_address_where_they_do_not_say_it(
    text: str, expected: list[tuple[str, str]]
) -> None:
    assert told(text) == expected


def test_a_style_can_apply_to_everything() -> None:
    (paragraph,) = tree("a *b*").children
    assert spans(paragraph.children[0], "heading") == [Span("a ", "heading"), Span("b", "heading emphasis")]

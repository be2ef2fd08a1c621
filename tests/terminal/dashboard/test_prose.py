"""An agent's words as rows, while they grow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.terminal.dashboard.prose import Prose, end_of, restyled
from headwater.terminal.markdown.layout import document_rows
from headwater.terminal.spans import Span, plain
from headwater.terminal.wrap import cells

TEXT = (
    "# Tides\n\nHigh water is at **06:12**, 6.9 m: *springs*.\n\n- 05:30 Leave\n- 06:12 Slack `now`\n\n"
    "```python\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> Be back by 18:30, 潮汐 and all.\n\nThe end."
)


@given(st.lists(st.integers(0, len(TEXT)), max_size=12), st.sampled_from([20, 40, 80]), st.booleans())
@settings(deadline=None)  # the first draws pygments in
def test_pieces_are_drawn_like_the_complete_text(cuts: list[int], width: int, looked_at: bool) -> None:
    prose = Prose(width)
    ends = sorted({*cuts, len(TEXT)})
    for begin, end in zip([0, *ends], ends, strict=False):
        prose.add(TEXT[begin:end])
        if looked_at:
            prose.last(10)
    whole = document_rows(TEXT, width)
    at = next(at for at, row in enumerate(whole) if plain(row) == "x = 1")
    code = (Span("▎ ", "dim"), *whole[at])  # behind a bar, where the document has a rule above and below
    assert prose.last(500) == [*whole[: at - 1], code, *whole[at + 2 :]]


@given(st.integers(0, len(TEXT)), st.sampled_from([20, 80]))
@settings(deadline=None)
def test_no_prefix_breaks_a_word_or_makes_a_row_too_wide(end: int, width: int) -> None:
    prose = Prose(width)
    prose.add(TEXT[:end])
    for row in prose.last(500):
        assert cells(plain(row)) <= width
        assert not re.search(r"\*\*|``", plain(row))


def test_the_last_rows_are_the_end_without_empty_ones() -> None:
    prose = Prose(40)
    prose.add("\n\n".join(f"line {number}" for number in range(1000)) + "\n\n\n")
    assert [plain(row) for row in prose.last(3)] == ["line 998", "", "line 999"]
    assert prose.last(0) == []
    assert Prose(40).last(3) == []


def test_an_agents_style_is_combined_with_marks() -> None:
    prose = Prose(40, "dim")
    prose.add("**Hm.** So")
    assert prose.last(1) == [(Span("Hm.", "dim strong"), Span(" So", "dim"))]
    assert restyled((Span("a"),), "") == (Span("a"),)


@pytest.mark.parametrize(
    ("text", "width", "told"),
    [
        ("one two three four five", 12, "four five"),
        ("one two three", 40, "one two three"),
        ("- **one**\n- two\n\n", 40, "one two"),
        ("## Head\n\n> said\n\n```python\nx = 1\n```\n---\n", 40, "Head said x = 1"),
        ("extraordinarily", 8, "dinarily"),
        ("an extraordinarily", 10, "ordinarily"),
        ("the **extra", 6, "extra"),
        ("潮汐 潮汐 潮汐", 7, "潮汐"),
        ("a\tb\x1b[2J", 20, "a b␛[2J"),
        ("", 10, ""),
    ],
)
def test_the_end_of_a_text_starts_with_a_word(text: str, width: int, told: str) -> None:
    assert plain(end_of(text, width)) == told


@given(st.text(alphabet="ab *_`~[]()#->|\n潮", max_size=60), st.integers(1, 40))
def test_the_end_of_a_text_fits(text: str, width: int) -> None:
    row = plain(end_of(text, width))
    assert cells(row) <= width
    assert "\n" not in row

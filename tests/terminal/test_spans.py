"""Rows of spans: wrapped, folded, cut, painted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.terminal.spans import Span, cut_row, folded, painted, plain, row_cells, wrapped
from tests.support.effort import tries

SPANS = st.lists(st.builds(Span, st.text("ab 潮\n", max_size=8), st.sampled_from(["", "strong", "code"])), max_size=8)


def test_a_row_is_painted_with_colors_and_without() -> None:
    row = (Span("a"), Span("b", "strong code"), Span("", "dim"), Span("c", "keyword"))
    assert painted(row) == "a\x1b[1;36mb\x1b[0m\x1b[35mc\x1b[0m"
    assert painted(row, color=False) == "a\x1b[1;1mb\x1b[0mc"


def test_styles_go_over_the_end_of_a_row() -> None:
    assert wrapped([Span("one "), Span("two three", "strong")], 8) == [
        (Span("one "), Span("two", "strong")),
        (Span("three", "strong"),),
    ]


def test_a_word_in_two_styles_is_one_word() -> None:
    assert [plain(row) for row in wrapped([Span("a wo"), Span("rd", "strong")], 5)] == ["a", "word"]


@given(SPANS, st.integers(2, 20))
@settings(max_examples=tries(25, 100), deadline=None)
def test_wrapping_keeps_every_character_but_spaces(spans: list[Span], width: int) -> None:
    rows = wrapped(spans, width)
    assert all(row_cells(row) <= width for row in rows)
    kept = [(character, style) for text, style in spans for character in text if not character.isspace()]
    assert [(character, style) for row in rows for text, style in row for character in text if character != " "] == kept


@given(SPANS, st.integers(2, 20))
@settings(max_examples=tries(25, 100), deadline=None)
def test_folding_keeps_everything(spans: list[Span], width: int) -> None:
    row = tuple(Span(text.replace("\n", ""), style) for text, style in spans)
    rows = folded(row, width)
    assert "".join(map(plain, rows)) == plain(row)
    assert all(row_cells(piece) <= width for piece in rows)


def test_a_row_is_cut_with_a_mark() -> None:
    row = (Span("潮汐", "dim"), Span("abc", "strong"))
    assert cut_row(row, 7) == row
    assert plain(cut_row(row, 6)) == "潮汐a…"
    assert plain(cut_row(row, 4)) == "潮…"
    assert cut_row(row, 6)[-1].style == "strong"
    assert plain(cut_row(row, 6, "...")) == "潮..."

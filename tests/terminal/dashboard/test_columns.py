"""How long, how many tokens, how fast: in columns as wide as there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.terminal.dashboard.columns import (
    LOOSE,
    beside_a_name,
    caption,
    clock,
    in_a_line,
    in_columns,
    spent,
    tally,
    wants_own_line,
)
from tests.terminal import crowds as log
from tests.terminal.panels import NAMES, at_work, board


@pytest.mark.parametrize(
    ("duration", "exact", "told"),
    [
        (0.4, False, "0 s"),
        (12.9, False, "12 s"),
        (12.34, True, "12.3 s"),
        (125, True, "2:05"),
        (3725, False, "1:02:05"),
    ],
)
def test_clocks(duration: float, exact: bool, told: str) -> None:
    assert clock(duration, exact) == told


def test_the_tally_counts_every_state() -> None:
    shown = board(at_work(*NAMES), log.tool_started(NAMES[0], "x"), log.ended(NAMES[1]))
    assert tally(shown.agents) == "1 streaming, 1 in tools, 1 done"
    assert tally(shown.agents, short=True) == "2 at work, 1 done"


def test_unknown_figures_are_left_out() -> None:
    assert spent(0, False, 3.0) == ("", "")
    assert spent(1234, True, None) == ("~1,234", "")
    assert spent(1234, False, 56.7) == ("1,234", "57")
    assert in_columns("3 s", ("", ""), LOOSE) == "  3 s"
    assert in_columns("3 s", ("~7", "2"), LOOSE) == "  3 s  ~7 tokens  2 tokens/s"


@given(st.integers(1, 60), st.integers(20, 200))
def test_the_text_next_to_a_name_fits_the_row(longest: int, inner: int) -> None:
    columns = beside_a_name(longest, inner, 3)
    assert 3 + columns.name + columns.figures <= inner
    assert columns.name >= min(longest, 6)
    figures = in_columns("2:05", spent(12_345, True, 123.0), columns)
    assert len(figures) <= columns.figures - (columns.state + 2) or not columns.time


@given(st.integers(1, 60), st.integers(40, 200))
def test_a_line_has_a_caption_over_each_of_its_columns(longest: int, inner: int) -> None:
    columns = in_a_line(longest, inner, 3)
    told = caption(columns, 3)
    assert len(told) == 3 + columns.name + columns.figures
    assert 3 + columns.name + columns.figures + (columns.tail + 2 if columns.tail else 0) <= inner
    shown = [title for title, size in (("time", columns.time), ("tok/s", columns.rate)) if size]
    assert all(title in told for title in shown)


def test_figures_get_a_separate_line_if_few_fit_next_to_the_names() -> None:
    assert wants_own_line(beside_a_name(20, 46, 3), 46)
    assert not wants_own_line(beside_a_name(8, 100, 3), 100)
    assert not wants_own_line(beside_a_name(20, 24, 3), 24), "a line that narrow would be cut"


@given(st.integers(1, 60), st.integers(20, 200))
def test_a_column_for_the_cost_is_there_only_if_one_is_known_and_it_fits(longest: int, inner: int) -> None:
    for columns in (beside_a_name(longest, inner, 3, cost=True), in_a_line(longest, inner, 3, cost=True)):
        figures = in_columns("2:05", spent(12_345, True, 123.0), columns, "$0.0012")
        assert ("$0.0012" in figures) == bool(columns.cost)
        assert 3 + columns.name + columns.figures <= inner or not columns.cost
    assert not beside_a_name(longest, inner, 3).cost
    assert "cost" not in caption(in_a_line(longest, inner, 3), 3)
    assert "cost" in caption(in_a_line(10, 100, 3, cost=True), 3)

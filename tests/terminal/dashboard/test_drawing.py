"""Rows of an exact width, with and without colours."""

from __future__ import annotations

import re
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from headwater.events.controls import one_line
from headwater.terminal.dashboard.agent_state import State
from headwater.terminal.dashboard.drawing import PLAIN_SIGNS, SIGNS, Pen, Style
from headwater.terminal.dashboard.panel import Layout
from headwater.terminal.wrap import cells, settled
from tests.terminal import crowds as log
from tests.terminal.panels import NAMES, at_work, board, drawn


def test_plain_signs_are_plain() -> None:
    shown = board(at_work(*NAMES), log.tool_started(NAMES[0], "search"), log.ended(NAMES[1]), log.failed(NAMES[2]))
    for columns in (80, 40, 20):
        assert "".join(drawn(shown, columns, signs=PLAIN_SIGNS)).isascii()


def test_without_color_nothing_is_styled() -> None:
    shown = board(at_work(*NAMES), log.failed(NAMES[2]))
    styled = "".join(Layout(shown).rows(80, 24, 3.0))
    assert re.findall("\x1b\\[[0-9;]+m", styled)
    assert not re.findall("\x1b\\[[0-9;]+m", "".join(Layout(shown, color=False).rows(80, 24, 3.0)))


@given(st.text(max_size=40), st.integers(0, 30))
def test_what_is_fitted_is_no_wider_and_a_beginning(text: str, room: int) -> None:
    text = settled(one_line(text))
    for signs in (SIGNS, PLAIN_SIGNS):
        fitted = Pen(signs).fit(text, room)
        assert cells(fitted) <= room
        assert text.startswith(fitted.removesuffix(signs.marks.cut)) or text == fitted
        assert cells(Pen(signs).padded(text, room)) == room


@given(st.lists(st.tuples(st.sampled_from(["", "bold", "red"]), st.text(max_size=20)), max_size=4), st.integers(0, 40))
def test_a_row_is_as_wide_as_it_should_be(segments: list[tuple[Style, str]], width: int) -> None:
    clean = [(style, settled(one_line(text))) for style, text in segments]
    assert cells(Pen(color=False).row(clean, width)) == width
    assert log.plain(Pen().row(clean, width)) == Pen(color=False).row(clean, width)


def test_every_state_has_a_sign() -> None:
    for state in get_args(State):
        assert SIGNS.of(state)
        assert PLAIN_SIGNS.of(state).isascii()
    assert SIGNS.of("tool") == SIGNS.of("streaming") == SIGNS.active

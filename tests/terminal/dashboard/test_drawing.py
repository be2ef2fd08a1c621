"""Rows of an exact width, with and without colors."""

from __future__ import annotations

import re
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from headwater.events.controls import one_line
from headwater.terminal.dashboard.agent_state import State
from headwater.terminal.dashboard.drawing import PLAIN_SIGNS, SIGNS, STATE_STYLES, Pen
from headwater.terminal.dashboard.palette import hue
from headwater.terminal.dashboard.panel import Layout
from headwater.terminal.spans import Span
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
def test_a_fitted_text_is_a_prefix_and_not_too_wide(text: str, room: int) -> None:
    text = settled(one_line(text))
    for signs in (SIGNS, PLAIN_SIGNS):
        fitted = Pen(signs).fit(text, room)
        assert cells(fitted) <= room
        assert text.startswith(fitted.removesuffix(signs.marks.cut)) or text == fitted
        assert cells(Pen(signs).padded(text, room)) == room


@given(
    st.lists(st.builds(Span, st.text(max_size=20), st.sampled_from(["", "bold", "dim strong"])), max_size=4),
    st.integers(0, 40),
)
def test_a_row_is_as_wide_as_it_should_be(spans: list[Span], width: int) -> None:
    clean = [Span(settled(one_line(text)), style) for text, style in spans]
    assert cells(Pen(color=False).row(clean, width)) == width
    assert log.plain(Pen().row(clean, width)) == Pen(color=False).row(clean, width)


def test_every_state_has_a_sign() -> None:
    states = (*get_args(State), "healed")
    for signs in (SIGNS, PLAIN_SIGNS):
        assert sorted(signs.states) == sorted(states)
        assert {cells(sign) for sign in signs.states.values()} == {signs.width}
        assert len(set(signs.states.values())) == len(states) - 1, "only writing a call and running it share one"
    assert "".join(PLAIN_SIGNS.states.values()).isascii()
    assert sorted(STATE_STYLES) == sorted(states)
    assert STATE_STYLES["healed"] not in (STATE_STYLES["done"], STATE_STYLES["retrying"], STATE_STYLES["failed"])


def test_a_name_and_its_bar_have_the_agents_hue() -> None:
    rows = Layout(board(at_work(*NAMES))).rows(80, 24, 3.0)
    for number, name in enumerate(NAMES):
        at = next(at for at, row in enumerate(rows) if f"m{name}" in row)
        assert f"\x1b[1;{hue(number, many=True)}m{name}\x1b[0m" in rows[at]
        assert f"\x1b[{hue(number, many=True)}m━━" in rows[at + 1]
    few = Layout(board(at_work(*NAMES)), many=False).rows(80, 24, 3.0)
    assert any(f"\x1b[1;36m{NAMES[0]}\x1b[0m" in row for row in few)


def test_hues_stay_when_agents_are_added() -> None:
    shown = board(at_work("ann"), members=("ann", "bob"))
    before = [view.hue for view in shown.agents]
    for event in log.begun("cat"):
        shown.feed(event)
    assert [view.hue for view in shown.agents] == [*before, 2]

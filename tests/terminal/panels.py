"""Panels of boards, as a person reads them."""

from __future__ import annotations

from headwater.events import Event
from headwater.terminal.dashboard.drawing import SIGNS, Signs
from headwater.terminal.dashboard.panel import LINES_WITH_AIR, Layout
from headwater.terminal.dashboard.state import Board
from tests.terminal import crowds as log
from tests.terminal import logs

NAMES = ("Market-Researcher", "Financial-Analyst", "Technical-Analyst")


def board(*parts: list[Event], members: tuple[str, ...] = NAMES, title: str = "market-analysis") -> Board:
    made = Board(title, members)
    for event in [*log.opened(), *logs.joined(*parts)]:
        made.feed(event)
    return made


def drawn(
    shown: Board, columns: int = 60, lines: int = 24, *, now: float = 3.0, color: bool = False, signs: Signs = SIGNS
) -> list[str]:
    """The rows, as a person reads them, without the empty one under the title."""
    rows = [log.plain(row) for row in Layout(shown, signs=signs, color=color).rows(columns, lines, now)]
    return [*rows[:1], *rows[2:]] if lines >= LINES_WITH_AIR else rows


def at_work(*names: str) -> list[Event]:
    return logs.joined(*([*log.begun(name), *log.said(name, f"Words of {name}.")] for name in names))

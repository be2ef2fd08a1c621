"""What a panel is drawn with: signs, styles, and rows of an exact width.

Pure. It knows strings and cells, and nothing of agents.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, TypeAlias

from headwater.terminal.dashboard.agent_state import State
from headwater.terminal.render import ASCII, UNICODE, Marks
from headwater.terminal.wrap import cells, cut

__all__ = ("PLAIN_SIGNS", "SIGNS", "Pen", "Segment", "Signs", "Style")


class Signs(NamedTuple):
    """What a panel is drawn with, in one repertoire of characters. Corners and edges clockwise from the top left."""

    marks: Marks
    active: str
    waiting: str
    done: str
    failed: str
    cancelled: str
    corners: str
    horizontal: str
    vertical: str

    def of(self, state: State) -> str:
        """The sign before an agent's name."""
        if state in ("waiting", "done", "failed", "cancelled"):
            return str(getattr(self, state))
        return self.active


SIGNS: Final = Signs(UNICODE, "🔄", "⏳", "✅", "❌", "🚫", "╭╮╯╰", "─", "│")
PLAIN_SIGNS: Final = Signs(ASCII, ">", ".", "+", "x", "-", "++++", "-", "|")

Style: TypeAlias = Literal["", "bold", "dim", "red", "green", "yellow", "cyan"]
Segment: TypeAlias = tuple[Style, str]

_CODES: Final[dict[Style, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}


class Pen:
    """Fits strings into cells, and styles them where `color` says so."""

    __slots__ = ("color", "signs")

    def __init__(self, signs: Signs = SIGNS, *, color: bool = True) -> None:
        self.signs = signs
        self.color = color

    def fit(self, text: str, room: int) -> str:
        """`text` in at most `room` cells, with a sign where something is missing."""
        if cells(text) <= room:
            return text
        sign = self.signs.marks.cut
        return text[: cut(text, max(room - len(sign), 0))] + sign if room > len(sign) else text[: cut(text, room)]

    def padded(self, text: str, room: int) -> str:
        """`text` in exactly `room` cells."""
        text = self.fit(text, room)
        return text + " " * (room - cells(text))

    def row(self, segments: Iterable[Segment], width: int) -> str:
        """Segments side by side, cut and filled to `width` cells."""
        row, left = "", width
        for style, text in segments:
            size = cells(text)
            if size > left:
                text = self.fit(text, left)
                size = cells(text)
            row += self.styled(style, text) if text else ""
            left -= size
        return row + " " * left

    def styled(self, style: Style, text: str) -> str:
        """`text` in a style, where there is one and colours are wanted."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and self.color else text

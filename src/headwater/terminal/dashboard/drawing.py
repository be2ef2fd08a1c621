"""Primitives of a panel: symbols, styles, and rows of an exact width.

Pure. Knows strings and cells, not agents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from headwater.terminal.dashboard.agent_state import Standing
from headwater.terminal.dashboard.palette import hue
from headwater.terminal.render import ASCII, UNICODE, Marks
from headwater.terminal.spans import Span, codes
from headwater.terminal.wrap import cells, cut

__all__ = ("PLAIN_SIGNS", "SIGNS", "STATE_STYLES", "Pen", "Signs", "Style", "hue_style")


class Signs(NamedTuple):
    """The symbols of a panel, in one character set."""

    marks: Marks
    states: Mapping[Standing, str]
    """The sign before an agent's name, all of one width."""
    corners: str
    """Clockwise from the top left."""
    horizontal: str
    vertical: str
    bar: str
    """Under an agent's name."""
    healed: str
    asks: str
    guides: tuple[str, str, str, str]
    """Tree guides before a child: one of several, the last one; and below those."""
    bars: bool
    """Whether there are characters for bars of different heights."""

    @property
    def width(self) -> int:
        """Cells of a state's sign."""
        return cells(self.states["waiting"])


SIGNS: Final = Signs(
    UNICODE,
    {
        "waiting": "⏳",
        "thinking": "💭",
        "streaming": "🔄",
        "calling": "🔧",
        "tool": "🔧",
        "retrying": "🔌",
        "asking": "✋",
        "resting": "💤",
        "done": "✅",
        "healed": "🩹",
        "failed": "❌",
        "cancelled": "🚫",
    },
    "╭╮╯╰",
    "─",
    "│",
    "━",
    "✚",
    "?",
    ("├ ", "└ ", "│ ", "  "),
    True,
)
PLAIN_SIGNS: Final = Signs(
    ASCII,
    {
        "waiting": ".",
        "thinking": "~",
        "streaming": ">",
        "calling": "*",
        "tool": "*",
        "retrying": "!",
        "asking": "?",
        "resting": "=",
        "done": "+",
        "healed": "&",
        "failed": "x",
        "cancelled": "-",
    },
    "++++",
    "-",
    "|",
    "=",
    "&",
    "?",
    ("|-", "`-", "| ", "  "),
    False,
)

Style: TypeAlias = str
"""Names of `_CODES`, of a span's looks or of an agent's hue, with spaces between; empty is the terminal's own."""

STATE_STYLES: Final[Mapping[Standing, Style]] = {
    "waiting": "dim",
    "thinking": "magenta",
    "streaming": "cyan",
    "calling": "blue",
    "tool": "blue",
    "retrying": "yellow",
    "asking": "bold yellow",
    "resting": "dim",
    "done": "green",
    "healed": "cyan",
    "failed": "red",
    "cancelled": "yellow",
}

_CODES: Final[Mapping[Style, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "94",  # the dark one cannot be read on black
    "magenta": "35",
    "cyan": "36",
}


def hue_style(number: int) -> Style:
    """The style of the agent that was the `number`-th to be known."""
    return f"hue{number}"


class Pen:
    """Fits strings into cells, and styles them if `color` is set; `many`: in one of 256 colors."""

    __slots__ = ("_codes", "color", "many", "signs")

    def __init__(self, signs: Signs = SIGNS, *, color: bool = True, many: bool = True) -> None:
        self.signs: Signs = signs
        self.color: bool = color
        self.many: bool = many
        self._codes: dict[Style, str] = {}

    def fit(self, text: str, room: int) -> str:
        """Returns `text` in at most `room` cells, with a mark where it is cut."""
        if cells(text) <= room:
            return text
        sign = self.signs.marks.cut
        return text[: cut(text, max(room - len(sign), 0))] + sign if room > len(sign) else text[: cut(text, room)]

    def padded(self, text: str, room: int) -> str:
        """Returns `text` in exactly `room` cells."""
        text = self.fit(text, room)
        return text + " " * (room - cells(text))

    def row(self, spans: Iterable[Span], width: int) -> str:
        """Joins spans, cut and padded to `width` cells."""
        row, left = "", width
        for text, style in spans:
            size = cells(text)
            if size > left:
                text = self.fit(text, left)
                size = cells(text)
            row += self.styled(style, text) if text else ""
            left -= size
        return row + " " * left

    def styled(self, style: Style, text: str) -> str:
        """Returns `text` in a style, if there is one and colors are on."""
        if not style or not self.color:
            return text
        if (code := self._codes.get(style)) is None:
            code = self._codes[style] = ";".join(filter(None, map(self._code, style.split())))
        return f"\x1b[{code}m{text}\x1b[0m"

    def _code(self, name: str) -> str:
        if name.startswith("hue"):
            return hue(int(name[3:]), many=self.many)
        return _CODES[name] if name in _CODES else codes(name)

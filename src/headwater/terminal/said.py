"""Text of one kind as rows: Markdown in blocks, or plain lines in one style.

Pure, except for the Markdown renderer, which is imported on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from headwater.terminal.lines import Lines
from headwater.terminal.spans import Row, Span, wrapped
from headwater.terminal.wrap import breaks

__all__ = ("Drawn", "Markdown", "Plain", "Words")


class Drawn(NamedTuple):
    """Rows that belong together; `apart`: whether an empty row comes before them, unless they are the first."""

    rows: Sequence[Row]
    apart: bool


class Words(Protocol):
    """Text that streams in pieces."""

    def add(self, text: str) -> None:
        """Appends text."""

    def take(self) -> list[Drawn]:
        """Returns the finished rows that were not taken before."""

    def finish(self) -> list[Drawn]:
        """Returns the rest."""

    def open(self) -> list[Drawn]:
        """Returns the current rows of the open part."""

    def settle(self, most: int) -> list[Drawn]:
        """Finish what is open as far as it can no longer change: at most so many rows, which it then has no more."""

    def retract(self, text: str) -> bool:
        """Retracts the last of them, as far as it is not finished. Returns whether none of it was."""


class Markdown:
    """An answer; `width` is asked for with each block."""

    def __init__(self, width: Callable[[], int], *, ascii_signs: bool = False) -> None:
        from headwater.terminal.markdown.blocks import Blocks
        from headwater.terminal.markdown.layout import ASCII_SIGNS, SIGNS, Layout

        self._width = width
        self._blocks = Blocks()
        self._layout = Layout(width, ASCII_SIGNS if ascii_signs else SIGNS)

    def add(self, text: str) -> None:
        """See `Words`."""
        self._blocks.add(text)

    def take(self) -> list[Drawn]:
        """See `Words`."""
        return [Drawn(self._layout.finished(block), block.apart) for block in self._blocks.take()]

    def finish(self) -> list[Drawn]:
        """See `Words`."""
        return [Drawn(self._layout.finished(block), block.apart) for block in self._blocks.finish()]

    def open(self) -> list[Drawn]:
        """See `Words`."""
        return [Drawn(self._layout.open(block), block.apart) for block in self._blocks.open()]

    def settle(self, most: int) -> list[Drawn]:
        """See `Words`."""
        from headwater.terminal.markdown.settled import settled_rows

        blocks = self._blocks.open()
        if len(blocks) != 1 or blocks[0].kind != "block" or self._blocks.undecided:
            return []
        found = settled_rows(blocks[0].source, self._width(), most)
        if found is None:
            return []
        rows, characters = found
        self._blocks.cut(characters)
        return [Drawn(rows, blocks[0].apart)]

    def retract(self, text: str) -> bool:
        """See `Words`."""
        return self._blocks.retract(text)


class Plain:
    """Lines of text in one style, after a label."""

    def __init__(self, width: Callable[[], int], *, style: str = "", label: str = "") -> None:
        self._lines = Lines()
        self._width = width
        self._style = style
        self._label = label

    def add(self, text: str) -> None:
        """See `Words`."""
        if self._label:
            label, self._label = self._label, ""
            text = label + text
        self._lines.add(text)

    def take(self) -> list[Drawn]:
        """See `Words`."""
        return self._drawn(self._lines.take())

    def finish(self) -> list[Drawn]:
        """See `Words`."""
        return self._drawn(self._lines.finish())

    def open(self) -> list[Drawn]:
        """See `Words`."""
        return self._drawn(self._lines.open())

    def settle(self, most: int) -> list[Drawn]:
        """See `Words`."""
        for line in self._lines.open():
            rows = breaks(line, self._width())
            if (count := min(most, len(rows) - 1)) > 0:
                at = rows[count][0]
                self._lines.cut(at)
                return self._drawn([line[:at]])
        return []

    def retract(self, text: str) -> bool:
        """See `Words`."""
        return self._lines.retract(text)

    def _drawn(self, lines: list[str]) -> list[Drawn]:
        return [Drawn(wrapped([Span(line, self._style)], self._width()), False) for line in lines]

"""An agent's growing text as rows of a width: Markdown, drawn like a single agent's answer.

Pure, except for the parser's imports. A finished block is drawn once; the open one is drawn on demand, with its open
marks closed.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

import msgspec

from headwater.terminal.dashboard.marks import closed, styled
from headwater.terminal.markdown.blocks import Block, Blocks
from headwater.terminal.markdown.layout import ASCII_SIGNS, SIGNS, Layout
from headwater.terminal.spans import BLANK, Row, Span
from headwater.terminal.wrap import cells, cut, settled

__all__ = ("Prose", "end_of", "restyled")

ROWS_KEPT: Final = 500
"""Maximum number of rows kept of a text: more than any screen has."""

_BLOCK_MARK: Final = re.compile(r"^\s*(?:#{1,6}\s+|>\s?|(?:```|~~~).*|[-*_|:\s]+$|[-*+]\s+)", re.MULTILINE)
"""What a line begins with that says which block it is, and what a line is that says nothing else."""

_MARKED: Final = re.compile(r"[*_`\[\]\\~#>|<&]|^\s*[-+]\s", re.MULTILINE)
"""Characters that may be Markdown."""


class Prose:
    """Text that grows: `add` pieces, and ask for its `last` rows of at most `width` cells, lines of code apart."""

    def __init__(self, width: int, style: str = "", *, ascii_signs: bool = False) -> None:
        self.width: int = max(width, 2)
        self._style = style
        self._blocks = Blocks()
        signs = ASCII_SIGNS if ascii_signs else SIGNS
        self._layout = Layout(lambda: self.width, signs)
        self._bar = f"{signs.quote} "
        self._rows: deque[Row] = deque(maxlen=ROWS_KEPT)
        self._open: list[Row] | None = []
        """The rows of the open block; None if text was added since."""

    def add(self, text: str) -> None:
        """Appends text."""
        self._blocks.add(settled(text))
        for block in self._blocks.take():
            rows = self._rows_of(block, self._layout.finished(block))
            if block.apart and self._rows and self._rows[-1] and (rows or block.kind == "fence"):
                self._rows.append(BLANK)
            self._rows.extend(restyled(row, self._style) for row in rows)
        self._open = None

    def last(self, count: int) -> list[Row]:
        """Returns the last rows, at most `count`, without trailing empty ones."""
        if self._open is None:
            self._open = self._drawn()
        rows = [*self._rows, *self._open] if len(self._open) < count else self._open
        while rows and not rows[-1]:
            rows = rows[:-1]
        return rows[max(len(rows) - count, 0) :]

    def _rows_of(self, block: Block, rows: list[Row]) -> list[Row]:
        """The rows of a block: code behind a bar instead of between rules, of which a panel has enough."""
        if block.kind == "code":
            return [(Span(self._bar, "dim"), *row) for row in rows]
        return [] if block.kind in ("fence", "end") else rows

    def _drawn(self) -> list[Row]:
        drawn: list[Row] = []
        for block in self._blocks.open():
            if block.kind in ("block", "item"):
                block = msgspec.structs.replace(block, source=closed(block.source))
            rows = self._rows_of(block, self._layout.open(block))
            if block.apart and (drawn or self._rows) and (drawn or self._rows)[-1] and rows:
                drawn.append(BLANK)
            drawn += [restyled(row, self._style) for row in rows]
        return drawn


def end_of(text: str, width: int, style: str = "") -> Row:
    """The end of a text on one row of at most `width` cells, from the beginning of a word, without a mark.

    `text` may be a part that begins anywhere.
    """
    text = settled(text)
    if _MARKED.search(text):
        return _last_cells(styled(" ".join(_BLOCK_MARK.sub("", text).split()), style), width)
    return _last_cells([Span(" ".join(text.split()), style)], width)


def restyled(row: Row, style: str) -> Row:
    """The row in a style beside its own."""
    return tuple(Span(text, f"{style} {own}".strip()) for text, own in row) if style else row


def _last_cells(row: list[Span], width: int) -> Row:
    """The end of a row, from the beginning of a word unless that is longer than half of it."""
    text = "".join(span.text for span in row)
    over = cells(text) - width
    if over <= 0:
        return tuple(row)
    start = cut(text, over)
    while cells(text[start:]) > width:
        start += 1
    if text[start - 1 : start] != " ":
        space = text.find(" ", start)
        if space >= 0 and cells(text[start:space]) * 2 < width:
            start = space
    start += len(text[start:]) - len(text[start:].lstrip(" "))
    kept: list[Span] = []
    for words, style in row:
        if start < len(words):
            kept.append(Span(words[start:], style))
        start = max(start - len(words), 0)
    return tuple(kept)

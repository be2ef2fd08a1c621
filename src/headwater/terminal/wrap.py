"""Wraps streaming text to a width in terminal cells, reading each character once.

Pure. Each resulting row has a known width, without characters that could control a terminal or whose width differs
between terminals.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from rich.cells import get_character_cell_size

from headwater.events.controls import harmless

__all__ = ("Wrapped", "breaks", "cells", "cut", "settled")

ROWS_KEPT: Final = 500
"""Maximum number of rows kept of a text: more than any screen has."""

TAB: Final = "    "

_WIDE: Final = (
    "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6"
    "\U0001f300-\U0001faff\U00020000-\U0003fffd"
)
_CLOSING: Final = "、。，．！？：；）」』】》〉〕…"  # noqa: RUF001 - characters that must not start a row
_PIECES: Final = re.compile(f" +|[^ {_WIDE}]+|[{_WIDE}][{_CLOSING}]*")

# Characters that change the direction of writing or join their neighbors (a family of emoji, a flag's colors,
# the emoji form of a sign): terminals differ in how they show them, and a row of unknown width breaks the frame
# around it. Without them each character has the width that all tables give it.
_UNSETTLED: Final = dict.fromkeys(
    (
        0x00AD,
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFE00, 0xFE10),
        0xFEFF,
        *range(0x1F3FB, 0x1F400),
        *range(0xE0000, 0xE0200),
    )
)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def settled(text: str) -> str:
    """Returns `text` without control characters, with tabs as spaces, and only with characters of a known width."""
    text = harmless(text)
    if "\t" in text:
        text = text.replace("\t", TAB)
    if text.isascii():
        return text
    return _SURROGATES.sub("�", text).translate(_UNSETTLED)


def cells(text: str) -> int:
    """Returns the width of `text` in cells."""
    return len(text) if text.isascii() else sum(map(get_character_cell_size, text))


def cut(text: str, room: int) -> int:
    """How many characters of `text` fit in `room` cells, including combining marks after the last of them."""
    if text.isascii():
        return min(room, len(text))
    for at, character in enumerate(text):
        room -= get_character_cell_size(character)
        if room < 0:
            return at
    return len(text)


def breaks(text: str, width: int) -> list[tuple[int, int]]:
    """Splits a line of text into rows of at most `width` cells: the start and end of each, in characters.

    It breaks between words and drops the spaces there; a word is broken only if it is wider than a row. Spaces at the
    start of the line are kept.
    """
    width = max(width, 2)
    if len(text) <= width and text.isascii():
        return [(0, len(text.rstrip(" ")))]
    rows: list[tuple[int, int]] = []
    start = used = at = 0  # the start of the open row, its width, and the text after the last row
    worded = False  # whether the open row has more than spaces
    for piece in _PIECES.findall(text):
        size, end = cells(piece), at + len(piece)
        if piece[0] == " ":
            if worded and used + size > width:
                rows.append((start, at))
                start, used, worded = end, 0, False
            elif (rows and not worded) or used + size > width:
                start, used = end, 0
            else:
                used += size
            at = end
            continue
        if used + size > width:
            if worded:
                rows.append((start, at))
            start, used = at, 0
            while size > width:
                at += max(cut(text[at:end], width), 1)
                rows.append((start, at))
                start, size = at, cells(text[at:end])
        used += size
        worded = size > 0
        at = end
    if worded or not rows:
        rows.append((start, len(text)))
    return [(first, first + len(text[first:last].rstrip(" "))) for first, last in rows]


class Wrapped:
    """Streaming text in rows of at most `width` cells, wrapped between words if possible.

    The rows do not depend on how the text is split into pieces. Several empty rows become one.
    """

    def __init__(self, width: int) -> None:
        self.width: int = max(width, 2)
        self._rows: deque[str] = deque(maxlen=ROWS_KEPT)
        self._open = ""
        self._broken = False
        """Whether the open row follows a break between words, and so must not start with spaces."""

    def add(self, text: str) -> None:
        """Appends text."""
        first, *rest = settled(text).split("\n")
        self._fill(self._open + first)
        for line in rest:
            self._end_row()
            self._open, self._broken = "", False
            self._fill(line)

    def last(self, count: int) -> list[str]:
        """Returns the last rows, at most `count`, without trailing empty ones."""
        if count <= 0:
            return []
        rows = [self._open.rstrip()] if self._open.strip() else []
        for row in reversed(self._rows):
            if len(rows) == count:
                break
            if row or rows:
                rows.append(row)
        rows.reverse()
        return rows

    def _end_row(self) -> None:
        row = self._open.rstrip()
        if row or (self._rows and self._rows[-1] and not self._broken):
            self._rows.append(row)

    def _fill(self, line: str) -> None:
        """Splits a line that starts with the open row into rows; the rest is the open row."""
        width = self.width
        if self._broken:
            line = line.lstrip(" ")
        if line.isascii() and len(line) <= width:
            self._open = line
            return
        row, used = "", 0
        for piece in _PIECES.findall(line):
            size = cells(piece)
            if used + size <= width:
                if not row and self._broken and piece[0] == " ":
                    continue
                row += piece
                used += size
                continue
            if piece[0] == " " or row.strip() or used >= width:
                self._break(row)
                row, used = "", 0
            if piece[0] == " ":
                continue
            while size > width - used:
                at = cut(piece, width - used)  # 0 after an indent only
                self._break(row + piece[:at])
                row, used, piece = "", 0, piece[at:]
                size = cells(piece)
            row += piece
            used += size
        self._open = row

    def _break(self, row: str) -> None:
        """Ends a row within a line."""
        if row := row.rstrip():
            self._rows.append(row)
        self._broken = True

"""Styled pieces of text, and rows of them: wrapped between words, cut to a width, rendered with escape codes.

Owns the look of each style, with colors and without. Text passes unchanged: `settled` removes control characters where
it enters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from headwater.terminal.wrap import breaks, cells, cut

__all__ = ("BLANK", "Row", "Span", "codes", "cut_row", "folded", "painted", "plain", "row_cells", "wrapped")


class Span(NamedTuple):
    """Text in one style: names of `_LOOKS`, with a space between."""

    text: str
    style: str = ""


Row: TypeAlias = tuple[Span, ...]

BLANK: Final[Row] = ()

_LOOKS: Final[dict[str, tuple[str, str]]] = {
    # name: with colors, without. The sixteen colors of the terminal's own theme, so that they fit a light one too.
    "heading": ("1;36", "1"),
    "title": ("1;4;36", "1;4"),
    "strong": ("1", "1"),
    "emphasis": ("3", "3"),
    "struck": ("9", "9"),
    "code": ("36", "1"),
    "link": ("4;34", "4"),
    "dim": ("2", "2"),
    "keyword": ("35", ""),
    "name": ("34", ""),
    "string": ("32", ""),
    "number": ("36", ""),
    "mark": ("33", ""),
    "comment": ("2;3", "2;3"),
    "good": ("32", ""),
    "warning": ("33", ""),
    "bad": ("31", ""),
    "accent": ("36", ""),
}


def plain(row: Iterable[Span]) -> str:
    """The row's text."""
    return "".join([span.text for span in row])


def row_cells(row: Iterable[Span]) -> int:
    """Returns the width of the row in cells."""
    return sum(cells(span.text) for span in row)


def codes(style: str, *, color: bool = True) -> str:
    """Returns the escape code parameters of a style; empty for plain text."""
    return ";".join(code for name in style.split() if (code := _LOOKS[name][not color]))


def painted(row: Iterable[Span], *, color: bool = True) -> str:
    """The row with escape codes; each span ends its own style, so that rows can be cut and joined."""
    told = []
    for text, style in row:
        code = codes(style, color=color) if style else ""
        told.append(f"\x1b[{code}m{text}\x1b[0m" if code and text else text)
    return "".join(told)


def wrapped(spans: Sequence[Span], width: int) -> list[Row]:
    """Rows of at most `width` cells, broken between words if possible, and at each newline."""
    rows: list[Row] = []
    for line in _lines(spans):
        text = plain(line)
        rows += [_part(line, start, end) for start, end in breaks(text, width)]
    return rows


def folded(row: Row, width: int) -> list[Row]:
    """The row wrapped as a terminal does it: at the edge, also within a word."""
    if row_cells(row) <= width:
        return [row]
    text, at = plain(row), 0
    rows = []
    while at < len(text):
        end = at + max(cut(text[at:], width), 1)
        rows.append(_part(row, at, end))
        at = end
    return rows


def cut_row(row: Row, width: int, mark: str = "…") -> Row:
    """The row in at most `width` cells, with `mark` at its end if it was cut."""
    if row_cells(row) <= width:
        return row
    end = cut(plain(row), max(width - cells(mark), 0))
    style = row[-1].style if row else ""
    return (*_part(row, 0, end), Span(mark if cells(mark) <= width else "", style))


def _lines(spans: Sequence[Span]) -> list[list[Span]]:
    """The spans, line by line."""
    lines: list[list[Span]] = [[]]
    for text, style in spans:
        first, *rest = text.split("\n")
        if first:
            lines[-1].append(Span(first, style))
        lines += [[Span(piece, style)] if piece else [] for piece in rest]
    return lines


def _part(spans: Sequence[Span], start: int, end: int) -> Row:
    """The characters from `start` to `end`."""
    part, at = [], 0
    for text, style in spans:
        if at >= end:
            break
        if at + len(text) > start:
            part.append(Span(text[max(start - at, 0) : end - at], style))
        at += len(text)
    return tuple(part)

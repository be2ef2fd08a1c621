"""A Markdown table as rows: with aligned columns, narrowed to the terminal, else one record per row.

Pure: cells as spans in, rows out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from headwater.terminal.spans import BLANK, Row, Span, plain, row_cells, wrapped
from headwater.terminal.wrap import cells

__all__ = ("Align", "table_rows")

Align: TypeAlias = Literal["left", "right", "center"]
Cell: TypeAlias = Sequence[Span]

GAP: Final = 2
"""Cells between two columns."""

LEAST_WIDTH: Final = 8
"""Minimum width of a column on a narrow terminal: about a word."""


def table_rows(
    header: Sequence[Cell], body: Sequence[Sequence[Cell]], aligns: Sequence[Align], width: int, rule: str
) -> list[Row]:
    """The table in at most `width` cells a row; `rule` is the character that lines are drawn with."""
    columns = [list(column) for column in zip(header, *body, strict=True)]
    natural = [max(max(map(_natural, column)), 1) for column in columns]
    room = width - GAP * (len(columns) - 1)
    least = [min(size, LEAST_WIDTH) for size in natural]
    if sum(least) > room:
        return _records(header, body, width)
    widths = _shared(natural, least, room)
    line = _joined([Span(rule * size, "dim") for size in widths])
    folded = [_cells(row, widths, aligns) for row in body]
    tall = any(len(rows) > 1 for rows in folded)
    rows = [*_cells([_strong(cell) for cell in header], widths, aligns), line]
    for number, lines in enumerate(folded):
        if number and tall:
            rows.append(line)
        rows += lines
    return rows


def _natural(cell: Cell) -> int:
    """Returns the width of a cell without wrapping."""
    return max((cells(line) for line in plain(cell).split("\n")), default=0)


def _strong(cell: Cell) -> list[Span]:
    return [Span(text, style if "strong" in style.split() else f"strong {style}".strip()) for text, style in cell]


def _shared(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The columns' widths: what they need, the widest made narrower until all fit."""
    widths = list(natural)
    while sum(widths) > room:
        over = sum(widths) - room
        widest = max(width for width, low in zip(widths, least, strict=True) if width > low)
        at = [n for n, width in enumerate(widths) if width == widest and width > least[n]]
        below = max([width for width in widths if width < widest] + [max(least[n] for n in at)])
        step = max(min(widest - below, -(-over // len(at))), 1)
        for n in at:
            widths[n] = max(widths[n] - min(step, over), least[n])
            over = sum(widths) - room
            if over <= 0:
                break
    return widths


def _cells(row: Sequence[Cell], widths: Sequence[int], aligns: Sequence[Align]) -> list[Row]:
    """The rows of one row of the table."""
    columns = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    height = max(map(len, columns))
    rows = []
    for line in range(height):
        told: list[Span] = []
        for number, (column, width, align) in enumerate(zip(columns, widths, aligns, strict=True)):
            piece = column[line] if line < len(column) else BLANK
            room = max(width - row_cells(piece), 0)
            left = {"left": 0, "right": room, "center": room // 2}[align]
            last = number == len(widths) - 1
            told += [Span(" " * left), *piece, Span("" if last else " " * (room - left + GAP))]
        rows.append(_without_trailing(told))
    return rows


def _joined(pieces: Sequence[Span]) -> Row:
    told: list[Span] = []
    for piece in pieces:
        told += [piece, Span(" " * GAP)]
    return tuple(told[:-1])


def _without_trailing(row: Sequence[Span]) -> Row:
    """The row without spans that say nothing, and without spaces at its end."""
    kept = [span for span in row if span.text]
    while kept and not kept[-1].text.strip(" "):
        kept.pop()
    return tuple(kept)


def _records(header: Sequence[Cell], body: Sequence[Sequence[Cell]], width: int) -> list[Row]:
    """The table where its columns have no room: each row as a paragraph, a line a cell."""
    rows: list[Row] = []
    for number, row in enumerate(body):
        if number:
            rows.append(BLANK)
        for name, cell in zip(header, row, strict=True):
            rows += wrapped([*_strong(name), Span(": " if plain(name).strip() else ""), *cell], width)
    return rows if body else [row for name in header for row in wrapped(_strong(name), width)]

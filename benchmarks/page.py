"""Writes the results to docs/performance.md and README.md, between their marks, and draws the charts."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from html import escape

from benchmarks.lab import ROOT, Table, machine

__all__ = ("chart", "fill", "write")

PAGE = ROOT / "docs" / "performance.md"
ASSETS = ROOT / "docs" / "assets"
FRONT = ROOT / "README.md"


def write(tables: Iterable[Table], *, whole: bool = True) -> None:
    """Fills the marks and draws the charts; marks without new results are not changed.

    Unless the `whole` page was measured, each table says itself when and on what; in README.md it always does.
    """
    text = PAGE.read_text(encoding="utf-8")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    measured = f"Measured on {today}: {machine()}."
    for table in tables:
        body = str(table)
        if table.bars:
            name = f"performance-{table.name}.svg"
            (ASSETS / name).write_text(chart(table), encoding="utf-8")
            body += f"\n\n![{table.title}: {table.unit}](assets/{name})"
        text = fill(text, table.name, body if whole else f"{body}\n\n{measured}")
        if table.readme:
            front = fill(FRONT.read_text(encoding="utf-8"), table.name, f"{table.shortened()}\n\n{measured}")
            FRONT.write_text(front, encoding="utf-8")
    PAGE.write_text(fill(text, "machine", measured) if whole else text, encoding="utf-8")


def fill(text: str, name: str, body: str) -> str:
    """Returns `text` with `body` between the marks `<!-- name -->` and `<!-- /name -->`. Raises LookupError if
    missing."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not marked.search(text):
        raise LookupError(f"The page has no marks {begin} … {end}.")
    return marked.sub(lambda _: f"{begin}\n\n{body}\n\n{end}", text, count=1)


def chart(table: Table) -> str:
    """A horizontal bar chart, readable on light and dark backgrounds."""
    width, label, row = 720, 210, 26
    height = row * len(table.bars) + 34
    most = max(value for _, value in table.bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(table.title)}">',
        "<style>text{font:13px system-ui,sans-serif;fill:#444}.u{fill:#2a7ab0}.o{fill:#9aa5ad}"
        "@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>",
    ]
    for number, (name, value) in enumerate(table.bars):
        top = number * row + 6
        long = max(2, value / most * (width - label - 90))
        kind = "u" if name.startswith("headwater") else "o"
        shown = f"{value:.2f}" if value < 10 else f"{value:.0f}"
        lines += [
            f'<text x="{label - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{label}" y="{top}" width="{long:.1f}" height="18" rx="3"/>',
            f'<text x="{label + long + 6:.1f}" y="{top + 14}">{shown}</text>',
        ]
    lines += [f'<text x="{label}" y="{height - 8}">{escape(table.unit)}</text>', "</svg>"]
    return "\n".join(lines) + "\n"

"""Finds the rows of a growing paragraph that can no longer change, so that they may scroll away.

Pure, except for the parsers' imports.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from headwater.terminal.markdown.inline import spans
from headwater.terminal.markdown.parser import tree
from headwater.terminal.spans import Row, Span, wrapped

__all__ = ("paragraph_rows", "settled_rows")

_OPENS: Final = re.compile(r"\*(?!\s|$)|(?<![^\W_])_(?!\s|$)|~~|`|\[|<[A-Za-z/!?]")
"""A mark whose closing mark may still come."""

_WORD: Final = re.compile(r"(?<=[ \n])(?=[^\W\d_][^\s*_~`\[\]<>&\\]*\s)")
"""Where a whole word without marks begins, with a letter: a line that begins so is more of a paragraph, and the row
above it has no room for it, however the text goes on."""

ATTEMPTS: Final = 4
"""Ends that are tried: where none of them will do, the paragraph is shown when it is finished."""


def paragraph_rows(source: str, width: int) -> list[Row] | None:
    """Returns the rows of a paragraph; None if the source is something else."""
    children = tree(source).children
    if len(children) != 1 or children[0].type != "paragraph":
        return None
    return wrapped(_inline(source), width)


def settled_rows(source: str, width: int, most: int) -> tuple[list[Row], int] | None:
    """At most `most` first rows, and how many characters of the source they take; None where none is settled.

    What is left of the source is a paragraph whose rows are the other ones, however it goes on. (An underline, which
    makes a heading of the lines above it, then makes one of the rest alone.)
    """
    rows = paragraph_rows(source, width)
    if rows is None:
        return None
    words = [match.start() for match in _WORD.finditer(source)]
    for count in range(min(most, len(rows) - 1), 0, -1)[:ATTEMPTS]:
        at = bisect_right(words, count, key=lambda word: len(wrapped(_inline(source[:word].rstrip()), width)))
        if at == 0:
            return None
        begun = _inline(source[: words[at - 1]].rstrip())
        taken = wrapped(begun, width)
        if taken == rows[: len(taken)] and not _may_change(begun):
            return taken, words[at - 1]
    return None


def _inline(source: str) -> list[Span]:
    return [span for block in tree(source).children for inline in block.children for span in spans(inline)]


def _may_change(said: Sequence[Span]) -> bool:
    return any(_OPENS.search(text) is not None for text, style in said if "code" not in style.split())

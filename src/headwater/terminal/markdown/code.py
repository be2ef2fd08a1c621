"""Syntax highlighting, one line at a time: a line does not wait for the next one.

Uses pygments. Its lexers cannot be paused and continued, so a bounded number of earlier lines is lexed again with each
new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headwater.terminal.spans import Row, Span

if TYPE_CHECKING:
    from pygments.lexer import Lexer

__all__ = ("Code",)

LINES_READ_AGAIN: Final = 32
"""After so many lines the first half is dropped, if the second is highlighted in the same way without it."""

LINES_AT_MOST: Final = 96
"""So many are read again at most: a longer string or comment may lose its color in its middle."""

CHARACTERS_A_LINE: Final = 1_000
"""Maximum length of a highlighted line: a longer one is data rather than code."""


class Code:
    """The lines of one block of code: `line` returns each as a row."""

    def __init__(self, language: str) -> None:
        self._lexer = _lexer(language)
        self._lines: list[str] = []

    def line(self, text: str) -> Row:
        """The next line, without its newline."""
        if self._lexer is None:
            return (Span(text),) if text else ()
        if len(text) > CHARACTERS_A_LINE:
            self._lines.clear()
            return (Span(text),)
        self._lines.append(text)
        rows = self._read(self._lines)
        if len(self._lines) >= LINES_READ_AGAIN:
            self._forget(rows)
        return rows[-1]

    def _forget(self, rows: list[Row]) -> None:
        kept = self._lines[-LINES_READ_AGAIN // 2 :]
        if len(self._lines) >= LINES_AT_MOST or self._read(kept) == rows[-len(kept) :]:
            self._lines = kept

    def _read(self, lines: list[str]) -> list[Row]:
        """All the lines as rows."""
        assert self._lexer is not None
        rows: list[list[Span]] = [[]]
        for kind, text in self._lexer.get_tokens("\n".join(lines)):
            style = _style(str(kind))
            first, *rest = text.split("\n")
            _append(rows[-1], first, style)
            for piece in rest:
                rows.append([])
                _append(rows[-1], piece, style)
        rows += [[] for _ in range(len(lines) - len(rows))]
        return [tuple(row) for row in rows[: len(lines)]]


def _append(row: list[Span], text: str, style: str) -> None:
    """Add text to the row, to the span before it where that looks the same."""
    if not text:
        return
    if row and row[-1].style == style:
        row[-1] = Span(row[-1].text + text, style)
    else:
        row.append(Span(text, style))


_STYLES: Final = {
    "Comment": "comment",
    "Comment.Preproc": "mark",
    "Generic.Deleted": "bad",
    "Generic.Heading": "strong",
    "Generic.Inserted": "good",
    "Generic.Prompt": "dim",
    "Generic.Subheading": "strong",
    "Keyword": "keyword",
    "Keyword.Constant": "number",
    "Literal.Number": "number",
    "Literal.String": "string",
    "Literal.String.Interpol": "mark",
    "Name.Attribute": "name",
    "Name.Builtin": "accent",
    "Name.Class": "name",
    "Name.Decorator": "mark",
    "Name.Exception": "mark",
    "Name.Function": "name",
    "Name.Tag": "keyword",
    "Operator.Word": "keyword",
}
"""Kinds of tokens, as pygments names them, to styles; a kind that is not here looks as the one above it."""


def _style(kind: str) -> str:
    name = kind.removeprefix("Token.")
    while name:
        if (style := _STYLES.get(name)) is not None:
            return style
        name = name.rpartition(".")[0]
    return ""


def _lexer(language: str) -> Lexer | None:
    """Returns the lexer of the language; None if it is unknown."""
    name = language.split(maxsplit=1)[0].strip("{}.,:").lower() if language.strip() else ""
    if not name:
        return None
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None

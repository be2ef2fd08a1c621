"""Makes the page's own modules shorter without changing what they do: no comments, no whitespace that means nothing.

Owns how JavaScript is cut into tokens. A text within a string, a template or a regular expression is never changed, but
for the templates of `html`, where htm ignores whitespace around lines too. The modules end every statement with its
semicolon, so the end of a line means nothing: without one, the script would be no JavaScript. It must never see a
vendored module: those are as they were published.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ("script", "style")

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<word>[\w$\#]+(?:(?<=\d)\.\d+)?)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<template>`)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_PATTERN: Final = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/\w*")
_BEFORE_PATTERN: Final = frozenset({*"(,=:[!&|?{};+-*%<>~^", "return", "typeof", "case", "of", "in"})
"""Where a slash does not divide: after one of these, or at the beginning, it begins a regular expression."""
_TAG: Final = "html"
_JOINED: Final = re.compile(r"[\w$#]{2}|\+\+|--|//")
"""Two characters that would become one token."""


def script(source: str) -> str:
    """Returns a module's source with the same meaning. Raises ValueError where a template or text has no end."""
    return _Reader(source).code()


def style(sheet: str) -> str:
    """Returns a style sheet without comments and unnecessary whitespace."""
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    return re.sub(r"\s*([{};,>])\s*|(?<=:)\s+", r"\1", re.sub(r"\s+", " ", sheet)).replace(";}", "}").strip()


class _Reader:
    """Reads a source from its beginning to its end, once."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0

    def code(self, *, inner: bool = False) -> str:
        """Reads code up to its end; `inner` is what stands between `${` and `}`."""
        told: list[str] = []
        last, spaced, depth = "", False, 0
        while self.at < len(self.source):
            found = _TOKEN.match(self.source, self.at)
            assert found is not None
            if found["space"]:
                spaced, self.at = True, found.end()
                continue
            if inner and depth == 0 and found["mark"] == "}":
                return "".join(told)
            token = self.token(found, last)
            depth += (token == "{") - (token == "}")
            if spaced and last and _JOINED.fullmatch(last[-1] + token[0]):
                told.append(" ")
            told.append(token)
            last, spaced = token, False
        if inner:
            raise ValueError("A template of the page has no end.")
        return "".join(told)

    def token(self, found: re.Match[str], last: str) -> str:
        """Reads one token, which follows on the token `last`."""
        if found["template"]:
            self.at += 1
            return self.template(tagged=last == _TAG)
        if found["mark"] == "/" and (not last or last in _BEFORE_PATTERN):
            found = _PATTERN.match(self.source, self.at) or found
        elif found["mark"] in ("'", '"'):
            raise ValueError(f"A text of the page has no end: {self.source[self.at : self.at + 40]!r}")
        self.at = found.end()
        return found[0]

    def template(self, *, tagged: bool) -> str:
        """Reads the rest of a template, after its first backquote."""
        told, markup = ["`"], _Markup()
        begin = self.at
        while self.at < len(self.source):
            one = self.source[self.at]
            hole = self.source.startswith("${", self.at)
            if one == "`" or hole:
                text = self.source[begin : self.at]
                told.append(markup.shorter(text) if tagged else text)
                self.at += 2 if hole else 1
                if not hole:
                    return "".join((*told, "`"))
                told.append(f"${{{self.code(inner=True)}}}")
                self.at += 1
                begin = self.at
            else:
                self.at += 2 if one == "\\" else 1
        raise ValueError("A template of the page has no end.")


class _Markup:
    """The markup of one template of `html`, whose texts come one after the other, between its values."""

    _PIECE: Final = re.compile(r"""\s+|"[^"]*"?|'[^']*'?|[^\s<>"']+|.""")

    def __init__(self) -> None:
        self.in_tag = False
        self.quote = ""

    def shorter(self, text: str) -> str:
        """Returns the next text without the whitespace that htm ignores."""
        told: list[str] = []
        at = 0
        if self.quote:  # a value stood in the middle of an attribute
            at = text.find(self.quote) + 1
            if not at:
                return text
            told.append(text[:at])
            self.quote = ""
        while at < len(text):
            if self.in_tag:
                at = self.tag(text, at, told)
            else:
                end = text.find("<", at)
                end = len(text) if end < 0 else end
                told.append(re.sub(r"^\s*\n\s*|\s*\n\s*$", "", text[at:end]))
                if end < len(text):
                    told.append("<")
                    self.in_tag = True
                at = end + 1
        return "".join(told)

    def tag(self, text: str, at: int, told: list[str]) -> int:
        """Reads one piece within a tag."""
        found = self._PIECE.match(text, at)
        assert found is not None
        piece = found[0]
        if piece.isspace():
            if not text.startswith(("/>", ">"), found.end()):
                told.append(" ")
            return found.end()
        if piece == ">":
            self.in_tag = False
        elif piece[0] in "\"'" and (len(piece) == 1 or piece[-1] != piece[0]):
            self.quote = piece[0]
        told.append(piece)
        return found.end()

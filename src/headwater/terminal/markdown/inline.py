"""The inline content of a Markdown block as spans: bold, italics, code, links.

Pure, except for the parser's imports.
"""

from __future__ import annotations

import re
from typing import Final

from markdown_it.tree import SyntaxTreeNode

from headwater.terminal.spans import Span

__all__ = ("spans",)

_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
_STYLES: Final = {"strong": "strong", "em": "emphasis", "s": "struck", "link": "link"}


def spans(node: SyntaxTreeNode, style: str = "") -> list[Span]:
    """The text of a paragraph, heading or cell; a newline is a line's end."""
    found: list[Span] = []
    for child in node.children:
        _gather(child, style, found)
    return found


def _gather(node: SyntaxTreeNode, style: str, found: list[Span]) -> None:
    kind = node.type
    if kind in ("text", "text_special"):
        found.append(Span(node.content, style))
    elif kind == "code_inline":
        found.append(Span(node.content, _both(style, "code")))
    elif kind in ("softbreak", "hardbreak"):
        found.append(Span("\n", style))
    elif kind == "html_inline":
        found.append(Span("\n" if _BREAK.fullmatch(node.content) else node.content, style))
    elif kind == "image":
        _link(node, str(node.attrs.get("src", "")), style, found)
    elif kind == "link":
        _link(node, str(node.attrs.get("href", "")), style, found)
    else:  # strong, em, s; and the root of it all, inline
        inner = _both(style, _STYLES.get(kind, ""))
        for child in node.children:
            _gather(child, inner, found)


def _link(node: SyntaxTreeNode, address: str, style: str, found: list[Span]) -> None:
    """Returns the text of a link, then its address unless the text contains it."""
    at = len(found)
    for child in node.children:
        _gather(child, _both(style, "link"), found)
    words = "".join(span.text for span in found[at:])
    if not words:
        found.append(Span(address, _both(style, "link")))
    elif address and words not in (address, address.removeprefix("mailto:")):
        found.append(Span(f" ({address})", _both(style, "dim")))


def _both(one: str, other: str) -> str:
    return f"{one} {other}".strip() if other not in one.split() else one

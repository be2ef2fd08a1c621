"""The Markdown parser (markdown-it-py), set up as a terminal needs it: the one file that knows it.

CommonMark with tables and struck text. References (`[text][1]`, defined somewhere) stay as they stand in the text: what
is on the screen already could not become a link when its address comes at the end. Each newline is one, as in the chats
that models write for.
"""

from __future__ import annotations

from functools import cache

import msgspec
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

__all__ = ("Fence", "Top", "is_empty", "outline", "tree")


class Fence(msgspec.Struct, frozen=True):
    """How a fenced block of code was opened: what its lines are compared with."""

    info: str
    mark: str
    length: int
    indent: int

    def ended_by(self, line: str) -> bool:
        """Whether the line closes it."""
        bare = line.lstrip(" ")
        if len(line) - len(bare) > 3:
            return False
        rest = bare.lstrip(self.mark)
        return len(bare) - len(rest) >= self.length and not rest.strip(" \t")

    def content(self, line: str) -> str:
        """The line without as much of its indent as the fence has."""
        spaces = len(line) - len(line.lstrip(" "))
        return line[min(spaces, self.indent) :]


class Top(msgspec.Struct, frozen=True):
    """A block at the top: its first line, and those of a list's items, which is else the first line alone."""

    first: int
    items: list[int]
    is_list: bool = False
    number: int | None = None
    """The first item's, where the list is ordered."""
    fence: Fence | None = None


def outline(source: str) -> list[Top]:
    """The blocks that stand at the top of `source`, in order. What is inside them is not read but for lists."""
    tops: list[Top] = []
    lines = source.split("\n")
    items: list[int] = []
    for token in _outliner().parse(source):
        if token.type == "list_item_open" and token.level == 1 and token.map is not None:
            items.append(token.map[0])
        if token.level > 0 or token.map is None:
            continue
        first = token.map[0]
        if token.type in ("bullet_list_open", "ordered_list_open"):
            items = []
            number = int(token.attrs.get("start", 1)) if token.type == "ordered_list_open" else None
            tops.append(Top(first, items, True, number))
        elif token.type == "fence":
            indent = len(lines[first]) - len(lines[first].lstrip(" "))
            fence = Fence(token.info.strip(), token.markup[0], len(token.markup), indent)
            tops.append(Top(first, [first], fence=fence))
        else:
            tops.append(Top(first, [first]))
    return tops


def is_empty(line: str) -> bool:
    """Whether a line is empty except for quote marks."""
    return not line.strip(" \t\n>")


def tree(source: str) -> SyntaxTreeNode:
    """All of `source`, its inline parts read too."""
    return SyntaxTreeNode(_reader().parse(source))


@cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("reference")
    # Addresses are shown and never opened: none is dangerous, and they are shown as they were written.
    reader.validateLink = lambda url: True  # type: ignore[method-assign]
    reader.normalizeLink = lambda url: url  # type: ignore[method-assign]
    return reader


@cache
def _outliner() -> MarkdownIt:
    outliner = MarkdownIt("commonmark").enable("table").disable("reference")
    outliner.core.ruler.enableOnly(["normalize", "block"])
    return outliner

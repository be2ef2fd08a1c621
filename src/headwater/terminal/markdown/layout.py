"""Markdown blocks as rows of a width: paragraphs, lists, tables, quotes, code.

Owns the look of each kind of block and the space between blocks. Pure, except for the parsers' imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from markdown_it.tree import SyntaxTreeNode

from headwater.terminal.markdown.blocks import Block
from headwater.terminal.markdown.code import Code
from headwater.terminal.markdown.inline import spans
from headwater.terminal.markdown.parser import is_empty, tree
from headwater.terminal.markdown.table import Align, table_rows
from headwater.terminal.spans import BLANK, Row, Span, wrapped
from headwater.terminal.wrap import cells, settled

__all__ = ("ASCII_SIGNS", "SIGNS", "Layout", "Signs", "document_rows")

LEAST_WIDTH: Final = 8
"""Minimum width of text at any indent."""


class Signs(NamedTuple):
    """The symbols of lists, quotes and lines."""

    bullets: str
    """One for each depth of a list, again from the first below those."""
    quote: str
    rule: str


SIGNS: Final = Signs("•◦▪", "▎", "─")
ASCII_SIGNS: Final = Signs("*-+", "|", "-")


class Layout:
    """Draws one text's blocks, in order, as rows of at most `width` cells (lines of code apart, which stay whole)."""

    def __init__(self, width: Callable[[], int], signs: Signs = SIGNS) -> None:
        self._asked = width
        self._width = width()
        self._signs = signs
        self._code: Code | None = None

    def finished(self, block: Block) -> list[Row]:
        """The rows of the next finished block, without the empty row before it."""
        self._width = self._asked()
        if block.kind == "fence":
            self._code = Code(block.source)
            return [self._fence(block.source, self._width)]
        if block.kind == "end":
            self._code = None
            return [self._fence("", self._width)]
        if block.kind == "code":
            return [self._code.line(block.source) if self._code else (Span(block.source),)]
        return self._block(block)

    def open(self, block: Block) -> list[Row]:
        """The rows of a block that goes on, as it looks now."""
        self._width = self._asked()
        if block.kind == "fence":
            return [self._fence(block.source, self._width)]
        if block.kind == "code":
            return [(Span(block.source),)]
        return self._block(block)

    def _block(self, block: Block) -> list[Row]:
        rows: list[Row] = []
        lines = block.source.split("\n")
        for node in tree(block.source).children:
            if block.kind == "item" and node.type in ("bullet_list", "ordered_list"):
                told = self._list(node, self._width, 0, lines, block.number)
            else:
                told = self.rows(node, self._width, lines)
            rows += [BLANK, *told] if rows and told else told
        return rows

    # --- kinds of blocks

    def rows(self, node: SyntaxTreeNode, width: int, lines: Sequence[str], depth: int = 0) -> list[Row]:
        """The rows of a block of any kind; `lines` are the source, `depth` how many lists it stands in."""
        width = max(width, LEAST_WIDTH)
        match node.type:
            case "paragraph":
                return wrapped(_inline(node), width)
            case "heading":
                title = _inline(node, "title" if node.tag == "h1" else "heading")
                return wrapped(title, width) if title else []
            case "bullet_list" | "ordered_list":
                return self._list(node, width, depth, lines)
            case "blockquote":
                bar = Span(f"{self._signs.quote} ", "dim")
                inner = list(self._children(node, width - 2, lines, depth, parted=True))
                return [(bar, *row) for row in inner]
            case "fence" | "code_block":
                return self._whole_code(node, width)
            case "table":
                return self._table(node, width)
            case "hr":
                return [(Span(self._signs.rule * width, "dim"),)]
            case _:  # HTML, which is shown unchanged
                return wrapped([Span(node.content.rstrip("\n"))], width)

    def _children(
        self, node: SyntaxTreeNode, width: int, lines: Sequence[str], depth: int, *, parted: bool
    ) -> Iterator[Row]:
        """Returns the rows of a block's children, separated by an empty row as in the source, or always (`parted`)."""
        for number, child in enumerate(node.children):
            if number and (parted or _after_empty(child, lines)):
                yield BLANK
            yield from self.rows(child, width, lines, depth)

    def _list(
        self, node: SyntaxTreeNode, width: int, depth: int, lines: Sequence[str], first: int | None = None
    ) -> list[Row]:
        ordered = node.type == "ordered_list"
        start = first if first is not None else int(node.attrs.get("start", 1)) if ordered else 0
        rows: list[Row] = []
        for number, item in enumerate(node.children):
            if number and _after_empty(item, lines):
                rows.append(BLANK)
            sign = f"{start + number}." if ordered else self._signs.bullets[depth % len(self._signs.bullets)]
            marker = Span(f" {sign} " if depth == 0 else f"{sign} ", "accent")
            indent = cells(marker.text)
            inner = list(self._children(item, width - indent, lines, depth + 1, parted=False))
            for at, row in enumerate(inner or [BLANK]):
                rows.append((marker, *row) if at == 0 else (Span(" " * indent), *row) if row else BLANK)
        return rows

    def _fence(self, info: str, width: int) -> Row:
        """The line over a block of code, with its language, or under it."""
        rule, name = self._signs.rule, info.split(maxsplit=1)[0] if info.strip() else ""
        title = f"{rule * 2} {name} " if name and len(name) < width - 8 else ""
        return (Span(title + rule * (width - cells(title)), "dim"),)

    def _whole_code(self, node: SyntaxTreeNode, width: int) -> list[Row]:
        """Code in another block: empty lines at its end may be those between blocks, and are left out."""
        return self.code(node, node.content.rstrip(), width)

    def code(self, node: SyntaxTreeNode, content: str, width: int) -> list[Row]:
        """A whole block of code."""
        info = node.info.strip() if node.type == "fence" else ""
        code = Code(info)
        lines = content.removesuffix("\n").split("\n") if content else []
        return [self._fence(info, width), *(code.line(line) for line in lines), self._fence("", width)]

    def _table(self, node: SyntaxTreeNode, width: int) -> list[Row]:
        header, *body = (row.children for part in node.children for row in part.children)
        aligns: list[Align] = [_align(cell) for cell in header]
        told = [[_inline(cell) for cell in row] for row in body]
        return table_rows([_inline(cell) for cell in header], told, aligns, width, self._signs.rule)


def document_rows(text: str, width: int, signs: Signs = SIGNS) -> list[Row]:
    """Returns a complete text as rows, parsed at once: the same rows as those of its blocks."""
    layout = Layout(lambda: width, signs)
    source = settled(text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = source.split("\n")
    rows: list[Row] = []
    for node in tree(source).children:
        told = layout.code(node, node.content, width) if node.type == "fence" else layout.rows(node, width, lines)
        rows += [BLANK, *told] if rows and told else told
    return rows


def _inline(node: SyntaxTreeNode, style: str = "") -> list[Span]:
    return [span for child in node.children for span in spans(child, style)]


def _align(cell: SyntaxTreeNode) -> Align:
    told: Any = cell.attrs.get("style", "")
    return "right" if "right" in told else "center" if "center" in told else "left"


def _after_empty(node: SyntaxTreeNode, lines: Sequence[str]) -> bool:
    """Whether the line before the block is empty."""
    first = node.map[0] if node.map else 0
    return first > 0 and is_empty(lines[first - 1])

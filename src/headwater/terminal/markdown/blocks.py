"""Streaming Markdown in blocks: which part is finished and final, and which is open.

The parser (markdown-it-py) decides where a block ends; this module calls it while the text streams. The invariant: for
any cut of the text into pieces, the blocks are the same, and their rows together are those of the complete text. Only
complete lines are parsed, because an open line may still become something else.

Pure, except for the imports of the parser.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from headwater.terminal.markdown.parser import Fence, is_empty, outline
from headwater.terminal.wrap import settled

__all__ = ("Block", "Blocks")

Kind: TypeAlias = Literal["block", "item", "fence", "code", "end"]

CHARACTERS_A_BLOCK: Final = 12_000
"""Maximum length of a block, because each line parses it again; a longer one is cut at the end of a line."""

CHARACTERS_A_LINE: Final = 4_000
"""Maximum length of a line, for the same reason; a longer one is cut at a space."""

MARKS: Final = "#*_->`~|+=: \t"
"""A line of only these characters may still become any block."""


class Block(msgspec.Struct, frozen=True):
    """A part of the text that is shown separately.

    A block of code has one block for its opening fence (`source` is the language), one for each line, and one for its
    end. Each item of a list is a block.
    """

    source: str
    kind: Kind = "block"
    number: int | None = None
    """The number of an item of an ordered list, which may differ from the one in the source."""
    apart: bool = True
    """Whether there is an empty line before it, unless it is the first."""


class Blocks:
    """Splits streaming text into blocks: `add` pieces, `take` finished blocks, and `finish` at the end."""

    def __init__(self) -> None:
        self._source = ""
        """The text after the last block."""
        self._seen = 0
        """Characters of it that were parsed: complete lines in which no block ends."""
        self._return = False
        """Whether the last character was a carriage return, which may yet be half of a line's end."""
        self._fence: Fence | None = None
        self._first: Block | None = None
        """The first block of the source, if its kind depends on text that was taken: an item of a list, the rest
        of what was cut."""

    def add(self, text: str) -> None:
        """Appends text."""
        if self._return or "\r" in text:
            text = self._line_ends(text)
        self._source += settled(text)
        if len(self._source) - self._seen > CHARACTERS_A_LINE:
            self._cut_lines()

    def take(self) -> list[Block]:
        """Returns the finished blocks that were not taken before."""
        taken: list[Block] = []
        while (whole := self._source.rfind("\n") + 1) > self._seen:
            if self._fence is not None:
                taken += self._take_code(whole)
            else:
                taken += self._take_blocks(whole)
        return taken

    def finish(self) -> list[Block]:
        """Returns the rest: the text has ended."""
        whole = self._source.rfind("\n") + 1
        if not self._source[whole:].strip(" \t"):
            self._source = self._source[:whole]  # only spaces do not count as a last line
        else:
            self._source += "\n"
        taken = self.take()
        if self._fence is not None:
            taken.append(Block("", "end", apart=False))
        else:
            taken += self.open()
        self.__init__()  # type: ignore[misc]  # unchanged
        return taken

    @property
    def source(self) -> str:
        """The end of the text, after the last finished block."""
        return self._source

    def open(self) -> list[Block]:
        """The unfinished blocks as they look now; a last line that consists only of marks is not shown yet."""
        whole = self._source.rfind("\n") + 1
        last = self._source[whole:]
        if self._fence is not None:
            shown = last and not last.lstrip(" ").startswith(self._fence.mark)
            return [Block(self._fence.content(last), "code", apart=False)] if shown else []
        source = self._source if last.strip(MARKS) else self._source[:whole]
        return [piece.block for piece in self._split(source)]

    def retract(self, text: str) -> bool:
        """Retracts `text`, the last text added. Returns whether all of it was open, so that none of it was taken."""
        over = len(settled(text.replace("\r\n", "\n"))) - len(self._source)
        self._source = self._source[: max(-over, 0)]
        self._seen = min(self._seen, len(self._source))
        self._return = False
        return over <= 0

    @property
    def undecided(self) -> bool:
        """Whether the last line may still change its meaning, or that of the lines above it."""
        last = self._source[self._source.rfind("\n") + 1 :]
        return bool(last) and not last.strip(MARKS)

    def cut(self, characters: int) -> None:
        """Removes so many characters of the first open block, which are final on the screen. The rest stays open."""
        piece = self._split(self._source)[0]
        self._drop(piece.begin + characters, first=Block("", apart=False))

    # --- lines

    def _line_ends(self, text: str) -> str:
        """The text with all three kinds of line ends written as a newline."""
        if self._return and text.startswith("\n"):
            text = text[1:]
        self._return = text.endswith("\r")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _cut_lines(self) -> None:
        """Ends lines that are too long."""
        begin = self._source.rfind("\n", 0, self._seen) + 1
        cut: list[str] = []
        for line in self._source[begin:].split("\n"):
            while len(line) > CHARACTERS_A_LINE:
                at = line.rfind(" ", 0, CHARACTERS_A_LINE) + 1 or CHARACTERS_A_LINE
                cut.append(line[:at])
                line = line[at:]
            cut.append(line)
        self._source = self._source[:begin] + "\n".join(cut)

    def _drop(self, characters: int, first: Block | None = None) -> None:
        """Drops the text that was taken; `first` is the first block of the rest."""
        self._source = self._source[characters:]
        self._seen = 0
        self._first = first

    # --- blocks

    def _take_code(self, whole: int) -> list[Block]:
        """Lines of code, up to the end of the fence if it was received."""
        assert self._fence is not None
        taken: list[Block] = []
        at = 0
        while at < whole:
            end = self._source.index("\n", at)
            line, at = self._source[at:end], end + 1
            if self._fence.ended_by(line):
                self._fence = None
                taken.append(Block("", "end", apart=False))
                break
            taken.append(Block(self._fence.content(line), "code", apart=False))
        self._drop(at)
        return taken

    def _take_blocks(self, whole: int) -> list[Block]:
        """Finished blocks: all of them, or those up to an opening fence or a block that is too long."""
        taken: list[Block] = []
        pieces = self._split(self._source[:whole])
        for number, (block, begin, end, fence) in enumerate(pieces, start=1):
            if fence is not None:
                taken.append(block)
                self._drop(end)
                self._fence = fence
                return taken
            if end - begin > CHARACTERS_A_BLOCK:
                at = self._source.rfind("\n", begin, begin + CHARACTERS_A_BLOCK) + 1
                taken.append(msgspec.structs.replace(block, source=self._source[begin:at]))
                self._drop(at, first=Block("", apart=False))
                return taken
            if number == len(pieces):
                self._drop(begin, first=block)
                self._seen = whole - begin
                return taken
            taken.append(block)
        self._drop(whole, self._first)  # only empty lines
        return taken

    def _split(self, source: str) -> list[_Piece]:
        """The blocks of `source`, up to a fence."""
        tops = outline(source)
        if not tops:
            return []
        starts = [0]
        while end := source.find("\n", starts[-1]) + 1:
            starts.append(end)
        if starts[-1] < len(source):
            starts.append(len(source))
        first = self._first
        pieces: list[_Piece] = []
        for at, top in enumerate(tops):
            after = tops[at + 1].first if at + 1 < len(tops) else len(starts) - 1
            if top.fence is not None:
                apart = at > 0 or first is None or first.apart
                block = Block(top.fence.info, "fence", apart=apart)
                pieces.append(_Piece(block, starts[top.first], starts[top.first + 1], top.fence))
                break
            for index, (begin, end) in enumerate(pairwise([*top.items, after])):
                block = Block(
                    source[starts[begin] : starts[end]].rstrip("\n"),
                    "item" if top.is_list else "block",
                    None if top.number is None else top.number + index,
                    index == 0 or is_empty(source[starts[begin - 1] : starts[begin]]),
                )
                if at == 0 and first is not None:
                    block = _going_on(block, first, index)
                pieces.append(_Piece(block, starts[begin], starts[end]))
        return pieces


class _Piece(NamedTuple):
    """A block, and its range in the source: up to the start of the next one."""

    block: Block
    begin: int
    end: int
    fence: Fence | None = None


def _going_on(block: Block, first: Block, index: int) -> Block:
    """The block as a continuation of `first`, `index` items after it."""
    number = block.number
    if number is not None and first.number is not None:
        number = first.number + index
    return Block(block.source, block.kind, number, block.apart if index else first.apart)

"""Text that is no Markdown, line by line as it comes: the same questions as of `markdown.blocks`, simpler answers.

Pure. A line is finished when it ends; one that is too long is cut at a space.
"""

from __future__ import annotations

from typing import Final

from headwater.terminal.wrap import settled

__all__ = ("Lines",)

CHARACTERS_A_LINE: Final = 4_000
"""A longer line is cut at a space: it is wrapped anew with every word."""


class Lines:
    """Takes text in pieces and gives it in lines: `add` pieces, `take` what is finished, and `finish` at the end."""

    def __init__(self) -> None:
        self._source = ""

    def add(self, text: str) -> None:
        """The text goes on."""
        self._source += settled(text.replace("\r", ""))

    def take(self) -> list[str]:
        """The lines that have ended, and were not taken before."""
        taken: list[str] = []
        for line in self._source.split("\n"):
            taken.append(line)
            while len(taken[-1]) > CHARACTERS_A_LINE:
                line = taken.pop()
                at = line.rfind(" ", 0, CHARACTERS_A_LINE) + 1 or CHARACTERS_A_LINE
                taken += [line[:at], line[at:]]
        self._source = taken.pop()
        return taken

    def finish(self) -> list[str]:
        """All that is left."""
        lines = self.take()
        last, self._source = self._source, ""
        return [*lines, last] if last else lines

    def open(self) -> list[str]:
        """The line that goes on."""
        return [self._source] if self._source else []

    def cut(self, characters: int) -> None:
        """Let go of the beginning of the line that goes on."""
        self._source = self._source[characters:]

    def retract(self, text: str) -> bool:
        """Take back `text`, the last that was added: whether all of it was open."""
        over = len(settled(text.replace("\r", ""))) - len(self._source)
        self._source = self._source[: max(-over, 0)]
        return over <= 0

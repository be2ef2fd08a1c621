"""Streaming plain text in lines, with the interface of `markdown.blocks`.

Pure. A line is finished at its newline; one that is too long is cut at a space.
"""

from __future__ import annotations

from typing import Final

from headwater.terminal.wrap import settled

__all__ = ("Lines",)

CHARACTERS_A_LINE: Final = 4_000
"""Maximum length of a line, because each word wraps it again; a longer one is cut at a space."""


class Lines:
    """Splits streaming text into lines: `add` pieces, `take` finished lines, and `finish` at the end."""

    def __init__(self) -> None:
        self._source = ""

    def add(self, text: str) -> None:
        """Appends text."""
        self._source += settled(text.replace("\r", ""))

    def take(self) -> list[str]:
        """Returns the finished lines that were not taken before."""
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
        """Returns the rest."""
        lines = self.take()
        last, self._source = self._source, ""
        return [*lines, last] if last else lines

    def open(self) -> list[str]:
        """The open line."""
        return [self._source] if self._source else []

    def cut(self, characters: int) -> None:
        """Removes the start of the open line."""
        self._source = self._source[characters:]

    def retract(self, text: str) -> bool:
        """Retracts `text` from the end. Returns whether all of it was open."""
        over = len(settled(text.replace("\r", ""))) - len(self._source)
        self._source = self._source[: max(-over, 0)]
        return over <= 0

"""The blocks of an agent's section: text of one kind, tools, notes.

Pure, and bounded: only the end of a long text is kept.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from headwater.terminal.run_view import Voice

__all__ = ("TEXT_KEPT", "Block", "Level", "Note", "ToolLine", "Words")

Level: TypeAlias = Literal["note", "question", "warning", "healed", "error", "cancelled"]

TEXT_KEPT: Final = 16_384
"""Minimum number of characters kept of an agent's text: enough for the largest screens."""


class Words:
    """The end of a text of one kind: at least the last `TEXT_KEPT` characters, at most twice as many."""

    __slots__ = ("_pieces", "_size", "start", "voice")

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.start: int = 0
        """Number of characters before the kept ones."""
        self._pieces: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Appends text."""
        self._pieces.append(text)
        self._size += len(text)
        if self._size > 2 * TEXT_KEPT:
            kept = "".join(self._pieces)[-TEXT_KEPT:]
            self.start += self._size - TEXT_KEPT
            self._pieces = [kept]
            self._size = TEXT_KEPT

    @property
    def end(self) -> int:
        """Total number of characters so far."""
        return self.start + self._size

    def since(self, position: int) -> str:
        """Returns the text after the first `position` characters, as far as it is kept."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0][max(position - self.start, 0) :] if self._pieces else ""


class ToolLine:
    """A running or ended tool; also an agent called as a tool."""

    __slots__ = ("duration", "error", "phrase", "progress", "started", "stopped")

    def __init__(self, phrase: str, started: float) -> None:
        self.phrase: str = phrase
        self.started: float = started
        self.progress: str = ""
        self.duration: float | None = None
        self.error: str | None = None
        self.stopped: bool = False
        """Whether the run ended before the tool did."""

    @property
    def running(self) -> bool:
        """Whether it is running."""
        return self.duration is None and not self.stopped


class Note:
    """A line about the run, not from a model."""

    __slots__ = ("level", "text")

    def __init__(self, text: str, level: Level) -> None:
        self.text: str = text
        self.level: Level = level


Block: TypeAlias = Words | ToolLine | Note

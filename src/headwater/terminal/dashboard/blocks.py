"""What an agent's section is made of: words in one voice, tools, notes.

Pure, and bounded: of a long text its end is kept.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from headwater.terminal.run_view import Voice

__all__ = ("TEXT_KEPT", "Block", "Level", "Note", "ToolLine", "Words")

Level: TypeAlias = Literal["note", "question", "warning", "healed", "error", "cancelled"]

TEXT_KEPT: Final = 16_384
"""Characters of an agent's words that are kept at least: what fills the largest screens."""


class Words:
    """The end of what was said in one voice: at least the last `TEXT_KEPT` characters, at most twice as many."""

    __slots__ = ("_pieces", "_size", "start", "voice")

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.start = 0
        """Characters that came before those that are kept."""
        self._pieces: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Say more."""
        self._pieces.append(text)
        self._size += len(text)
        if self._size > 2 * TEXT_KEPT:
            kept = "".join(self._pieces)[-TEXT_KEPT:]
            self.start += self._size - TEXT_KEPT
            self._pieces = [kept]
            self._size = TEXT_KEPT

    @property
    def end(self) -> int:
        """Characters said so far."""
        return self.start + self._size

    def since(self, position: int) -> str:
        """What was said after the first `position` characters, as far as it is kept."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0][max(position - self.start, 0) :] if self._pieces else ""


class ToolLine:
    """A tool at work, or what became of it; an agent called as a tool is one too."""

    __slots__ = ("duration", "error", "phrase", "progress", "started", "stopped")

    def __init__(self, phrase: str, started: float) -> None:
        self.phrase = phrase
        self.started = started
        self.progress = ""
        self.duration: float | None = None
        self.error: str | None = None
        self.stopped = False
        """Whether the run ended before the tool did."""

    @property
    def running(self) -> bool:
        """Whether it is at work."""
        return self.duration is None and not self.stopped


class Note:
    """A line about the run rather than of it."""

    __slots__ = ("level", "text")

    def __init__(self, text: str, level: Level) -> None:
        self.text = text
        self.level: Level = level


Block: TypeAlias = Words | ToolLine | Note

"""What was typed at the prompt of a chat, in this session and those before.

Owns the file: an entry a line, as JSON, for its owner alone, never more than MAX_ENTRIES for long. Where nothing is to
be kept, or nothing can be, the entries of this session are all there are.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Final

from headwater.cli.state import keeps, state_path

__all__ = ("MAX_ENTRIES", "Typed")

NAME: Final = "typed.jsonl"

MAX_ENTRIES: Final = 1000
"""How many are kept: more than anyone goes back to, and read in a millisecond."""

MAX_CHARS: Final = 10_000
"""A longer entry is not kept: it was pasted, and nobody looks for it here."""


class Typed:
    """Entries, the oldest first."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self._path: str | None = None
        if keeps():
            with contextlib.suppress(OSError):
                self._path = str(state_path(NAME))
                self.entries = _read(self._path)
                if len(self.entries) > MAX_ENTRIES:
                    self._shorten()

    def add(self, entry: str) -> bool:
        """Remember an entry, unless it is empty or the one before again; whether it is new."""
        if not entry.strip() or self.entries[-1:] == [entry]:
            return False
        self.entries.append(entry)
        if self._path is not None and len(entry) <= MAX_CHARS:
            # One write at the end of the file, so that two sessions at once lose nothing of each other.
            with contextlib.suppress(OSError):
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
                with os.fdopen(os.open(self._path, flags, 0o600), "wb") as file:
                    file.write(json.dumps(entry).encode() + b"\n")
        return True

    def _shorten(self) -> None:
        from headwater.backends.private_file import write_private

        assert self._path is not None
        self.entries = self.entries[-MAX_ENTRIES // 2 :]
        write_private(self._path, b"".join(json.dumps(entry).encode() + b"\n" for entry in self.entries))


def _read(path: str) -> list[str]:
    entries: list[str] = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):  # one that was cut
                entry = json.loads(line)
                if isinstance(entry, str):
                    entries.append(entry)
    return entries

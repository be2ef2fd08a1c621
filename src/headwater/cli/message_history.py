"""The history of messages typed at the chat prompt, in this session and earlier ones.

Owns the file: one JSON entry per line, private to the user, trimmed to MAX_ENTRIES. If storing is off or fails, the
history has only the entries of this session.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Final

from headwater.backends.state_folder import state_path
from headwater.cli.state import keeps

__all__ = ("MAX_ENTRIES", "Typed")

NAME: Final = "typed.jsonl"

MAX_ENTRIES: Final = 1000
"""Maximum number of entries: more than anyone scrolls back, and read in a millisecond."""

MAX_CHARS: Final = 10_000
"""Maximum length of an entry: a longer one was pasted, and is not stored."""


class Typed:
    """Entries, oldest first."""

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
        """Adds an entry, unless it is empty or repeats the last one. Returns whether it was added."""
        if not entry.strip() or self.entries[-1:] == [entry]:
            return False
        self.entries.append(entry)
        if self._path is not None and len(entry) <= MAX_CHARS:
            # A single append, so that concurrent sessions do not overwrite each other's entries.
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
            with contextlib.suppress(ValueError):  # a truncated entry
                entry = json.loads(line)
                if isinstance(entry, str):
                    entries.append(entry)
    return entries

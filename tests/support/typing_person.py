"""A simulated person at a terminal, for code in the test's own process: sees output and types input."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

PATIENCE = 60.0
"""Timeout in seconds of a wait for output."""


class Person:
    """Uses the terminal behind `ours`; reads in a separate thread."""

    def __init__(self, ours: int, theirs: int) -> None:
        self._ours = ours
        self._theirs = theirs
        self._changed = threading.Condition()
        self.seen = ""
        self.problem = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        self._typing: threading.Thread | None = None

    def type(self, keys: str) -> None:
        """Presses keys now."""
        os.write(self._ours, keys.encode())

    def has_typed(self) -> bool:
        """Waits until a typed line is available."""
        return bool(select.select([self._theirs], [], [], PATIENCE)[0])

    def types(self, *answers: tuple[str, str]) -> None:
        """For each pair: once the first text appears, after the previous ones, presses the keys of the second."""

        def work() -> None:
            at = 0
            for awaited, keys in answers:
                at = self._see(awaited, at)
                self.type(keys)

        self._typing = threading.Thread(target=work, daemon=True)
        self._typing.start()

    def _see(self, awaited: str, at: int) -> int:
        """Waits until it appears; returns its end."""
        with self._changed:
            if not self._changed.wait_for(lambda: awaited in self.seen[at:], PATIENCE):
                self.problem = self.problem or f"{awaited!r} was not seen: {self.seen[at:]!r}"
                return len(self.seen)
            return self.seen.index(awaited, at) + len(awaited)

    def leave(self) -> None:
        """Asserts that everything was typed; returns the last output."""
        if self._typing is not None:
            self._typing.join(PATIENCE)
        os.close(self._theirs)
        self._reading.join(PATIENCE)
        os.close(self._ours)
        assert not self.problem, self.problem

    def _read(self) -> None:
        with suppress(OSError):  # how Linux reports a closed peer
            while piece := os.read(self._ours, 65_536):
                with self._changed:
                    self.seen += piece.decode("utf-8", "replace").replace("\r\n", "\n")
                    self._changed.notify_all()


@contextmanager
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Replaces the standard streams by a terminal with a simulated person."""
    import pty

    ours, theirs = pty.openpty()
    person = Person(ours, theirs)
    with (
        open(theirs, encoding="utf-8", closefd=False) as stdin,
        open(theirs, "w", encoding="utf-8", closefd=False) as screen,
        monkeypatch.context() as patched,
    ):
        patched.setattr(sys, "stdin", stdin)
        patched.setattr(sys, "stdout", screen)
        patched.setattr(sys, "stderr", screen)
        patched.setenv("TERM", "xterm-256color")
        patched.setenv("NO_COLOR", "1")
        yield person
    person.leave()

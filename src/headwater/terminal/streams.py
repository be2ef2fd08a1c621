"""Redirects the program's standard streams, and the log handlers that use them, while a display is open.

Owns `sys.stdout` and `sys.stderr` between `take` and `release`. Writes nothing itself.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TextIO

from headwater.terminal.device import is_screen

__all__ = ("Streams",)

_TAKEN: Final = threading.Lock()
"""Held by the owner of the streams: two panels cannot share the bottom of one terminal."""


class Streams:
    """What the program prints on the terminal behind `file`: `write(text, stream)` is called with it, in any thread."""

    def __init__(self, file: TextIO, write: Callable[[str, TextIO], None]) -> None:
        self._file = file
        self._write = write
        self._taken = False
        self._led: list[tuple[str, Any, _Led]] = []
        self._handlers: list[tuple[logging.StreamHandler[Any], Any]] = []

    def take(self) -> bool:
        """Takes the streams. Returns False if they are in use. May be called twice."""
        if self._taken:
            return True
        if not _TAKEN.acquire(blocking=False):
            return False
        self._taken = True
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if is_screen(stream) and _same_terminal(stream, self._file):
                led = _Led(self._write, stream)
                self._led.append((name, stream, led))
                self._lead_handlers(stream, led)
                setattr(sys, name, led)
        return True

    def lend(self) -> None:
        """Returns the streams temporarily, for input."""
        for name, stream, led in self._led:
            if getattr(sys, name) is led:
                setattr(sys, name, stream)

    def take_back(self) -> None:
        """Takes them again."""
        for name, stream, led in self._led:
            if getattr(sys, name) is stream:
                setattr(sys, name, led)

    def release(self) -> None:
        """Returns the streams. May be called twice."""
        if not self._taken:
            return
        self._taken = False
        for handler, stream in self._handlers:
            handler.setStream(stream)
        self.lend()
        for _, _, led in self._led:
            led.release()
        self._handlers.clear()
        self._led.clear()
        _TAKEN.release()

    def _lead_handlers(self, stream: Any, led: _Led) -> None:
        """Redirects log handlers that use a stream."""
        known: list[Any] = [logging.root, *logging.root.manager.loggerDict.values()]
        for logger in known:
            for handler in getattr(logger, "handlers", ()):
                if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
                    handler.setStream(led)
                    self._handlers.append((handler, stream))


class _Led:
    """A standard stream whose text goes elsewhere; in everything else it is the stream that it stands for.

    Who kept it past the end (a log handler made meanwhile) writes to that stream.
    """

    def __init__(self, write: Callable[[str, TextIO], None], stream: TextIO) -> None:
        self._write: Callable[[str, TextIO], None] | None = write
        self._stream = stream

    def write(self, text: str) -> int:
        """Passes the text on."""
        if self._write is None:
            return self._stream.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._write(text, self._stream)
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Passes the lines on."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Does nothing: text is not buffered for long."""
        if self._write is None:
            self._stream.flush()

    def release(self) -> None:
        """Writes to the stream itself from now on."""
        self._write = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> _Led:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _same_terminal(one: Any, other: Any) -> bool:
    """Whether two files lead to the same terminal."""
    try:
        return os.fstat(one.fileno()).st_rdev == os.fstat(other.fileno()).st_rdev
    except (AttributeError, OSError, ValueError):
        return one is other

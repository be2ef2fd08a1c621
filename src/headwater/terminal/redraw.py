"""Rows that are redrawn in place at the bottom of what a terminal shows, and text that goes above them.

Owns every escape code that moves the cursor, and `input` and SIGCONT while a panel stands there; `streams` leads what
the program prints here. Between two calls the cursor is visible, at the beginning of the line under the last row:
whatever ends the process leaves the terminal as it was.
"""

from __future__ import annotations

import builtins
import contextlib
import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TextIO

from headwater.terminal.device import put, size_of
from headwater.terminal.streams import Streams
from headwater.terminal.wrap import cells, cut, settled

__all__ = ("Screen",)

_BEGIN: Final = "\x1b[?2026h\x1b[?25l\x1b[?7l"  # synchronized output, if supported; no cursor; no wrapping
_ESC: Final = "\x1b"
_RESET: Final = "\x1b[0m"
_END: Final = "\x1b[?7h\x1b[?25h\x1b[?2026l"
_ESCAPE: Final = re.compile("\x1b(?:\\[[0-9;:?]*[ -/]*[@-~]|[@-Z\\\\-_]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?)")

SECONDS_BETWEEN_PRINTS: Final = 0.05
"""Lines that a program prints within this time are shown together, because each time the rows are redrawn."""


class Screen:
    """The rows at the bottom of a terminal. `open` it first, and `close` it; `show` and `above` may be called between.

    `wake` is called, from any thread, when `flush` has something to show.
    """

    def __init__(self, file: TextIO, wake: Callable[[], None]) -> None:
        self._file = file
        self._wake = wake
        self._lock = threading.RLock()
        self._open = False
        self._panel: list[str] = []
        """The rows of the last `show`."""
        self._rows: list[str] = []
        """The rows on the screen: the panel, and above it the program's unfinished line."""
        self._columns = 0
        self._lines = 0
        self._lost = 0
        """Rows that scrolled off the top when the screen became smaller, and return when it grows."""
        self._pending: list[str] = []
        self._begun_line = ""
        """The program's unfinished line."""
        self._asking = 0
        """Number of active calls of `input`."""
        self._kept = ""
        """Text to show above the rows after them."""
        self._last_print = 0.0
        self._woken = False
        self._streams = Streams(file, lambda text, _: self.above(text))
        self._reflows = "XTERM_VERSION" not in os.environ and os.environ.get("TERM") != "linux"
        """Whether the terminal rewraps long rows when it becomes narrower; most do."""
        self._stopped = False
        """Whether the process was stopped (Ctrl-Z) since the last draw: a shell has written under the rows."""
        self._watching: Any = None
        """The handler of SIGCONT that was there before ours; None where ours is not installed."""

    def open(self) -> bool:
        """Takes the bottom of the terminal and the standard streams. Returns False if it is in use."""
        if not self._streams.take():
            return False
        self._open = True
        self._input = builtins.input
        builtins.input = self._asked
        self._watch_for_stops()
        return True

    def show(self, rows: Sequence[str], columns: int, lines: int, above: str = "") -> None:
        """Shows these rows on a terminal of this size, in place of the previous ones.

        `above` are complete lines that go above them permanently, below the program's output so far.
        """
        with self._lock:
            self._woken = False
            if self._asking:
                self._kept += above
                self._panel = list(rows)
                return
            if self._stopped:
                self._stopped = False
                self._columns, self._rows, self._lost = 0, [], 0
            printed = self._take_printed()
            if above := self._kept + above:
                if self._begun_line:
                    printed, self._begun_line = f"{printed}{self._begun_line}\n", ""
                printed, self._kept = printed + above, ""
            shown = [*self._unfinished(columns), *rows]
            moved = self._columns != columns or self._lines != lines
            text = self._anew(printed, shown, columns, lines) if printed or moved else self._changed(shown)
            self._panel, self._rows, self._columns, self._lines = list(rows), shown, columns, lines
            if text:
                put(self._file, _BEGIN + text + _END)

    def above(self, text: str) -> None:
        """Adds output of the program, which is shown above the rows soon."""
        with self._lock:
            if self._asking:
                put(self._file, text)
                return
            self._pending.append(text)
            now = time.monotonic()
            if "\n" in text and now - self._last_print >= SECONDS_BETWEEN_PRINTS:
                self.flush()
            elif not self._woken:
                self._woken = True
                self._wake()

    def flush(self) -> None:
        """Shows the program's output above the current rows; only `show` adapts rows to a new size."""
        with self._lock:
            if self._pending and (self._columns, self._lines) == size_of(self._file):
                self.show(self._panel, self._columns, self._lines)
                self._last_print = time.monotonic()

    def close(self) -> None:
        """Keeps the rows on the screen, and restores the streams. May be called twice."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            if builtins.input == self._asked:
                builtins.input = self._input
            self._streams.release()
            self._stop_watching()
            last = "\r\x1b[J" if self._rows else ""  # the keys typed meanwhile
            put(self._file, last + self._kept + "".join(self._pending))
            self._pending.clear()

    # --- the shell, between Ctrl-Z and fg

    def _watch_for_stops(self) -> None:
        """Learn of it when the process goes on, in the main thread, unless the program handles that itself."""
        if (number := getattr(signal, "SIGCONT", None)) is None:
            return
        with contextlib.suppress(ValueError):  # not the main thread
            if signal.getsignal(number) is signal.SIG_DFL:
                self._watching = signal.signal(number, self._continued)

    def _stop_watching(self) -> None:
        before, self._watching = self._watching, None
        if before is not None and signal.getsignal(signal.SIGCONT) == self._continued:
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGCONT, before)

    def _continued(self, *_: object) -> None:
        self._stopped = True  # no more than that: it may come in the middle of a draw
        self._wake()

    # --- the program's output and input

    def _asked(self, prompt: object = "", /) -> str:
        """Runs `input` without the rows on the terminal."""
        with self._lock:
            begun = "" if self._asking else self._make_room()
            self._asking += 1
        try:
            return self._input(f"{begun}{prompt}" if begun else prompt)
        finally:
            with self._lock:
                self._asking -= 1
                if self._open and not self._asking:
                    self._streams.take_back()
            self._wake()

    def _make_room(self) -> str:
        """Erases the rows, and restores the streams and the program's unfinished line."""
        if self._columns:
            self.show([], self._columns, self._lines)
        else:
            put(self._file, self._take_printed())
        begun, self._begun_line = self._begun_line, ""
        if begun and self._columns:
            self.show([], self._columns, self._lines)
        self._columns = 0  # the content of the terminal is unknown afterwards
        self._streams.lend()
        return begun

    def _take_printed(self) -> str:
        """Returns the lines that the program has ended since the last call."""
        if not self._pending:
            return ""
        text = self._begun_line + "".join(self._pending)
        self._pending.clear()
        whole, newline, self._begun_line = text.rpartition("\n")
        return whole + newline

    def _unfinished(self, columns: int) -> list[str]:
        """Returns the row of the program's unfinished line: only its end if it is too long."""
        if not self._begun_line:
            return []
        line = settled(_ESCAPE.sub("", self._begun_line.rstrip("\r").rpartition("\r")[2]))
        room = columns - 1
        while (over := cells(line) - room) > 0:
            line = line[max(cut(line, over), 1) :]
        return [line]

    # --- drawing

    def _anew(self, printed: str, rows: list[str], columns: int, lines: int) -> str:
        """Redraws everything over the current content."""
        if not self._columns:
            # A line that the program has begun must stay: a row of spaces goes to the next line from anywhere but the
            # beginning of one.
            start = "" if os.name == "nt" else f"\x1b[?7h{' ' * columns}\r\x1b[K\x1b[?7l"
        else:
            # Line by line: some terminals keep erased screens in the scrollback, which would duplicate the rows.
            up = self._height(columns, lines)
            erased = "\x1b[2K\x1b[B" * up + "\x1b[2K"  # with the keys typed meanwhile, below the rows
            start = f"\x1b[{up}A\r{erased}\x1b[{up}A\r" if up else f"\r{erased}"
        if printed:
            self._lost = 0  # the rows that scrolled off are no longer directly above
            # The program's own lines may be longer than a row: they wrap as usual.
            printed = f"\x1b[?7h{printed}{_RESET if _ESC in printed else ''}\x1b[?7l"
        return start + printed + "".join(f"{row}\r\n" for row in rows) + "\x1b[J"

    def _height(self, columns: int, lines: int) -> int:
        """Returns the number of lines from the first row to the cursor, on a screen that may have changed its size."""
        height = len(self._rows)
        if self._reflows and columns < self._columns:
            height = sum(max(1, math.ceil(cells(_ESCAPE.sub("", row)) / columns)) for row in self._rows)
        if lines > self._lines and self._lost:
            back = min(lines - self._lines, self._lost)
            self._lost -= back
            height += back
        if height > lines - 1:
            self._lost += height - (lines - 1)
            height = lines - 1
        return height

    def _changed(self, rows: list[str]) -> str:
        """Returns the changed rows."""
        old = self._rows
        if rows == old:
            return ""
        text, at = "", len(old)  # the cursor is before row `at`
        for index, row in enumerate(rows):
            if index < len(old) and old[index] == row:
                continue
            if index != at:
                text += f"\x1b[{at - index}A" if index < at else f"\x1b[{index - at}B"
            text += f"\r{row}\x1b[K\r\n"
            at = index + 1
        if at != len(rows):
            text += f"\x1b[{at - len(rows)}A" if len(rows) < at else f"\x1b[{len(rows) - at}B"
        if len(rows) < len(old):
            text += "\r\x1b[J"
        return text

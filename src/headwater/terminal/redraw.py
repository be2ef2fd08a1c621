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

_BEGIN: Final = "\x1b[?2026h\x1b[?25l\x1b[?7l"  # show all at once, where that is known; no cursor; no wrapping
_ESC: Final = "\x1b"
_RESET: Final = "\x1b[0m"
_END: Final = "\x1b[?7h\x1b[?25h\x1b[?2026l"
_ESCAPE: Final = re.compile("\x1b(?:\\[[0-9;:?]*[ -/]*[@-~]|[@-Z\\\\-_]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?)")

SECONDS_BETWEEN_PRINTS: Final = 0.05
"""What a program prints within this time of its last line is shown together: each time the rows are written again."""


class Screen:
    """The rows at the bottom of a terminal. `open` it first, and `close` it; `show` and `above` may be called between.

    `wake` is called, from any thread, when something waits to be shown by `flush`.
    """

    def __init__(self, file: TextIO, wake: Callable[[], None]) -> None:
        self._file = file
        self._wake = wake
        self._lock = threading.RLock()
        self._open = False
        self._panel: list[str] = []
        """The rows that were last given to show."""
        self._rows: list[str] = []
        """Those that stand there: the panel, and above it what the program has begun to print."""
        self._columns = 0
        self._lines = 0
        self._lost = 0
        """Rows of ours that went off the top when the screen became smaller, and come back when it grows."""
        self._pending: list[str] = []
        self._begun_line = ""
        """What the program has printed of a line that it has not ended."""
        self._asking = 0
        """How many calls of `input` the terminal is left to."""
        self._kept = ""
        """What is to go above the rows when they are through."""
        self._last_print = 0.0
        self._woken = False
        self._streams = Streams(file, lambda text, _: self.above(text))
        self._reflows = "XTERM_VERSION" not in os.environ and os.environ.get("TERM") != "linux"
        """Whether the terminal breaks long rows anew when it becomes narrower; most do."""
        self._stopped = False
        """Whether the process was stopped (Ctrl-Z) since the last draw: a shell has written under the rows."""
        self._watching: Any = None
        """The handler of SIGCONT that was there before ours; None where ours is not installed."""

    def open(self) -> bool:
        """Take the bottom of the terminal, and the standard streams that lead there; False where another has it."""
        if not self._streams.take():
            return False
        self._open = True
        self._input = builtins.input
        builtins.input = self._asked
        self._watch_for_stops()
        return True

    def show(self, rows: Sequence[str], columns: int, lines: int, above: str = "") -> None:
        """Show these rows on a terminal of this size, in place of those before.

        `above` are whole lines of ours that go above them for good, under what the program has printed until now.
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
        """What the program prints: shown above the rows, soon."""
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
        """Show what has been printed above the rows as they are; rows for another size are for `show` to bring."""
        with self._lock:
            if self._pending and (self._columns, self._lines) == size_of(self._file):
                self.show(self._panel, self._columns, self._lines)
                self._last_print = time.monotonic()

    def close(self) -> None:
        """Leave the rows as they stand, and give the streams back. May be called twice."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            if builtins.input == self._asked:
                builtins.input = self._input
            self._streams.release()
            self._stop_watching()
            last = "\r\x1b[J" if self._rows else ""  # what was typed meanwhile
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

    # --- what the program prints, and asks

    def _asked(self, prompt: object = "", /) -> str:
        """`input`, with the terminal to itself: the rows are gone for as long as someone types."""
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
        """Wipe the rows away, and give the streams back: the line that the program has begun."""
        if self._columns:
            self.show([], self._columns, self._lines)
        else:
            put(self._file, self._take_printed())
        begun, self._begun_line = self._begun_line, ""
        if begun and self._columns:
            self.show([], self._columns, self._lines)
        self._columns = 0  # what stands on the terminal afterwards is not known
        self._streams.lend()
        return begun

    def _take_printed(self) -> str:
        """Lines that the program has ended since the last time."""
        if not self._pending:
            return ""
        text = self._begun_line + "".join(self._pending)
        self._pending.clear()
        whole, newline, self._begun_line = text.rpartition("\n")
        return whole + newline

    def _unfinished(self, columns: int) -> list[str]:
        """The row that shows what stands of the program's unfinished line: its end, where it is too long."""
        if not self._begun_line:
            return []
        line = settled(_ESCAPE.sub("", self._begun_line.rstrip("\r").rpartition("\r")[2]))
        room = columns - 1
        while (over := cells(line) - room) > 0:
            line = line[max(cut(line, over), 1) :]
        return [line]

    # --- drawing

    def _anew(self, printed: str, rows: list[str], columns: int, lines: int) -> str:
        """Everything again, over what stands there now."""
        if not self._columns:
            # A line that the program has begun must stay: a row of spaces goes to the next line from anywhere but the
            # beginning of one.
            start = "" if os.name == "nt" else f"\x1b[?7h{' ' * columns}\r\x1b[K\x1b[?7l"
        else:
            # Line by line: some terminals keep what is erased in one go, and have the rows once more when scrolled up.
            up = self._height(columns, lines)
            erased = "\x1b[2K\x1b[B" * up + "\x1b[2K"  # with what was typed meanwhile, under the rows
            start = f"\x1b[{up}A\r{erased}\x1b[{up}A\r" if up else f"\r{erased}"
        if printed:
            self._lost = 0  # what went off the top is no longer right above us
            # The program's own lines may be longer than a row: they wrap, as they would without us.
            printed = f"\x1b[?7h{printed}{_RESET if _ESC in printed else ''}\x1b[?7l"
        return start + printed + "".join(f"{row}\r\n" for row in rows) + "\x1b[J"

    def _height(self, columns: int, lines: int) -> int:
        """How many lines above the cursor the first row stands, on a screen that may have changed its size."""
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
        """The rows that are not as they were."""
        old = self._rows
        if rows == old:
            return ""
        text, at = "", len(old)  # the cursor stands before row `at`
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

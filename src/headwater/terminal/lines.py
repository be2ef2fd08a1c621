"""The line printer: shows a run on a file, as it goes, one write a token.

Owns the file and what may go wrong with it. It must never end or slow a run by an error of its own, and never write
where nobody asked: who makes a printer wants it to print.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, TextIO

from headwater.terminal.render import ASCII, UNICODE, Marks, Plain, Renderer, Terminal
from headwater.terminal.view import Ended, RunView

if TYPE_CHECKING:
    from headwater.events import Event

__all__ = ("LinePrinter",)

_log = logging.getLogger("headwater")


class LinePrinter:
    """An observer that shows a run: call it with each event as it is appended, and `close` it when no more will come.

    `live` shows the words as they come, and otherwise the whole answer at its end. `file` is standard output unless
    given. A terminal gets a header, tools and notes beside the words; a pipe, a file and a dumb terminal the answer's
    text alone. NO_COLOR is respected. `reasoning` says whether a terminal shows what the model thinks.
    """

    def __init__(
        self, name: str, *, loops: int = 1, file: TextIO | None = None, live: bool = True, reasoning: bool = True
    ) -> None:
        self._file = file if file is not None else sys.stdout  # None where a program has no standard output
        self._view = RunView(name, loops=loops, live=live)
        self._renderer = self._fitting(reasoning)
        self._broken = self._file is None

    def __call__(self, event: Event) -> None:
        """Show `event`. Never raises: what cannot be shown is not."""
        if self._broken:
            return
        try:
            items = self._view.feed(event)
            if items:
                render = self._renderer.render
                text = render(items[0]) if len(items) == 1 else "".join(map(render, items))
                if text:
                    self._write(text)
        except Exception as problem:
            self._give_up(problem)

    def close(self) -> None:
        """End the line that is open. May be called twice, and whether or not the run had come to its end."""
        if self._broken:
            return
        try:
            if text := self._renderer.render(Ended()):
                self._write(text)
        except Exception as problem:
            self._give_up(problem)

    def _write(self, text: str) -> None:
        file = self._file
        try:
            file.write(text)
        except UnicodeEncodeError:
            # The file refused it before it took any of it.
            encoding = file.encoding or "ascii"
            file.write(text.encode(encoding, "replace").decode(encoding))
        file.flush()

    def _give_up(self, problem: Exception) -> None:
        self._broken = True
        if isinstance(problem, BrokenPipeError):
            _drop_unsent(self._file)
        else:
            _log.warning("The run is no longer shown: %s: %s", type(problem).__name__, problem)

    def _fitting(self, reasoning: bool) -> Renderer:
        screen = _is_screen(self._file)
        if not screen or not _takes_escape_codes():
            return Plain(screen=screen)
        color = not os.environ.get("NO_COLOR")
        return Terminal(self._columns, color=color, marks=_marks_for(self._file), reasoning=reasoning)

    def _columns(self) -> int:
        try:
            columns = os.get_terminal_size(self._file.fileno()).columns
        except (AttributeError, OSError, ValueError):
            columns = 0
        return columns or _int(os.environ.get("COLUMNS", "")) or 80


def _is_screen(file: TextIO | None) -> bool:
    try:
        return file is not None and file.isatty()
    except (AttributeError, ValueError):  # no method of that name, or closed
        return False


def _takes_escape_codes() -> bool:
    if os.name == "nt":
        # The old console shows escape codes as rubbish unless it was told not to; the new one names itself.
        return "WT_SESSION" in os.environ or "TERM" in os.environ
    return os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def _marks_for(file: TextIO) -> Marks:
    try:
        "".join(UNICODE).encode(file.encoding or "ascii")
    except (AttributeError, LookupError, UnicodeEncodeError):
        return ASCII
    return UNICODE


def _int(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _drop_unsent(file: TextIO) -> None:
    """Let go of what a broken pipe left in the file's buffer: Python would complain of it when it exits.

    The descriptor itself stays broken, so that the program's own next print fails as it would have without us.
    """
    try:
        descriptor = file.fileno()
        kept, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    except (AttributeError, OSError, ValueError):
        return
    try:
        os.dup2(nowhere, descriptor)
        file.flush()
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(nowhere)

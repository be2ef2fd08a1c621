"""The line printer: shows a run on a file, as it goes, one write a token.

Owns the file and what may go wrong with it. It must never end or slow a run by an error of its own, and never write
where nobody asked: who makes a printer wants it to print.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TextIO

from headwater.events import Event
from headwater.readers.hold import Hold
from headwater.terminal.device import can_say, drop_unsent, is_screen, put, size_of, takes_escape_codes, wants_color
from headwater.terminal.render import ASCII, UNICODE, Plain, Renderer, Terminal
from headwater.terminal.run_view import Ended, Item, RunView

__all__ = ("LinePrinter",)

_log = logging.getLogger("headwater")


class LinePrinter:
    """An observer that shows a run: call it with each event as it is appended, and `close` it when no more will come.

    `live` shows the words as they come, and otherwise the whole answer at its end. `file` is standard output unless
    given. A terminal gets a header, tools and notes beside the words; a pipe, a file and a dumb terminal the answer's
    text alone. NO_COLOR is respected. `reasoning` says whether a terminal shows what the model thinks. Words that may
    be taken back wait until their step has ended where the file is a pipe or a file.
    """

    def __init__(
        self,
        name: str,
        *,
        loops: int = 1,
        file: TextIO | None = None,
        live: bool = True,
        reasoning: bool = True,
    ) -> None:
        self._file = file if file is not None else sys.stdout  # None where a program has no standard output
        self._view = RunView(name, loops=loops, live=live)
        self._renderer = self._fitting(reasoning)
        self._broken = self._file is None
        self._hold: Hold[Item] | None = Hold() if live and not is_screen(self._file) else None

    def __call__(self, event: Event) -> None:
        """Show `event`. Never raises: what cannot be shown is not."""
        if self._broken:
            return
        try:
            items: Sequence[Item] = self._view.feed(event)
            if self._hold is not None:
                items = self._hold(event, items)
            if items:
                render = self._renderer.render
                text = render(items[0]) if len(items) == 1 else "".join(map(render, items))
                if text:
                    put(self._file, text)
        except Exception as problem:
            self._give_up(problem)

    def close(self) -> None:
        """End the line that is open. May be called twice, and whether or not the run had come to its end."""
        if self._broken:
            return
        try:
            if text := self._renderer.render(Ended()):
                put(self._file, text)
        except Exception as problem:
            self._give_up(problem)

    def _give_up(self, problem: Exception) -> None:
        self._broken = True
        if isinstance(problem, BrokenPipeError):
            drop_unsent(self._file)
        else:
            _log.warning("The run is no longer shown: %s: %s", type(problem).__name__, problem)

    def _fitting(self, reasoning: bool) -> Renderer:
        screen = is_screen(self._file)
        if not screen or not takes_escape_codes():
            return Plain(screen=screen)
        marks = UNICODE if can_say("".join(UNICODE), self._file) else ASCII
        return Terminal(self._columns, color=wants_color(), marks=marks, reasoning=reasoning)

    def _columns(self) -> int:
        return size_of(self._file)[0]

"""The line printer: shows a run on a file while it happens.

Owns the file and its errors. An error here must never end or slow down a run, and it must never write unless the
program asked for a printer.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

from headwater.events import Event
from headwater.readers.hold import Hold
from headwater.terminal.device import can_say, drop_unsent, is_screen, put, takes_escape_codes, wants_color
from headwater.terminal.look import Look
from headwater.terminal.render import Plain
from headwater.terminal.run_view import Ended, Item, RunView
from headwater.terminal.streams import Streams

if TYPE_CHECKING:
    from headwater.terminal.live import Live

__all__ = ("LinePrinter",)

_log = logging.getLogger("headwater")


class LinePrinter:
    """An observer that shows a run: call it with each event as it is appended, and `close` it when no more will come.

    `live` shows the words as they come, and otherwise the whole answer at its end. `file` is standard output unless
    given. A terminal gets a page: header, rendered words, tools, notes, what is waited for (`look` says which of it); a
    pipe, a file and a dumb terminal the answer's text alone. NO_COLOR is respected. Words that may be retracted wait
    until their step has ended where the file is a pipe or a file. `past` are the events before those to be shown, where
    a log is gone on with. `parted` leaves an empty line before all that is shown on a terminal. Printers that write to
    one file in turn share `plain`, which knows what stands there where it is no page.
    """

    def __init__(
        self,
        name: str,
        *,
        loops: int = 1,
        file: TextIO | None = None,
        live: bool = True,
        look: Look = Look(),  # noqa: B008  # frozen
        past: Iterable[Event] = (),
        parted: bool = False,
        plain: Plain | None = None,
    ) -> None:
        self._file = file if file is not None else sys.stdout  # None where a program has no standard output
        past = tuple(past)
        self._view = RunView(name, loops=loops, live=live, past=past)
        self._broken = self._file is None
        screen = is_screen(self._file)
        self._page: Live | None = self._live_page(look, parted) if screen and takes_escape_codes() else None
        self._plain = plain if plain is not None else Plain(screen=screen)
        self._streams = Streams(self._file, self._printed) if screen and self._page is None else None
        self._lock = threading.RLock()
        self._hold: Hold[Item] | None = Hold(past) if live and not screen else None

    def __call__(self, event: Event) -> None:
        """Shows `event`. Never raises."""
        if self._broken:
            return
        try:
            items: Sequence[Item] = self._view.feed(event)
            if self._hold is not None:
                items = self._hold(event, items)
            if items:
                self._show(items)
        except Exception as problem:
            self._give_up(problem)

    @property
    def shows_tools(self) -> bool:
        """Whether it shows each tool, and how it failed."""
        return self._page is not None

    def pause(self) -> None:
        """Ends the open output, before other output between events."""
        if self._broken:
            return
        try:
            self._show((Ended("waiting") if self._page is not None else Ended(),))
        except Exception as problem:
            self._give_up(problem)

    def close(self) -> None:
        """Ends the open line. May be called twice, and before the run has ended."""
        if self._broken:
            return
        try:
            self._show((Ended(),))
        except Exception as problem:
            self._give_up(problem)

    def _show(self, items: Sequence[Item]) -> None:
        if self._page is not None:
            self._page.take(items)
            return
        with self._lock:
            render = self._plain.render
            text = render(items[0]) if len(items) == 1 else "".join(map(render, items))
            if text:
                put(self._file, text)
        if self._streams is not None:
            if isinstance(items[-1], Ended):
                self._streams.release()
            elif text:
                self._streams.take()

    def _printed(self, text: str, stream: TextIO) -> None:
        """Called when the program prints on a dumb terminal, in any thread: ends the line of the answer first."""
        with self._lock:
            put(stream, self._plain.end_line() + text)

    def _give_up(self, problem: Exception) -> None:
        self._broken = True
        if self._streams is not None:
            self._streams.release()
        if self._page is not None:
            with contextlib.suppress(Exception):
                self._page.let_go()
        if isinstance(problem, BrokenPipeError):
            drop_unsent(self._file)
        else:
            _log.warning("The run is no longer shown: %s: %s", type(problem).__name__, problem)

    def _live_page(self, look: Look, parted: bool) -> Live:
        from headwater.terminal.live import Live
        from headwater.terminal.page import ASCII_SIGNS, SIGNS, Page

        signs = SIGNS if can_say("".join(SIGNS), self._file) else ASCII_SIGNS
        return Live(Page(look, signs=signs, color=wants_color(), parted=parted), self._file, self._give_up)

"""The dashboard: shows a run of many agents live, on a terminal in place, elsewhere as lines of progress.

Owns the terminal while a workflow is shown; `pacer` says when it is drawn: an event costs a few entries on the board,
whatever the tokens come to. It must never end or slow a run by an error of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from headwater.terminal.dashboard.state import Board
from headwater.terminal.device import (
    can_say,
    drop_unsent,
    is_screen,
    knows_many_colors,
    put,
    size_of,
    takes_escape_codes,
    wants_color,
)
from headwater.terminal.pacer import Pace, Pacer
from headwater.terminal.progress_printer import Progress
from headwater.terminal.render import ASCII, UNICODE

if TYPE_CHECKING:
    from headwater.events import Event

__all__ = ("Dashboard",)

PACE: Final = Pace(between=0.125, longest=3.0, share_of_time=0.04, share_of_core=0.01)
"""As often as words can be read while they come; less often on a slow terminal, or with hundreds of agents."""

SECONDS_A_TICK: Final = 1.0
"""How often a clock that is shown moves on where nothing else does."""

_log = logging.getLogger("headwater")


class Dashboard:
    """An observer that shows a workflow's run: call it with each event as it is appended.

    `title` stands over it; `members` are shown from the start, in this order. `file` is standard output unless given.
    It draws itself by the running loop's clock; the last state stays when the outermost run ends, or when it is closed
    before. What the program prints meanwhile appears above. NO_COLOR is respected. On a pipe, in a file and on a dumb
    terminal it tells in plain lines what happens.
    """

    def __init__(self, title: str, members: Sequence[str], *, file: TextIO | None = None) -> None:
        self._file = file  # standard output is looked up when the run begins: it may lead above another's rows by then
        self._board = Board(title, members)
        self._live: _Live | None = None
        self._feed: Callable[[Event], object] = self._begin
        self._over = False

    def __call__(self, event: Event) -> None:
        """Show `event`. Never raises: what cannot be shown is not."""
        if self._over:
            return
        try:
            self._feed(event)
            if self._board.end is not None:
                self.close()
        except Exception as problem:
            self._give_up(problem)

    def prime(self, past: Iterable[Event]) -> None:
        """Know what the log has told so far, of a run that goes on from there; before the first call."""
        for event in past:
            self._board.feed(event)

    def close(self) -> None:
        """Leave the last state as it stands. May be called twice, and whether or not the run had come to its end."""
        if self._over:
            return
        self._over = True
        try:
            if self._live is not None:
                self._live.close()
        except Exception as problem:
            self._give_up(problem)

    def _begin(self, event: Event) -> None:
        """The first event: find out what can be shown."""
        file = self._file = self._file if self._file is not None else sys.stdout
        if file is None:  # a program without a console
            self._over = True
            return
        if is_screen(file) and takes_escape_codes():
            live = _Live(self._board, file, self._give_up)
            if live.open():
                self._live = live
                self._feed = live.feed
                live.feed(event)
                return
        progress = Progress(self._board, UNICODE if can_say("".join(UNICODE), file) else ASCII)

        def tell(event: Event) -> None:
            if lines := progress.feed(event):
                put(file, lines)

        self._feed = tell
        tell(event)

    def _give_up(self, problem: Exception) -> None:
        self._over = True
        if self._live is not None:
            with contextlib.suppress(Exception):
                self._live.let_go()
        if isinstance(problem, BrokenPipeError) and self._file is not None:
            drop_unsent(self._file)
        else:
            _log.warning("The run is no longer shown: %s: %s", type(problem).__name__, problem)


class _Live:
    """A board on a terminal, drawn when something has changed or a second has passed."""

    def __init__(self, board: Board, file: TextIO, give_up: Callable[[Exception], None]) -> None:
        # Only here is rich needed, for the width of characters.
        from headwater.terminal.dashboard.drawing import PLAIN_SIGNS, SIGNS
        from headwater.terminal.dashboard.panel import Layout
        from headwater.terminal.dashboard.pulse import BARS
        from headwater.terminal.redraw import Screen

        able = can_say("".join((*SIGNS.states.values(), *SIGNS[2:-2], *SIGNS.guides, *UNICODE, BARS)), file)
        self._board = board
        self._file = file
        self._layout = Layout(
            board, signs=SIGNS if able else PLAIN_SIGNS, color=wants_color(), many=knows_many_colors()
        )
        self._pacer = Pacer(self._draw, self._rest, give_up, PACE)
        self._screen = Screen(file, self._pacer.soon_from_any_thread)
        self._ahead: float | None = None  # of time.monotonic: the log's clock
        self._last = False

    def open(self) -> bool:
        """Begin; False where another dashboard has the terminal."""
        if not self._screen.open():
            return False
        atexit.register(self.let_go)
        return True

    def feed(self, event: Event) -> None:
        """Take in an event, and see to it that it is drawn."""
        self._board.feed(event)
        self._pacer.soon()

    def close(self) -> None:
        """Draw the last state, and let go of the terminal."""
        self._last = True
        try:
            self._pacer.draw()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Leave the terminal as it is, and give the program its streams back."""
        atexit.unregister(self.let_go)
        self._pacer.stop()
        self._screen.close()

    def _draw(self, _: float) -> None:
        columns, lines = size_of(self._file)
        self._screen.show(self._layout.rows(columns, lines, self._now(), last=self._last), columns, lines)

    def _rest(self) -> float | None:
        return SECONDS_A_TICK if self._board.end is None else None

    def _now(self) -> float:
        """The time by the log's clock, which a change of the system's must not move."""
        monotonic = time.monotonic()
        ahead = self._board.time - monotonic
        if self._ahead is None or ahead > self._ahead:
            self._ahead = ahead
        return monotonic + self._ahead

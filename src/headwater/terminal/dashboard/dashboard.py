"""The dashboard: shows a run of many agents live, in place on a terminal, elsewhere as lines of progress.

Owns the terminal while a workflow is shown; `pacer` owns the timing. An event only updates the board, for any number of
tokens. An error here must never end or slow down a run.
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
"""Streaming text is readable at this rate; draws are rarer on a slow terminal, or with hundreds of agents."""

SECONDS_A_TICK: Final = 1.0
"""Interval of the displayed clocks without other changes."""

_log = logging.getLogger("headwater")


class Dashboard:
    """An observer that shows a workflow's run: call it with each event as it is appended.

    `title` is shown above it; `members` are shown from the start, in this order. `file` defaults to standard output.
    It draws itself on timers of the running loop; the last state stays when the outermost run ends, or when it is
    closed before. Output of the program appears above. NO_COLOR is respected. On a pipe, in a file and on a dumb
    terminal it prints plain lines of progress.
    """

    def __init__(self, title: str, members: Sequence[str], *, file: TextIO | None = None) -> None:
        self._file = (
            file  # standard output is looked up when the run starts: it may be redirected above other rows by then
        )
        self._board = Board(title, members)
        self._live: _Live | None = None
        self._feed: Callable[[Event], object] = self._begin
        self._over = False

    def __call__(self, event: Event) -> None:
        """Shows `event`. Never raises."""
        if self._over:
            return
        try:
            self._feed(event)
            if self._board.end is not None:
                self.close()
        except Exception as problem:
            self._give_up(problem)

    def prime(self, past: Iterable[Event]) -> None:
        """Reads the earlier events of a resumed run; call it before the first event."""
        for event in past:
            self._board.feed(event)

    def close(self) -> None:
        """Keeps the last state on the screen. May be called twice, and before the run has ended."""
        if self._over:
            return
        self._over = True
        try:
            if self._live is not None:
                self._live.close()
        except Exception as problem:
            self._give_up(problem)

    def _begin(self, event: Event) -> None:
        """Handles the first event: chooses how to show the run."""
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
    """A board on a terminal, drawn after a change or a second."""

    def __init__(self, board: Board, file: TextIO, give_up: Callable[[Exception], None]) -> None:
        # Only this needs rich, for the width of characters.
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
        """Starts; returns False if another dashboard uses the terminal."""
        if not self._screen.open():
            return False
        atexit.register(self.let_go)
        return True

    def feed(self, event: Event) -> None:
        """Handles an event, and schedules a draw."""
        self._board.feed(event)
        self._pacer.soon()

    def close(self) -> None:
        """Draws the last state, and releases the terminal."""
        self._last = True
        try:
            self._pacer.draw()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Releases the terminal as it is, and restores the program's streams."""
        atexit.unregister(self.let_go)
        self._pacer.stop()
        self._screen.close()

    def _draw(self, _: float) -> None:
        columns, lines = size_of(self._file)
        self._screen.show(self._layout.rows(columns, lines, self._now(), last=self._last), columns, lines)

    def _rest(self) -> float | None:
        return SECONDS_A_TICK if self._board.end is None else None

    def _now(self) -> float:
        """The time by the log's clock, independent of changes of the system clock."""
        monotonic = time.monotonic()
        ahead = self._board.time - monotonic
        if self._ahead is None or ahead > self._ahead:
            self._ahead = ahead
        return monotonic + self._ahead

"""A page on a terminal: drawn when it changes, and a few times per second while it waits.

Owns the terminal while a run is shown; `pacer` owns the timing. A token only updates the page.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from headwater.terminal.device import put, size_of
from headwater.terminal.pacer import Pace, Pacer
from headwater.terminal.page import SECONDS_OF_SILENCE, Page
from headwater.terminal.redraw import Screen
from headwater.terminal.run_view import Item

__all__ = ("Live",)

PACE: Final = Pace(between=0.05, longest=0.5, share_of_time=0.05)
"""Twenty times per second text appears to flow; less often with a long block or a slow terminal."""

SECONDS_A_TICK: Final = 0.1
"""Interval of the animation of a waiting line."""


class Live:
    """Shows a page on the terminal behind `file`. `problem` is called with what went wrong outside of a call.

    If the bottom of the terminal is already in use, only finished rows are written.
    """

    def __init__(self, page: Page, file: TextIO, problem: Callable[[Exception], None]) -> None:
        self._page = page
        self._file = file
        self._screen: Screen | None = None
        self._pacer = Pacer(self._draw, self._rest, problem, PACE)
        self._ready = False

    def take(self, items: Sequence[Item]) -> None:
        """Handles an item, and schedules a draw."""
        running = self._page.running
        if not running:
            self._page.fit(size_of(self._file)[0])  # a run may end before it is drawn for the first time
        self._page.take(items, self._pacer.now())
        if self._page.running:
            if self._screen is None:
                self._begin()
            self._pacer.soon()
        elif running or self._screen is not None:
            self.close()

    def close(self) -> None:
        """Draws the rest, and releases the terminal until there is something to show again."""
        try:
            self._pacer.draw()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Releases the terminal as it is, and restores the program's streams."""
        atexit.unregister(self.let_go)
        self._pacer.stop()
        screen, self._screen = self._screen, None
        if screen is not None:
            screen.close()

    def _begin(self) -> None:
        screen = Screen(self._file, self._pacer.soon_from_any_thread)
        if screen.open():
            self._screen = screen
            atexit.register(self.let_go)

    def _draw(self, now: float) -> None:
        columns, lines = size_of(self._file)
        above, rows = self._page.draw(columns, lines, now)
        if self._screen is not None:
            self._screen.show(rows, columns, lines, above)
        elif above:
            put(self._file, above)

    def _rest(self) -> float | None:
        if not self._page.running or self._screen is None:
            return None
        if not self._ready:
            self._ready = True  # imported now, while the model is awaited
            self._page.get_ready()
        return SECONDS_A_TICK if self._page.waits(self._pacer.now()) else SECONDS_OF_SILENCE

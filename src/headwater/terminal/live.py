"""A page on a person's terminal: drawn as it changes, and a few times a second where it waits.

Owns the clock of the drawing. A word costs an entry on the page; what is drawn is drawn so often a second at most, and
less often where that takes long. No timer runs while no run does, and none of its own while words come.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from headwater.terminal.device import put, size_of
from headwater.terminal.page import SECONDS_OF_SILENCE, Page
from headwater.terminal.redraw import Screen
from headwater.terminal.run_view import Item

__all__ = ("Live",)

SECONDS_BETWEEN_DRAWS: Final = 0.05
"""Twenty times a second: words seem to flow."""

SECONDS_A_TICK: Final = 0.1
"""How often a line that shows a wait moves."""

SHARE_OF_TIME: Final = 0.05
"""How much of the time drawing may take: where a block is long or a terminal slow, it is done less often."""

SECONDS_AT_MOST: Final = 0.5
"""Between two draws, however long one takes: a person is waiting."""


class Live:
    """Shows a page on the terminal behind `file`. `problem` is called with what went wrong outside of a call.

    Where another has the bottom of the terminal already, what is done is written, and nothing is drawn again.
    """

    def __init__(self, page: Page, file: TextIO, problem: Callable[[Exception], None]) -> None:
        self._page = page
        self._file = file
        self._problem = problem
        self._screen: Screen | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False
        """Whether the timer stands for the next draw rather than for what moves by itself."""
        self._drawn = float("-inf")
        """When the last draw was, by the clock in use."""
        self._took = 0.0
        self._ready = False

    def take(self, items: Sequence[Item]) -> None:
        """Take in what has happened, and see to it that it is drawn."""
        running = self._page.running
        self._page.take(items, self._now())
        if self._page.running:
            if self._screen is None:
                self._begin()
            if not self._soon:
                self._draw_soon()
        elif running or self._screen is not None:
            self.close()

    def close(self) -> None:
        """Draw what is left, and let go of the terminal, until there is something to show again."""
        try:
            self._draw()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Leave the terminal as it is, and give the program its streams back."""
        atexit.unregister(self.let_go)
        self._cancel()
        screen, self._screen = self._screen, None
        if screen is not None:
            screen.close()

    def _begin(self) -> None:
        screen = Screen(self._file, self._printed)
        if screen.open():
            self._screen = screen
            atexit.register(self.let_go)

    def _now(self) -> float:
        """The loop's time where one runs; two loops may differ, so nothing is remembered from one to the next."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return time.monotonic()
        if loop is not self._loop:
            self._cancel()
            self._loop, self._drawn = loop, float("-inf")
        return loop.time()

    # --- the clock

    def _draw_soon(self) -> None:
        now = self._now()
        due = self._drawn + self._pause(SECONDS_BETWEEN_DRAWS)
        loop = self._loop
        if loop is None or not loop.is_running():
            if now >= due:  # a log that is read without a loop: nobody else will draw
                self._draw()
            return
        self._cancel()
        self._soon = True
        self._timer = loop.call_later(max(due - now, 0.0), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._soon = False
        try:
            self._draw()
        except Exception as problem:
            self._problem(problem)
            return
        if self._loop is not None and self._page.running and self._screen is not None:
            moves = self._page.waits(self._now())
            pause = self._pause(SECONDS_A_TICK if moves else SECONDS_OF_SILENCE)
            self._timer = self._loop.call_later(pause, self._tick)
            if not self._ready:
                self._ready = True  # while the model is waited for, nobody waits for this
                self._page.get_ready()

    def _pause(self, least: float) -> float:
        return min(max(least, self._took / SHARE_OF_TIME), SECONDS_AT_MOST)

    def _cancel(self) -> None:
        timer, self._timer, self._soon = self._timer, None, False
        if timer is not None:
            timer.cancel()

    def _draw(self) -> None:
        now = self._now()
        columns, lines = size_of(self._file)
        above, rows = self._page.draw(columns, lines, now)
        if self._screen is not None:
            self._screen.show(rows, columns, lines, above)
        elif above:
            put(self._file, above)
        self._drawn, self._took = now, self._now() - now

    def _printed(self) -> None:
        """The program has printed something; in any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # closed
                loop.call_soon_threadsafe(self._draw_printed)

    def _draw_printed(self) -> None:
        if self._screen is not None and not self._soon:
            self._draw_soon()

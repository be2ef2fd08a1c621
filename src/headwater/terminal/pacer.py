"""The timing of draws on a terminal: soon after a change, and on a timer while a clock is shown.

Owns the timer and the maximum rate: a change costs one comparison, and slow draws are done less often. It must never
know what is drawn. There is no timer after `stop`, nor while nothing changes by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final, NamedTuple

__all__ = ("Pace", "Pacer")

_NEVER: Final = float("-inf")


class Pace(NamedTuple):
    """The limits on the rate of draws."""

    between: float
    """Minimum seconds between two draws."""
    longest: float
    """Maximum seconds between two slow draws."""
    share_of_time: float
    """Maximum share of time for drawing, including the terminal's."""
    share_of_core: float = 1.0
    """Maximum share of a core for drawing."""


class Pacer:
    """Calls `draw`, with the time in seconds, when it is due: by the running loop's clock, else by `time.monotonic`.

    `rest` is called after each draw by the timer and returns the seconds until the next one if nothing changes; None
    for no timer. `problem` is called with an exception that either of them raises there. Without a running loop
    nothing can be drawn later: `soon` draws at once if a draw is due, and its exceptions propagate.
    """

    def __init__(
        self,
        draw: Callable[[float], None],
        rest: Callable[[], float | None],
        problem: Callable[[Exception], None],
        pace: Pace,
    ) -> None:
        self._draw = draw
        self._rest = rest
        self._problem = problem
        self._pace = pace
        self._on = False
        self._soon = False
        """Whether the timer is for the next draw rather than for an animation."""
        self._clock: asyncio.AbstractEventLoop | None = None
        """The loop whose clock was read last; two clocks differ, so no time of one is compared with the other's."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._drawn = _NEVER
        self._took = 0.0
        self._used = 0.0

    def now(self) -> float:
        """Returns the time by which drawing is paced, in seconds."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self._clock:
            self._clock, self._drawn = loop, _NEVER
            if loop is not None:
                self._cancel()
                self._loop = loop
        return loop.time() if loop is not None else time.monotonic()

    def soon(self) -> None:
        """Draws as soon as it is due: something has changed."""
        if self._soon:
            return
        now = self.now()
        self._on = True
        due = self._drawn + self._pause(self._pace.between)
        loop = self._clock
        if loop is None:
            if now >= due:
                self.draw()
            return
        self._cancel()
        self._soon = True
        self._timer = loop.call_later(max(due - now, 0.0), self._tick)

    def soon_from_any_thread(self) -> None:
        """Like `soon`, in the loop that ran last; does nothing after `stop`, or if that loop is closed."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed
                self._loop.call_soon_threadsafe(self._soon_if_on)

    def draw(self) -> None:
        """Draws now."""
        begun, used = self.now(), time.thread_time()
        self._draw(begun)
        self._drawn = self.now()
        self._took = self._drawn - begun
        self._used = time.thread_time() - used

    def stop(self) -> None:
        """Stops drawing until `soon` is called again."""
        self._on = False
        self._cancel()

    def _soon_if_on(self) -> None:
        if self._on:
            self.soon()

    def _tick(self) -> None:
        self._timer = None
        self._soon = False
        try:
            self.draw()
            rest = self._rest() if self._on else None
        except Exception as problem:
            self._problem(problem)
            return
        if rest is not None and self._loop is not None:
            self._timer = self._loop.call_later(self._pause(rest), self._tick)

    def _pause(self, least: float) -> float:
        # Not only by time: a draw that waited for a busy machine is not a reason to draw less often. Not without an
        # end: a terminal that was halted with Ctrl-S, or a process with Ctrl-Z, has made one draw take minutes.
        pace = self._pace
        slow = max(self._took / pace.share_of_time, self._used / pace.share_of_core)
        return max(least, min(slow, pace.longest))

    def _cancel(self) -> None:
        timer, self._timer, self._soon = self._timer, None, False
        if timer is not None:
            timer.cancel()

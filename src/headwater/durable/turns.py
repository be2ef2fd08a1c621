"""Turns: runs that were driven several times in vain are driven one after another.

A run that ends its process takes with it all others that are driven there, and each of them counts that as a drive in
vain. Driven one by one, it ends its process alone, so that only its own count goes on. Owns who is next, not which runs
need a turn. All in one event loop.
"""

from __future__ import annotations

import asyncio
from typing import Final

from headwater.events import Event, StepFinished, ToolFinished
from headwater.journal.engines.executor import aside

__all__ = ("Turn", "Turns")

LONGEST: Final = 30.0
"""Seconds after which the next run has its turn, also if the one before has finished nothing yet."""


class Turns:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def next(self) -> Turn:
        """Waits for a turn, which the caller has to end. Meanwhile the run leaves its engine's slot to others."""
        with aside():
            await self._lock.acquire()
        return Turn(self._lock)


class Turn:
    """One run's turn. It ends with the run's next step or tool, or after LONGEST, if `end` is not called before."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._timer = asyncio.get_running_loop().call_later(LONGEST, self.end)
        self._over = False

    def see(self, event: Event) -> None:
        """Takes an event of the run."""
        if isinstance(event, (StepFinished, ToolFinished)):
            self.end()

    def end(self) -> None:
        """The next one may begin; doing it again changes nothing."""
        if not self._over:
            self._over = True
            self._timer.cancel()
            self._lock.release()

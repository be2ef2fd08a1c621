"""A call's clock, which stands still while people are waited for.

Owns how much is left of a timeout that is stopped and set going again; what it ends is whoever opened the timeout.
"""

from __future__ import annotations

import asyncio

__all__ = ("CallClock",)


class CallClock:
    """An `asyncio.timeout` that can be stopped; as often as it is stopped, it must be set going again."""

    __slots__ = ("_left", "_stops", "timeout")

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self.timeout = timeout
        self._stops = 0
        self._left: float | None = None

    def stand(self, still: bool) -> None:
        """Stop the clock, or set it going again; nothing where it has run out, or where there is no limit."""
        now = asyncio.get_running_loop().time()
        self._stops += 1 if still else -1
        if still and self._stops == 1 and (when := self.timeout.when()) is not None and not self.timeout.expired():
            self._left = when - now
            self.timeout.reschedule(None)
        elif not still and not self._stops and self._left is not None:
            self.timeout.reschedule(now + self._left)
            self._left = None

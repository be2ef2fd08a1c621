"""A call's timeout, which pauses while the call waits for people.

Owns the remaining time of a timeout that is paused and resumed; the code that opened the timeout owns what it ends.
"""

from __future__ import annotations

import asyncio

__all__ = ("CallClock",)


class CallClock:
    """An `asyncio.timeout` that can be paused; each pause must be followed by a resume.

    `close` it when the timeout is left: a question that ends after its call cannot change the timeout any more.
    """

    __slots__ = ("_closed", "_left", "_stops", "timeout")

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self.timeout: asyncio.Timeout = timeout
        self._closed = False
        self._stops = 0
        self._left: float | None = None

    def close(self) -> None:
        """Ends the pauses: from now on `stand` does nothing."""
        self._closed = True

    def stand(self, still: bool) -> None:
        """Pauses or resumes the timeout; does nothing if it has expired, is closed, or there is none."""
        if self._closed:
            return
        now = asyncio.get_running_loop().time()
        self._stops += 1 if still else -1
        if still and self._stops == 1 and (when := self.timeout.when()) is not None and not self.timeout.expired():
            self._left = when - now
            self.timeout.reschedule(None)
        elif not still and not self._stops and self._left is not None:
            self.timeout.reschedule(now + self._left)
            self._left = None

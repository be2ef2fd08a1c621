"""Passes a tool's progress from its thread to the run's loop, in order and limited.

Owns the limits, by number and by size, of progress that waits for the loop; `runtime.merge` owns the queue for the
run's reader. It must never look at the content.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

from headwater.tools.progress_value import cut_progress, memory_of

__all__ = ("Progress",)

MAX_WAITING: Final = 256
"""Number of pieces that a thread may be ahead of the loop, more than a screen can show at once; then it waits."""

MAX_WAITING_BYTES: Final = 8_000_000
"""Memory that these may take: eight of the largest pieces."""

_LOOK_AGAIN: Final = 1.0
"""Interval in seconds at which a waiting thread checks whether its loop still exists."""


class Progress:
    """Passes a tool's progress to the loop: directly from the loop's own thread, in order and limited from others.

    `emit` is called in the loop's thread, never after `close`.
    """

    def __init__(self, emit: Callable[[Any], None] | None) -> None:
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._room = threading.Condition()
        self._waiting = 0
        self._bytes = 0

    def say(self, data: Any) -> None:
        """Passes `data`, plain JSON, on; from any thread."""
        if self._emit is None:
            return
        data = cut_progress(data)
        if threading.get_ident() == self._thread:
            self._emit(data)
            return
        size = memory_of(data)
        with self._room:
            while not self._over() and self._full(size):
                if not self._room.wait(_LOOK_AGAIN) and self._loop.is_closed():
                    return
            if self._over():
                return
            self._waiting += 1
            self._bytes += size
        try:
            self._loop.call_soon_threadsafe(self._deliver, data, size)
        except RuntimeError:  # the loop is closed, so the progress is not needed
            self.close()

    def close(self) -> None:
        """Ends it with the call: nothing more is passed on, and no thread waits any longer."""
        with self._room:
            self._emit = None  # it holds the run, and every timer set in the tool keeps the tool's context
            self._room.notify_all()

    def _over(self) -> bool:
        return self._emit is None

    def _full(self, size: int) -> bool:
        return self._waiting >= MAX_WAITING or (self._waiting > 0 and self._bytes + size > MAX_WAITING_BYTES)

    def _deliver(self, data: Any, size: int) -> None:
        with self._room:
            self._waiting -= 1
            self._bytes -= size
            self._room.notify()
        if self._emit is not None:
            self._emit(data)

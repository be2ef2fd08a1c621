"""The way of what a tool says from its thread to the run's loop, in order and bounded.

Owns the bounds, by number and by size, of what waits for the loop; what waits for the run's reader is
`runtime.merge`'s. It must never look at what is said.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

from headwater.tools.news import cut_news, memory_of

__all__ = ("Progress",)

MAX_WAITING: Final = 256
"""Pieces that a thread may be ahead of the loop: more than any screen shows between two looks; then it waits."""

MAX_WAITING_BYTES: Final = 8_000_000
"""What these may take in memory: eight of the largest, and next to nothing beside a program that makes such."""

_LOOK_AGAIN: Final = 1.0
"""Seconds after which a waiting thread looks whether its loop is still there at all."""


class Progress:
    """The way of a tool's words to the loop: at once from the loop's own thread, in order and bounded from others.

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
        """Hand on `data`, plain JSON; from any thread."""
        if self._emit is None:
            return
        data = cut_news(data)
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
        except RuntimeError:  # the loop is closed, and nobody is there to hear it
            self.close()

    def close(self) -> None:
        """The call has ended: nothing more is handed on, and no thread waits any longer."""
        with self._room:
            self._emit = None  # it holds the run, and the tool's context is kept by every timer set in it
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

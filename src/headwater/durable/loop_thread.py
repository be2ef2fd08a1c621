"""A daemon thread with an event loop of its own, which runs until it is stopped.

Owns the thread and the loop. What happens on the loop is decided by the caller: `begin` is called on it first, `end` is
awaited last.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

__all__ = ("LoopThread",)


class LoopThread:
    """Starts the thread, and returns once `begin` has been called on its loop."""

    loop: asyncio.AbstractEventLoop

    def __init__(
        self, name: str, *, begin: Callable[[], object], end: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._begin = begin
        self._end = end
        self._ready = threading.Event()
        self._stopping: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name=name, daemon=True)
        self._thread.start()
        self._ready.wait()

    async def _main(self) -> None:
        self.loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            self._begin()
        finally:
            self._ready.set()
        await self._stopping.wait()
        if self._end is not None:
            await self._end()

    def stop(self, seconds: float) -> None:
        """Ends the loop and the thread, from another thread; waits at most that many seconds."""
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(seconds)

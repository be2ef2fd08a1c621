"""One exchange with the offline model: a performance with its pauses.

It uses only one timer of the event loop at a time, so that a test with a virtual clock controls every pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.backends.offline.performance import Acts
    from headwater.events import Event
    from headwater.providers.decoder import Decoder

__all__ = ("OfflineExchange",)


class OfflineExchange:
    """Implements `Exchange`. The first `pull` calls `begin`, and raises what it raises."""

    alive_at: float = 0.0

    __slots__ = ("_acts", "_begin", "_bell", "_failure", "_over", "_owed", "decoder")

    def __init__(self, decoder: Decoder, begin: Callable[[], Acts]) -> None:
        self.decoder: Decoder = decoder
        self._begin = begin
        self._acts: Acts | None = None
        self._owed = 0.0
        self._over = False
        self._failure: Exception | None = None
        self._bell: asyncio.Future[None] | None = None

    async def pull(self) -> list[Event]:
        """Returns the next events; an empty list once the answer has ended or was aborted. Raises the script's
        errors."""
        if self._owed <= 0:
            # Without a pause, other tasks and cancellations still get a turn.
            await asyncio.sleep(0)
        while not self._over:
            if self._owed > 0:
                await self._wait(self._owed)
                self._owed = 0.0
                continue  # it may have been aborted meanwhile
            events = self._advance()
            if events:
                return events
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return []

    def shut(self) -> None:
        """See `Exchange`; there is no server to tell."""

    def abort(self) -> None:
        """Stops at once; a waiting `pull` returns an empty list. Never waits; may be called twice."""
        self._over = True
        self._failure = None
        self._owed = 0.0
        acts, self._acts = self._acts, None
        if acts is not None:
            with suppress(ValueError):  # aborted by the script's own function: it is running, and ends on its own
                acts.close()
        bell, self._bell = self._bell, None
        if bell is not None and not bell.done() and not bell.get_loop().is_closed():
            bell.set_result(None)

    def _advance(self) -> list[Event]:
        try:
            if self._acts is None:
                self._acts = self._begin()
            self._owed = next(self._acts)
        except StopIteration as stop:
            self._over = True
            self._failure = stop.value
            return self.decoder.finish()
        except BaseException:
            self._over = True
            raise
        return self.decoder.take()

    async def _wait(self, seconds: float) -> None:
        # A future and a timer rather than asyncio.sleep, so that abort can end the wait.
        loop = asyncio.get_running_loop()
        self._bell = bell = loop.create_future()
        timer = loop.call_later(seconds, _ring, bell)
        try:
            await bell
        finally:
            timer.cancel()
            self._bell = None


def _ring(bell: asyncio.Future[None]) -> None:
    if not bell.done():
        bell.set_result(None)

"""Messages to a run that have to be sent by awaiting something: a request to a server, or a write to a journal.

In sync code the message has arrived when the call returns, and a rejection is raised there. In async code nothing may
block the event loop: messages are sent in the background, one after another, and a rejection goes to `failed`. Owns
this difference and the messages on their way; it does not depend on their content.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from headwater.backends.interrupt import running_loop
from headwater.errors import AlreadyAnswered, HeadwaterError, RunEnded

__all__ = ("Blocking", "Failed", "Sending")

T = TypeVar("T")

_logger = logging.getLogger("headwater.remote")

ARRIVAL_SECONDS: Final = 60.0
"""How long a thread waits for its message to arrive: longer than the timeout of a request."""

Failed: TypeAlias = Callable[[HeadwaterError], None]
"""Called in the loop's own thread with the error of a message that was sent in async code."""


class Blocking(Protocol):
    """How sync code waits for a coroutine: this layer has no loop for that."""

    def blocks(self) -> bool:
        """Whether the caller is sync code, which may be blocked."""

    def wait(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop | None) -> T:
        """Runs the coroutine to its end, on `loop` if it belongs to this thread and is idle."""


class Sending:
    """The messages of one reader to one run."""

    def __init__(self, blocking: Blocking) -> None:
        self._blocking = blocking
        self._under_way: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    def say(
        self,
        make: Callable[[], Coroutine[Any, Any, None]],
        *,
        failed: Failed,
        loop: asyncio.AbstractEventLoop | None = None,
        thread: int = 0,
    ) -> None:
        """Sends the message with the coroutine. `loop` and `thread` are those in which the run is read, if any.

        Raises the coroutine's exception in sync code.
        """
        if not self._blocking.blocks():
            loop = loop if loop is not None else asyncio.get_running_loop()
            if loop is running_loop():
                self.meanwhile(make, failed)
            else:
                loop.call_soon_threadsafe(self.meanwhile, make, failed)
        elif loop is not None and loop.is_running() and threading.get_ident() != thread:
            asyncio.run_coroutine_threadsafe(make(), loop).result(ARRIVAL_SECONDS)
        else:
            self._blocking.wait(make(), loop)

    def meanwhile(self, make: Callable[[], Coroutine[Any, Any, None]], failed: Failed) -> None:
        """Sends it after the earlier messages, in the loop's own thread."""
        task = asyncio.ensure_future(self._in_turn(make, failed))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _in_turn(self, make: Callable[[], Coroutine[Any, Any, None]], failed: Failed) -> None:
        try:
            async with self._turn:
                await make()
        except (AlreadyAnswered, RunEnded) as late:
            _logger.info("%s", late.message)  # the log shows who was first
        except HeadwaterError as error:
            failed(error)

    @property
    def under_way(self) -> tuple[asyncio.Task[None], ...]:
        """The messages that have not arrived yet."""
        return tuple(task for task in self._under_way if not task.done())

"""The one connection to a server on one event loop.

A task of its own enters and leaves the client, so that no cancel scope of it crosses into a run's task, and a cancelled
run leaves the connection open for others. It is made when it is first needed, made again after it was lost, and closed
before its event loop. It knows no tool.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from headwater.backends.loop_end import before_end
from headwater.errors import MCPUnavailable
from headwater.tools.mcp.session import Session

__all__ = ("Connection",)

CLOSE_SECONDS: Final = 0.5
"""How long a server may take to say goodbye: a loop waits a second at most for all that ends with it."""

Opening = Callable[[Session], AbstractAsyncContextManager[Any]]
"""Opens a client for a session, and returns it."""

Told = Callable[[BaseException, Sequence[str]], MCPUnavailable]
"""Makes the error of a connection that failed, and of what the server wrote last."""


class Connection:
    """One connection to a server.

    `name` is the server's in errors, `seconds` how long connecting may take, `told` makes the error of one that failed.
    Raises MCPUnavailable where the server cannot be reached.
    """

    def __init__(
        self,
        name: str,
        opening: Opening,
        *,
        seconds: float | None,
        told: Told,
    ) -> None:
        self._name = name
        self._opening = opening
        self._seconds = seconds
        self._told = told
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        """It, and those before it that are about to leave."""
        self._ready: asyncio.Future[Session] | None = None
        self._stop = asyncio.Event()
        self._loop = weakref.ref(asyncio.get_running_loop())

    async def session(self) -> Session:
        """Returns the open session, connected now where there is none. Raises MCPUnavailable."""
        if self._task is not None and self._known is not None and self._known.over:
            self._stop.set()
        if self._task is None or self._stop.is_set() or self._task.done():
            self._begin()
        assert self._ready is not None
        return await asyncio.shield(self._ready)

    @property
    def _known(self) -> Session | None:
        """The open session, if any."""
        ready = self._ready
        if ready is None or not ready.done() or ready.cancelled() or ready.exception() is not None:
            return None
        return ready.result()

    def lost(self, session: Session) -> None:
        """Drops a session that is dead, so that the next one to ask makes another."""
        if self._known is session:
            self._stop.set()

    async def close(self) -> None:
        """Closes it; returns once the client has left."""
        self._stop.set()
        if self._tasks:
            await asyncio.wait([*self._tasks])

    def close_soon(self) -> None:
        """The same from any thread, without waiting."""
        loop = self._loop()
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and the connection with it
                loop.call_soon_threadsafe(self._stop.set)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready = loop.create_future()
        self._ready.add_done_callback(_looked_at)
        # A context of its own: the run that asked first must not live as long as the connection.
        work = self._live(self._ready, self._stop)
        self._task = loop.create_task(work, name=f"MCP server {self._name}", context=contextvars.Context())
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)
        _keep(loop, self)

    async def _live(self, ready: asyncio.Future[Session], stop: asyncio.Event) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        session = Session(self._name, stop.set)
        late = None if self._seconds is None else loop.call_later(self._seconds, task.cancel)
        stopping = loop.create_task(_cancel_at(stop, ready, task))
        closing: asyncio.TimerHandle | None = None
        try:
            async with self._opening(session) as client:
                if late is not None:
                    late.cancel()
                session.opened(client)
                ready.set_result(session)
                try:
                    await stop.wait()
                finally:
                    closing = loop.call_later(CLOSE_SECONDS, task.cancel)
                    session.ended()
        except asyncio.CancelledError:
            if not ready.done():
                ready.set_exception(
                    self._told(TimeoutError(f"no answer in {self._seconds:g} seconds"), session.written)
                )
        except BaseException as error:  # a group of them where a task of the client failed
            session.failed(error)
            if not ready.done():
                ready.set_exception(self._told(error, session.written))
            if not isinstance(error, Exception):
                raise
        finally:
            session.ended()
            for timer in (late, closing):
                if timer is not None:
                    timer.cancel()
            stopping.cancel()
            stop.set()
            session.left.set()


async def _cancel_at(stop: asyncio.Event, ready: asyncio.Future[Session], task: asyncio.Task[None]) -> None:
    """Interrupts connecting where the connection is closed meanwhile."""
    await stop.wait()
    if not ready.done():
        task.cancel()


def _looked_at(ready: asyncio.Future[Session]) -> None:
    if not ready.cancelled():
        ready.exception()


# --- with its loop

_kept: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, set[Connection]] = weakref.WeakKeyDictionary()


def _keep(loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
    kept = _kept.setdefault(loop, set())
    for one in [*kept]:
        if not one._tasks:
            kept.discard(one)
    kept.add(connection)

    async def finish() -> None:
        await asyncio.gather(*(one.close() for one in kept))

    before_end(loop, finish, what="MCP servers")

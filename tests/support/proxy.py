"""A proxy before a server, which loses acknowledgements or stands still when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

__all__ = ("Proxy",)


class Proxy:
    """Passes connections on to `port` of loopback; its own port is `port` once it is entered.

    `loses` is asked for each piece that the server sends: where it says so, the piece is lost and the connection is
    cut, so that what was asked has been done and nobody is told. While `stalled`, nothing passes in either direction.
    """

    port: int

    def __init__(self, server: int, *, loses: Callable[[], bool] = lambda: False) -> None:
        self._server_port = server
        self.loses = loses
        self.lost = 0
        self._goes = asyncio.Event()
        self._goes.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def stalled(self) -> bool:
        """Whether nothing passes."""
        return not self._goes.is_set()

    @stalled.setter
    def stalled(self, stalled: bool) -> None:
        (self._goes.clear if stalled else self._goes.set)()

    def passing(self, data: bytes, *, back: bool) -> None:
        """Told of each piece before it passes; `back` if the server sent it. For subclasses."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._goes.wait()
            async with self._closing(writer), self._connected() as (back, forth):
                ways = [
                    asyncio.ensure_future(self._pass(reader, forth, loses=False)),
                    asyncio.ensure_future(self._pass(back, writer, loses=True)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.wait(ways)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        back, forth = await asyncio.open_connection("127.0.0.1", self._server_port)
        async with self._closing(forth):
            yield back, forth

    @contextlib.asynccontextmanager
    async def _closing(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        try:
            yield
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, loses: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.passing(data, back=loses)
                await self._goes.wait()
                if loses and self.loses():
                    self.lost += 1
                    return
                writer.write(data)
                await writer.drain()

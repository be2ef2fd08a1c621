"""A harmful proxy between a reader and a server: connections that are cut, stall, or are refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Literal

import msgspec

__all__ = ("Harm", "HostileProxy", "hostile_proxy")


class Harm(msgspec.Struct, frozen=True):
    """The harm to a connection: after that many bytes or events of the answer's body, it is cut or stalls.

    `collect` passes on that many bytes at a time, and the rest at the end. `refuse` answers with this without the
    server.
    """

    after_bytes: int | None = None
    after_events: int | None = None
    how: Literal["reset", "close", "stall"] = "reset"
    collect: int = 0
    refuse: bytes = b""


class HostileProxy:
    """Passes connections on to `port`; `harm` has the harm to each, by its number from 0."""

    def __init__(self, port: int, harm: Callable[[int], Harm]) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[bytes] = []
        """The head of each request."""
        self.stalled = asyncio.Event()
        """Set when a connection has stalled."""
        self.port = port
        self._harm = harm
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        harm = self._harm(self.connections)
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._pass_on(harm, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pass_on(self, harm: Harm, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        if harm.refuse:
            writer.write(harm.refuse)
            await writer.drain()
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            up_writer.write(head)
            sending = asyncio.create_task(_copy(reader, up_writer))
            try:
                await self._answer(harm, up_reader, writer)
            finally:
                sending.cancel()
        finally:
            up_writer.transport.abort()

    async def _answer(self, harm: Harm, up: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await up.readuntil(b"\r\n\r\n"))
        passed, events, held = 0, 0, b""
        while data := held + await up.read(65536):
            if harm.collect and len(data) < harm.collect and len(data) > len(held):
                held = data
                continue
            held = b""
            if harm.after_bytes is not None:
                data = data[: max(0, harm.after_bytes - passed)]
            if harm.after_events is not None:
                data = _until(data, harm.after_events - events)
                events += data.count(b"\n\n")
            passed += len(data)
            writer.write(data)
            await writer.drain()
            full = harm.after_bytes is not None and passed >= harm.after_bytes
            if full or (harm.after_events is not None and events >= harm.after_events):
                break
        else:
            if writer.can_write_eof():
                writer.write_eof()
            return
        if harm.how == "stall":
            self.stalled.set()
            await asyncio.Event().wait()
        elif harm.how == "close":
            writer.close()

    async def hang_up(self) -> None:
        """Ends all connections."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports are closed a turn later


def _until(data: bytes, events: int) -> bytes:
    """The data up to the end of that many events."""
    at = 0
    for _ in range(events):
        found = data.find(b"\n\n", at)
        if found < 0:
            return data
        at = found + 2
    return data[:at]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@contextlib.asynccontextmanager
async def hostile_proxy(port: int, harm: Callable[[int], Harm]) -> AsyncIterator[HostileProxy]:
    """A proxy to the server on `port`."""
    proxy = HostileProxy(port, harm)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.hang_up()
        await server.wait_closed()

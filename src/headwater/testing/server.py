"""An HTTP/1.1 server that sends exactly what it is given: answers are executed step by step.

Owns the sockets, the parsing of requests, and the detection of disconnected clients. It must never correct what it
sends, which is decided by `answer` and `faults`.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from headwater.testing.received import Received
from headwater.testing.served_answer import Answer, Broken, Pause

__all__ = ("HTTPRequestHead", "Server")

MAX_BODY_BYTES: Final = 256 * 1024 * 1024
"""The maximum size of a request's body: enough for several images."""

MAX_HEAD_BYTES: Final = 64 * 1024
"""The maximum size of a request's head."""


class HTTPRequestHead:
    """A raw request."""

    def __init__(self, data: bytes) -> None:
        first, *lines = data.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        self.method: str = method
        parts = urlsplit(target)
        self.path: str = unquote(parts.path)
        self.query: dict[str, str] = dict(parse_qsl(parts.query, keep_blank_values=True))
        fields = (line.partition(":") for line in lines)
        self.headers: dict[str, str] = {name.strip().lower(): value.strip() for name, colon, value in fields if colon}


Respond = Callable[[HTTPRequestHead, bytes, int], tuple[Received, Answer]]
"""Answers a request, given its head, its body and the number of its connection."""


class Server:
    """Serves 127.0.0.1 from a separate thread, from `start` to `stop`."""

    def __init__(self, respond: Respond, *, port: int = 0) -> None:
        self.port: int = port
        self.connections: int = 0
        self._respond = respond
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Listen. Raises OSError if the port is in use."""
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._run, name="provider simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        """Close every connection and end the thread."""
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    # --- in the server's thread

    def _run(self) -> None:
        loop = self._loop
        assert loop is not None
        asyncio.set_event_loop(loop)
        try:
            server = loop.run_until_complete(
                asyncio.start_server(
                    self._connected, "127.0.0.1", self.port, limit=MAX_HEAD_BYTES, backlog=2048, start_serving=True
                )
            )
        except OSError as failure:
            self._failure = failure
            loop.close()
            self._ready.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        loop.run_forever()
        server.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._serve(next(self._numbers), reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client disconnected, or the server is stopped
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = b""
        stale = False
        while True:
            head = HTTPRequestHead(began + await reader.readuntil(b"\r\n\r\n"))
            if stale:
                return
            if head.headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await _read_body(reader, head)
            received, answer = self._respond(head, body, number)
            received.status = answer.status
            # Clients do not send data ahead of an answer, so a readable socket means that the client disconnected.
            left = asyncio.ensure_future(reader.read(1))
            sending = asyncio.ensure_future(_Sending(received, answer, writer).send())
            try:
                await asyncio.wait({left, sending}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                whole = sending.done() and not sending.cancelled() and sending.exception() is None
                sending.cancel()
                await asyncio.wait({sending})
                broken = whole and sending.result()
                received.end(gone=not whole)
                if not whole or broken:
                    left.cancel()
            if not whole or broken:
                return
            stale = answer.stale
            began = await left
            if not began:
                return


async def _read_body(reader: asyncio.StreamReader, head: HTTPRequestHead) -> bytes:
    if "chunked" not in head.headers.get("transfer-encoding", ""):
        size = int(head.headers.get("content-length", "0"))
        if size > MAX_BODY_BYTES:
            raise EOFError("The request is too long.")
        return await reader.readexactly(size)
    pieces: list[bytes] = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if size + sum(map(len, pieces)) > MAX_BODY_BYTES:
            raise EOFError("The request is too long.")
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(pieces)


class _Sending:
    """An answer being sent."""

    def __init__(self, received: Received, answer: Answer, writer: asyncio.StreamWriter) -> None:
        self._received = received
        self._answer = answer
        self._writer = writer

    async def send(self) -> bool:
        """Send it; returns whether the connection was broken on purpose."""
        for before in self._answer.before:
            if isinstance(before, Broken):
                return await self._break(before)
            if isinstance(before, Pause):
                await _pause(before.seconds)
        await self._head()
        received, writer = self._received, self._writer
        for step in self._answer.steps:
            if isinstance(step, bytes):
                if step:
                    writer.write(b"%x\r\n%s\r\n" % (len(step), step))
                    received.sent += len(step)
                    received.pieces += 1
                    await writer.drain()
                    await asyncio.sleep(0)  # lets the server notice a disconnected client
            elif isinstance(step, Broken):
                return await self._break(step)
            else:
                await _pause(step.seconds)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return False

    async def _head(self) -> None:
        answer, writer = self._answer, self._writer
        try:
            phrase = HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = ""
        headers = {**answer.headers, "Transfer-Encoding": "chunked"}
        lines = (f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", "")
        data = "\r\n".join(lines).encode("latin-1")
        if not answer.head_seconds:
            writer.write(data)
            return
        for piece in _one_by_one(data):
            writer.write(piece)
            await asyncio.sleep(answer.head_seconds / len(data))

    async def _break(self, how: Broken) -> bool:
        transport = self._writer.transport
        transport.set_write_buffer_limits(0)
        await self._writer.drain()  # flush what was written before
        sock = transport.get_extra_info("socket")
        if how.how == "reset" and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        return True


async def _pause(seconds: float | None) -> None:
    if seconds is None:
        await asyncio.get_running_loop().create_future()
    else:
        await asyncio.sleep(seconds)


def _one_by_one(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))

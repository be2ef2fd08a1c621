"""The server for all clients: a separate process, on its own core if there are two.

It answers with prepared bytes, one HTTP chunk per event. The path selects the answer: `/<pace>/<api>/<tokens>/…`, where
the pace is one of

* `blast`: as fast as the client reads, several events per write;
* `paced`: one event per write, 50 per second, each token the time at which it was sent (`time.monotonic`);
* `held`: the first token, and then nothing as long as the client stays;
* `asked`: the arrival time of the request as the only token, at once, and the end a moment later;
* `spent`: not an answer of any API, but the server's own time for its answers since the last call.

    python -m benchmarks.server [core]    prints its port, then serves until its input ends
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Sequence
from functools import cache
from typing import ClassVar

from benchmarks.bodies import API, APIS

__all__ = ("TOKENS_A_SECOND",)

TOKENS_A_SECOND = 50
EVENTS_A_WRITE = 50


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


@cache
def _writes(api: str, tokens: int) -> Sequence[bytes]:
    """A complete body in pieces to write."""
    chunks = [_chunk(event) for event in APIS[api].body(tokens)]
    pieces = [b"".join(chunks[at : at + EVENTS_A_WRITE]) for at in range(0, len(chunks), EVENTS_A_WRITE)]
    pieces[-1] += b"0\r\n\r\n"
    return pieces


@cache
def _edges(api: str) -> tuple[bytes, bytes]:
    """The bytes before and after the tokens."""
    spoken = APIS[api]
    return b"".join(map(_chunk, spoken.head)), b"".join(map(_chunk, spoken.tail(""))) + b"0\r\n\r\n"


@cache
def _header(api: str) -> bytes:
    return (f"HTTP/1.1 200 OK\r\nContent-Type: {APIS[api].content_type}\r\nTransfer-Encoding: chunked\r\n\r\n").encode()


class _Connection(asyncio.Protocol):
    spent: ClassVar[list[float]] = []
    """Of all connections."""

    def __init__(self) -> None:
        self._received = b""
        self._free = asyncio.Event()
        self._free.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._free.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._free.clear()

    def resume_writing(self) -> None:
        self._free.set()

    def data_received(self, data: bytes) -> None:
        begun = time.monotonic()
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(body) < length:
            return
        self._received = body[length:]
        _, pace, api, tokens, *_ = head.split(b" ", 2)[1].decode().split("/")
        if pace == "spent":
            report = f"{sum(self.spent) / max(1, len(self.spent)):.9f}".encode()
            self.spent.clear()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(report), report))
            return
        if pace == "asked":
            before, after = _edges(api)
            event = _chunk(APIS[api].token(f"{begun:.6f}"))
            self._transport.write(_header(api) + before + event)
            self.spent.append(time.monotonic() - begun)
            asyncio.get_running_loop().call_later(0.001, self._transport.write, after)
            return
        self._task = asyncio.get_running_loop().create_task(_PACES[pace](self, APIS[api], int(tokens)))

    async def _blast(self, api: API, tokens: int) -> None:
        write = self._transport.write
        write(_header(api.name))
        for piece in _writes(api.name, tokens):
            if not self._free.is_set():
                await self._free.wait()
            write(piece)

    async def _paced(self, api: API, tokens: int) -> None:
        before, after = _edges(api.name)
        write, token, now = self._transport.write, api.token, time.monotonic
        write(_header(api.name) + before)
        step = 1 / TOKENS_A_SECOND
        at = now() + random.random() * step  # so that streams are not synchronized
        for _ in range(tokens):
            if (wait := at - now()) > 0:
                await asyncio.sleep(wait)
            at += step
            write(_chunk(token(f"{now():.6f} ")))
        write(after)

    async def _held(self, api: API, tokens: int) -> None:
        self._transport.write(_header(api.name) + _edges(api.name)[0] + _chunk(api.token("x")))
        await asyncio.Event().wait()


_PACES = {"blast": _Connection._blast, "paced": _Connection._paced, "held": _Connection._held}


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until its parent process has ended
    server.close()


if __name__ == "__main__":
    if len(sys.argv) > 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(sys.argv[1])})
    asyncio.run(_serve())

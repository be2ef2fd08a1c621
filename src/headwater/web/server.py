"""Our own server: uvicorn, with the timeouts and limits that it leaves to a proxy in front.

Closes connections with missing or endless request headers, and readers that accept no data. On shutdown the routes
close the WebSockets, because they know when their runs have ended. It must never inspect a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from headwater.web.http.answers import ABORT, DIRECT
from headwater.web.limits import GRACE_SECONDS, MAX_READERS, Limits

__all__ = ("HTTP", "WebSocket", "config")

HEAD_SECONDS: Final = 10.0
"""Timeout for receiving the request line and headers."""

MAX_HEAD_BYTES: Final = 64 * 1024
"""Maximum bytes of the request line and headers: others allow 8 to 32 kB, but cookies of local programs add up."""

MAX_CONNECTIONS: Final = 2 * MAX_READERS
"""Maximum number of connections; further ones get a 503."""

STOP_SECONDS: Final = 30
"""How long the server waits for readers during shutdown; the runs have ended long before."""

_TOO_LONG: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@lru_cache(1)
def _chunk(data: bytes) -> bytes:
    """Frames a piece of a body; the same piece is often written to many readers in a row."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def direct_write(send: Send) -> Callable[[bytes], bool] | None:
    """Returns a function that writes a piece of the response's body at once, between two calls of `send`.

    It returns False, and has written nothing, if the connection is not ready. None if `send` is not the server's own,
    because something in between may change what is sent, and if the body is not sent in chunks.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or not cycle.chunked_encoding:
        return None
    flow, write_to = cycle.flow, cycle.transport.write

    def write(data: bytes) -> bool:
        if flow.write_paused or cycle.disconnected:
            return False
        try:
            write_to(_chunk(data))
        except (OSError, RuntimeError):  # an event loop may raise for a connection that has just ended
            return False
        return True

    return write


class HTTP(HttpToolsProtocol):
    """A connection with limits on the time and size of request headers."""

    _clock: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._clock = self.loop.call_later(HEAD_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.write(_TOO_LONG)
                self.transport.close()

    def on_message_begin(self) -> None:
        """Called when a request starts."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)["extensions"] = {ABORT: self.transport.abort, DIRECT: direct_write}
        self._in_head, self._head_bytes = True, 0
        if self._clock is None:
            self._clock = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        """Called when the headers are complete."""
        self._in_head = False
        self._stop_clock()
        super().on_headers_complete()

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


class WebSocket(WebSocketsSansIOProtocol):
    """A WebSocket, which its route closes on shutdown."""

    def shutdown(self) -> None:
        """Called on shutdown. Leaves an open socket to its route, which closes it after the last output."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()

    async def run_asgi(self) -> None:
        """Serves the WebSocket."""
        cast("dict[str, Any]", self.scope)["extensions"][ABORT] = self.transport.abort
        await super().run_asgi()


def config(app: ASGIApp | str, *, host: str, port: int, limits: Limits | None = None, **more: Any) -> uvicorn.Config:
    """Returns the configuration of the server; `more` are further uvicorn options."""
    limits = limits or Limits()
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "http": HTTP,
        "ws": WebSocket,
        "ws_max_size": limits.socket_message_bytes,
        "ws_per_message_deflate": False,  # compression costs more than it saves on a token
        "limit_concurrency": max(MAX_CONNECTIONS, 2 * limits.readers),
        "timeout_graceful_shutdown": int(limits.grace_seconds - GRACE_SECONDS) + STOP_SECONDS,
        "access_log": False,  # the routes write their own log lines, without query strings
        "server_header": False,
    }
    return uvicorn.Config(app, **{**options, **more})

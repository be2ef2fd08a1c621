"""Our own server: uvicorn, with the clocks and bounds that it leaves to a proxy in front.

A head that does not come, or does not end, is cut off; so is a reader who takes nothing. Sockets are left to the
routes where the server stops, for they know when their runs have ended. It must never look into a request.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from headwater.web.http.answers import ABORT
from headwater.web.limits import GRACE_SECONDS, MAX_READERS, Limits

__all__ = ("HTTP", "WebSocket", "config")

HEAD_SECONDS: Final = 10.0
"""How long a connection may take to say what it wants."""

MAX_HEAD_BYTES: Final = 64 * 1024
"""Bytes of a request's line and headers: what others take is 8 to 32 kB, and cookies of local programs add up."""

MAX_CONNECTIONS: Final = 2 * MAX_READERS
"""Connections at once; who comes then is told 503."""

STOP_SECONDS: Final = 30
"""How long the server waits for those who still read, after it was told to stop; runs have ended long before."""

_TOO_LONG: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HTTP(HttpToolsProtocol):
    """A connection, whose heads are bounded in time and size."""

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
        """A request begins."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)["extensions"] = {ABORT: self.transport.abort}
        self._in_head, self._head_bytes = True, 0
        if self._clock is None:
            self._clock = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        self._stop_clock()
        super().on_headers_complete()

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


class WebSocket(WebSocketsSansIOProtocol):
    """A WebSocket, which is closed by its route where the server stops."""

    def shutdown(self) -> None:
        """The server stops: whoever serves the socket hears of it too, and closes it when all is said."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()

    async def run_asgi(self) -> None:
        """Serve it."""
        cast("dict[str, Any]", self.scope)["extensions"][ABORT] = self.transport.abort
        await super().run_asgi()


def config(app: ASGIApp | str, *, host: str, port: int, limits: Limits | None = None, **more: Any) -> uvicorn.Config:
    """How our server is set up; `more` is uvicorn's own."""
    limits = limits or Limits()
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "http": HTTP,
        "ws": WebSocket,
        "ws_max_size": limits.socket_message_bytes,
        "ws_per_message_deflate": False,  # a token is shorter than what compressing it costs
        "limit_concurrency": max(MAX_CONNECTIONS, 2 * limits.readers),
        "timeout_graceful_shutdown": int(limits.grace_seconds - GRACE_SECONDS) + STOP_SECONDS,
        "access_log": False,  # the routes write their own lines, without queries
        "server_header": False,
    }
    return uvicorn.Config(app, **{**options, **more})

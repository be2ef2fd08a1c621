"""A small server that answers what the test says, over a real socket: statuses, bodies, pieces of a stream, silence.

It is a provider, a proxy or a web server, as the test has it; it knows nothing of what is tested.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ("Server", "sse")

EVENTS = {"content-type": "text/event-stream"}


def sse(*values: Any) -> bytes:
    """Values as server-sent events."""
    return b"".join(f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode() for value in values)


def said(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    """A chunk of Chat Completions."""
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]}


class _Quiet(ThreadingHTTPServer):
    """One that says nothing of those who have left."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """Runs while entered. `requests` holds what came: method, path, headers, body."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self._status = 200
        self._headers: dict[str, str] = {}
        self._pieces: tuple[bytes, ...] | Callable[[dict[str, str], bytes], bytes] = ()
        self._raw: Callable[[dict[str, str]], bytes] | None = None
        self._hold = self._endless = False
        self._released = threading.Event()
        self._arrived = threading.Condition()
        self.left = threading.Event()
        """Set when the other side closed a connection that was held open."""
        self._server = _Quiet(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for(self, count: int) -> bool:
        """Wait, not in a loop's thread, until so many requests have come."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.requests) >= count, 10)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """What is set as a base URL."""
        return f"{self._scheme}://{self.address}/v1"

    def answers(self, status: int, body: Any = b"", **headers: str) -> None:
        """From now on: this status and body (bytes, a value as JSON, or a function of the request's headers and body).

        Names of headers are written with _ for -.
        """
        self._status, self._hold = status, False
        written = {name.replace("_", "-"): value for name, value in headers.items()}
        if callable(body):
            self._pieces = body
        elif isinstance(body, bytes):
            self._pieces = (body,)
        else:
            self._pieces = (json.dumps(body).encode(),)
            written.setdefault("content-type", "application/json")
        self._headers = written

    def says_anything(self, written: Callable[[dict[str, str]], bytes]) -> None:
        """From now on: these bytes, made of the request's headers, be they HTTP or not."""
        self._raw = written

    def streams(self, pieces: Iterable[Any], *, hold: bool = False, endless: bool = False) -> None:
        """From now on: a stream of these events; with `hold` the connection then stays open and silent.

        `endless` says the last of them again and again until the other side closes it.
        """
        self._status, self._headers, self._hold, self._endless = 200, EVENTS, hold or endless, endless
        self._pieces = tuple(sse(piece) for piece in pieces)

    def says(self, text: str = "High water is at six.") -> None:
        """From now on: a whole answer."""
        usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        words = [said(word + " ") for word in text.split(" ")]
        self.streams([*words, said("", "stop"), {"choices": [], "usage": usage}, "[DONE]"])

    def _watch(self, connection: socket.socket) -> None:
        last = self._pieces[-1] if self._endless and isinstance(self._pieces, tuple) else b""
        with contextlib.suppress(OSError):
            while not self._released.is_set():
                readable, _, _ = select.select([connection], [], [], 0.02)
                if readable and not connection.recv(1):
                    break
                connection.sendall(last)
        self.left.set()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                with server._arrived:
                    server.requests.append((self.command, self.path, headers, body))
                    server._arrived.notify_all()
                if server._raw is not None:
                    self.wfile.write(server._raw(headers))
                    self.close_connection = True
                    return
                pieces = server._pieces
                if callable(pieces):
                    pieces = (pieces(headers, body),)
                self.send_response(server._status)
                for name, value in server._headers.items():
                    self.send_header(name, value)
                self.send_header("connection", "close")
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece)
                self.wfile.flush()
                self.close_connection = True
                if server._hold:
                    server._watch(self.connection)

            do_POST = do_CONNECT = do_GET = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing on standard error."""

        return Handler

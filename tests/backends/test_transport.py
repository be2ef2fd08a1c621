"""The HTTP client, on connections that a test controls byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, cast

import aiohttp
import pytest
import uvloop
from aiohttp.client_proto import ResponseHandler

from headwater.backends import transport
from headwater.errors import ConfigurationError, ConnectionFailed
from headwater.providers.request import HTTPRequest

SOON = 30.0
HEAD = b"HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\nContent-Length: %d\r\n\r\n%s"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class Server:
    """Accepts connections one by one and answers them with `serve`; `received` has the data of each."""

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._run, name="server")
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.settimeout(SOON)
                self.connections += 1
                with client, contextlib.suppress(OSError):
                    self._serve(client, self.connections)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SOON)

    def request(self, body: bytes = b"{}") -> HTTPRequest:
        return HTTPRequest(url=f"http://127.0.0.1:{self.port}/v1/x", headers={"x-key": "k"}, body=body)


def take(client: socket.socket, rest: bytes = b"") -> bytes:
    """One request, head and body; b"" at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), None)
    while (len(body) < length) if length is not None else not body.endswith(b"0\r\n\r\n"):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket, int], None]], Server]]:
    servers: list[Server] = []

    def make(answer: Callable[[socket.socket, int], None]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


Serve = Callable[[Callable[[socket.socket, int], None]], Server]
LOOPS: list[Any] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    def running(main: Any) -> Any:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(main)

    return running


def test_a_request_is_sent_unchanged_and_answered(serve: Serve, run: Callable[[Any], Any]) -> None:
    received: list[bytes] = []

    def answer(client: socket.socket, number: int) -> None:
        while data := take(client):
            received.append(data)
            client.sendall(HEAD % (5, b"hello"))

    server = serve(answer)

    async def main() -> None:
        reply = await transport.post(server.request(b'{"a": 1}'))
        assert (reply.status, reply.headers["x-request-id"]) == (200, "r1")
        assert await reply.read() == b"hello"
        assert await reply.read() == b""
        assert reply.ended
        reply.release()
        second = await transport.post(server.request())
        assert await second.read_error() == b"hello"
        second.release()

    run(main())
    head = received[0].lower()
    assert head.startswith(b"post /v1/x http/1.1\r\n")
    assert b"x-key: k" in head
    assert b"accept-encoding: identity" in head
    assert b"user-agent" not in head
    assert b"cookie" not in head
    assert received[0].endswith(b'{"a": 1}')
    assert server.connections == 1


def test_a_large_body_arrives_complete(serve: Serve, run: Callable[[Any], Any]) -> None:
    received: list[bytes] = []

    def answer(client: socket.socket, number: int) -> None:
        received.append(take(client))
        client.sendall(HEAD % (0, b""))

    server = serve(answer)
    body = b"x" * (transport.LARGE_BODY_BYTES + 1)

    async def main() -> None:
        (await transport.post(server.request(body))).release()

    run(main())
    assert received[0].endswith(body)


def test_data_before_a_broken_connection_is_returned_first(serve: Serve, run: Callable[[Any], Any]) -> None:
    def answer(client: socket.socket, number: int) -> None:
        take(client)
        client.sendall(HEAD % (1000, b"so far"))
        client.shutdown(socket.SHUT_WR)
        client.recv(1)

    server = serve(answer)

    async def main() -> None:
        reply = await transport.post(server.request())
        await asyncio.sleep(0.02)  # both the text and the end are there before a read
        assert await reply.read() == b"so far"
        with pytest.raises(ConnectionFailed, match="broke during the answer"):
            await reply.read()
        reply.abort()

    run(main())


# --- client internals that a later version may not have


class Hiding:
    """A client object without one of its attributes, whose class cannot be replaced."""

    def __init__(self, real: Any, hidden: str, **instead: Any) -> None:
        self._real = real
        self._hidden = hidden
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        if name == self._hidden:
            raise AttributeError(name)
        return self._instead[name] if name in self._instead else getattr(self._real, name)


PIECES = [b"data: one\n\n", b"data: two\n\ndata: three\n\n", b"data: four\n\n"]


def in_chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def test_the_installed_client_uses_the_fast_path(
    serve: Serve, run: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(client: socket.socket, number: int) -> None:
        while take(client):
            client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.sendall(in_chunks(*PIECES * 100) + b"0\r\n\r\n")

    server = serve(answer)
    public = aiohttp.StreamReader.readany
    left = []

    async def readany(self: aiohttp.StreamReader) -> bytes:
        left.append(self.at_eof())
        return await public(self)

    resume = ResponseHandler.resume_reading
    resumed = []

    def resume_reading(self: ResponseHandler, resume_parser: bool = True) -> None:
        resumed.append(resume_parser)
        resume(self, resume_parser)

    monkeypatch.setattr(aiohttp.StreamReader, "readany", readany)
    monkeypatch.setattr(ResponseHandler, "resume_reading", resume_reading)

    async def main() -> None:
        for _ in range(3):
            reply = await transport.post(server.request())
            assert reply._buffer is not None
            assert type(reply._response.content) is transport._content_class()
            data = b""
            while piece := await reply.read():
                data += piece
            assert data == b"".join(PIECES) * 100
            reply.release()

    run(main())
    assert left == [True] * 3  # only for the end
    assert not any(resumed)  # it was never paused
    assert server.connections == 1


@pytest.mark.parametrize("hidden", ["_buffer", "_wait", "nothing, but of another class"])
def test_everything_works_without_the_clients_internals(
    serve: Serve, run: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    more, gone = threading.Semaphore(0), threading.Event()

    def answer(client: socket.socket, number: int) -> None:
        while head := take(client):
            client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            if b"leave" in head:
                client.sendall(in_chunks(PIECES[0]))
                with contextlib.suppress(ConnectionResetError):
                    client.recv(1)
                gone.set()
                return
            for piece in PIECES:
                client.sendall(in_chunks(piece))
                assert more.acquire(timeout=SOON)
            if b"break" in head:
                return
            client.sendall(b"0\r\n\r\n")

    def without(response: Any) -> transport.Reply:
        return real(cast(Any, Hiding(response, "", content=Hiding(response.content, hidden))))

    real = transport.Reply
    monkeypatch.setattr(transport, "Reply", without)
    server = serve(answer)

    async def main() -> None:
        for body in (b"whole", b"whole", b"break"):
            reply = await transport.post(server.request(body))
            assert (reply._buffer is None) == hidden.startswith("_")
            for piece in PIECES:
                assert await reply.read() == piece  # each one before the next is sent
                more.release()
            if body == b"whole":
                assert await reply.read() == b""
                assert reply.ended
            else:
                with pytest.raises(ConnectionFailed, match="broke during the answer"):
                    await reply.read()
            reply.release()
        reply = await transport.post(server.request(b"leave"))
        assert await reply.read() == PIECES[0]
        reply.abort()
        assert gone.wait(SOON)  # the loop is blocked

    run(main())
    assert server.connections == 2  # the complete ones shared one with the broken one


class Kept:
    """Answers the first request of a connection, and the second only with `said`; then the connection ends."""

    def __init__(self, said: bytes, *, reset: bool) -> None:
        self.said, self.reset = said, reset
        self.requests = 0

    def __call__(self, client: socket.socket, number: int) -> None:
        take(client)
        self.requests += 1
        client.sendall(HEAD % (5, b"hello"))
        if not take(client):
            return
        self.requests += 1
        client.sendall(self.said)
        if self.reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def asked_twice(server: Server) -> str:
    """The result of a second request on a kept-alive connection."""
    first = await transport.post(server.request())
    assert await first.read_error() == b"hello"
    first.release()
    try:
        reply = await transport.post(server.request())
    except ConnectionFailed as error:
        return error.message
    return (await reply.read()).decode()


HALVES = [b"HT", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("said", HALVES)
def test_a_handled_request_is_not_sent_again(serve: Serve, run: Callable[[Any], Any], said: bytes, reset: bool) -> None:
    kept = Kept(said, reset=reset)
    server = serve(kept)
    message = run(asked_twice(server))
    assert "broke before an answer arrived" in message
    assert "its head was cut off" in message or reset
    assert said.decode() not in message
    assert (server.connections, kept.requests) == (1, 2)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_dead_kept_alive_connection_is_replaced(serve: Serve, run: Callable[[Any], Any], reset: bool) -> None:
    kept = Kept(b"", reset=reset)
    server = serve(kept)
    assert run(asked_twice(server)) == "hello"
    assert (server.connections, kept.requests) == (2, 3)


@pytest.mark.parametrize(("said", "connections"), [(b"", 2), (HALVES[-1], 1)])
def test_without_the_connectors_internals_the_error_decides(
    serve: Serve, run: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch, said: bytes, connections: int
) -> None:
    monkeypatch.setattr(transport, "_watch_answers", lambda connector, loop: None)
    kept = Kept(said, reset=False)
    server = serve(kept)
    run(asked_twice(server))
    assert server.connections == connections


def test_an_errors_body_is_read_up_to_its_limit(serve: Serve, run: Callable[[Any], Any]) -> None:
    def answer(client: socket.socket, number: int) -> None:
        take(client)
        client.sendall(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(100):
                client.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    server = serve(answer)

    async def main() -> None:
        reply = await transport.post(server.request())
        assert reply.status == 500
        assert len(await reply.read_error()) == transport.MAX_ERROR_BODY_BYTES
        reply.release()  # more data would follow, so it is closed

    run(main())


def test_closing_notifies_the_server_at_once_and_may_be_repeated(serve: Serve, run: Callable[[Any], Any]) -> None:
    gone = threading.Event()

    def answer(client: socket.socket, number: int) -> None:
        take(client)
        client.sendall(HEAD % (1000, b"so far"))
        try:
            data = client.recv(1)
        except ConnectionResetError:
            data = b""
        if data == b"":
            gone.set()

    server = serve(answer)

    async def main(how: str) -> None:
        gone.clear()
        reply = await transport.post(server.request())
        if how == "abort":
            reply.abort()
        else:
            thread = threading.Thread(target=reply.shut)
            thread.start()
            thread.join()
        assert gone.wait(SOON)  # the loop is blocked
        reply.abort()
        reply.abort()
        reply.shut()
        reply.release()

    run(main("abort"))
    run(main("shut"))


def test_a_slow_reader_slows_the_server_down(serve: Serve, run: Callable[[Any], Any]) -> None:
    """Unread data is not fetched beyond a limit."""
    sent = 0
    stuck = threading.Event()

    def answer(client: socket.socket, number: int) -> None:
        nonlocal sent
        take(client)
        client.sendall(HEAD % (10**9, b""))
        client.setblocking(True)
        client.settimeout(0.2)
        piece = b"x" * 65536
        try:
            while sent < 10**8:
                sent += client.send(piece)
        except OSError:
            stuck.set()

    server = serve(answer)

    async def main() -> None:
        reply = await transport.post(server.request())
        async with asyncio.timeout(SOON):
            while not stuck.is_set():  # noqa: ASYNC110  # what is waited for happens in a thread
                await asyncio.sleep(0.005)
        assert sent < 20_000_000
        reply.abort()

    run(main())


def test_a_slow_reader_that_continues_gets_everything(serve: Serve, run: Callable[[Any], Any]) -> None:
    whole = bytes(range(256)) * 4 * 4096

    def answer(client: socket.socket, number: int) -> None:
        take(client)
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(in_chunks(*(whole[at : at + 4096] for at in range(0, len(whole), 4096))) + b"0\r\n\r\n")

    server = serve(answer)

    async def main() -> None:
        reply = await transport.post(server.request())
        data = b""
        async with asyncio.timeout(SOON):
            while not cast(Any, reply._response.content)._protocol._reading_paused:  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0)
            while piece := await reply.read():
                data += piece
        assert data == whole
        reply.release()

    run(main())


def test_an_invalid_url_is_an_error(run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        for url in ("ftp://host/x", "http://", "http://no.such.host.invalid/x", "http://a..b/x"):
            with pytest.raises((ConnectionFailed, ConfigurationError)) as caught:
                await transport.post(HTTPRequest(url=url, headers={"authorization": "Bearer sk-secret"}, body=b""))
            assert "sk-secret" not in str(caught.value)
            assert caught.value.__cause__ is None

    run(main())


def test_nothing_of_a_closed_loop_is_kept(serve: Serve) -> None:
    """However a loop was closed: a program that creates a loop for each call must not leak memory."""

    def answer(client: socket.socket, number: int) -> None:
        while take(client):
            client.sendall(HEAD % (2, b"ok"))

    server = serve(answer)

    async def main() -> None:
        reply = await transport.post(server.request())
        while await reply.read():
            pass
        reply.release()

    def closed_without_its_generators(make: Any) -> weakref.ref[Any]:
        loop = make()
        loop.run_until_complete(main())
        loop.close()
        return weakref.ref(loop)

    def closed(make: Any) -> weakref.ref[Any]:
        with asyncio.Runner(loop_factory=make) as runner:
            runner.run(main())
            return weakref.ref(runner.get_loop())

    left = [close(make) for make in LOOPS for close in (closed_without_its_generators, closed)]
    gc.collect()
    assert [loop() for loop in left] == [None] * len(left)

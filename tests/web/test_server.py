from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from headwater.web import Limits, router, server
from headwater.web.server import HTTP, config
from tests.support.members import paced, speaker
from tests.support.served import read_events, served
from tests.web.http.test_site import raw

HEAD = b"GET /health HTTP/1.1\r\nhost: localhost\r\n"


def test_what_it_is_set_to() -> None:
    made = config(router(speaker("a")), host="127.0.0.1", port=0, limits=Limits(readers=5_000), log_level="error")
    assert (made.http, made.limit_concurrency, made.ws_max_size) == (HTTP, 10_000, 1_000_000)
    assert made.access_log is False


def test_half_open_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)

    async def main() -> None:
        async with served(router(speaker("a"))) as here:
            silent = [raw(here) for _ in range(50)]
            slow = [raw(here, HEAD, *[b"x: y\r\n"] * 20, pause=0.05) for _ in range(10)]
            second = raw(here, HEAD + b"\r\n", b"GET /he", pause=0.1)
            answers = await asyncio.gather(*silent, *slow, second, return_exceptions=True)
            for answer in answers[:-1]:
                assert answer == b"" or isinstance(answer, ConnectionError)
            assert isinstance(answers[-1], bytes)
            assert answers[-1].count(b"HTTP/1.1 200") == 1
            assert not here.server.server_state.connections

    asyncio.run(main())


@pytest.mark.parametrize(
    "flood",
    [
        [b"x-%d: %s\r\n" % (number, b"y" * 100) for number in range(2000)],
        [b"x: " + b"y" * 10_000] * 20,
        [b"x: y\r\n" * 2000] * 20,
    ],
    ids=["many", "one that is long", "short ones"],
)
def test_a_head_has_an_end(flood: list[bytes]) -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as here:
            try:
                answer = await raw(here, HEAD, *flood)
            except ConnectionError:
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
            long = await raw(here, HEAD, b"connection: close\r\nx: " + b"y" * 30_000 + b"\r\n\r\n")
            assert long.startswith(b"HTTP/1.1 200 ")

    asyncio.run(main())


def test_a_long_url_is_refused() -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as here:
            try:
                answer = await raw(here, b"GET /" + b"a" * 200_000)
            except ConnectionError:
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")

    asyncio.run(main())


def test_a_stream_is_not_an_endless_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)

    async def main() -> None:
        async with served(router(paced("a", 10, 0.05))) as here:
            headers = {"accept": "text/event-stream"}
            async with here.client.stream("POST", "/runs", json={"input": "Go."}, headers=headers) as response:
                assert (await read_events(response))[-1].event == "run.finished"

    asyncio.run(main())


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_reader_is_written_to_directly_unless_something_is_in_between(
    wrapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    whole = server._chunk

    def chunk(data: bytes) -> bytes:
        written.append(data)
        return whole(data)

    monkeypatch.setattr(server, "_chunk", chunk)
    seen: list[bytes] = []
    routes = router(paced("a", 10, 0.05))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            seen.append(message.get("body", b""))
            await send(message)

        await routes(scope, receive, tell if wrapped else send)

    async def main() -> None:
        async with served(app) as here:
            headers = {"accept": "application/x-ndjson"}
            async with here.client.stream("POST", "/runs", json={"input": "Go."}, headers=headers) as response:
                told = await response.aread()
            assert b"run.finished" in told
            assert written == [] if wrapped else b"a8 " in b"".join(written)
            assert b"".join(seen) == told if wrapped else seen == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "bytes_", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\nx\x00: y\r\n\r\n"]
)
def test_an_invalid_request_is_rejected(bytes_: bytes) -> None:
    async def main() -> None:
        async with served(router(speaker("a")), log_level="critical") as here:
            assert (await raw(here, bytes_)).startswith(b"HTTP/1.1 400 ")

    asyncio.run(main())

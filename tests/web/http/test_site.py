from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from headwater.web import Limits, router
from headwater.web.http import site
from headwater.web.http.guard import Guard
from headwater.web.routing import router_of
from tests.support.members import speaker
from tests.support.served import Served, served

TOKEN = "a-token-of-no-less-than-32-characters"


def against(app: Any, test: Any) -> None:
    async def main() -> None:
        async with served(app) as server:
            await test(server)

    asyncio.run(main())


async def raw(server: Served, *parts: bytes, pause: float = 0.0) -> bytes:
    """What is answered to bytes that are sent as they are, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


def head(length: str, path: str = "/runs") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json", length, "", ""]
    return "\r\n".join(lines).encode()


def test_a_body_with_a_too_large_length_is_not_read() -> None:
    async def test(server: Served) -> None:
        answer = await raw(server, head("content-length: 4000001"))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"too_large" in answer
        assert b"connection: close" in answer

    against(router(speaker("a")), test)


def test_a_body_that_grows_too_long_is_cut() -> None:
    async def test(server: Served) -> None:
        chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
        answer = await raw(server, head("transfer-encoding: chunked"), *[chunk] * 3)
        assert answer.startswith(b"HTTP/1.1 413 ")

    against(router(speaker("a"), limits=Limits(body_bytes=10_000)), test)


@pytest.mark.parametrize("length", ["content-length: -1", "content-length: x", "content-length: " + "9" * 40])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    async def test(server: Served) -> None:
        answer = await raw(server, head(length))
        assert answer.split(b" ")[1] in (b"400", b"413")

    against(router(speaker("a")), test)


def test_a_missing_body_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "BODY_SECONDS", 0.2)

    async def test(server: Served) -> None:
        answer = await raw(server, head("content-length: 100"), b'{"in', b'put"', pause=0.15)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"too_slow" in answer

    against(router(speaker("a")), test)


def test_a_client_that_disconnects_in_a_body_is_dropped() -> None:
    async def test(server: Served) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head("content-length: 100") + b'{"in')
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await server.client.get("/runs")).json() == {"runs": []}

    against(router(speaker("a")), test)


def test_an_internal_error_shows_only_its_id(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def owner(request: Any) -> str:
        raise RuntimeError("a secret")

    async def test(server: Served) -> None:
        answer = await server.client.get("/runs")
        assert answer.status_code == 500
        error = answer.json()["error"]
        assert error["code"] == "internal"
        number = error["message"].split("(")[1][:8]
        logged = [record for record in caplog.records if number in record.getMessage()]
        assert logged
        assert logged[0].exc_info is not None
        assert "a secret" in str(logged[0].exc_info[1])
        assert "a secret" not in answer.text

    against(router(speaker("a"), owner=owner), test)


def test_the_log_contains_no_control_characters_tokens_or_prompts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="headwater")

    async def test(server: Served) -> None:
        client, headers = server.client, {"authorization": f"Bearer {TOKEN}"}
        await client.post("/runs", json={"input": "a private prompt"}, headers=headers)
        await client.get(f"/runs?token={TOKEN}", headers=headers)
        await client.get("/%0d%0aINFO forged%1b[2J%e2%80%ae", headers=headers)
        await client.post("/runs", content=b'{"input": "a private prompt', headers={**headers, "content-type": "x/y"})

    against(router_of(site.Site([speaker("a")], guard=Guard(token=TOKEN))), test)
    lines = [record.getMessage() for record in caplog.records if record.name == "headwater.web"]
    assert len(lines) == 4
    everything = "\n".join(lines)
    assert "private prompt" not in everything
    assert TOKEN not in everything
    assert all(line.isprintable() or set(line) - {"\u241b", "\ufffd"} == set(line) for line in lines)
    assert not any(c in line for line in lines for c in "\r\n\x1b\u202e")


def test_cors_is_closed_but_for_those_that_are_allowed() -> None:
    async def test(server: Served) -> None:
        client = server.client
        friend, evil = {"origin": "https://friend.example"}, {"origin": "https://evil.example"}
        ask = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        answer = await client.options("/runs", headers={**friend, **ask})
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "https://friend.example"
        assert "content-type" in answer.headers["access-control-allow-headers"]
        answer = await client.post("/runs", json={"input": "Go."}, headers=friend)
        assert answer.status_code == 201
        assert answer.headers["access-control-allow-origin"] == "https://friend.example"
        for answer in (
            await client.options("/runs", headers={**evil, **ask}),
            await client.get("/runs", headers=evil),
            await client.options("/runs", headers=ask),
            await client.get("/runs"),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]
            assert answer.headers["vary"] == "origin"

    against(router(speaker("a"), origins=["https://friend.example"]), test)


def test_nothing_is_revealed_without_the_token() -> None:
    async def test(server: Served) -> None:
        for path in ("/runs", "/agents", "/openapi.json", "/runs/x", "/nothing", "/runs/x/events"):
            answer = await server.client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
        query = await server.client.get(f"/runs?token={TOKEN}&access_token={TOKEN}")
        assert query.status_code == 401
        assert (await server.client.get("/health")).status_code == 200
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert (await server.client.get("/runs", headers=headers)).status_code == 200
        told = (await server.client.get("/openapi.json", headers=headers)).json()
        assert told["security"] == [{"token": []}]

    against(router_of(site.Site([speaker("a")], guard=Guard(token=TOKEN))), test)

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from headwater import MCP, Timeouts
from headwater.errors import ConfigurationError, MCPUnavailable
from headwater.testing import Call
from headwater.tools.mcp.target import target_of
from tests.support.mcp import log_of_calls, results
from tests.support.mcp_server import server
from tests.support.served import served


@pytest.mark.parametrize("target", ["", [], [""], 7, None, object(), ["a", 1]])
def test_an_invalid_target_is_refused(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="MCP server"):
        target_of(target)


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("https://example.org/mcp", {"env": {"A": "b"}}),
        ("npx server", {"headers": {"a": "b"}}),
        ("npx server", {"auth": "token"}),
        ("npx server", {"env": {"A": 1}}),
    ],
)
def test_what_does_not_go_together_is_refused(target: str, options: Any) -> None:
    with pytest.raises(ConfigurationError):
        target_of(target, **options)


def test_neither_arguments_nor_queries_nor_keys_are_shown() -> None:
    command = target_of("run --key sekret-key", env={"TOKEN": "sekret-token"})
    url = target_of(
        "https://user:sekret-pw@example.org:8443/mcp?key=sekret-key", headers={"Authorization": "sekret-head"}
    )
    assert (command.shown, url.shown) == ("run", "https://example.org:8443/mcp")
    assert "sekret" not in str(command.unavailable("a", OSError("run --key sekret-key with sekret-token")))
    assert "sekret" not in str(url.unavailable("a", OSError("Authorization sekret-head at ?key=sekret-key")))
    assert "sekret" not in repr(target_of("https://example.org", auth="sekret").auth)


def test_without_the_package_only_its_command_is_the_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)

    async def main() -> None:
        async with MCP("python server.py"):
            pass

    with pytest.raises(MCPUnavailable) as caught:
        asyncio.run(main())
    assert str(caught.value) == (
        "The MCP server python (python) is not available: MCP servers need the package mcp."
        ' Run: pip install "headwater[mcp]"'
    )


@pytest.mark.parametrize("way", ["http", "stateless", "sse"])
def test_a_server_is_reached_by_its_url(way: str) -> None:
    made = server()
    if way == "sse":
        app: Any = made.sse_app()
    else:
        app = made.streamable_http_app(stateless_http=way == "stateless")
    calls = [Call("add", {"a": 1, "b": 2}), Call("slow", {"steps": 2})]

    async def main() -> None:
        async with served(app, lifespan="on") as site:
            path = "sse" if way == "sse" else "mcp"
            log = await log_of_calls(MCP(f"{site.url}/{path}"), calls)
            assert results(log) == {"add": "3", "slow": "done"}

    asyncio.run(main())


def test_headers_and_a_bearer_are_sent() -> None:
    seen: list[tuple[str | None, str | None]] = []

    async def main() -> None:
        inner = server().streamable_http_app()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                headers = {key.decode(): value.decode() for key, value in scope["headers"]}
                seen.append((headers.get("authorization"), headers.get("x-team")))
            await inner(scope, receive, send)

        async with served(app, lifespan="on") as site:
            one = MCP(f"{site.url}/mcp", auth="t0ken", headers={"X-Team": "a"})
            await log_of_calls(one, Call("add", {"a": 1, "b": 2}))
            await one.aclose()

    asyncio.run(main())
    assert set(seen) == {("Bearer t0ken", "a")}


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_url_that_refuses_is_unavailable(status: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def main() -> None:
        async with served(app) as site:
            with pytest.raises(MCPUnavailable, match=f"HTTP {status}"):
                async with MCP(f"{site.url}/mcp"):
                    pass

    asyncio.run(main())


def test_an_unreachable_address_is_unavailable() -> None:
    async def main() -> None:
        with pytest.raises(MCPUnavailable):
            async with MCP("http://127.0.0.1:9/mcp", timeouts=Timeouts(connect=20)):
                pass

    asyncio.run(main())

"""Where `/mcp` stands, who may ask there, and what is refused."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp_types as types
import pytest
from fastapi import Depends, FastAPI, HTTPException
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.routing import Mount

from headwater.web import api_router, router
from headwater.web.http.guard import Guard
from headwater.web.http.site import Site
from headwater.web.limits import Limits
from headwater.web.mcp.routes import MCPRoutes, refusal
from headwater.web.problems import Problem
from headwater.web.routing import router_of
from tests.support.members import paced, speaker
from tests.support.served import Served, served

TOKEN = "t" * 40
JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}

each_age = pytest.mark.parametrize("mode", ["auto", "legacy"])


def against(app: Any, test: Callable[[Served], Awaitable[None]]) -> None:
    async def main() -> None:
        async with served(app) as server:
            await test(server)

    asyncio.run(main())


@asynccontextmanager
async def client(url: str, mode: Any, **headers: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as made,
    ):
        yield made


async def called(one: Client, name: str = "a") -> str:
    result = await one.call_tool(name, {"input": "Hello."})
    return "".join(part.text for part in result.content if isinstance(part, types.TextContent))


def opening(**more: Any) -> dict[str, Any]:
    about = {"name": "test", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params, **more}


@each_age
def test_it_works_under_a_prefix_without_a_lifespan(mode: str) -> None:
    async def test(server: Served) -> None:
        async with client(f"{server.url}/agents/mcp", mode) as one:
            assert await called(one) == "a says hi there."

    against(Starlette(routes=[Mount("/agents", router(speaker("a")))]), test)


@each_age
def test_fastapi_applies_its_dependencies_first(mode: str) -> None:
    def auth(request: Request) -> None:
        if request.headers.get("x-key") != "open":
            raise HTTPException(403)

    app = FastAPI()
    app.include_router(api_router(speaker("a")), prefix="/agents", dependencies=[Depends(auth)])

    async def test(server: Served) -> None:
        async with client(f"{server.url}/agents/mcp", mode, **{"x-key": "open"}) as one:
            assert await called(one) == "a says hi there."
        assert (await server.client.post("/agents/mcp", json=opening(), headers=JSON)).status_code == 403

    against(app, test)


def test_the_guard_applies() -> None:
    site = Site([speaker("a")], guard=Guard(hosts=["agents.example"], token=TOKEN))

    async def test(server: Served) -> None:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        for headers, status in (
            ({}, 401),
            ({**bearer, "host": "evil.example"}, 421),
            ({**bearer, "origin": "https://evil.example"}, 403),
            ({**bearer, "content-type": "text/plain"}, 415),
            (bearer, 200),
        ):
            answer = await server.client.post("/mcp", json=opening(), headers={**JSON, **headers})
            assert answer.status_code == status, headers
            if status != 200:
                assert answer.json()["error"]["code"] == -32600
                assert answer.json()["id"] is None
        for method in ("GET", "DELETE"):
            assert (await server.client.request(method, "/mcp", headers=JSON)).status_code == 401
        for mode in ("auto", "legacy"):
            async with client(f"{server.url}/mcp", mode, **bearer) as one:
                assert await called(one) == "a says hi there."

    against(router_of(site), test)


def test_a_session_is_its_callers_own() -> None:
    def owner(connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-user")

    async def test(server: Served) -> None:
        ann, bob = {**JSON, "x-user": "ann"}, {**JSON, "x-user": "bob"}
        begun = await server.client.post("/mcp", json=opening(), headers=ann)
        session = {"mcp-session-id": begun.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "a", "arguments": {"input": "x"}}}
        assert (await server.client.post("/mcp", json=ready, headers={**ann, **session})).status_code == 202
        assert (await server.client.post("/mcp", json=call, headers={**bob, **session})).status_code == 404
        answer = await server.client.post("/mcp", json=call, headers={**ann, **session})
        assert "a says hi there." in answer.text
        for user, runs in (("ann", 1), ("bob", 0)):
            listed = (await server.client.get("/runs", headers={"x-user": user})).json()["runs"]
            assert len(listed) == runs
        assert (await server.client.delete("/mcp", headers={**ann, **session})).status_code == 200
        assert (await server.client.post("/mcp", json=call, headers={**ann, **session})).status_code == 404

    against(router(speaker("a"), owner=owner), test)


def test_a_reader_of_a_session_who_leaves_ends_the_run() -> None:
    site = Site([paced("a", 10_000, 0.01)])

    async def test(server: Served) -> None:
        begun = await server.client.post("/mcp", json=opening(), headers=JSON)
        session = {"mcp-session-id": begun.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await server.client.post("/mcp", json=ready, headers={**JSON, **session})
        params = {"name": "a", "arguments": {"input": "x"}, "_meta": {"progressToken": 7}}
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
        async with server.client.stream("POST", "/mcp", json=call, headers={**JSON, **session}) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: ") and "progress" in line:
                    told = json.loads(line[6:])
                    assert told["params"]["progressToken"] == 7
                    assert told["params"]["message"].startswith("a0")
                    break
        (live,) = site.manager.runs()
        await asyncio.wait({live.task})
        assert (live.state, getattr(live.log.end, "by", "")) == ("cancelled", "left")

    against(router_of(site), test)


def test_bodies_keep_their_bounds() -> None:
    site = Site([speaker("a")], limits=Limits(body_bytes=2_000))

    async def test(server: Served) -> None:
        long = await server.client.post("/mcp", json=opening(more="x" * 3_000), headers=JSON)
        assert long.status_code == 413
        for body in (b"{", b"[" * 1_900, b"\xff"):
            answer = await server.client.post("/mcp", content=body, headers=JSON)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)
        assert (await server.client.put("/mcp", json={}, headers=JSON)).status_code == 405

    against(router_of(site), test)


def test_a_page_of_an_allowed_site_may_ask() -> None:
    async def test(server: Served) -> None:
        origin = {"origin": "https://app.example"}
        answer = await server.client.options("/mcp", headers=origin)
        assert "DELETE" in answer.headers["access-control-allow-methods"]
        assert "mcp-protocol-version" in answer.headers["access-control-allow-headers"]
        begun = await server.client.post("/mcp", json=opening(), headers={**JSON, **origin})
        assert begun.headers["access-control-allow-origin"] == "https://app.example"
        assert "mcp-session-id" in begun.headers["access-control-expose-headers"]

    against(router(speaker("a"), origins=["https://app.example"]), test)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "headwater.web.mcp.calls", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server", None)

    async def test(server: Served) -> None:
        answer = await server.client.post("/mcp", json=opening(), headers=JSON)
        assert answer.status_code == 500
        assert 'pip install "headwater[mcp]"' in answer.json()["error"]["message"]

    against(router(speaker("a")), test)


def test_a_stopped_server_starts_nothing() -> None:
    async def main() -> None:
        site = Site([speaker("a")])
        async with served(router_of(site)) as server:
            async with client(f"{server.url}/mcp", "legacy") as one:
                assert await called(one) == "a says hi there."
                await site.manager.shutdown()
            answer = await server.client.post("/mcp", json=opening(), headers=JSON)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

    asyncio.run(main())


def test_a_request_that_is_accepted_as_the_server_stops_is_refused() -> None:
    async def main() -> None:
        site = Site([speaker("a")])
        body = json.dumps(opening()).encode()
        headers = [(name.encode(), value.encode()) for name, value in JSON.items()]
        scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        answer = await MCPRoutes(site).serve(Request(scope, receive), None)
        await site.manager.shutdown()
        for _ in range(10):
            await asyncio.sleep(0)  # the sessions end
        await answer(scope, receive, send)
        assert sent[0]["status"] == 503
        assert b"shutting down" in sent[1]["body"]

    asyncio.run(main())


@each_age
def test_a_call_is_answered_when_the_server_stops(mode: str) -> None:
    async def main() -> None:
        site = Site([paced("a", 10_000, 0.01)], limits=Limits(grace_seconds=0.0))
        shown = asyncio.Event()

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            shown.set()

        async with served(router_of(site)) as server, client(f"{server.url}/mcp", mode) as one:
            call = asyncio.create_task(one.call_tool("a", {"input": "Hello."}, progress_callback=progress))
            await shown.wait()
            await site.manager.shutdown()
            result = await call
            assert isinstance(result, types.CallToolResult)
            assert result.is_error
            assert "The run was cancelled (shutdown)." in result.model_dump_json()

    asyncio.run(main())


def test_a_refusal_is_json_rpcs() -> None:
    answer = refusal(Problem("internal", "Something went wrong here."))
    assert json.loads(bytes(answer.body))["error"] == {"code": -32603, "message": "Something went wrong here."}
    assert {*MCPRoutes(Site([speaker("a")])).handlers()} == {"/mcp"}

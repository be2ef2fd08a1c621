"""Servers behind HTTP that lose a session, cut an answer or go away in the middle of a run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from headwater import MCP
from headwater.events import ToolFinished
from headwater.testing import Call
from headwater.tools.mcp.calls import UNKNOWN
from tests.support.mcp import agent_with, log_of_calls, results
from tests.support.mcp_server import server
from tests.support.served import served

OLD = {"code": -32601, "message": "unknown"}


class Faulty:
    """An application in front of a server: it forgets sessions, cuts answers, or knows only the handshake."""

    def __init__(self, *, legacy: bool = False) -> None:
        self.inner: Any = server().streamable_http_app()
        self.legacy = legacy
        self.forget = 0
        """How many requests of a session are answered with 404."""
        self.cut = 0
        """How many calls get an answer that ends without a result."""
        self.methods: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.inner(scope, receive, send)
            return
        body = b""
        while (message := await receive()).get("body") or message.get("more_body"):
            body += message["body"]
            if not message.get("more_body"):
                break
        request = json.loads(body)
        self.methods.append(request["method"])
        if self.legacy and request["method"] == "server/discover":
            await reply(send, 200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": OLD}).encode())
        elif self.forget and any(name == b"mcp-session-id" for name, _ in scope["headers"]):
            self.forget -= 1
            await reply(send, 404, b"")
        elif self.cut and request["method"] == "tools/call":
            self.cut -= 1
            await reply(send, 200, b"", b"text/event-stream")
        else:
            await self.inner(scope, replayed(body, receive), send)


def replayed(body: bytes, receive: Any) -> Any:
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return parts.pop() if parts else await receive()

    return again


async def reply(send: Any, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def site(app: Any) -> AsyncIterator[MCP]:
    async with served(app, lifespan="on") as at, MCP(f"{at.url}/mcp", name="site") as one:
        yield one


def test_an_expired_session_is_made_again_and_the_call_repeated() -> None:
    app = Faulty(legacy=True)

    async def main() -> None:
        async with site(app) as one:
            await one.listing()
            app.forget = 1
            log = await log_of_calls(one, Call("slow", {"steps": 1}))
            assert results(log) == {"slow": "done"}

    asyncio.run(main())
    assert app.methods.count("initialize") == 2
    assert app.methods.count("tools/call") == 2


def test_a_cut_answer_is_unknown_unless_the_call_may_be_repeated() -> None:
    app = Faulty()

    async def main() -> None:
        async with site(app) as one:
            app.cut = 1
            assert results(await log_of_calls(one, Call("slow", {"steps": 1}))) == {"slow": UNKNOWN}
            app.cut = 1
            assert results(await log_of_calls(one, Call("add", {"a": 1, "b": 2}))) == {"add": "3"}
            app.cut = 2
            assert results(await log_of_calls(one, Call("add", {"a": 1, "b": 2}))) == {"add": UNKNOWN}

    asyncio.run(main())
    assert app.methods.count("tools/call") == 5


def test_a_server_that_has_gone_is_told_to_the_model_and_the_run_goes_on() -> None:
    async def main() -> None:
        opened = served(server().streamable_http_app(), lifespan="on")
        at = await opened.__aenter__()
        one = MCP(f"{at.url}/mcp", name="site")
        agent = agent_with(one, turns=[[Call("point", {"x": 1, "y": 2})], [Call("point", {"x": 1, "y": 2})], "done"])
        log = []
        async for event in agent.run_stream("go").events():
            log.append(event)
            if isinstance(event, ToolFinished) and len([e for e in log if isinstance(e, ToolFinished)]) == 1:
                at.server.force_exit = True  # it does not wait for what is open
                await opened.__aexit__(None, None, None)
        ends = [event for event in log if isinstance(event, ToolFinished)]
        assert ends[0].error is None
        assert "not available" in str(ends[1].error)
        assert log[-1].type == "run.finished"

    asyncio.run(main())

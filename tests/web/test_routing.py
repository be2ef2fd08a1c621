from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import headwater
from headwater import Agent
from headwater.errors import ConfigurationError
from headwater.journal import open_journal
from headwater.testing import ScriptedModel
from headwater.web import api_router, router
from headwater.web.native.openapi import OPERATIONS
from tests.support.members import paced, speaker
from tests.support.paths import ROOT
from tests.support.places import submitted
from tests.support.served import Served, read_events, served


def test_an_invalid_agent_is_rejected_when_the_router_is_created() -> None:
    for wrong in ({}, {"on_disconnect": "sleep"}, {"origins": ["friend.example"]}):
        members = [speaker("a")] if wrong else []
        with pytest.raises(ConfigurationError):
            router(*members, **wrong)
        with pytest.raises(ConfigurationError):
            api_router(*members, **wrong)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/chat/completions", "The base URL of OpenAI clients ends with /v1, once."),
        ("/v1/v1/responses/resp_1", "The base URL of OpenAI clients ends with /v1, once."),
        ("/v1/runs", "The URL of the server is without /v1, which is for OpenAI clients."),
        ("/api/chat", "The AI SDK's useChat connects to /ai-sdk/chat."),
        ("/sse", "MCP clients connect to /mcp, over streamable HTTP."),
        ("/other", ""),
    ],
)
def test_a_client_with_a_wrong_url_is_told_the_right_one(path: str, said: str) -> None:
    """In the message: clients of these wires show nothing else."""

    async def main() -> None:
        app = Starlette(routes=[Mount("/agents", app=router(speaker("a")))])
        async with served(app, own=False) as server:
            answer = await server.client.post(f"/agents{path}", json={})
            assert answer.status_code == 404
            assert answer.json()["error"]["message"] == f"There is no such route. {said}".rstrip()

    asyncio.run(main())


def test_it_is_found_by_its_name() -> None:
    assert headwater.web.router is router


def key(request: Request) -> None:
    if request.headers.get("x-key") != "k":
        raise HTTPException(401, "No.")


def test_fastapis_dependencies_hold_for_every_route() -> None:
    async def main() -> None:
        app = FastAPI()
        app.include_router(api_router(speaker("a")), prefix="/agents", dependencies=[Depends(key)])
        async with served(app, own=False) as server:
            for one in OPERATIONS:
                path = f"/agents{one.path}".replace("{id}", "x")
                assert (await server.client.request(one.method, path)).status_code == 401, path
            headers = {"x-key": "k"}
            body = {"input": "Go."}
            sse = {**headers, "accept": "text/event-stream"}
            answer = await server.client.post("/agents/runs", json=body, headers=sse)
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert "event: run.finished" in answer.text
            begun = await server.client.post("/agents/runs", json=body, headers=headers)
            place = begun.json()["events"]
            assert place.startswith("/agents/runs/")
            async with server.client.stream("GET", place, headers=headers) as response:
                assert (await read_events(response))[-1].event == "run.finished"
            told = (await server.client.get("/openapi.json")).json()
            assert {f"/agents{one.path}" for one in OPERATIONS if one.name not in ("openapi", "page")} <= {
                *told["paths"]
            }
            assert (await server.client.post("/agents/runs", content="x", headers=headers)).status_code == 415

    asyncio.run(main())


def test_the_documented_program_signs_callers_in_over_a_websocket_too() -> None:
    """FastAPI has no Request for a WebSocket: a dependency that asks for one fails there alone."""
    page = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
    programs = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    declared: dict[str, Any] = {}
    exec(next(one for one in programs if "api_router" in one), declared)

    async def main() -> None:
        async with served(declared["app"], own=False) as server:
            url = f"{server.url}/agents/ws".replace("http://", "ws://")
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, compression=None)
            assert refused.value.response.status_code == 401
            async with connect(url, compression=None, additional_headers={"x-user": "ann"}) as socket:
                await socket.send('{"id": 1, "op": "start", "input": "Explain tides"}')
                begun = json.loads(await socket.recv())["ok"]["run_id"]
            for user, status in (("ann", 200), ("bob", 404)):
                answer = await server.client.get(f"/agents/runs/{begun}", headers={"x-user": user})
                assert answer.status_code == status

    asyncio.run(main())


async def answered(server: Served, **headers: str) -> tuple[int, Any]:
    answer = await server.client.get("/runs", headers=headers)
    return answer.status_code, answer.json() if answer.status_code == 200 else answer.text


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_each_caller_sees_their_own_runs_alone(kind: str) -> None:
    def plainly(request: Any) -> str:
        return str(request.headers["x-user"])

    async def later(request: Any) -> str:
        await asyncio.sleep(0)
        return plainly(request)

    async def main() -> None:
        app = router(paced("a", 100, 0.05), owner=plainly if kind == "plain" else later)
        async with served(app) as server:
            client, ann, bob = server.client, {"x-user": "ann"}, {"x-user": "bob"}
            run = (await client.post("/runs", json={"input": "Go."}, headers=ann)).json()["run_id"]
            for method, path in (
                ("GET", ""),
                ("GET", "/events"),
                ("POST", "/cancel"),
                ("POST", "/messages"),
                ("POST", "/answer"),
                ("POST", "/approve"),
            ):
                body = {"messages": {"input": "x"}, "answer": {"input": "x", "action": "accept"}}.get(
                    path[1:], {"approval": "x", "allowed": True} if path == "/approve" else {}
                )
                options = {"json": body} if method == "POST" else {}
                theirs = await client.request(method, f"/runs/{run}{path}", headers=bob, **options)  # type: ignore[arg-type]
                nobodys = await client.request(method, f"/runs/run_x{path}", headers=bob, **options)  # type: ignore[arg-type]
                assert (theirs.status_code, theirs.content) == (404, nobodys.content)
            assert (await client.get("/runs", headers=bob)).json() == {"runs": []}
            assert [one["run_id"] for one in (await client.get("/runs", headers=ann)).json()["runs"]] == [run]
            assert (await client.post(f"/runs/{run}/cancel", json={}, headers=ann)).status_code == 202

    asyncio.run(main())


def test_owner_may_reject_with_its_own_message() -> None:
    def owner(request: Any) -> str:
        raise HTTPException(403, "Not you.")

    def broken(request: Any) -> str:
        raise KeyError("a secret")

    async def main() -> None:
        app = FastAPI()
        app.include_router(api_router(speaker("a"), owner=owner))
        app.include_router(api_router(speaker("a"), owner=broken), prefix="/broken")
        async with served(app, own=False) as server:
            assert await answered(server) == (403, '{"detail":"Not you."}')
            answer = await server.client.get("/broken/runs")
            assert answer.status_code == 500
            assert "secret" not in answer.text

    asyncio.run(main())


@pytest.mark.parametrize("way", ["starlette", "fastapi", "served", "first request"])
def test_runs_that_no_process_drives_are_continued(way: str, tmp_path: Path) -> None:
    """As the server starts; where a program does not pass its lifespan on, with the first request."""
    url = f"sqlite:///{tmp_path}/runs.db"
    agent = Agent(name=f"a{way[:5]}", model=ScriptedModel(lambda request: "Done."), journal=url)

    async def main() -> None:
        log = await open_journal(url)
        run = await submitted(log, agent)
        app: Any = router(agent)
        if way == "starlette":
            app = Starlette(routes=[Mount("/agents", app=app)], lifespan=app.lifespan_context)
        elif way == "first request":
            app = Starlette(routes=[Mount("/agents", app=app)])
        elif way == "fastapi":
            app = FastAPI()
            app.include_router(api_router(agent), prefix="/agents")
        async with served(app, own=way == "served", lifespan="on") as server:
            if way == "first request":
                assert (await server.client.get("/agents/health")).status_code == 200
            async with asyncio.timeout(20):
                while (await log.info(run)).state != "finished":  # noqa: ASYNC110  # as another process sees it
                    await asyncio.sleep(0.02)
        await log.close()

    asyncio.run(main())


def test_a_name_that_another_agent_of_the_process_has_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The runs of the first one are continued, and the server starts."""
    url = f"sqlite:///{tmp_path}/runs.db"
    apps = [router(Agent(name="twin", model="offline", instructions=said, journal=url)) for said in ("A", "B")]

    async def main() -> None:
        for app in apps:
            async with app.lifespan_context(app):
                pass

    asyncio.run(main())
    (warning,) = [record.getMessage() for record in caplog.records if "not continued here" in record.getMessage()]
    assert "Two different agents of this process are named 'twin'" in warning

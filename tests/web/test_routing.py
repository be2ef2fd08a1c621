from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
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
from tests.cli.commands import PATIENCE, environment
from tests.support.journals import journal, payer, plain
from tests.support.members import paced, speaker
from tests.support.paths import ROOT
from tests.support.places import submitted
from tests.support.served import Served, read_events, served

__all__ = ("journal",)


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
            headers = {"x-user": "ann"}
            # without a limit: a client that has too much to read does not read the answer to its close either
            async with connect(url, compression=None, max_queue=None, additional_headers=headers) as socket:
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
def test_runs_that_no_process_drives_are_continued(way: str, journal: str) -> None:
    """As the server starts; where a program does not pass its lifespan on, with the first request."""
    agent = Agent(name="a", model=ScriptedModel(lambda request: "Done."), journal=journal)

    async def main() -> None:
        log = await open_journal(journal)
        run = await submitted(log, agent, not_before=await log.now() - 20.0)  # for so long nobody has begun it
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


def test_a_name_that_another_agent_of_the_process_has_is_refused(journal: str) -> None:
    """A run is stored under the name: each would continue the other's."""
    first, second = (Agent(name="twin", model="offline", instructions=said, journal=journal) for said in ("A", "B"))
    router(first)
    with pytest.raises(ConfigurationError, match="Two different agents of this process are named 'twin'"):
        router(second)


def test_a_request_is_told_that_runs_of_a_journal_continue_without_readers(journal: str) -> None:
    async def main() -> None:
        async with served(router(speaker("a"), journal=journal)) as server:
            for said, status in (("cancel", 400), (5, 400), ("continue", 201)):
                answer = await server.client.post("/runs", json={"input": "Go.", "on_disconnect": said})
                assert answer.status_code == status
                if status == 400:
                    assert answer.json()["error"]["code"] == "bad_request"

    asyncio.run(main())


@pytest.mark.parametrize("make", [router, api_router])
def test_what_a_journal_cannot_do_is_refused(make: Any, journal: str, tmp_path: Path) -> None:
    own = plain(journal)
    with pytest.raises(ConfigurationError, match="Runs of a journal continue without readers"):
        make(speaker("a"), journal=journal, on_disconnect="cancel")
    with pytest.raises(ConfigurationError, match="Runs of a journal continue without readers"):
        make(own, on_disconnect=5)
    with pytest.raises(ConfigurationError, match=r"do not share one journal: 'plain' has sqlite.*, 'a' has none"):
        make(own, speaker("a"))
    with pytest.raises(ConfigurationError, match="do not share one journal"):
        make(own, payer(f"sqlite:///{tmp_path}/other.db"))
    make(own, speaker("a"), journal=journal)


def test_the_journal_of_the_environment_is_that_of_the_agents(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_JOURNAL", journal)

    async def main() -> None:
        async with served(router(speaker("a"), plain(journal))) as server:
            run = (await server.client.post("/runs", json={"input": "Go.", "agent": "a"})).json()["run_id"]
            log = await open_journal(journal)
            assert (await log.info(run)).request.agent == "a"
            await log.close()

    asyncio.run(main())


SHOP = """
import pathlib
import sys
import threading

from starlette.applications import Starlette
from starlette.routing import Mount

from fastapi import FastAPI
from headwater import Agent, tool
from headwater.testing import Call, ScriptedModel
from headwater.web import api_router, router


@tool(approval=True)
def pay(cents: int) -> str:
    "Pay so many cents."
    return f"paid {cents}"


@tool
def count() -> str:
    "Count all goods."
    if not pathlib.Path("later").exists():
        threading.Event().wait()
    return "2"


def of(name, tool, **arguments):
    def said(request):
        tasks = sum(one.role == "user" for one in request.messages)
        return [Call(tool.name, arguments)] if request.messages[-1].role == "user" else f"{tasks} tasks."

    return Agent(name=name, model=ScriptedModel(said), tools=[tool], journal=own)


way, url = sys.argv[1:]
own = url if way == "own" else None
agents = of("cashier", pay, cents=5), of("counter", count)
if way == "api_router":
    app = FastAPI()
    app.include_router(api_router(*agents, journal=url), prefix="/agents")
else:
    made = router(*agents, journal=url if way == "router" else None)
    app = Starlette(routes=[Mount("/agents", app=made)])

if __name__ == "__main__":
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    config = server.config
    config.load()
    listener = config.bind_socket()
    listener.listen()  # whoever reads the port may connect to it
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])
"""


@contextlib.contextmanager
def shop(way: str, folder: Path) -> Iterator[httpx.Client]:
    """A program with a router, which is killed at the end."""
    line = [sys.executable, "shop.py", way, f"sqlite:///{folder}/runs.db"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment())
    assert process.stdout is not None
    with process.stdout:
        try:
            port = process.stdout.readline().strip()
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/agents", timeout=PATIENCE, trust_env=False) as client:
                yield client
        finally:
            process.kill()
            process.wait()


def until(client: httpx.Client, run: str, type: str) -> None:
    """Reads the run until it has such an event."""
    with client.stream("GET", f"/runs/{run}/events") as answer:
        assert answer.status_code == 200
        assert any(line == f"event: {type}" for line in answer.iter_lines())


@pytest.mark.parametrize("way", ["router", "api_router", "own"])
def test_a_router_with_a_journal_has_its_runs_and_threads_again_after_it_was_killed(way: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)

    def start(client: httpx.Client, agent: str) -> str:
        body = {"input": "Go.", "agent": agent, "thread": "k"}
        run: str = client.post("/runs", json=body).raise_for_status().json()["run_id"]
        return run

    with shop(way, tmp_path) as client:
        asked, counted = start(client, "cashier"), start(client, "counter")
        until(client, asked, "run.waiting")
        until(client, counted, "tool.started")
    (tmp_path / "later").touch()
    with shop(way, tmp_path) as client:
        (question,) = client.get(f"/runs/{asked}").json()["waiting"]
        body = {"approval": question["id"], "allowed": True}
        client.post(f"/runs/{asked}/approve", json=body).raise_for_status()
        for run in (asked, counted):
            until(client, run, "run.finished")
        again = start(client, "counter")
        until(client, again, "run.finished")
        assert client.get(f"/runs/{again}").json()["text"] == "2 tasks."

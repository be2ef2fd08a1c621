"""Measuring real streams: what a server sends, and what there is where it sends something else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headwater.backends.measured import Measured
from headwater.backends.probing import probe_chat, probe_run
from headwater.backends.remote.address import address_of
from headwater.backends.remote.server import RemoteServer
from headwater.errors import UnknownRun
from headwater.web import Limits, router
from tests.support.members import paced, speaker
from tests.support.served import Served, served


async def probed(server: Served, path: str = "", **options: Any) -> Measured:
    remote = RemoteServer(address_of(f"{server.url}{path}"))
    return await probe_run(remote, **{"agent": None, "task": "Go.", "seconds": 20.0, **options})


def test_a_run_is_started_and_measured() -> None:
    async def main() -> None:
        async with served(router(paced("a", 5, 0.02))) as server:
            one = await probed(server)
            assert (one.status, one.end, one.problem, one.kind) == (200, "run.finished", "", "headwater")
            assert one.ended_at is not None
            assert one.head_at is not None
            assert one.head_at <= (one.first_byte or 0.0) <= (one.first_event or 0.0) <= one.ended_at
            assert len(one.events) == sum(read.events for read in one.reads)
            assert all(event.stamp for event in one.events)
            assert one.comments == 1  # the one at the beginning

    asyncio.run(main())


def test_signs_of_life_are_counted_and_the_time_is_up() -> None:
    async def main() -> None:
        async with served(router(speaker("b"), paced("a", 2, 60), limits=Limits(heartbeat_seconds=0.05))) as server:
            one = await probed(server, agent="a", seconds=1.5)
            assert one.comments > 2
            assert (one.end, one.ended_at, one.problem) == ("", None, "")
            (run,) = (await server.client.get("/runs")).json()["runs"]
            async with asyncio.timeout(20):  # nobody is left to read it
                while (await server.client.get(f"/runs/{run['run_id']}")).json()["state"] != "cancelled":  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(main())


def test_of_a_run_that_there_is_only_what_is_new_has_a_stamp() -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            begun = (await server.client.post("/runs", json={"input": "Go."})).json()["run_id"]
            one = await probed(server, f"/runs/{begun}")
            assert one.events
            assert one.method == "GET"
            old = await probed(server, f"/runs/{begun}")
            assert [event.stamp for event in old.events] == [None] * len(one.events)
            with pytest.raises(UnknownRun):
                await probed(server, "/runs/nonesuch")

    asyncio.run(main())


def test_a_refusal_is_raised() -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            one = await probed(server, agent="nobody")
            assert one.status == 404
            assert "There is no agent" in one.problem
        gone = await probe_run(RemoteServer(address_of(server.url)), agent=None, task="Go.", seconds=20)
        assert (gone.status, gone.head_at) == (0, None)
        assert "Connection refused" in gone.problem

    asyncio.run(main())


KEY = "sk-a-key-that-nobody-guesses-0123456789"


async def chat(answer: Any) -> Measured:
    async def complete(request: Request) -> Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["accept-encoding"] == "gzip, deflate"
        assert (await request.json())["stream"] is True
        return answer if isinstance(answer, Response) else Response(answer, media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    async with served(app, own=False) as server:
        return await probe_chat(f"{server.url}/v1/", model="m", key=KEY, task="Go.", seconds=20)


def test_a_chat_completion_is_measured() -> None:
    one = asyncio.run(chat(b'data: {"choices": []}\n\n' * 3 + b"data: [DONE]\n\n"))
    assert (len(one.events), one.end, one.kind, one.delays) == (4, "[DONE]", "chat", [])
    assert "?" not in one.url


def test_an_error_in_the_stream_is_told_without_the_key() -> None:
    one = asyncio.run(chat(f'data: {{"error": {{"message": "Bad key {KEY}"}}}}\n\n'.encode()))
    assert "The API reports" in one.problem
    assert KEY not in one.problem
    refused = asyncio.run(chat(JSONResponse({"error": f"Bad key {KEY}"}, 401)))
    assert refused.status == 401
    assert "Bad key" in refused.problem
    assert KEY not in refused.problem

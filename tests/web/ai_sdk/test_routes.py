"""Whose chats these routes know and how they refuse; the AI SDK's own clients are in tests/system/clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from headwater import tool
from headwater.backends.offline import Call, Say
from headwater.web import Limits, router
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from headwater.web.runs.latest import GRACE, PATIENCE
from tests.support.members import paced, speaker
from tests.support.served import Served, served
from tests.support.streams import scripted


def ask(chat: str = "c1", *more: Any) -> dict[str, Any]:
    return {"id": chat, "messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}, *more]}


def against(app: Any, test: Callable[[Served], Awaitable[None]]) -> None:
    async def main() -> None:
        async with served(app) as server:
            await test(server)

    asyncio.run(main())


def chunks(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def test_a_chat_is_answered_in_its_clients_version() -> None:
    async def test(server: Served) -> None:
        answer = await server.client.post("/ai-sdk/chat", json=ask())
        assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "id:" not in [line[:3] for line in answer.text.splitlines()]
        assert (await server.client.post("/ai-sdk/chat?v=7", json=ask("c2"))).status_code == 200
        wrong = await server.client.post("/ai-sdk/chat?v=4", json=ask("c3"))
        assert (wrong.status_code, wrong.text.startswith("v=4")) == (400, True)
        assert (await server.client.post("/ai-sdk/chat/b", json=ask())).status_code == 404

    against(router(speaker("a")), test)


def test_a_chat_is_its_callers() -> None:
    async def test(server: Served) -> None:
        ann, bob = {"x-user": "ann"}, {"x-user": "bob"}
        async with server.client.stream("POST", "/ai-sdk/chat", json=ask(), headers=ann) as response:
            await anext(response.aiter_bytes())
            assert (await server.client.get("/ai-sdk/chat/c1/stream", headers=bob)).status_code == 204
            assert (await server.client.post("/ai-sdk/chat/c1/stop", headers=bob)).status_code == 204
            assert (await server.client.post("/ai-sdk/chat", json=ask(), headers=ann)).status_code == 409
            run = response.headers["headwater-run"]
            assert (await server.client.get(f"/runs/{run}", headers=ann)).json()["state"] == "running"
            assert (await server.client.post("/ai-sdk/chat/c1/stop", headers=ann)).status_code == 204
        async with asyncio.timeout(10):
            while (await server.client.get("/ai-sdk/chat/c1/stream", headers=ann)).status_code != 204:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    against(router(paced("a", 1000, 0.02), owner=lambda request: request.headers["x-user"]), test)


def test_chats_that_were_used_long_ago_are_forgotten() -> None:
    async def test(server: Served) -> None:
        for chat in ("c1", "c2", "c3"):
            async with server.client.stream("POST", "/ai-sdk/chat", json=ask(chat)) as response:
                await anext(response.aiter_bytes())
        assert (await server.client.get("/ai-sdk/chat/c1/stream")).status_code == 204
        for chat in ("c2", "c3"):
            await server.client.post(f"/ai-sdk/chat/{chat}/stop")

    against(router(paced("a", 200, 0.02), limits=Limits(threads=2)), test)


@tool(approval=True)
async def send() -> str:
    """Send."""
    return "sent"


def test_a_run_that_waits_for_a_person_is_not_left() -> None:
    site = Site([scripted(Call("send"), [Say("Done.")], tools=[send])])

    async def test(server: Served) -> None:
        answer = await server.client.post("/ai-sdk/chat?v=6", json=ask())  # ends, though its run goes on
        told = chunks(answer.text)
        request = next(one for one in told if one["type"] == "tool-approval-request")
        (live,) = site.manager.runs()
        assert (live.state, live.on_disconnect, live.readings) == ("waiting", PATIENCE, set())
        again = await server.client.get("/ai-sdk/chat/c1/stream?v=6")
        assert chunks(again.text) == told
        part = {
            "type": "tool-send",
            "toolCallId": request["toolCallId"],
            "state": "approval-responded",
            "input": {},
            "approval": {"id": request["approvalId"], "approved": True},
        }
        answered = ask("c1", {"id": live.id, "role": "assistant", "parts": [part]})
        rest = chunks((await server.client.post("/ai-sdk/chat?v=6", json=answered)).text)
        assert rest[0]["messageId"] == live.id == told[0]["messageId"]
        assert "tool-output-available" in [one["type"] for one in rest]
        assert live.on_disconnect == GRACE
        late = await server.client.post("/ai-sdk/chat?v=6", json=answered)
        assert (late.status_code, late.text) == (409, "The run that asked has ended. Ask again.")

    against(router_of(site), test)

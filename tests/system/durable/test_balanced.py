"""Each wire behind a balancer: every request goes to the next of two servers, which have only a journal in common."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToDict
from mcp import Client as MCPClient
from starlette.types import ASGIApp, Receive, Scope, Send

from headwater import Agent
from headwater.testing import Call, ScriptedModel
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from tests.support.journals import by_role, journal, pay, slow
from tests.support.served import Served, served
from tests.web.a2a.test_routes import asking, message, sent, state_of, text_of, updates
from tests.web.ag_ui.test_routes import ask as ask_ag_ui
from tests.web.ag_ui.test_routes import read as read_ag_ui
from tests.web.ai_sdk.test_routes import ask as ask_chat
from tests.web.ai_sdk.test_routes import chunks

__all__ = ("journal",)


class Balanced:
    """Passes each request on to the next application."""

    def __init__(self, *apps: ASGIApp) -> None:
        self._turns = itertools.cycle(apps)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await next(self._turns)(scope, receive, send)


def agents(journal: str) -> list[Any]:
    model = by_role(user=["Let me. ", Call("pay", {"cents": 5})], tool="It is done.")
    return [
        Agent(name="counter", model=ScriptedModel(lambda request: f"{len(request.messages)} messages.")),
        Agent(name="payer", model=model, tools=[pay]),
        slow(journal),
    ]


@asynccontextmanager
async def two(journal: str) -> AsyncIterator[tuple[Served, list[Site]]]:
    sites = [Site(agents(journal), journal=journal) for _ in range(2)]
    try:
        async with served(Balanced(*map(router_of, sites))) as server:
            yield server, sites
    finally:
        for site in sites:
            await site.manager.shutdown()
            site.manager.close()


async def of_responses(server: Served, sites: list[Site]) -> None:
    body = {"model": "counter", "input": "Hi", "background": True}
    first = (await server.client.post("/v1/responses", json=body)).json()
    ended = first
    while ended["status"] != "completed":
        ended = (await server.client.get(f"/v1/responses/{first['id']}")).json()
    assert (ended["background"], ended["output"][0]["content"][0]["text"]) == (True, "1 messages.")
    for _ in sites:
        after = {"model": "counter", "input": "Again", "previous_response_id": first["id"]}
        told = (await server.client.post("/v1/responses", json=after)).json()
        assert told["output"][0]["content"][0]["text"] == "3 messages."
        for _ in sites:
            again = (await server.client.get(f"/v1/responses/{told['id']}")).json()
            assert again == told
            assert again["previous_response_id"] == first["id"]
    text = (await server.client.get(f"/v1/responses/{first['id']}?stream=true")).text
    assert "response.completed" in text
    missing = (await server.client.get("/v1/responses/resp_nothing")).json()
    assert "There is no response" in missing["error"]["message"]
    long = (await server.client.post("/v1/responses", json={**body, "model": "slow"})).json()
    stopped = (await server.client.post(f"/v1/responses/{long['id']}/cancel")).json()
    assert stopped["status"] == "cancelled"


async def of_chat_completions(server: Served, sites: list[Site]) -> None:
    """A client that can only wait for the answer is told that people are waited for, by whichever process drives it."""
    asked = {"model": "payer", "messages": [{"role": "user", "content": "Pay"}]}
    for more in ({}, {"stream": True}):
        told = await server.client.post("/v1/chat/completions", json={**asked, **more})
        assert "waits" in told.text
        assert told.status_code == (200 if more else 422)


async def of_a2a(server: Served, sites: list[Site]) -> None:
    async with asking(f"{server.url}/a2a/payer", "JSONRPC", streaming=False) as client:
        task = await sent(client, "Pay", contextId="ours")
        assert (state_of(task), task["contextId"]) == ("INPUT_REQUIRED", "ours")
        assert await told(client, task["id"]) == task
        done = await sent(client, {"approved": True}, taskId=task["id"], contextId="ours")
        assert (state_of(done), text_of(done)) == ("COMPLETED", "Let me. \n\nIt is done.")
        for _ in sites:
            assert await told(client, task["id"]) == done
            listed = pb.ListTasksRequest(context_id="ours", include_artifacts=True)
            answer = await client.list_tasks(listed)
            assert [one.id for one in answer.tasks] == [task["id"]]
            assert len((await client.list_tasks(pb.ListTasksRequest(context_id="theirs"))).tasks) == 0


async def told(client: Any, task: str) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(await client.get_task(pb.GetTaskRequest(id=task)))
    return found


async def of_a2a_streams(server: Served, sites: list[Site]) -> None:
    async with asking(f"{server.url}/a2a/slow", "HTTP+JSON") as client:
        stream = client.send_message(message("Think."))
        first = await anext(stream)
        stopped = await client.cancel_task(pb.CancelTaskRequest(id=first.task.id))
        assert stopped.status.state == pb.TaskState.TASK_STATE_CANCELED
        last = (await updates(stream))[-1]
        assert state_of(last["statusUpdate"]) == "CANCELED"


async def of_mcp(server: Served, sites: list[Site]) -> None:
    async def elicit(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"approved": True})

    async with MCPClient(f"{server.url}/mcp", mode="auto", elicitation_callback=elicit) as client:
        for _ in range(3):  # so that the answer comes to either server
            result = await client.call_tool("payer", {"input": "Pay"})
            assert not result.is_error, result
            assert "It is done." in str(result.content)
            await client.list_tools()


async def of_ag_ui(server: Served, sites: list[Site]) -> None:
    first = read_ag_ui((await server.client.post("/ag-ui/payer", json=ask_ag_ui())).text)
    assert first.end is not None
    (interrupt,) = first.end["outcome"]["interrupts"]
    held = [*first.messages.values()]
    resume = [{"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": True}}]
    rest = read_ag_ui(
        (await server.client.post("/ag-ui/payer", json=ask_ag_ui(messages=held, resume=resume))).text, held
    )
    assert rest.text() == "Let me. It is done."
    for _ in sites:
        again = await server.client.post("/ag-ui/payer", json=ask_ag_ui(messages=held, resume=resume))
        assert read_ag_ui(again.text, held).text() == rest.text()


async def of_the_ai_sdk(server: Served, sites: list[Site]) -> None:
    shown = chunks((await server.client.post("/ai-sdk/chat/payer?v=6", json=ask_chat())).text)
    request = next(one for one in shown if one["type"] == "tool-approval-request")
    assert chunks((await server.client.get("/ai-sdk/chat/c1/stream?v=6")).text) == shown
    assert (await server.client.get("/ai-sdk/chat/c2/stream?v=6")).status_code == 204
    assert (await server.client.post("/ai-sdk/chat/payer?v=6", json=ask_chat())).status_code == 409
    part = {
        "type": "tool-pay",
        "toolCallId": request["toolCallId"],
        "state": "approval-responded",
        "input": {"cents": 5},
        "approval": {"id": request["approvalId"], "approved": True},
    }
    answered = ask_chat("c1", {"id": shown[0]["messageId"], "role": "assistant", "parts": [part]})
    rest = chunks((await server.client.post("/ai-sdk/chat/payer?v=6", json=answered)).text)
    assert rest[0]["messageId"] == shown[0]["messageId"]
    assert "It is done." in "".join(one.get("delta", "") for one in rest)


async def of_the_ai_sdks_stop(server: Served, sites: list[Site]) -> None:
    async with server.client.stream("POST", "/ai-sdk/chat/slow", json=ask_chat("c3")) as response:
        parts = response.aiter_bytes()
        await anext(parts)
        assert (await server.client.post("/ai-sdk/chat/c3/stop")).status_code == 204
        assert [part async for part in parts]


WIRES = [
    of_responses,
    of_chat_completions,
    of_a2a,
    of_a2a_streams,
    of_mcp,
    of_ag_ui,
    of_the_ai_sdk,
    of_the_ai_sdks_stop,
]


@pytest.mark.parametrize("wire", WIRES)
def test_any_server_continues_what_another_began(
    wire: Callable[[Served, list[Site]], Awaitable[None]], journal: str
) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), two(journal) as (server, sites):
            await wire(server, sites)

    asyncio.run(main())

"""Agents by A2A 1.0, asked by the protocol's official client over real sockets, in both bindings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from a2a.client import ClientConfig, ClientFactory
from a2a.client.client import Client
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import TaskNotCancelableError, TaskNotFoundError, UnsupportedOperationError
from fastapi import FastAPI
from google.protobuf.json_format import MessageToDict, ParseDict
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from headwater import Agent, SequentialWorkflow, ToolContext, tool
from headwater.backends.offline import Call
from headwater.cli import main as cli
from headwater.web import api_router, router
from headwater.web.a2a.failures import Refused
from headwater.web.a2a.routes import _states
from headwater.web.http.guard import Guard
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from tests.support.journals import journal
from tests.support.members import asked as asked_of_model
from tests.support.members import paced, speaker
from tests.support.served import Served, served

__all__ = ("journal",)

each_binding = pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
TOKEN = "t" * 40


class Place(BaseModel):
    city: str


@tool(approval=True)
async def send() -> str:
    """Send."""
    return "sent"


@tool
async def book(ctx: ToolContext[Any]) -> str:
    """Book."""
    return f"{await ctx.ask('How many nights?', int)} nights"


def sender() -> Agent[Any, Any]:
    return speaker("sender", [Call("send", {})], "It is sent.", tools=[send])


@asynccontextmanager
async def asking(url: str, binding: str, *, streaming: bool = True, **headers: str) -> AsyncIterator[Client]:
    async with httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
        config = ClientConfig(
            streaming=streaming, httpx_client=http, supported_protocol_bindings=[binding], use_client_preference=True
        )
        yield await ClientFactory(config).create_from_url(url)


def message(*parts: Any, **more: Any) -> pb.SendMessageRequest:
    told = [{"text": part} if isinstance(part, str) else {"data": part} for part in parts]
    said = {"messageId": "m", "role": "ROLE_USER", "parts": told, **more}
    request = pb.SendMessageRequest()
    ParseDict({"message": said}, request)
    return request


async def updates(stream: Any) -> list[dict[str, Any]]:
    return [MessageToDict(one) async for one in stream]


async def sent(client: Client, *parts: Any, **more: Any) -> dict[str, Any]:
    """The task that a message comes to."""
    (one,) = await updates(client.send_message(message(*parts, **more)))
    task: dict[str, Any] = one["task"]
    return task


def text_of(task: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for one in task.get("artifacts", ()) for part in one["parts"])


def state_of(task: dict[str, Any]) -> str:
    state: str = task["status"]["state"]
    return state.removeprefix("TASK_STATE_")


@each_binding
def test_a_message_is_a_run_and_a_task(binding: str) -> None:
    async def main() -> None:
        async with served(router(speaker("a"), speaker("b c", description="Counts."))) as server:
            async with asking(server.url, binding, streaming=False) as client:
                task = await sent(client, "Hello.")
                assert (state_of(task), text_of(task)) == ("COMPLETED", "a says hi there.")
                run = (await server.client.get(f"/runs/{task['id']}")).json()
                assert (run["agent"], run["state"], run["text"]) == ("a", "finished", "a says hi there.")
                again = MessageToDict(await client.get_task(pb.GetTaskRequest(id=task["id"])))
                assert again == task
            async with asking(f"{server.url}/a2a/b%20c", binding, streaming=False) as client:
                assert text_of(await sent(client, "Hello.")) == "b c says hi there."
                with pytest.raises(TaskNotFoundError):
                    await client.get_task(pb.GetTaskRequest(id=task["id"]))

    asyncio.run(main())


@each_binding
def test_a_stream_adds_up_to_the_task(binding: str) -> None:
    async def main() -> None:
        async with served(router(paced("a", 4, 0.02))) as server, asking(server.url, binding) as client:
            told = await updates(client.send_message(message("Go.")))
            task = told[0]["task"]
            assert state_of(task) in ("SUBMITTED", "WORKING")
            states = [state_of(one["statusUpdate"]) for one in told if "statusUpdate" in one]
            assert states == ["WORKING", "COMPLETED"]
            pieces = [one["artifactUpdate"] for one in told if "artifactUpdate" in one]
            appended = [piece.get("append", False) for piece in pieces]
            assert len(appended) > 1
            assert appended == [False, *[True] * (len(appended) - 1)]
            text = "".join(piece["artifact"]["parts"][0]["text"] for piece in pieces)
            assert text == text_of(MessageToDict(await client.get_task(pb.GetTaskRequest(id=task["id"]))))

    asyncio.run(main())


@each_binding
def test_an_output_type_is_data(binding: str) -> None:
    async def main() -> None:
        planner = speaker("planner", '{"city": "Ulm"}', output_type=Place)
        async with served(router(planner)) as server, asking(server.url, binding, streaming=False) as client:
            (artifact,) = (await sent(client, "Where?"))["artifacts"]
            assert {"data": {"city": "Ulm"}} in artifact["parts"]

    asyncio.run(main())


@each_binding
@pytest.mark.parametrize("answer", ["Yes.", {"approved": True}])
def test_an_approval_is_input_that_is_required(binding: str, answer: Any) -> None:
    async def main() -> None:
        async with served(router(sender())) as server, asking(server.url, binding) as client:
            told = await updates(client.send_message(message("Go.")))
            status = told[-1]["statusUpdate"]["status"]
            assert status["state"] == "TASK_STATE_INPUT_REQUIRED"
            words, data = status["message"]["parts"]
            assert words["text"] == "sender wants to run send with {}. Allow it?"
            assert (data["data"]["kind"], data["data"]["tool"]) == ("approval", "send")
            task = told[0]["task"]["id"]
            with pytest.raises(Exception, match="neither yes nor no"):
                await updates(client.send_message(message("Perhaps.", taskId=task)))
            rest = await updates(client.send_message(message(answer, taskId=task)))
            assert [state_of(one["statusUpdate"]) for one in rest if "statusUpdate" in one] == ["WORKING", "COMPLETED"]
            assert text_of(MessageToDict(await client.get_task(pb.GetTaskRequest(id=task)))) == "It is sent."
            with pytest.raises(UnsupportedOperationError):
                await updates(client.send_message(message("Yes.", taskId=task)))

    asyncio.run(main())


@each_binding
@pytest.mark.parametrize("answer", ["3", {"result": 3}])
def test_a_tools_question_is_answered_in_words_or_data(binding: str, answer: Any) -> None:
    async def main() -> None:
        booker = speaker("booker", [Call("book", {})], "Booked.", tools=[book])
        site = Site([booker])
        async with served(router_of(site)) as server, asking(server.url, binding, streaming=False) as client:
            task = await sent(client, "Go.")
            assert state_of(task) == "INPUT_REQUIRED"
            done = await sent(client, answer, taskId=task["id"])
            assert (state_of(done), text_of(done)) == ("COMPLETED", "Booked.")
            (finished,) = [event for event in next(site.manager.runs()).log if event.type == "tool.finished"]
            assert "3 nights" in str(finished)

    asyncio.run(main())


@each_binding
def test_a_task_outlives_its_reader_and_is_cancelled_by_its_id(binding: str) -> None:
    async def main() -> None:
        site = Site([paced("a", 10_000, 0.01)])
        async with served(router_of(site)) as server, asking(server.url, binding) as client:
            stream: Any = client.send_message(message("Go."))
            task = MessageToDict(await anext(stream))["task"]["id"]
            await stream.aclose()
            (live,) = site.manager.runs()
            following = client.subscribe(pb.SubscribeToTaskRequest(id=task))
            first = MessageToDict(await anext(following))["task"]
            assert (first["id"], live.state) == (task, "running")
            ended = asyncio.create_task(updates(following))
            cancelled = MessageToDict(await client.cancel_task(pb.CancelTaskRequest(id=task)))
            assert state_of(cancelled) == "CANCELED"
            assert (await ended)[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_CANCELED"
            with pytest.raises(TaskNotCancelableError):
                await client.cancel_task(pb.CancelTaskRequest(id=task))
            with pytest.raises(UnsupportedOperationError):
                await updates(client.subscribe(pb.SubscribeToTaskRequest(id=task)))

    asyncio.run(main())


@each_binding
def test_a_context_is_a_conversation_and_tasks_are_listed(binding: str) -> None:
    async def main() -> None:
        agent = speaker("a")
        async with served(router(agent)) as server, asking(server.url, binding, streaming=False) as client:
            first = await sent(client, "One.")
            await sent(client, "Two.", contextId=first["contextId"])
            other = await sent(client, "Three.")
            assert other["contextId"] != first["contextId"]
            said = [[part.text for part in request.messages] for request in asked_of_model(agent)]
            assert said == [["One."], ["One.", "a says hi there.", "Two."], ["Three."]]
            request = pb.ListTasksRequest(context_id=first["contextId"], page_size=1)
            page = await client.list_tasks(request)
            assert (page.total_size, len(page.tasks), page.next_page_token) == (2, 1, "1")
            request.page_token = page.next_page_token
            (last,) = (await client.list_tasks(request)).tasks
            assert last.id == first["id"]
            assert not last.artifacts
            everything = await client.list_tasks(pb.ListTasksRequest(include_artifacts=True))
            assert [text_of(MessageToDict(one)) for one in everything.tasks] == ["a says hi there."] * 3
            failed = pb.ListTasksRequest(status=pb.TASK_STATE_FAILED)
            assert not (await client.list_tasks(failed)).tasks
            since = pb.ListTasksRequest()
            since.status_timestamp_after.CopyFrom(everything.tasks[0].status.timestamp)  # the newest
            assert [one.id for one in (await client.list_tasks(since)).tasks] == [other["id"]]

    asyncio.run(main())


def test_a_list_reads_each_log_of_a_journal_once(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli(["journal", "upgrade", journal]) == 0
    read: list[str] = []

    async def main() -> None:
        site = Site([speaker("a")], journal=journal)
        durable = site.manager.durable
        assert durable is not None
        log_of = durable.log_of

        async def counted(id: str) -> Any:
            read.append(id)
            return await log_of(id)

        monkeypatch.setattr(durable, "log_of", counted)
        async with served(router_of(site)) as server, asking(server.url, "JSONRPC", streaming=False) as client:
            first, last = await sent(client, "One."), await sent(client, "Two.")
            page = await client.list_tasks(pb.ListTasksRequest(page_size=1))
            assert (page.total_size, [one.id for one in page.tasks]) == (2, [last["id"]])
            assert read == [last["id"]]  # the other one is only counted
            read.clear()
            since = pb.ListTasksRequest(include_artifacts=True)
            since.status_timestamp_after.GetCurrentTime()
            assert not (await client.list_tasks(since)).tasks
            since.status_timestamp_after.FromSeconds(0)
            found = (await client.list_tasks(since)).tasks
            assert [text_of(MessageToDict(one)) for one in found] == ["a says hi there."] * 2
            assert sorted(read) == sorted([first["id"], last["id"]] * 2)

    asyncio.run(main())


@each_binding
def test_a_workflow_and_a_failing_agent_are_tasks_too(binding: str) -> None:
    async def main() -> None:
        team = SequentialWorkflow([speaker("a"), speaker("b")], name="team")
        once = speaker("once", "Well.")
        async with served(router(team, once)) as server:
            async with asking(server.url, binding, streaming=False) as client:
                assert text_of(await sent(client, "Go.")) == "b says hi there."
            async with asking(f"{server.url}/a2a/once", binding, streaming=False) as client:
                await sent(client, "Go.")
                task = await sent(client, "Go.")
                assert state_of(task) == "FAILED"
                assert "script" in task["status"]["message"]["parts"][0]["text"]

    asyncio.run(main())


def test_the_card_says_where_and_how() -> None:
    async def test(server: Served, prefix: str) -> None:
        card = (await server.client.get(f"{prefix}/.well-known/agent-card.json")).json()
        own = (await server.client.get(f"{prefix}/a2a/a/.well-known/agent-card.json")).json()
        assert card == own
        ParseDict(card, pb.AgentCard())  # nothing that the protocol does not know
        assert {one["url"] for one in card["supportedInterfaces"]} == {f"{server.url}{prefix}/a2a/a"}
        assert (await server.client.get(f"{prefix}/a2a/b/.well-known/agent-card.json")).status_code == 404

    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            await test(server, "")
        app = FastAPI()
        app.include_router(api_router(speaker("a")), prefix="/agents")
        async with served(app) as server:
            await test(server, "/agents")
            async with asking(f"{server.url}/agents", "HTTP+JSON", streaming=False) as client:
                assert text_of(await sent(client, "Hello.")) == "a says hi there."

    asyncio.run(main())


def test_the_guard_and_the_owner_hold() -> None:
    def owner(connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-user")

    async def main() -> None:
        site = Site([speaker("a")], guard=Guard(token=TOKEN), owner=owner)
        async with served(router_of(site)) as server:
            assert (await server.client.get("/.well-known/agent-card.json")).status_code == 401
            assert (await server.client.post("/a2a/a", json={})).status_code == 401
            bearer = {"authorization": f"Bearer {TOKEN}"}
            async with asking(server.url, "JSONRPC", streaming=False, **bearer, **{"x-user": "ann"}) as ann:
                task = await sent(ann, "Hello.")
            async with asking(server.url, "JSONRPC", streaming=False, **bearer, **{"x-user": "bob"}) as bob:
                with pytest.raises(TaskNotFoundError):
                    await bob.get_task(pb.GetTaskRequest(id=task["id"]))
                assert not (await bob.list_tasks(pb.ListTasksRequest())).tasks

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", -32700),
        ([], -32600),
        ({"method": "GetTask"}, -32600),
        ({"jsonrpc": "2.0", "id": [], "method": "GetTask"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "message/send"}, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": []}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": {"parts": []}}}, -32602),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": {"parts": [{"url": "x"}]}}},
            -32005,
        ),
        ({"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}}, -32001),
        ({"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {"pageSize": "x"}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {"status": "DONE"}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {"statusTimestampAfter": "today"}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "CreateTaskPushNotificationConfig"}, -32003),
        ({"jsonrpc": "2.0", "id": 1, "method": "GetExtendedAgentCard"}, -32007),
    ],
)
def test_errors_use_the_protocols_codes(body: Any, code: int) -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            content = body if isinstance(body, str) else json.dumps(body)
            kind = {"content-type": "application/json"}
            answer = await server.client.post("/a2a/a", content=content, headers=kind)
            assert answer.status_code == 200
            assert answer.json()["error"]["code"] == code

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("POST", "tasks/x/pushNotificationConfigs", "PUSH_NOTIFICATION_NOT_SUPPORTED"),
        ("GET", "tasks/x/pushNotificationConfigs", "PUSH_NOTIFICATION_NOT_SUPPORTED"),
        ("GET", "tasks/x/pushNotificationConfigs/y", "PUSH_NOTIFICATION_NOT_SUPPORTED"),
        ("DELETE", "tasks/x/pushNotificationConfigs/y", "PUSH_NOTIFICATION_NOT_SUPPORTED"),
        ("GET", "extendedAgentCard", "EXTENDED_AGENT_CARD_NOT_CONFIGURED"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(method: str, path: str, reason: str) -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            answer = await server.client.request(method, f"/a2a/a/{path}", json={} if method == "POST" else None)
            assert (answer.status_code, answer.json()["error"]["details"][0]["reason"]) == (400, reason)
            card = (await server.client.get("/a2a/a/.well-known/agent-card.json")).json()
            assert card["capabilities"] == {
                "streaming": True,
                "pushNotifications": False,
                "extendedAgentCard": False,
            }

    asyncio.run(main())


def test_another_version_is_rejected() -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            old = {"a2a-version": "0.3"}
            answer = await server.client.get("/a2a/a/tasks", headers=old)
            assert (answer.status_code, answer.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
            assert answer.json()["error"]["details"][0]["reason"] == "VERSION_NOT_SUPPORTED"
            for version in ("1.0", "1.0.2"):
                fine = await server.client.get("/a2a/a/tasks", headers={"a2a-version": version})
                assert fine.status_code == 200

    asyncio.run(main())


def test_returning_at_once_does_not_wait() -> None:
    async def main() -> None:
        site = Site([paced("a", 10_000, 0.01)])
        async with served(router_of(site)) as server:
            body = {"message": {"parts": [{"text": "Go."}]}, "configuration": {"returnImmediately": True}}
            task = (await server.client.post("/a2a/a/message:send", json=body)).json()["task"]
            assert state_of(task) in ("SUBMITTED", "WORKING")
            await server.client.post(f"/a2a/a/tasks/{task['id']}:cancel", json={})
            assert next(site.manager.runs()).state == "cancelled"

    asyncio.run(main())


@pytest.mark.parametrize("status", [{}, [], 1, True, "TASK_STATE_UNHEARD_OF"])
def test_a_status_that_is_no_state_is_refused(status: Any) -> None:
    with pytest.raises(Refused):
        _states(status)

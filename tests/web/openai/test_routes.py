"""How these routes refuse, and whose runs they know; what official clients make of them is in tests/system/clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from headwater import Agent, tool
from headwater.backends.offline import Call, Say, ScriptedModel
from headwater.events.questions import Question
from headwater.web import Limits, router
from headwater.web.http.guard import Guard
from headwater.web.http.site import Site
from headwater.web.openai.routes import refusal
from headwater.web.problems import Problem
from headwater.web.routing import router_of
from tests.support.members import paced, speaker
from tests.support.served import Served, served

ASK = {"model": "a", "messages": [{"role": "user", "content": "Hi"}]}


def against(app: Any, test: Callable[[Served], Awaitable[None]]) -> None:
    async def main() -> None:
        async with served(app) as server:
            await test(server)

    asyncio.run(main())


def told(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["type"], error["code"]


def test_refusals_have_openais_form() -> None:
    answer = refusal(Problem("too_many_runs", "Too many.", hint="Wait.", retry_after=5))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert b'"message":"Too many. Wait."' in bytes(answer.body)
    assert b"rate_limit_error" in bytes(answer.body)

    async def test(server: Served) -> None:
        client = server.client
        assert told(await client.get("/v1/models")) == (401, "authentication_error", "invalid_api_key")
        headers = {"authorization": "Bearer a-token-of-no-less-than-32-characters"}
        answer = await client.post("/v1/chat/completions", json={**ASK, "model": "b"}, headers=headers)
        assert told(answer) == (404, "invalid_request_error", "model_not_found")
        assert answer.json()["error"]["param"] == "model"
        answer = await client.post("/v1/chat/completions", content="x", headers=headers)
        assert told(answer) == (415, "invalid_request_error", "not_json")
        answer = await client.get("/v1/responses/resp_nothing", headers=headers)
        assert told(answer) == (404, "invalid_request_error", "unknown_run")

    guard = Guard(token="a-token-of-no-less-than-32-characters")
    against(router_of(Site([speaker("a")], guard=guard)), test)


def test_a_stream_has_no_ids_and_has_a_location() -> None:
    async def test(server: Served) -> None:
        answer = await server.client.post("/v1/chat/completions", json={**ASK, "stream": True})
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["headwater-run"]
        lines = answer.text.splitlines()
        assert {line.partition(":")[0] for line in lines if line} == {"", "data"}
        assert lines[-2] == "data: [DONE]"

    against(router(speaker("a")), test)


def test_a_waiting_client_that_disconnects_ends_the_run() -> None:
    async def test(server: Served) -> None:
        waiting = asyncio.create_task(server.client.post("/v1/chat/completions", json=ASK))
        async with asyncio.timeout(20):
            while not (runs := (await server.client.get("/runs")).json()["runs"]):  # noqa: ASYNC110  # no other way
                await asyncio.sleep(0.02)
            waiting.cancel()
            while runs[0]["state"] != "cancelled":
                await asyncio.sleep(0.02)
                runs = (await server.client.get("/runs")).json()["runs"]

    against(router(paced("a", 1000, 0.02)), test)


@tool(approval=True)
async def send(to: str) -> str:
    """Send it."""
    return f"sent to {to}"


def sender(**more: Any) -> Any:
    return speaker("a", [Say("I send it. "), Call("send", {"to": "ann"})], "Done.", tools=[send], **more)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_a_run_that_waits_for_people_is_an_error_and_goes_on_waiting(path: str, stream: bool) -> None:
    async def test(server: Served) -> None:
        answer = await server.client.post(path, json={**ASK, "input": "Hi", "stream": stream}, timeout=20)
        run = answer.headers["headwater-run"]
        if stream:
            *_, last, done = [line for line in answer.text.splitlines() if line.startswith("data: ")]
            assert done == "data: [DONE]"
            told = json.loads(last.removeprefix("data: "))
            message = told.get("response", told)["error"]["message"]
            assert "send" in answer.text
            assert told.get("type") == (None if "chat" in path else "response.failed")
        else:
            message = answer.json()["error"]["message"]
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "approval_needed")
            assert answer.headers["x-should-retry"] == "false"
        state = (await server.client.get(f"/runs/{run}")).json()
        (question,) = state["waiting"]
        assert state["state"] == "waiting"
        assert f"POST /runs/{run}/approve" in message
        assert f"send ({question['id']})" in message
        body = {"approval": question["id"], "allowed": True}
        assert (await server.client.post(f"/runs/{run}/approve", json=body)).status_code == 202
        await server.client.get(f"/runs/{run}/events")
        assert (await server.client.get(f"/runs/{run}")).json()["text"] == "Done."

    against(router(sender()), test)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_an_approver_of_the_agent_is_waited_for(path: str, stream: bool) -> None:
    async def approve(question: Question) -> bool:
        await asyncio.sleep(0.05)
        return True

    async def test(server: Served) -> None:
        answer = await server.client.post(path, json={**ASK, "input": "Hi", "stream": stream}, timeout=20)
        assert answer.status_code == 200
        assert "Done" in answer.text
        assert 'error":{' not in answer.text

    against(router(sender(approver=approve)), test)


def test_a_response_in_the_background_waits_for_people() -> None:
    async def test(server: Served) -> None:
        body = {"model": "a", "input": "Hi", "background": True}
        answer = (await server.client.post("/v1/responses", json=body)).json()
        assert answer["status"] == "in_progress"

    against(router(sender()), test)


def test_a_response_is_its_callers() -> None:
    async def test(server: Served) -> None:
        ann, bob = {"x-user": "ann"}, {"x-user": "bob"}
        body = {"model": "a", "input": "Hi"}
        number = (await server.client.post("/v1/responses", json=body, headers=ann)).json()["id"]
        assert (await server.client.get(f"/v1/responses/{number}", headers=ann)).status_code == 200
        for answer in (
            await server.client.get(f"/v1/responses/{number}", headers=bob),
            await server.client.post(f"/v1/responses/{number}/cancel", json={}, headers=bob),
            await server.client.post("/v1/responses", json={**body, "previous_response_id": number}, headers=bob),
        ):
            assert answer.status_code == 404

    against(router(speaker("a"), owner=lambda request: request.headers["x-user"]), test)


def test_a_running_response_cannot_be_continued_and_too_many_are_rejected() -> None:
    async def test(server: Served) -> None:
        body = {"model": "a", "input": "Hi", "background": True}
        number = (await server.client.post("/v1/responses", json=body)).json()["id"]
        answer = await server.client.post("/v1/responses", json={**body, "previous_response_id": number})
        assert told(answer)[0] == 400
        assert told(await server.client.post("/v1/responses", json=body)) == (429, "rate_limit_error", "too_many_runs")
        cancelled = await server.client.post(f"/v1/responses/{number}/cancel")  # OpenAI's client sends no body here
        assert cancelled.json()["status"] == "cancelled"

    against(router(paced("a", 1000, 0.02), limits=Limits(runs=1)), test)


@pytest.mark.parametrize("mode", ["native", "prompted", "tool"])
def test_a_typed_answer_is_the_agents_json_without_what_was_sent_back(mode: Any) -> None:
    class Port(BaseModel):
        name: str
        depth: int

    good = {"name": "Brest", "depth": 12}

    def turn(answer: Any) -> list[Any]:
        return [Call("final_answer", answer)] if mode == "tool" else [json.dumps(answer)]

    def agent() -> Agent[Any, Any]:
        turns = [turn({**good, "depth": "deep"}), turn(good)]
        return Agent(name="a", model=ScriptedModel(turns), output_type=Port, output_mode=mode)

    async def chat(server: Served) -> None:
        answer = (await server.client.post("/v1/chat/completions", json=ASK)).json()
        assert json.loads(answer["choices"][0]["message"]["content"]) == good
        refused = await server.client.post(
            "/v1/chat/completions", json={**ASK, "response_format": {"type": "json_object"}}
        )
        assert told(refused) == (400, "invalid_request_error", "bad_request")
        assert "The agent determines the format of its answer" in refused.text

    async def response(server: Served) -> None:
        answer = (await server.client.post("/v1/responses", json={"model": "a", "input": "Hi"})).json()
        (text,) = [part["text"] for item in answer["output"] if item["type"] == "message" for part in item["content"]]
        assert json.loads(text) == good

    against(router(agent()), chat)
    against(router(agent()), response)

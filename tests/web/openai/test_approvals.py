"""A run that waits for people goes on in another response; what OpenAI's own clients make of it is in
tests/system/clients."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from headwater import ConcurrentWorkflow, tool
from headwater.events.questions import Question
from headwater.testing import Call, Say
from headwater.web import router
from headwater.web.openai.asked import Approved
from tests.support.members import speaker
from tests.support.served import Served
from tests.web.openai.test_routes import against, told


@tool(approval=True)
async def send(to: str) -> str:
    """Send it."""
    return f"sent to {to}"


def sender(name: str = "a", **more: Any) -> Any:
    """Sends two letters, one after the other, and then says more."""
    turns = (
        [Say("To Ann. "), Call("send", {"to": "ann"})],
        [Say("To Bob. "), Call("send", {"to": "bob"})],
        "Done.",
        "More.",
    )
    return speaker(name, *turns, tools=[send], **more)


def declared(*labels: str, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "mcp", "server_label": label, "server_url": "http://here", **more} for label in labels]


async def asked(server: Served, given: Any, *, model: str = "a", stream: bool = False, **more: Any) -> dict[str, Any]:
    """The response, as the last event has it where it is streamed."""
    body = {"model": model, "input": given, "stream": stream, "tools": declared("a"), **more}
    answer = await server.client.post("/v1/responses", json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = streamed(answer)[-1]["response"] if stream else answer.json()
    return whole


def streamed(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events, which are numbered without a gap."""
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    return events


def answer_to(response: dict[str, Any], *, allowed: bool = True, **more: Any) -> list[dict[str, Any]]:
    """All of a conversation's items, as clients send them: the requests, then the answers."""
    requests = [item for item in response["output"] if item["type"] == "mcp_approval_request"]
    answers = [
        {"type": "mcp_approval_response", "approval_request_id": item["id"], "approve": allowed, **more}
        for item in requests
    ]
    return [{"role": "user", "content": "Hi"}, *response["output"], *answers]


def shapes(response: dict[str, Any]) -> list[str]:
    return [item["type"] for item in response["output"]]


@pytest.mark.parametrize("stream", [False, True])
def test_a_run_goes_on_in_the_response_to_each_answer(stream: bool) -> None:
    async def test(server: Served) -> None:
        first = await asked(server, "Hi", stream=stream)
        assert (first["status"], shapes(first)) == ("completed", ["message", "mcp_approval_request"])
        assert first["output"][0]["content"][0]["text"] == "To Ann. "
        request = first["output"][1]
        assert request == {
            "id": request["id"],
            "type": "mcp_approval_request",
            "server_label": "a",
            "name": "send",
            "arguments": '{"to":"ann"}',
        }
        second = await asked(server, answer_to(first), stream=stream)
        assert shapes(second) == ["mcp_call", "message", "mcp_approval_request"]
        call = second["output"][0]
        assert (call["output"], call["approval_request_id"]) == ("sent to ann", request["id"])
        last = await asked(server, answer_to(second, allowed=False, reason="Not him"), stream=stream)
        assert second["output"][1]["content"][0]["text"] == "To Bob. "
        assert shapes(last) == ["mcp_call", "message"]
        assert last["output"][0]["status"] == "failed"
        assert last["output"][0]["error"]["content"] == [{"type": "text", "text": "Denied: Not him."}]
        assert last["output"][1]["content"][0]["text"] == "Done."
        assert last["usage"]["output_tokens"] > 0
        ids = [item["id"] for one in (first, second, last) for item in one["output"]]
        assert len({*ids}) == len(ids)
        assert len({one["id"] for one in (first, second, last)}) == 3
        for one in (first, second, last):  # each is kept as it was
            assert (await server.client.get(f"/v1/responses/{one['id']}")).json()["output"] == one["output"]
            again = await server.client.get(f"/v1/responses/{one['id']}?stream=true")
            assert streamed(again)[-1]["response"]["output"] == one["output"]
        follow = await asked(server, "And?", previous_response_id=last["id"])
        assert follow["output"][0]["content"][0]["text"] == "More."

    against(router(sender()), test)


def test_answers_that_are_sent_twice_are_given_once() -> None:
    async def test(server: Served) -> None:
        given = answer_to(await asked(server, "Hi"))
        one, two = [await asked(server, given) for _ in range(2)]
        assert one == two
        assert shapes(one) == ["mcp_call", "message", "mcp_approval_request"]

    against(router(sender()), test)


def test_it_waits_in_the_background_too() -> None:
    async def test(server: Served) -> None:
        begun = await asked(server, "Hi", background=True)
        while begun["status"] == "in_progress":
            begun = (await server.client.get(f"/v1/responses/{begun['id']}")).json()
        assert shapes(begun) == ["message", "mcp_approval_request"]
        more = await asked(server, answer_to(begun), background=True, stream=True)
        assert shapes(more) == ["mcp_call", "message", "mcp_approval_request"]

    against(router(sender()), test)


@pytest.mark.parametrize(
    "tools", [[], declared("elsewhere"), declared("a", require_approval="never")], ids=["none", "others", "never"]
)
def test_a_client_that_cannot_answer_is_not_asked(tools: list[dict[str, Any]]) -> None:
    async def test(server: Served) -> None:
        body = {"model": "a", "input": "Hi", "tools": tools}
        answer = await server.client.post("/v1/responses", json=body, timeout=20)
        assert told(answer) == (422, "invalid_request_error", "approval_needed")

    against(router(sender()), test)


def test_all_questions_of_a_run_are_answered_at_once_by_who_may() -> None:
    async def test(server: Served) -> None:
        ann, bob = {"x-user": "ann"}, {"x-user": "bob"}
        body: dict[str, Any] = {"model": "both", "input": "Hi", "tools": declared("both", "b")}
        response = (await server.client.post("/v1/responses", json=body, headers=ann, timeout=20)).json()
        requests = [item for item in response["output"] if item["type"] == "mcp_approval_request"]
        assert sorted(item["server_label"] for item in requests) == ["b", "both"]
        given = answer_to(response)
        refused = await server.client.post("/v1/responses", json={**body, "input": given}, headers=bob)
        assert told(refused) == (404, "invalid_request_error", "unknown_run")
        refused = await server.client.post("/v1/responses", json={**body, "input": given[:-1]}, headers=ann)
        assert told(refused) == (400, "invalid_request_error", "bad_request")
        strange = [{"type": "mcp_approval_response", "approval_request_id": "mcpr_x", "approve": True}]
        refused = await server.client.post("/v1/responses", json={**body, "input": strange}, headers=ann)
        assert told(refused) == (404, "invalid_request_error", "unknown_run")
        more = await server.client.post("/v1/responses", json={**body, "input": given}, headers=ann, timeout=20)
        assert more.status_code == 200, more.text
        assert len([one for one in more.json()["output"] if one["type"] == "mcp_approval_request"]) == 2

    both = ConcurrentWorkflow([sender("a"), sender("b")], name="both")
    against(router(both, owner=lambda request: request.headers["x-user"]), test)


def test_the_agents_own_approver_is_not_passed_over() -> None:
    async def approve(question: Question) -> bool:
        return True

    async def test(server: Served) -> None:
        response = await asked(server, "Hi", stream=True)
        assert "mcp_approval_request" not in shapes(response)
        assert response["output"][-1]["content"][0]["text"].endswith("Done.")

    against(router(sender(approver=approve)), test)


def test_an_answer_has_a_request_a_decision_and_a_note() -> None:
    assert Approved("mcpr_r.a", True, "Yes.") == ("mcpr_r.a", True, "Yes.")

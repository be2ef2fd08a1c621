"""Tools that the client runs: told to the model, never run here, and answered by the next input."""

from __future__ import annotations

from typing import Any

import pytest

from headwater import Agent, Message, Model, Thread, ToolResult, tool
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import HistoryInvalid, InvalidTool
from headwater.providers.request import Request, ToolSpec
from headwater.testing import check_log
from tests.support.streams import scripted

PICK = {"name": "pick", "description": "Pick a file.", "parameters": {"type": "object", "properties": {}}}
BOTH = [Call("look", {"what": "sea"}), Call("pick", {}, id="p1")]


@tool
async def look(what: str) -> str:
    """Look."""
    return f"saw {what}"


def answer(text: str = "notes.txt") -> Message:
    return Message.tool(ToolResult(id="p1", name="pick", content=text))


def test_the_run_ends_with_the_clients_calls_once_ours_are_done() -> None:
    stream = scripted(BOTH, tools=[look], client_tools=[PICK], keep_log=True).run_stream("Go.")
    response = stream.result_sync()
    check_log(stream.log)
    assert response.finish_reason == "tool_calls"
    assert [(call.name, call.by) for call in response.tool_calls] == [("look", "agent"), ("pick", "client")]
    assert [event.name for event in stream.log if event.type == "tool.finished"] == ["look"]  # type: ignore[attr-defined]


def test_the_model_is_told_of_it() -> None:
    asked: list[Request] = []

    def turn(request: Request) -> str:
        asked.append(request)
        return "Hm."

    Agent(model=ScriptedModel(turn), client_tools=[PICK]).run("Go.")
    assert [spec.name for spec in asked[0].tools] == ["pick"]


def test_its_messages_continue_with_the_results_only() -> None:
    def told(request: Request) -> str:
        parts = [part for one in request.messages for part in one.content]
        return ", ".join(str(part.content) for part in parts if isinstance(part, ToolResult))

    agent = scripted(BOTH, told, tools=[look], client_tools=[PICK])
    first = agent.run("Go.")
    with pytest.raises(HistoryInvalid, match="p1") as refused:
        agent.run("And?", history=first.messages)
    assert refused.value.ids == ("p1",)
    assert agent.run([answer(), "And?"], history=first.messages) == "saw sea, notes.txt"


def test_a_thread_continues_in_the_same_way() -> None:
    thread = Thread()
    agent = scripted(BOTH, "Thank you.", tools=[look], client_tools=[PICK])
    agent.run("Go.", thread=thread)
    with pytest.raises(HistoryInvalid):
        agent.run("And?", thread=thread)
    assert agent.run([answer()], thread=thread) == "Thank you."


def test_they_may_be_given_for_a_run() -> None:
    agent = scripted(Call("pick", {}), Call("pick", {}), "There is no such tool.")
    assert agent.run("Go.", client_tools=[PICK]).finish_reason == "tool_calls"
    assert "pick" not in [call.name for call in agent.run("Go.").tool_calls if call.by == "client"]


def test_the_tools_of_a_single_request_are_the_clients() -> None:
    response = Model(ScriptedModel([Call("look", {"what": "sea"})])).stream("Go.", tools=[look]).result_sync()
    assert [(call.name, call.by) for call in response.tool_calls] == [("look", "client")]
    assert [message.role for message in response.messages] == ["user", "assistant"]


def test_a_bad_call_is_the_clients_to_answer_too() -> None:
    response = scripted(Call("pick", "[1", id="p1"), client_tools=[PICK]).run("Go.")
    assert response.finish_reason == "tool_calls"
    assert response.messages[-1].role == "assistant"


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        ("pick", "of type str"),
        (PICK, "of type dict"),
        ([{"description": "No name."}], "is not a valid client tool"),
        ([{"name": "pick", "schema": {}}], "has no field 'schema'"),
        ([PICK, PICK], "Two client tools"),
        ([look], "of type Tool"),
    ],
)
def test_an_invalid_client_tool_is_rejected(tools: Any, says: str) -> None:
    with pytest.raises(InvalidTool, match=says):
        scripted("Hm.", client_tools=tools)


def test_a_name_is_the_agents_or_the_clients() -> None:
    agent = scripted("Hm.", tools=[look], client_tools=[ToolSpec(name="look", description="", parameters={})])
    with pytest.raises(InvalidTool, match="of both the agent and the client"):
        agent.run("Go.")

from __future__ import annotations

from typing import Any

import openai
import pydantic
import pytest

import agents
from headwater import Agent, SequentialWorkflow
from headwater.adapters import OpenAIAgents
from headwater.errors import ConfigurationError
from headwater.events import ToolFinished
from headwater.events.answers import tree_response
from headwater.testing import Call, Fail, ProviderSimulator, Say, ScriptedModel, Think
from tests.adapters.asking import CALLS, CONVERSATION, check_break, logged, text_of, weather

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
"""The frameworks keep their HTTP clients open until the process ends."""
APIS = ["openai-responses", "openai-chat"]

agents.set_tracing_disabled(True)


def model(server: ProviderSimulator, api: str = "openai-responses") -> Any:
    client = openai.AsyncOpenAI(base_url=server.url(api), api_key="key", max_retries=0)
    kind = agents.OpenAIResponsesModel if api == "openai-responses" else agents.OpenAIChatCompletionsModel
    return kind("gpt-5.4", client)


def asked(server: ProviderSimulator, api: str = "openai-responses", **options: Any) -> OpenAIAgents:
    tools = [agents.function_tool(weather)]
    return OpenAIAgents(agents.Agent(name="pilot", model=model(server, api), tools=tools, **options))


@pytest.mark.parametrize("api", APIS)
def test_an_answer_with_a_tool(api: str) -> None:
    with ProviderSimulator([CALLS, "It is sunny."]) as server:
        log = logged(asked(server, api))
    response: Any = tree_response(log)
    assert response == "It is sunny."
    assert response.transcript == "Let me look. \n\nIt is sunny."
    assert (response.agent, response.model, response.provider) == ("pilot", "gpt-5.4", "openai")
    ended = next(event for event in log if isinstance(event, ToolFinished))
    assert (ended.name, ended.result, ended.error) == ("weather", "sunny in Paris", None)
    if api == "openai-responses":
        assert response.usage.output_tokens == 15


@pytest.mark.parametrize("api", APIS)
def test_a_handoff_is_a_run_below(api: str) -> None:
    with ProviderSimulator([CALLS, [Call("transfer_to_poet", {}, id="call_b")], "Roses."]) as server:
        poet = agents.Agent(name="poet", model=model(server, api))
        log = logged(asked(server, api, handoffs=[poet]))
    response: Any = tree_response(log)
    assert (response, response.agent) == ("Roses.", "poet")
    assert text_of(log, "poet") == "Roses."
    assert {event.path for event in log} == {("pilot",), ("pilot", "poet")}


def test_an_answer_as_a_type() -> None:
    class City(pydantic.BaseModel):
        name: str
        size: int

    with ProviderSimulator(['{"name": "Paris", "size": 2}']) as server:
        response = asked(server, output_type=City).run("Where?")
    assert response.output == City(name="Paris", size=2)


def test_reasoning_is_told() -> None:
    with ProviderSimulator([[Think("Hm. "), Say("Yes.")]]) as server:
        response = asked(server).run("Is it?")
    assert (response, response.reasoning.strip()) == ("Yes.", "Hm.")


def test_its_error_has_the_partial_answer() -> None:
    with ProviderSimulator([[Say("It is "), Fail(ConnectionResetError())]]) as server:
        with pytest.raises(Exception, match=r".") as caught:
            asked(server).run("How is Paris?")
        assert str(caught.value.response) == "It is "  # type: ignore[attr-defined]


def test_too_many_turns_are_its_own_error() -> None:
    with ProviderSimulator([CALLS, CALLS]) as server, pytest.raises(agents.MaxTurnsExceeded):
        OpenAIAgents(asked(server).agent, max_turns=1).run("How is Paris?")


def test_break_closes_the_connection() -> None:
    check_break(asked)


def test_leaving_during_a_tool_cancels_it() -> None:
    ends: list[str] = []

    async def slow() -> str:
        import asyncio

        try:
            await asyncio.sleep(60)
        finally:
            ends.append("cancelled")
        return "late"

    with ProviderSimulator([[Call("slow", {}, id="call_a")]]) as server:
        agent = OpenAIAgents(agents.Agent(name="pilot", model=model(server), tools=[agents.function_tool(slow)]))
        for event in agent.run_stream("Go").events():
            if event.type == "tool.started":
                break
    assert ends in ([], ["cancelled"])  # it may not have begun


def test_its_context_is_the_sdks() -> None:
    seen: list[Any] = []

    def note(ctx: Any) -> str:
        seen.append(ctx.context)
        return "noted"

    note.__annotations__["ctx"] = agents.RunContextWrapper[Any]
    with ProviderSimulator([[Call("note", {}, id="call_a")], "Done."]) as server:
        agent = agents.Agent(name="pilot", model=model(server), tools=[agents.function_tool(note)])
        OpenAIAgents(agent).run("Note it", context="the context")
    assert seen == ["the context"]


def test_it_is_given_a_conversation_with_images() -> None:
    with ProviderSimulator(["Ann."]) as server:
        assert asked(server).run(CONVERSATION) == "Ann."
        sent = server.requests[0].json["input"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert [part["type"] for part in sent[2]["content"]] == ["input_image", "input_text"]


def test_it_works_beside_agents_of_headwater() -> None:
    with ProviderSimulator([CALLS, "It is sunny."]) as server:
        members: list[Any] = [asked(server), Agent(name="poet", model=ScriptedModel(["Roses."]))]
        assert SequentialWorkflow(members, print_on=False).run("How is Paris?") == "Roses."


def test_calls_that_wait_for_approval_are_an_error() -> None:
    with ProviderSimulator([CALLS]) as server:
        tool = agents.function_tool(weather, needs_approval=True)
        agent = agents.Agent(name="pilot", model=model(server), tools=[tool])
        with pytest.raises(ConfigurationError, match="weather"):
            OpenAIAgents(agent).run("How is Paris?")


def test_another_object_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"agents\.Agent"):
        OpenAIAgents("agent")

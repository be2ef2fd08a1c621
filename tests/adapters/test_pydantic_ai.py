from __future__ import annotations

import json
from typing import Any

import pydantic
import pydantic_ai
import pytest
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from headwater import Agent, ConcurrentWorkflow, File
from headwater.adapters import PydanticAI
from headwater.errors import ConfigurationError
from headwater.events import ToolFinished, ToolStarted
from headwater.events.answers import tree_response
from headwater.testing import Call, Fail, ProviderSimulator, Say, ScriptedModel
from tests.adapters.asking import CALLS, CONVERSATION, check_break, logged, weather

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
"""The frameworks keep their HTTP clients open until the process ends."""


def model(server: ProviderSimulator) -> Any:
    return OpenAIChatModel("gpt-5.4", provider=OpenAIProvider(base_url=server.url(), api_key="key"))


def asked(server: ProviderSimulator, **options: Any) -> PydanticAI:
    agent = pydantic_ai.Agent(model(server), name="pilot", **options)
    agent.tool_plain(weather)
    return PydanticAI(agent)


def test_an_answer_with_a_tool() -> None:
    with ProviderSimulator([CALLS, "It is sunny."]) as server:
        log = logged(asked(server))
    response: Any = tree_response(log)
    assert response == "It is sunny."
    assert response.transcript == "Let me look. \n\nIt is sunny."
    assert (response.agent, response.model, response.provider) == ("pilot", "gpt-5.4", "openai")
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens == 15
    ended = next(event for event in log if isinstance(event, ToolFinished))
    assert (ended.name, ended.result, ended.error) == ("weather", "sunny in Paris", None)


def test_an_answer_as_a_type() -> None:
    class City(pydantic.BaseModel):
        name: str
        size: int

    with ProviderSimulator([[Call("final_result", {"name": "Paris", "size": 2})]]) as server:
        response = asked(server, output_type=City).run("Where?")
    assert response.output == City(name="Paris", size=2)
    assert json.loads(response) == {"name": "Paris", "size": 2}


def test_a_tool_that_fails_is_an_error_that_the_model_reads() -> None:
    def broken(city: str) -> str:
        raise pydantic_ai.ModelRetry("Name a city.")

    with ProviderSimulator([[Call("broken", {"city": ""}, id="call_a")], "Which city?"]) as server:
        agent = pydantic_ai.Agent(model(server), name="pilot")
        agent.tool_plain(broken)
        log = logged(PydanticAI(agent))
    ended = next(event for event in log if isinstance(event, ToolFinished))
    assert "Name a city." in str(ended.error)
    assert tree_response(log) == "Which city?"


def test_two_tools_at_once_start_together() -> None:
    calls = [Call("weather", {"city": city}, id=f"call_{city}") for city in ("Paris", "Rome")]
    with ProviderSimulator([calls, "Both sunny."]) as server:
        log = logged(asked(server))
    kinds = [type(event) for event in log if isinstance(event, (ToolStarted, ToolFinished))]
    assert kinds == [ToolStarted, ToolStarted, ToolFinished, ToolFinished]


def test_its_error_has_the_partial_answer() -> None:
    with ProviderSimulator([[Say("It is "), Fail(ConnectionResetError())]]) as server:
        with pytest.raises(Exception, match=r".") as caught:
            asked(server).run("How is Paris?")
        assert str(caught.value.response) == "It is "  # type: ignore[attr-defined]


def test_a_refused_request_is_its_own_error() -> None:
    from pydantic_ai.exceptions import ModelHTTPError

    with ProviderSimulator([[Fail(401)]]) as server, pytest.raises(ModelHTTPError):
        asked(server).run("How is Paris?")


def test_break_closes_the_connection() -> None:
    check_break(asked)


def test_its_context_is_its_deps() -> None:
    seen: list[Any] = []

    def note(ctx: Any) -> str:
        seen.append(ctx.deps)
        return "noted"

    note.__annotations__["ctx"] = pydantic_ai.RunContext[str]
    with ProviderSimulator([[Call("note", {}, id="call_a")], "Done."]) as server:
        agent = pydantic_ai.Agent(model(server), deps_type=str)
        agent.tool(note)
        PydanticAI(agent).run("Note it", context="the context")
    assert seen == ["the context"]


def test_it_is_given_a_conversation_with_images() -> None:
    with ProviderSimulator(["Ann."]) as server:
        assert asked(server).run(CONVERSATION) == "Ann."
        sent = server.requests[0].json["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert [part["type"] for part in sent[2]["content"]] == ["image_url", "text"]


def test_a_file_at_a_provider_is_refused_before_anything_is_sent() -> None:
    with ProviderSimulator([]) as server:
        with pytest.raises(ConfigurationError, match="stored at a provider"):
            asked(server).run([File(id="file-1")])
        assert server.requests == ()


def test_it_works_beside_agents_of_headwater() -> None:
    with ProviderSimulator([CALLS, "It is sunny."]) as server:
        members: list[Any] = [asked(server), Agent(name="poet", model=ScriptedModel(["Roses."]))]
        results = ConcurrentWorkflow(members, print_on=False).run("How is Paris?")
    assert (str(results["pilot"]), str(results["poet"])) == ("It is sunny.", "Roses.")


def test_it_is_a_tool_of_an_agent_of_headwater() -> None:
    with ProviderSimulator([CALLS, "It is sunny."]) as server:
        asks = ScriptedModel([[Call("pilot", {"task": "How is Paris?"})], "The pilot says: sunny."])
        log = list(Agent(name="desk", model=asks, tools=[asked(server)]).run_stream("Go").events())
    assert {event.path for event in log} == {("desk",), ("desk", "pilot")}
    assert tree_response(log) == "The pilot says: sunny."


def test_calls_that_wait_for_people_are_an_error() -> None:
    with ProviderSimulator([CALLS]) as server:
        agent = pydantic_ai.Agent(model(server), output_type=[str, pydantic_ai.DeferredToolRequests])
        agent.tool_plain(weather, requires_approval=True)
        with pytest.raises(ConfigurationError, match="weather"):
            PydanticAI(agent).run("How is Paris?")


def test_another_object_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"pydantic_ai\.Agent"):
        PydanticAI("agent")

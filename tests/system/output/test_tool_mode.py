"""Answers that a call gives: over every API, in every shape of run, with what goes wrong on the way."""

from __future__ import annotations

import asyncio
import importlib
import json
from dataclasses import dataclass
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow, Response, SequentialWorkflow, Thread
from headwater.errors import IncompleteStream
from headwater.events import CallReady, Event, Retracted, decode, encode, tree_response
from headwater.testing import Call, Fail, Item, ProviderSimulator, Say, ScriptedModel, ServedTurn, check_log
from tests.support.logs import check_history
from tests.support.vendor_types import misfit

APIS = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
EVERYONE = (*APIS, "azure", "groq", "deepseek/deepseek-chat")

NATIVE_FIELDS = {"response_format", "text", "output_config", "format", "generationConfig"}


@dataclass
class Tide:
    """High water at a port."""

    port: str
    hour: int


GOOD = {"port": "Brest", "hour": 4}
BAD = {"port": "Brest", "hour": "late"}
JSON = '{"port":"Brest","hour":4}'


def gives(**answer: Any) -> Call:
    return Call("final_answer", answer)


def giving(model: Any, **more: Any) -> Agent[Any, Tide]:
    return Agent(model=model, output_type=Tide, output_mode="tool", **more)


def check_body(api: str, body: dict[str, Any]) -> None:
    """Fail where the vendor's own types would not take the body."""
    home, name = {
        "openai-chat": ("openai.types.chat.completion_create_params", "CompletionCreateParamsStreaming"),
        "openai-responses": ("openai.types.responses.response_create_params", "ResponseCreateParamsStreaming"),
        "anthropic": ("anthropic.types.message_create_params", "MessageCreateParamsStreaming"),
    }.get(api, ("", ""))
    if home:
        assert misfit(body, getattr(importlib.import_module(home), name)) == ""


def told(log: list[Event]) -> Any:
    """What another process makes of the log, which keeps the rules."""
    check_log(log)
    return tree_response([decode(encode(event)) for event in log])


# --- every API


@pytest.mark.parametrize("api", EVERYONE)
def test_every_api_offers_rejects_accepts_and_continues_after_the_answer_tool(api: str) -> None:
    with ProviderSimulator([[Say(["Well."]), gives(**BAD)], gives(**GOOD), "It is."]) as provider:
        agent = giving(provider.model(api))
        log: list[Event] = []
        response = agent.run("High water at Brest?", on_event=log.append)
        after = agent.run("Is that so?", output_type=str, history=response.messages)
    assert not provider.problems
    assert response.output == Tide("Brest", 4)
    assert (response.text, response.transcript) == (JSON, "Well.")
    assert told(log).text == JSON
    assert told(log).output == GOOD
    check_history(after.messages)
    assert after.text == "It is."
    first, mended, last = (request.json for request in provider.requests)
    for body in (first, mended, last):
        check_body(api, body)
        assert not {*body} & NATIVE_FIELDS
    assert "final_answer" in json.dumps(first["tools"])
    assert "late" in json.dumps(mended), "what it wrote, and what was wrong with it, goes back"
    assert "tools" not in last
    assert "The answer was received." in json.dumps(last)


@pytest.mark.parametrize("before", APIS)
@pytest.mark.parametrize("after", APIS)
def test_any_api_accepts_the_conversation_of_another(before: str, after: str) -> None:
    thread = Thread()
    with ProviderSimulator([[gives(**BAD), gives(**BAD)], gives(**GOOD), gives(port="Cork", hour=5)]) as provider:
        giving(provider.model(before)).run("High water at Brest?", thread=thread)
        assert giving(provider.model(after)).run("And at Cork?", thread=thread).output == Tide("Cork", 5)
    check_history(thread.messages)
    check_body(after, provider.requests[-1].json)


@pytest.mark.parametrize("api", EVERYONE)
def test_other_tools_run_along_with_it(api: str) -> None:
    asked: list[str] = []

    def look(port: str) -> str:
        """Look out of the window."""
        asked.append(port)
        return "high"

    turns: list[ServedTurn] = [Call("look", {"port": "Brest"}), [Call("look", {"port": "Cork"}), gives(**GOOD)]]
    with ProviderSimulator(turns) as provider:
        assert giving(provider.model(api), tools=[look]).run("High water?").output == Tide("Brest", 4)
    assert asked == ["Brest", "Cork"]


@pytest.mark.parametrize("api", ["openai-chat", "openai-responses", "anthropic"])  # the others' calls come whole
def test_a_cut_answer_is_requested_again(api: str) -> None:
    cut: list[Item] = [Say(["Well."]), gives(**GOOD), Fail(ConnectionResetError())]
    with ProviderSimulator([cut, gives(**GOOD), cut]) as provider:
        agent = giving(provider.model(api, retries=1), on_interrupted="restart")
        log: list[Event] = []
        response = agent.run("High water at Brest?", on_event=log.append)
        assert response.output == Tide("Brest", 4)
        assert told(log).text == response.text == JSON
        assert [event.chars for event in log if isinstance(event, Retracted)] == [len("Well.")]
        with pytest.raises(IncompleteStream) as raised:
            giving(provider.model(api, retries=0)).run("High water at Brest?")
    assert isinstance(raised.value.response, Response)
    assert raised.value.response.text == "Well."


# --- every shape


def test_members_of_workflows_receive_the_answer_as_json() -> None:
    tides = giving(ScriptedModel([gives(**GOOD)]), name="tides")
    writer = Agent(name="writer", model=ScriptedModel(["At four."]))
    log: list[Event] = []
    response = SequentialWorkflow([tides, writer]).run("High water?", on_event=log.append)
    model: Any = writer.model
    assert model.requests[0].messages[-1].text.endswith(JSON)
    assert told(log) == response == "At four."
    assert told(log).members["tides"].text == response.members["tides"].text == JSON


def test_the_last_member_may_give_the_answer() -> None:
    writer = Agent(name="writer", model=ScriptedModel(["High water, please."]))
    response = SequentialWorkflow([writer, giving(ScriptedModel([gives(**GOOD)]), name="tides")]).run("Go.")
    assert (response.text, response.output) == (JSON, Tide("Brest", 4))
    both = ConcurrentWorkflow([giving(ScriptedModel([gives(**GOOD)]), name=name) for name in ("a", "b")]).run("Go.")
    assert [one.output for one in both] == [Tide("Brest", 4)] * 2


def test_an_agent_called_as_a_tool_gives_its_json() -> None:
    tides = giving(ScriptedModel([gives(**GOOD)]), name="tides")
    agent = Agent(model=ScriptedModel([Call("tides", {"task": "Brest"}), "At four."]), tools=[tides])
    log: list[Event] = []
    assert agent.run("High water?", on_event=log.append) == "At four."
    assert told(log) == "At four."
    model: Any = agent.model
    assert model.requests[-1].messages[-1].content[0].content == JSON


# --- what is seen of it


def test_only_readers_of_details_see_the_call() -> None:
    turn: list[Item] = [Say(["I ", "know."]), gives(**GOOD)]

    async def main() -> None:
        stream = giving(ScriptedModel([turn])).run_stream("High water?")
        assert [piece async for piece in stream.text()] == ["I ", "know."]
        assert (await stream.result()).output == Tide("Brest", 4)
        stream = giving(ScriptedModel([turn])).run_stream("High water?")
        events = [event async for event in stream.events()]
        (ready,) = [event for event in events if isinstance(event, CallReady)]
        assert (ready.name, ready.arguments) == ("final_answer", GOOD)
        details: list[dict[str, Any]] = []
        await giving(ScriptedModel([turn]), stream=True).run("High water?", streaming_callback=details.append)
        assert [one["tool_call"]["arguments"] for one in details if "tool_call" in one] == [GOOD]

    asyncio.run(main())


@pytest.mark.parametrize("streaming_on", [True, False])
def test_printed_the_answer_is_its_json(streaming_on: bool, capsys: pytest.CaptureFixture[str]) -> None:
    giving(ScriptedModel([gives(**GOOD)]), streaming_on=streaming_on, print_on=True).run("High water?")
    assert capsys.readouterr().out == f"{JSON}\n"


def test_the_offline_model_calls_the_other_tools_first() -> None:
    def look() -> str:
        """Look out of the window."""
        return "high"

    response = giving("offline", tools=[look]).run("High water at Brest?")
    assert isinstance(response.output, Tide)
    assert [call.name for call in response.tool_calls] == ["look", "final_answer"]

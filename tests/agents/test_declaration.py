"""What an agent is declared as, and the job that a run is given from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent, Model, ProviderTool, Settings, Timeouts, tool
from headwater.backends.offline import Say, ScriptedModel, Wait
from headwater.errors import ConfigurationError, InvalidTool, MissingKey, UnknownModel, UnsupportedSetting
from headwater.events import RunStarted
from tests.support.members import asked
from tests.support.streams import always, scripted
from tests.support.virtual import run_virtual


def test_other_spellings_are_the_same_arguments() -> None:
    model: Any = ScriptedModel(["Hello."])
    agent = Agent(agent_name="writer", model_name=model, system_prompt="Be brief.")
    assert (agent.name, agent.model, agent.instructions) == ("writer", model, "Be brief.")
    for twice in (
        {"name": "a", "agent_name": "b"},
        {"model": "offline", "model_name": "offline"},
        {"instructions": "a", "system_prompt": "b"},
    ):
        with pytest.raises(TypeError):
            Agent(**twice)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": 5},
        {"max_loops": 0},
        {"max_loops": True},
        {"max_steps": "3"},
        {"retries": -1},
        {"tools": "look"},
        {"tools": print},
        {"on_interrupted": "continue"},
        {"timeouts": 5},
        {"instructions": 5},
    ],
    ids=str,
)
def test_an_invalid_argument_is_rejected_when_it_is_passed(wrong: dict[str, Any]) -> None:
    with pytest.raises((ConfigurationError, TypeError), match=next(iter(wrong))):
        Agent(model="offline", **wrong)


def test_a_setting_that_there_is_not_is_refused_with_what_was_meant() -> None:
    with pytest.raises((UnsupportedSetting, TypeError), match="temperature"):
        Agent(model="offline", temprature=0.5)  # type: ignore[call-overload]
    with pytest.raises((UnsupportedSetting, TypeError), match="max_tokens"):
        scripted("Hello.").run_sync("Go.", max_token=5)  # type: ignore[call-overload]


def test_two_tools_of_one_name_are_refused() -> None:
    @tool(name="look")
    def other() -> str:
        """Look."""
        return ""

    @tool
    def look() -> str:
        """Look."""
        return ""

    with pytest.raises(InvalidTool, match="'look'"):
        Agent(model="offline", tools=[look, other])


def test_attributes_may_be_set_later_and_a_run_takes_them_as_they_are_when_it_starts() -> None:
    agent = Agent(model=always(Wait(1), Say(["Hello."])))

    async def main() -> None:
        stream = agent.run_stream("Go.")
        reader = aiter(stream.events())
        await anext(reader)
        agent.name = "other"
        agent.instructions = "Be brief."
        agent.max_loops = 2
        log = [event async for event in reader]
        assert {event.agent for event in log} == {"agent"}
        second = agent.run_stream("Go.")
        assert {event.agent async for event in second.events()} == {"other"}
        assert second.response.transcript == "Hello.\n\nHello."

    run_virtual(main())
    agent.max_loops = 0
    with pytest.raises(ConfigurationError, match="max_loops"):
        agent.run_sync("Go.")


def test_an_agent_has_no_per_run_state() -> None:
    agent = Agent(model=always("Hello."))
    before = dict(vars(agent))
    agent.run_sync("Go.")
    assert vars(agent) == before


def test_settings_are_merged_run_over_agent_over_model() -> None:
    model = ScriptedModel(["Hello."])
    inner = Model(model, temperature=0.1, max_tokens=10, seed=1)
    agent = Agent(model=inner, settings=Settings(temperature=0.2), max_tokens=20)
    agent.run_sync("Go.", max_tokens=30)
    assert model.requests[0].settings.given() == {"temperature": 0.2, "max_tokens": 30, "seed": 1}
    assert Agent(model="offline", settings={"stop": "END"}, top_p=0.5).settings.given() == {
        "stop": ("END",),
        "top_p": 0.5,
    }


def test_its_model_streams_without_an_agent() -> None:
    agent = scripted("Hello.", instructions="Be brief.")
    assert "".join(agent.llm.stream("Go.").text()) == "Hello."
    model: Any = agent.model
    assert [message.role for message in model.requests[0].messages] == ["user"]


def test_an_agent_shows_itself_without_its_key() -> None:
    agent = Agent(name="writer", model="openai/gpt-5.4", api_key="sk-secret")
    assert repr(agent) == "Agent(name='writer', model='openai/gpt-5.4')"
    assert "sk-secret" not in repr(vars(agent.llm))


def test_a_key_cannot_be_combined_with_a_model_object() -> None:
    with pytest.raises((TypeError, ConfigurationError), match="Model"):
        Agent(model=Model("offline"), api_key="k")


def test_timeouts_of_the_run_win_over_the_agents_over_the_models() -> None:
    slow = always(Wait(5), "Late.")
    model = Model(slow, timeouts=Timeouts(first_token=1), retries=0)

    async def main() -> None:
        with pytest.raises(Exception, match="1 s"):
            await Agent(model=model).run("Go.")
        with pytest.raises(Exception, match="2 s"):
            await Agent(model=model, timeouts=Timeouts(first_token=2)).run("Go.")
        assert await Agent(model=model, timeouts=Timeouts(first_token=2)).run("Go.", timeouts=Timeouts()) == "Late."

    run_virtual(main())


def test_handoffs_are_agents() -> None:
    with pytest.raises(ConfigurationError, match="handoffs is 'billing'"):
        Agent(model="offline", handoffs=["billing"])  # type: ignore[list-item]


def test_a_bound_on_tokens_is_at_least_one() -> None:
    with pytest.raises(ConfigurationError, match="max_tokens is -1"):
        Agent(model="offline", max_tokens=-1)


def test_a_provider_tool_is_sent_and_not_run() -> None:
    search = ProviderTool({"type": "web_search"})
    agent = Agent(model=ScriptedModel([["one"]]), tools=[search, high_tide])
    assert agent.tools[-1] is search
    agent.run("q")
    (request,) = asked(agent)
    assert request.provider_tools == (search,)
    assert [spec.name for spec in request.tools] == ["high_tide"]
    with pytest.raises(TypeError, match="in the provider's own format"):
        ProviderTool("web_search")  # type: ignore[arg-type]


def high_tide() -> str:
    """When the tide is highest."""
    return "06:12"


# --- for one run


async def log_of_run(agent: Agent[Any, Any], **options: Any) -> RunStarted:
    events = [event async for event in agent.run_stream("Go.", **options).events()]
    started = events[0]
    assert isinstance(started, RunStarted)
    return started


def faces(agent: Agent[Any, Any]) -> list[Callable[..., Any]]:
    """Every way of running it, each to the Response."""
    return [
        agent.run,
        agent.run_sync,
        lambda task, **options: asyncio.run(agent.arun(task, **options)),
        lambda task, **options: agent.run_stream(task, **options).result_sync(),
    ]


@pytest.mark.parametrize("face", range(4), ids=["run", "run_sync", "arun", "run_stream"])
def test_a_run_has_a_model_instructions_and_tools_of_its_own(face: int) -> None:
    own, other = always("own"), always("other")
    agent = Agent(model=own, instructions="Be brief.", tools=[high_tide])
    run = faces(agent)[face]
    assert run("q", model=other, instructions="Be long.", tools=[low_tide], settings={"seed": 3}, top_k=5) == "other"
    (request,) = other.requests
    assert [message.text for message in request.messages] == ["Be long.", "q"]
    assert [spec.name for spec in request.tools] == ["low_tide"]
    assert request.settings.given() == {"seed": 3, "top_k": 5}
    assert run("q") == "own"
    (request,) = own.requests
    assert [message.text for message in request.messages] == ["Be brief.", "q"]
    assert [spec.name for spec in request.tools] == ["high_tide"]
    assert request.settings.given() == {}


def test_an_empty_value_differs_from_a_missing_one() -> None:
    agent = Agent(model=always("own"), instructions="Be brief.", tools=[high_tide])
    agent.run("q", instructions="", tools=())
    agent.run("q", instructions=None, tools=None, model=None, settings=None)
    without, usual = asked(agent)
    assert [message.role for message in without.messages] == ["user"]
    assert without.tools == ()
    assert [message.role for message in usual.messages] == ["system", "user"]
    assert usual.tools


def test_the_log_records_the_effective_arguments() -> None:
    async def main() -> None:
        own = ScriptedModel(lambda request: ["x"], model="own")
        other = ScriptedModel(lambda request: ["x"], model="other")
        plain = await log_of_run(Agent(model=own))
        given = await log_of_run(Agent(model=own), model=other, instructions="Be brief.", tools=[high_tide])
        declared = await log_of_run(Agent(model=other, instructions="Be brief.", tools=[high_tide]))
        assert (plain.model, given.model) == ("own", "other")
        assert given.definition_hash == declared.definition_hash != plain.definition_hash
        hashes = {plain.definition_hash}
        for one in ({"model": other}, {"instructions": "Be brief."}, {"tools": [high_tide]}):
            hashes.add((await log_of_run(Agent(model=own), **one)).definition_hash)
        assert len(hashes) == 4

    asyncio.run(main())


def test_handoffs_stay_with_tools_of_one_run() -> None:
    agent = Agent(model=always("own"), handoffs=[Agent(name="billing", model="offline")])
    agent.run("q", tools=[high_tide])
    assert [spec.name for spec in asked(agent)[0].tools] == ["high_tide", "transfer_to_billing"]


@pytest.mark.parametrize(
    "wrong", [{"instructions": 5}, {"tools": print}, {"settings": 5}, {"model": 5}, {"max_tokens": 0}]
)
def test_what_a_run_cannot_have_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Agent(model="offline").run("q", **wrong)


def test_what_belongs_to_the_agent_is_not_a_runs() -> None:
    with pytest.raises(UnsupportedSetting, match=r"Agent\(max_steps=…\)"):
        Agent(model="offline").run("q", max_steps=3)  # type: ignore[call-overload]


def test_a_key_is_not_sent_to_another_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-environment")
    agent = Agent(model="openai/gpt-5.4", api_key="sk-own")

    def key(agent: Agent[Any, Any], model: str) -> Any:
        (backend,) = agent.job("q", model=model).backends
        return getattr(backend, "endpoint").key.reveal()  # noqa: B009

    assert key(agent, "gpt-5-mini") == "sk-own"
    assert key(agent, "anthropic/claude-sonnet-5") == "sk-ant-environment"
    with pytest.raises(MissingKey, match="groq"):
        agent.job("q", model="groq/llama3.2")
    agent.model = "anthropic/claude-sonnet-5"
    assert key(agent, "openai/gpt-5.4") == "sk-own"
    assert agent.llm.backend.provider == "anthropic"
    with pytest.raises(UnknownModel):
        agent.job("q", model="nonesuch/model")
    # At an address of one's own the key is the address's, whatever is asked for there.
    ours = Agent(model="llama3.2", base_url="http://localhost:8000/v1", api_key="sk-own")
    assert key(ours, "qwen3") == "sk-own"


# --- the task, under either name


def test_the_task_may_be_called_a_message() -> None:
    agent = Agent(model=always("Hello."))
    given: dict[str, Any] = {"message": "Go."}
    assert agent.run(**given) == agent.run_sync(**given) == asyncio.run(agent.arun(**given)) == "Hello."
    assert agent.run_stream(message="Go.").result_sync() == "Hello."
    assert agent.run_stream(task="Go.").result_sync() == "Hello."
    assert {request.messages[-1].text for request in asked(agent)} == {"Go."}
    for run in faces(agent):
        with pytest.raises(TypeError, match="task= and message= are the same"):
            run("Go.", message="Go.")
    with pytest.raises(TypeError, match="task is missing"):
        agent.run()  # type: ignore[call-overload]
    with pytest.raises(UnsupportedSetting, match=r"prompt=. Write agent\.run\(task\)"):
        agent.run(prompt="Go.")  # type: ignore[call-overload]


def low_tide() -> str:
    """When the tide is lowest."""
    return "00:24"

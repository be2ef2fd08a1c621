from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, Model, ProviderTool, Settings, Timeouts, tool
from headwater.backends.offline import Call, Say, ScriptedModel, Wait
from headwater.errors import ConfigurationError, InvalidTool, LoopMisuse, UnsupportedSetting
from headwater.events import TextDelta
from tests.support.members import asked
from tests.support.streams import always, scripted
from tests.support.virtual import run_virtual

# --- the declaration


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
            Agent(**twice)  # type: ignore[arg-type]


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
def test_what_cannot_be_is_refused_where_it_is_given(wrong: dict[str, Any]) -> None:
    with pytest.raises((ConfigurationError, TypeError), match=next(iter(wrong))):
        Agent(model="offline", **wrong)


def test_a_setting_that_there_is_not_is_refused_with_what_was_meant() -> None:
    with pytest.raises((UnsupportedSetting, TypeError), match="temperature"):
        Agent(model="offline", temprature=0.5)  # type: ignore[call-arg]
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


def test_an_agent_holds_no_state_of_a_run() -> None:
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


def test_its_model_streams_by_itself() -> None:
    agent = scripted("Hello.", instructions="Be brief.")
    assert "".join(agent.llm.stream("Go.").text()) == "Hello."
    model: Any = agent.model
    assert [message.role for message in model.requests[0].messages] == ["user"]


def test_an_agent_shows_itself_without_its_key() -> None:
    agent = Agent(name="writer", model="openai/gpt-5.4", api_key="sk-secret")
    assert repr(agent) == "Agent(name='writer', model='openai/gpt-5.4')"
    assert "sk-secret" not in repr(vars(agent.llm))


def test_a_key_belongs_to_a_model_given_whole() -> None:
    with pytest.raises((TypeError, ConfigurationError), match="Model"):
        Agent(model=Model("offline"), api_key="k")


# --- run, in plain code and in a loop


def test_run_blocks_in_plain_code_and_is_awaited_in_a_loop() -> None:
    agent = Agent(model=always("Hello."))
    assert agent.run("Go.") == "Hello."
    assert agent.run("Go.").usage

    async def main() -> None:
        assert await agent.run("Go.") == "Hello."
        assert await agent.arun("Go.") == "Hello."
        one, two = await asyncio.gather(agent.run("Go."), agent.run("Go."))
        assert (one, two) == ("Hello.", "Hello.")
        assert one.run_id != two.run_id
        task: Any = asyncio.create_task(agent.run("Go."))  # type: ignore[arg-type]
        assert await task == "Hello."
        assert await asyncio.wait_for(agent.run("Go."), 5) == "Hello."
        async with asyncio.TaskGroup() as group:
            tasks: list[Any] = [group.create_task(agent.arun("Go.")) for _ in range(3)]
        assert [task.result() for task in tasks] == ["Hello."] * 3

    asyncio.run(main())
    asyncio.run(main(), debug=True)
    assert agent.run_sync("Go.") == "Hello."


def test_run_sync_is_refused_where_it_would_hold_up_a_loop() -> None:
    async def main() -> None:
        with pytest.raises(LoopMisuse, match=r"await agent\.run"):
            scripted("Hello.").run_sync("Go.")
        assert await asyncio.to_thread(scripted("Hello.").run_sync, "Go.") == "Hello."

    asyncio.run(main())


def test_gathered_runs_that_are_cancelled_are_all_ended() -> None:
    ended: list[str] = []
    agent = Agent(model=always("So ", Wait(1000)))

    def note(event: Any) -> None:
        if event.type == "run.cancelled":
            ended.append(event.by)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.gather(*(agent.run("Go.", on_event=note) for _ in range(3)))
        assert ended == ["caller"] * 3

    run_virtual(main())


# --- what is shown


SHOWN = {
    # streaming_on, print_on, callback given: is anything shown?
    (False, None, False): False,
    (False, None, True): False,
    (True, None, False): True,
    (True, None, True): False,
    (False, True, False): True,
    (False, True, True): False,
    (True, True, False): True,
    (True, True, True): False,
    (False, False, False): False,
    (True, False, False): False,
    (True, False, True): False,
}


@pytest.mark.parametrize(("streaming_on", "print_on", "callback"), SHOWN, ids=str)
def test_what_run_shows(
    streaming_on: bool, print_on: bool | None, callback: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = Agent(model=always(Say(["Hel", "lo."])), streaming_on=streaming_on, print_on=print_on)
    options: dict[str, Any] = {"streaming_callback": lambda token: None} if callback else {}
    shown = SHOWN[streaming_on, print_on, callback]
    agent.run_sync("Go.", **options)
    out, error = capsys.readouterr()
    assert out.count("Hello.") == shown
    assert error == ""
    asyncio.run(agent.arun("Go.", **options))
    assert capsys.readouterr().out.count("Hello.") == shown


def test_a_stream_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    list(Agent(model=always("Hello."), streaming_on=True, print_on=True).run_stream("Go."))
    assert capsys.readouterr() == ("", "")


def test_an_agent_below_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    inner = scripted("Inner.", name="inner", streaming_on=True)
    scripted(Call("inner", {"task": "x"}), "So.", tools=[inner]).run_sync("Go.")
    assert capsys.readouterr() == ("", "")


# --- the rest of what a run takes


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


def test_run_takes_no_argument_that_is_the_agents() -> None:
    with pytest.raises((TypeError, ConfigurationError), match=r"Agent\(instructions=…\)|instructions"):
        scripted("Hello.").run_sync("Go.", instructions="Be brief.")  # type: ignore[call-overload]


def test_an_event_callback_sees_what_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    texts: list[str] = []

    def note(event: Any) -> None:
        if isinstance(event, TextDelta):
            texts.append(event.text)

    scripted(Say(["Hel", "lo."]), on_event=note, verbose=True).run_sync("Go.")
    assert texts == ["Hel", "lo."]


def test_handoffs_are_agents() -> None:
    with pytest.raises(ConfigurationError, match="handoffs is 'billing'"):
        Agent(model="offline", handoffs=["billing"])  # type: ignore[list-item]


def test_a_bound_on_tokens_is_at_least_one() -> None:
    with pytest.raises(ConfigurationError, match="max_tokens is -1"):
        Agent(model="offline", max_tokens=-1)


def test_a_callback_that_wants_too_much_is_refused() -> None:
    def callback(one: Any, two: Any, three: Any, four: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="wants 4 arguments"):
        Agent(model="offline").run("x", streaming_callback=callback)


def test_a_tool_of_the_providers_is_told_and_not_run() -> None:
    search = ProviderTool({"type": "web_search"})
    agent = Agent(model=ScriptedModel([["one"]]), tools=[search, high_tide])
    assert agent.tools[-1] is search
    agent.run("q")
    (request,) = asked(agent)
    assert request.provider_tools == (search,)
    assert [spec.name for spec in request.tools] == ["high_tide"]
    with pytest.raises(TypeError, match="in the provider's own words"):
        ProviderTool("web_search")  # type: ignore[arg-type]


def high_tide() -> str:
    """When the tide is highest."""
    return "06:12"

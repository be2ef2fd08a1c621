"""An agent's run: instructions, history, loops, output types."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from headwater import Agent, Message, Thread
from headwater.backends.offline import Call, Finish, Say, ScriptedModel, Wait
from headwater.errors import MaxDepthReached, MaxHandoffsReached, MaxStepsReached, OutputInvalid, ThreadBusy
from headwater.events import (
    CallDelta,
    Event,
    MessageAdded,
    RunFinished,
    RunStarted,
    decode,
    encode,
    tree_response,
)
from headwater.events.messages import ToolResult
from headwater.runtime.context import Links, current_run
from headwater.runtime.run import Run
from headwater.testing import check_log
from tests.support.streams import log_of, scripted, types_of
from tests.support.virtual import run_virtual


def _asked(agent: Agent[Any, Any]) -> list[list[tuple[str, str]]]:
    """The messages of each request to the agent's model."""
    model: Any = agent.model
    return [[(message.role, message.text) for message in request.messages] for request in model.requests]


# --- instructions, context, history


def test_instructions_come_first_and_stay_out_of_the_history() -> None:
    agent = scripted("Hello.", instructions="Be brief.")
    response = agent.run_sync("Hi.")
    assert _asked(agent) == [[("system", "Be brief."), ("user", "Hi.")]]
    assert [(message.role, message.text) for message in response.messages] == [("user", "Hi."), ("assistant", "Hello.")]


def test_a_history_is_continued() -> None:
    first = scripted("Hello.").run_sync("Hi.")
    agent = scripted("Bye.")
    response = agent.run_sync("Bye.", history=first.messages)
    assert _asked(agent) == [[("user", "Hi."), ("assistant", "Hello."), ("user", "Bye.")]]
    assert len(response.messages) == 4


# --- threads


def test_a_thread_keeps_the_conversation_between_runs() -> None:
    thread = Thread()
    agent = scripted("One.", "Two.", "Three.")
    agent.run_sync("1", thread=thread)
    list(agent.run_stream("2", thread=thread))

    async def main() -> None:
        await agent.run("3", thread=thread)

    asyncio.run(main())
    assert [message.text for message in thread.messages] == ["1", "One.", "2", "Two.", "3", "Three."]
    assert _asked(agent)[-1] == [
        ("user", "1"),
        ("assistant", "One."),
        ("user", "2"),
        ("assistant", "Two."),
        ("user", "3"),
    ]


def test_a_thread_takes_one_run_at_a_time_and_is_free_however_that_ends() -> None:
    thread = Thread()

    async def main() -> None:
        agent = scripted([Say(["One. "]), Wait(5), "more"], "Two.")
        stream = agent.run_stream("1", thread=thread)
        async for _ in stream:
            with pytest.raises(ThreadBusy):
                await agent.run("2", thread=thread)
            break
        assert [message.text for message in thread.messages] == ["1", "One. "]
        assert await agent.run("2", thread=thread) == "Two."
        with pytest.raises(Exception, match="script"):
            await agent.run("3", thread=thread)
        assert [message.text for message in thread.messages] == ["1", "One. ", "2", "Two.", "3"]

    run_virtual(main())


def test_a_run_that_never_started_leaves_the_thread_unchanged() -> None:
    thread = Thread([Message.user("Hi.")])
    stream = scripted("One.").run_stream("1", thread=thread)
    stream.cancel()
    stream.close()
    assert [message.text for message in thread.messages] == ["Hi."]

    def fails() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        scripted("One.", instructions=fails).run_sync("1", thread=thread)
    assert [message.text for message in thread.messages] == ["Hi.", "1"]
    assert scripted("One.").run_sync("1", thread=thread) == "One."


# --- loops


def test_an_agent_continues_from_its_own_answer() -> None:
    agent = scripted(Say(["One."]), Say(["Two."]), Say(["Three."]), max_loops=3)

    async def main() -> None:
        stream = agent.run_stream("Go.")
        log = await log_of(stream)
        assert [event.message.text for event in log if isinstance(event, MessageAdded)] == ["Go on."] * 2
        assert stream.response.text == "Three."
        assert stream.response.transcript == "One.\n\nTwo.\n\nThree."
        assert types_of(log, "run.") == ["run.started", "run.finished"]

    asyncio.run(main())
    assert len(_asked(agent)[-1]) == 5


def test_steps_are_counted_for_each_loop() -> None:
    def look() -> str:
        """Look."""
        return "seen"

    agent = scripted(Call("look"), "One.", Call("look"), "Two.", tools=[look], max_loops=2, max_steps=2)
    assert agent.run_sync("Go.") == "Two."
    agent = scripted(Call("look"), "One.", tools=[look], max_steps=1)
    with pytest.raises(MaxStepsReached):
        agent.run_sync("Go.")


# --- typed answers


@dataclass
class Weather:
    """The weather."""

    city: str
    sky: Literal["clear", "cloudy"]
    degrees: int = 20


GOOD = '{"city": "Brest", "sky": "cloudy"}'


def test_a_typed_answer_is_asked_for_and_checked() -> None:
    agent = scripted(GOOD, output_type=Weather)
    response = agent.run_sync("Weather?")
    assert response.output == Weather("Brest", "cloudy")
    assert response.text == GOOD
    model: Any = agent.model
    assert model.requests[0].output.name == "Weather"
    assert scripted("[1, 2]", output_type=list[int]).run_sync("Go.").output == [1, 2]
    assert scripted("7").run_sync("Go.", output_type=int).output == 7


def test_the_output_is_in_the_log() -> None:
    log = asyncio.run(log_of(scripted(GOOD, output_type=Weather).run_stream("Weather?")))
    end = log[-1]
    assert isinstance(end, RunFinished)
    assert end.output == {"city": "Brest", "sky": "cloudy", "degrees": 20}


def test_an_answer_of_none_is_none_and_not_its_text() -> None:
    kind: Any = int | None
    agent = scripted('{"result": null}', '{"result": null}', output_type=kind)
    response = agent.run_sync("How many?")
    assert response.output is None
    assert response.text == '{"result": null}'
    log = asyncio.run(log_of(agent.run_stream("How many?")))
    assert isinstance(end := decode(encode(log[-1])), RunFinished)
    assert end.output is None
    assert _told(log).output is None
    assert _told(asyncio.run(log_of(scripted("null").run_stream("How many?")))).output == "null"


def _told(log: list[Event]) -> Any:
    """What another process makes of the log."""
    return tree_response([decode(encode(event)) for event in log])


def test_a_successor_may_answer_none() -> None:
    kind: Any = int | None
    heir = scripted("null", name="heir", output_type=kind)
    giver = scripted(Call("transfer_to_heir", {}), handoffs=[heir])
    assert giver.run_sync("How many?").output is None


def test_an_invalid_answer_is_sent_back_and_corrected() -> None:
    agent = scripted("It is cloudy.", '{"city": "Brest", "sky": "green"}', GOOD, output_type=Weather)
    response = agent.run_sync("Weather?")
    assert response.output == Weather("Brest", "cloudy")
    assert not response.partial
    asked = _asked(agent)
    assert "is invalid" in asked[1][-1][1]
    assert "clear" in asked[2][-1][1]
    assert "sky" in asked[2][-1][1]


def test_an_answer_that_stays_invalid_is_an_error_with_its_text() -> None:
    agent = scripted("Cloudy.", "Cloudy!", "Cloudy, I say.", output_type=Weather)
    with pytest.raises(OutputInvalid, match="not a valid Weather, even after it was sent back") as caught:
        agent.run_sync("Weather?")
    assert caught.value.response.text == "Cloudy, I say."
    assert len(_asked(agent)) == 3


def test_an_answer_that_was_cut_is_not_sent_back() -> None:
    agent = scripted(['{"city": "Br', Finish("length")], output_type=Weather)
    with pytest.raises(OutputInvalid, match=r"'length'.* Raise max_tokens"):
        agent.run_sync("Weather?")
    assert len(_asked(agent)) == 1


def test_tools_are_run_before_a_typed_answer_is_checked() -> None:
    def look() -> str:
        """Look."""
        return "cloudy"

    agent = scripted(["I look.", Call("look")], GOOD, tools=[look], output_type=Weather)
    assert agent.run_sync("Weather?").output == Weather("Brest", "cloudy")


def test_repairs_count_toward_the_step_limit() -> None:
    agent = scripted("Cloudy.", GOOD, output_type=Weather, max_steps=1)
    with pytest.raises((OutputInvalid, MaxStepsReached)):
        agent.run_sync("Weather?")


# --- typed answers that are given by a call


def _gives(**answer: Any) -> Call:
    return Call("final_answer", answer)


def _giving(*turns: Any, **more: Any) -> Agent[Any, Any]:
    return scripted(*turns, output_type=Weather, output_mode="tool", **more)


BREST = {"city": "Brest", "sky": "cloudy"}
GREEN = {"city": "Brest", "sky": "green"}


def look() -> str:
    """Look."""
    return "cloudy"


def test_a_call_of_the_answers_tool_ends_the_run_with_it() -> None:
    agent = _giving([Say(["I know."]), _gives(**BREST)])
    log: list[Event] = []
    response = agent.run_sync("Weather?", on_event=log.append)
    check_log(log)
    assert response.output == Weather("Brest", "cloudy")
    assert response.text == '{"city":"Brest","sky":"cloudy"}'
    assert (response.transcript, response.partial, response.tool_errors) == ("I know.", False, ())
    assert [message.role for message in response.messages] == ["user", "assistant", "tool"]
    assert _told(log) == response.text
    assert _told(log).output == {"city": "Brest", "sky": "cloudy", "degrees": 20}
    assert isinstance(started := log[0], RunStarted)
    assert started.answer_tool == "final_answer"


def test_other_tools_run_along_with_the_answer() -> None:
    agent = _giving([Call("look"), _gives(**BREST), Call("look")], tools=[look])
    response = agent.run_sync("Weather?")
    assert response.output == Weather("Brest", "cloudy")
    results = [part for part in response.messages[-1].content if isinstance(part, ToolResult)]
    assert [part.content for part in results] == ["cloudy", "The answer was received.", "cloudy"]


@pytest.mark.parametrize("bad", [_gives(**GREEN), Call("final_answer", "nonsense"), Call("final_answer", {})])
def test_an_answer_by_a_call_is_sent_back_in_its_result_and_corrected(bad: Call) -> None:
    agent = _giving(bad, _gives(**BREST))
    log = asyncio.run(log_of(agent.run_stream("Weather?")))
    assert types_of(log, "message.") == [], "the result of the call says it all"
    assert _told(log).output == {"city": "Brest", "sky": "cloudy", "degrees": 20}
    *_, result = agent.model.requests[-1].messages  # type: ignore[union-attr]
    assert result.role == "tool"
    assert result.content[0].error


def test_an_answer_by_a_call_is_sent_back_a_limited_number_of_times() -> None:
    agent = _giving(*[[Call("look"), _gives(**GREEN)]] * 3, tools=[look])
    with pytest.raises(OutputInvalid, match=r"not a valid Weather, even after it was sent back.*sky") as raised:
        agent.run_sync("Weather?")
    assert raised.value.response is not None
    assert raised.value.response.output == ""
    assert len(_asked(agent)) == 3


def test_the_last_step_allowed_may_give_the_answer() -> None:
    assert _giving(_gives(**BREST), max_steps=1).run_sync("Weather?").output == Weather("Brest", "cloudy")
    with pytest.raises(MaxStepsReached, match="no requests are left"):
        _giving(_gives(**GREEN), max_steps=1).run_sync("Weather?")
    with pytest.raises(MaxStepsReached, match="The model asked for tools in each of 1 steps"):
        _giving(Call("look"), tools=[look], max_steps=1).run_sync("Weather?")


def test_text_that_fits_is_the_answer_too_and_other_text_is_sent_back() -> None:
    assert _giving(GOOD).run_sync("Weather?").output == Weather("Brest", "cloudy")
    agent = _giving("It is cloudy.", _gives(**BREST))
    assert agent.run_sync("Weather?").output == Weather("Brest", "cloudy")
    assert _asked(agent)[-1][-1][1].endswith("Give it by calling final_answer.")


def test_of_several_answers_the_first_that_fits_counts() -> None:
    response = _giving([_gives(**GREEN), _gives(**BREST), _gives(city="Cork", sky="clear")]).run_sync("Weather?")
    assert response.output == Weather("Brest", "cloudy")
    assert response.text == '{"city":"Brest","sky":"cloudy"}'
    assert response.tool_errors == ()


@pytest.mark.parametrize(("first", "text"), [("answer", '{"city":"Brest","sky":"cloudy"}'), ("handoff", "Mine.")])
def test_whichever_is_called_first_counts_the_answer_or_the_handoff(first: str, text: str) -> None:
    calls = [_gives(**BREST), Call("transfer_to_heir", {})]
    turn = calls if first == "answer" else calls[::-1]
    response = _giving(turn, handoffs=[scripted("Mine.", name="heir")]).run_sync("Weather?")
    assert response.text == text
    assert response.output == (Weather("Brest", "cloudy") if first == "answer" else "Mine.")


def test_a_successor_may_give_its_answer_by_a_call() -> None:
    heir = _giving([Say(["Well."]), _gives(**BREST)], name="heir")
    log = asyncio.run(log_of(scripted(Call("transfer_to_heir", {}), handoffs=[heir]).run_stream("Weather?")))
    assert _told(log).text == '{"city":"Brest","sky":"cloudy"}'
    assert _told(log).output == {"city": "Brest", "sky": "cloudy", "degrees": 20}


def test_an_agent_with_loops_gives_an_answer_in_each_loop() -> None:
    agent = _giving(_gives(**BREST), _gives(city="Cork", sky="clear"), max_loops=2)
    response = agent.run_sync("Weather?")
    assert response.output == Weather("Cork", "clear")
    assert [message.role for message in response.messages] == ["user", "assistant", "tool"] * 2
    with pytest.raises(OutputInvalid):
        _giving(_gives(**BREST), "No.", "No.", "No.", max_loops=2).run_sync("Weather?")


def test_an_answer_that_is_cut_is_none() -> None:
    with pytest.raises(OutputInvalid, match=r"'length'.* Raise max_tokens"):
        _giving([Call("final_answer", '{"city": "Br'), Finish("length")]).run_sync("Weather?")

    async def main() -> None:
        agent = _giving([Say(["So."]), Call("final_answer", ['{"city": ', '"Br']), Wait(5), "more"])
        stream = agent.run_stream("Weather?")
        async for event in stream.events():
            if isinstance(event, CallDelta):
                stream.cancel()
        response = stream.response
        assert (response.text, response.output, response.partial) == ("So.", "So.", True)
        assert response.tool_calls[0].name == "final_answer"

    run_virtual(main())


# --- limits


def test_agents_that_hand_the_conversation_back_and_forth_are_stopped() -> None:
    asked: list[str] = []

    def going_to(name: str) -> ScriptedModel:
        def turn(request: Any) -> list[Call]:
            asked.append(name)
            return [Call(f"transfer_to_{name}", {})]

        return ScriptedModel(turn)

    one = Agent(name="one", model=going_to("other"))
    other = Agent(name="other", model=going_to("one"), handoffs=[one])
    one.handoffs = (other,)
    with pytest.raises(MaxHandoffsReached, match="handed over 20 times") as raised:
        one.run_sync("Go.")
    assert raised.value.limit == "max_handoffs"
    assert len(asked) == 21


def test_an_agent_that_calls_itself_endlessly_is_stopped() -> None:
    deep = Agent(name="deep", model=ScriptedModel(lambda request: [Call("deep", {"task": "again"})]))
    deep.tools = [deep]
    with pytest.raises(MaxDepthReached, match="would be nested in 100 runs"):
        deep.run_sync("Go.")


def test_an_invalid_answer_that_cannot_be_sent_back_is_an_error() -> None:
    agent = Agent(model=ScriptedModel(["no number"]), output_type=int, max_steps=1)
    with pytest.raises(MaxStepsReached, match="no requests are left"):
        agent.run_sync("How many?")


# --- a program that is to end


def test_a_callback_that_exits_repeatedly_leaves_a_log_with_its_end() -> None:
    log: list[Event] = []

    def watch(event: Event) -> None:
        log.append(event)
        if event.seq >= 5:
            raise SystemExit("enough")

    thread = Thread()
    agent = scripted("One two three.", "Again.", name="writer")
    with pytest.raises(SystemExit):
        agent.run_sync("Go.", thread=thread, on_event=watch)
    check_log(log)
    assert agent.run_sync("Go.", thread=thread) == "Again."


def test_a_run_that_is_cancelled_while_it_is_created_is_cancelled() -> None:
    """What a tool's thread begins may be cancelled by the run it begins for at any moment."""
    made: list[Run] = []

    class Waits(Links):
        def add(self, run: Any) -> None:
            super().add(run)
            made.append(run)
            self.cancel()

    outer = scripted("Hi.", name="outer")._begin("Go.", shown=False)
    outer.links = Waits()
    token = current_run.set(outer)
    try:
        inner = scripted("Hi.", name="inner")._begin("Go.", shown=False)
    finally:
        current_run.reset(token)
    assert made == [inner]
    assert inner.stopping

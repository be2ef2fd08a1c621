"""Messages to a run from any thread reach the run that has the conversation before its next request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from headwater import Agent, AgentStream, Message
from headwater.backends.offline import Call, ScriptedModel, Wait
from headwater.errors import ConfigurationError, MaxHandoffsReached
from headwater.events import Event, MessageAdded, MessageReceived, StepStarted, ToolStarted, tree_response
from headwater.runtime.hearing import MAX_HANDOFFS
from headwater.testing import check_log
from headwater.workflows import SequentialWorkflow
from tests.support.streams import always, scripted
from tests.support.virtual import run_virtual


async def _wait() -> str:
    """Wait."""
    await asyncio.sleep(5)
    return "waited"


async def _told(stream: AgentStream[Any], then: Callable[[Event], object]) -> list[Event]:
    log: list[Event] = []
    async for event in stream.events():
        log.append(event)
        then(event)
    check_log(log)
    assert stream.response == tree_response(log)
    return log


def _once(kind: type[Event], then: Callable[[], object]) -> Callable[[Event], None]:
    done: list[bool] = []

    def look(event: Event) -> None:
        if isinstance(event, kind) and not done:
            done.append(True)
            then()

    return look


def _at(log: list[Event], kind: type[Event]) -> list[int]:
    return [event.seq for event in log if isinstance(event, kind)]


def test_a_message_while_tools_run_is_logged_at_once_and_added_to_the_next_request() -> None:
    async def main() -> None:
        agent = scripted([Call("wait")], "So.", tools=[_named(_wait, "wait")])
        stream = agent.run_stream("Go.")
        later = asyncio.get_running_loop().call_later
        log = await _told(stream, _once(ToolStarted, lambda: later(1.0, lambda: stream.steer("hurry", by="ann"))))
        (received,), (added,) = _at(log, MessageReceived), _at(log, MessageAdded)
        assert received < next(event.seq for event in log if event.type == "tool.finished"), "at once"
        assert added == _at(log, StepStarted)[1] - 1
        roles = [message.role for message in stream.response.messages]
        assert roles == ["user", "assistant", "tool", "user", "assistant"]
        assert log[added].key == log[received].key  # type: ignore[attr-defined]
        assert log[received].by == "ann"  # type: ignore[attr-defined]

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5.0), "a tool is never cut"


def _named(function: Any, name: str) -> Any:
    function.__name__ = name
    return function


def test_a_message_during_the_last_answer_continues_the_run_and_uses_no_loop() -> None:
    async def main() -> None:
        agent = scripted(["One."], ["Two."], ["Three."], max_loops=2)
        stream = agent.run_stream("Go.")
        log = await _told(stream, _once(StepStarted, lambda: stream.steer(Message.user("wait"))))
        assert stream.response == "Three."
        causes = [event.cause for event in log if isinstance(event, MessageAdded)]
        assert causes == ["steer", "loop"]

    run_virtual(main())


@pytest.mark.parametrize("fits", [True, False])
def test_a_message_of_another_thread_during_validation_is_received(fits: bool) -> None:
    """A user's validator takes its time, and may wait for others: nobody has to wait for it."""
    said: list[bool] = []

    class Sum(BaseModel):
        value: int

        @field_validator("value")
        @classmethod
        def _slow(cls, value: int) -> int:
            if not said:
                thread = threading.Thread(target=lambda: said.append(stream.steer("double it")))
                thread.start()
                thread.join(10)
                assert not thread.is_alive(), "it has to wait"
                if not fits:
                    raise ValueError("too small")
            return value

    stream = scripted(['{"value": 3}'], ['{"value": 6}']).run_stream("Go.", output_type=Sum)
    log = run_virtual(_told(stream, lambda event: None))[0]
    assert (said, stream.response.output) == ([True], Sum(value=6))
    assert [event.cause for event in log if isinstance(event, MessageAdded)] == ["steer"]


def test_messages_from_any_thread() -> None:
    said: list[bool] = []

    async def main() -> None:
        turns = [[Call("wait")], *["So."] * 9]
        stream = scripted(*turns, tools=[_named(_wait, "wait")]).run_stream("Go.")
        threads = [threading.Thread(target=lambda: said.append(stream.steer("hurry"))) for _ in range(8)]

        def start() -> None:
            for thread in threads:
                thread.start()

        log = await _told(stream, _once(ToolStarted, start))
        for thread in threads:
            thread.join()
        assert len(_at(log, MessageReceived)) == said.count(True)
        assert len(_at(log, MessageAdded)) + len(stream.response.unheard) == said.count(True)

    run_virtual(main())


def test_now_interrupts_the_answer_and_keeps_its_text() -> None:
    async def main() -> None:
        model = ScriptedModel([["One ", Wait(50.0), "two."], ["So."]])
        stream = Agent(model=model).run_stream("Go.")
        later = asyncio.get_running_loop().call_later
        log = await _told(stream, _once(StepStarted, lambda: later(2.0, lambda: stream.steer("stop", now=True))))
        reasons = [event.finish_reason for event in log if event.type == "step.finished"]  # type: ignore[attr-defined]
        assert reasons == ["cancelled", "stop"]
        assert stream.response.transcript == "One \n\nSo."

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(2.0)


def test_now_before_it_has_started() -> None:
    async def main() -> None:
        stream = scripted("So.").run_stream("Go.")
        assert stream.steer("and be kind", now=True)
        log = await _told(stream, lambda _: None)
        assert [event.type for event in log][:4] == ["run.started", "message.received", "message.added", "step.started"]
        assert stream.response == "So."

    run_virtual(main())


def test_a_workflow_has_no_model_and_its_members_are_named() -> None:
    async def main() -> None:
        flow = SequentialWorkflow([scripted("One.", "And.", name="one"), scripted("Two.", name="two")])
        stream = flow.run_stream("Go.")
        with pytest.raises(ConfigurationError, match="agent="):
            stream.steer("hurry")
        assert not stream.steer("hurry", agent="nobody")
        heard = _once(StepStarted, lambda: stream.steer("hurry", agent="one"))
        await _told(stream, heard)
        assert stream.response.members["one"].transcript == "One.\n\nAnd."
        assert not stream.steer("hurry", agent="one")

    run_virtual(main())


@pytest.mark.parametrize("agent", [None, "heir"])
def test_after_a_handoff_the_current_agent_receives_it(agent: str | None) -> None:
    async def main() -> None:
        heir = scripted("One.", "Two.", name="heir")
        stream = scripted([Call("transfer_to_heir")], name="front", handoffs=[heir]).run_stream("Go.")
        said: list[bool] = []

        def look(event: Event) -> None:
            if isinstance(event, StepStarted) and event.agent == "heir" and not said:
                said.append(stream.steer("hurry", agent=agent))

        log = await _told(stream, look)
        assert said == [True]
        assert [event.agent for event in log if isinstance(event, MessageAdded)] == ["heir"]

    run_virtual(main())


def test_a_message_before_a_handoff_is_received_after_it() -> None:
    async def main() -> None:
        heir = scripted("One.", name="heir")
        front = scripted([Call("wait"), Call("transfer_to_heir")], name="front", handoffs=[heir], tools=[_wait])
        front.tools = [_named(_wait, "wait")]
        stream = front.run_stream("Go.")
        log = await _told(stream, _once(ToolStarted, lambda: stream.steer("hurry")))
        assert [event.agent for event in log if isinstance(event, MessageReceived)] == ["front"]
        assert [event.agent for event in log if isinstance(event, MessageAdded)] == ["heir"]
        assert not stream.response.unheard

    run_virtual(main())


def test_a_run_that_is_over_accepts_no_messages() -> None:
    async def main() -> None:
        stream = scripted("So.").run_stream("Go.")
        await stream.result()
        assert not stream.steer("too late")
        stream = scripted("So.").run_stream("Go.")
        stream.cancel()
        assert not stream.steer("too late")

    run_virtual(main())


def test_a_conversation_that_is_handed_back_and_forth_ends() -> None:
    async def main() -> None:
        ping, pong = Agent(name="ping"), Agent(name="pong")
        ping.model, pong.model = always(Call("transfer_to_pong")), always(Call("transfer_to_ping"))
        ping.handoffs, pong.handoffs = (pong,), (ping,)
        with pytest.raises(MaxHandoffsReached, match=f"{MAX_HANDOFFS} times"):
            await ping.run("Go.")

    run_virtual(main())

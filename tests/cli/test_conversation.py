"""A conversation: what is asked with what went before, and what it has cost."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from headwater import Agent, SequentialWorkflow, Thread
from headwater.backends.offline import Call, Fail, ScriptedModel
from headwater.cli.conversation import Conversation
from headwater.cli.output import Outlet
from headwater.cli.watching import watching_for
from headwater.errors import UnsupportedSetting


def conversation(runnable: Any, **how: Any) -> Conversation:
    out = Outlet()
    return Conversation(runnable, out, watching_for(runnable, out), thread=Thread(), **how)


def test_each_answer_knows_the_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    model = ScriptedModel(["1", "2"])
    chat = conversation(Agent(model=model))
    kept: list[int] = []
    chat.after_answer = lambda: kept.append(len(chat.thread))
    for message in ("one", "two"):
        chat.answer(message)
    assert [[message.text for message in request.messages] for request in model.requests] == [
        ["one"],
        ["one", "1", "two"],
    ]
    assert capsys.readouterr() == ("1\n2\n", "")
    assert kept == [2, 4]
    assert (chat.usage.input_tokens, chat.usage.output_tokens) == (4, 2)


def test_a_workflow_gets_all_of_it() -> None:
    model = ScriptedModel(["1", "2"])
    chat = conversation(SequentialWorkflow([Agent(model=model)]))
    chat.answer("one")
    chat.answer("two")
    assert [message.text for message in model.requests[1].messages] == ["one", "1", "two"]
    assert [message.text for message in chat.thread.messages] == ["one", "1", "two", "2"]


def test_a_failed_answer_is_reported_and_the_next_one_follows(capsys: pytest.CaptureFixture[str]) -> None:
    chat = conversation(Agent(model=ScriptedModel([Fail(401, "no such key"), "2"])))
    chat.answer("one")
    assert chat.failed
    chat.answer("two")
    shown = capsys.readouterr()
    assert shown.out == "2\n"
    assert shown.err.startswith("headwater: ")
    assert "no such key" in shown.err


def test_an_error_that_no_message_can_fix_is_raised() -> None:
    chat = conversation(Agent(model=ScriptedModel([Fail(UnsupportedSetting("It takes no seed."))])))
    with pytest.raises(UnsupportedSetting):
        chat.answer("one")


@pytest.mark.parametrize("at_terminal", [True, False])
def test_ctrl_c_ends_the_answer_and_not_the_conversation_of_a_person(at_terminal: bool) -> None:
    async def press() -> str:
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(60)
        return ""

    agent: Agent[Any, Any] = Agent(model=ScriptedModel([["Wait. ", Call("press", {})]]), tools=[press])
    chat = conversation(agent, at_terminal=at_terminal)
    if at_terminal:
        chat.answer("one")
        assert chat.last_answer.partial
    else:
        with pytest.raises(KeyboardInterrupt):
            chat.answer("one")
    assert [message.text for message in chat.thread.messages][:2] == ["one", "Wait. "]

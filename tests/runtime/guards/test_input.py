from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from headwater import Agent, Block, GuardContext, Message, Replace, Retry, ToolCall, ToolResult, guard
from headwater.backends.offline import ScriptedModel, Wait
from headwater.errors import GuardBlocked
from headwater.events import Event, GuardTripped, MessageReceived, RunStarted, codec
from headwater.runtime.guards.input import UNCHECKED
from headwater.testing import check_log
from tests.support.streams import log_of, scripted, types_of
from tests.support.virtual import run_virtual

SECRET = "k3y-41c0b2a7"


@guard(on="input")
def no_keys(text: str, ctx: GuardContext) -> Block | None:
    assert (ctx.on, ctx.step) == ("input", None)
    return Block("A key.") if SECRET in text else None


@guard(on="input")
async def masks(text: str) -> Replace | None:
    await asyncio.sleep(1)
    return Replace(text.replace(SECRET, "[key]")) if SECRET in text else None


def leaks(log: list[Event]) -> list[str]:
    return [event.type for event in log if SECRET in codec.encode(event).decode()]


async def ended(
    agent: Agent[Any, Any], task: Any, history: Sequence[Message] = ()
) -> tuple[list[Event], BaseException | None]:
    stream, log = agent.run_stream(task, history=history), list[Event]()
    try:
        async for event in stream.events():
            log.append(event)
    except GuardBlocked as error:
        check_log(log)
        return log, error
    check_log(log)
    return log, None


def test_a_blocked_input_is_in_no_event_and_no_request() -> None:
    agent = scripted("Hello.", guards=[no_keys])
    log, error = run_virtual(ended(agent, f"My key is {SECRET}."))[0]
    assert isinstance(error, GuardBlocked)
    assert (error.on, error.note) == ("input", "A key.")
    assert leaks(log) == []
    assert SECRET not in str(error.response.messages)
    assert types_of(log) == ["run.started", "guard.tripped", "run.failed"]
    model: Any = agent.model
    assert not model.requests


def test_a_replaced_input_is_the_input() -> None:
    agent = scripted("Hello.", guards=[masks, no_keys])
    log, error = run_virtual(ended(agent, f"My key is {SECRET}."))[0]
    assert error is None
    assert isinstance(log[0], RunStarted)
    assert log[0].input[0].text == "My key is [key]."
    assert log[1].type == "guard.tripped"
    model: Any = agent.model
    assert model.requests[0].messages[-1].text == "My key is [key]."


def test_all_messages_of_the_input_are_checked() -> None:
    given = [Message.user("Hello."), Message.user(SECRET)]
    log, error = run_virtual(ended(scripted("Hello.", guards=[no_keys]), given))[0]
    assert isinstance(error, GuardBlocked)
    assert leaks(log) == []


@pytest.mark.parametrize("verdict", ["block", "replace", "retry"])
def test_results_of_the_clients_tools_are_results(verdict: str) -> None:
    @guard(on="result")
    async def judge(text: str, ctx: GuardContext) -> Any:
        assert (ctx.on, ctx.tool, ctx.arguments, ctx.step) == ("result", "pick", {"of": 2}, None)
        await asyncio.sleep(1)
        if SECRET not in text:
            return None
        if verdict == "replace":
            return Replace(text.replace(SECRET, "[key]"))
        return Block("A key.") if verdict == "block" else Retry("It cannot be shown.")

    call = ToolCall(id="a", name="pick", arguments={"of": 2}, by="client")
    asked = [Message.user("Pick."), Message(role="assistant", content=(call,))]
    answered = Message.tool(ToolResult(id="a", name="", content=f"It is {SECRET}."))
    agent = scripted("Done.", guards=[judge])
    for history, given in (((), [*asked, answered]), (asked, [answered])):
        log, error = run_virtual(ended(agent, given, history=history))[0]
        assert leaks(log) == []
        assert isinstance(error, GuardBlocked) == (verdict == "block")
        assert [event.action for event in log if isinstance(event, GuardTripped)] == [verdict]
        started = log[0]
        assert isinstance(started, RunStarted)
        result = started.input[-1].content[0]
        assert isinstance(result, ToolResult)
        words = {"block": "Withheld", "replace": "It is [key].", "retry": "It cannot be shown."}[verdict]
        assert words in str(result.content)
        assert (result.id, result.error) == ("a", verdict == "retry")
        agent = scripted("Done.", guards=[judge])


@pytest.mark.parametrize("when", [None, 0.5])
def test_an_input_that_was_not_checked_is_not_logged(when: float | None) -> None:
    async def main() -> None:
        stream, log = scripted("Hello.", guards=[masks]).run_stream(SECRET), list[Event]()
        if when is None:
            stream.cancel()
        else:
            asyncio.get_running_loop().call_later(when, stream.cancel)
        async for event in stream.events():
            log.append(event)
        assert leaks(log) == []
        check_log(log)
        started = log[0]
        assert isinstance(started, RunStarted)
        assert started.input[0].text == UNCHECKED

    run_virtual(main())


def test_a_message_to_the_run_is_checked_before_it_is_logged() -> None:
    async def main(said: str, guards: list[Any]) -> tuple[list[Event], str]:
        agent = Agent(model=ScriptedModel([["One.", Wait(5), "Two."], "Three."]), guards=guards)
        stream, log = agent.run_stream("Go."), list[Event]()
        asyncio.get_running_loop().call_later(3, stream.steer, said)
        try:
            async for event in stream.events():
                log.append(event)
        except GuardBlocked:
            pass
        check_log(log)
        return log, stream.response.text

    log, text = run_virtual(main(f"Use {SECRET}.", [masks]))[0]
    received = [event.message.text for event in log if isinstance(event, MessageReceived)]
    assert (received, text) == (["Use [key]."], "Three.")
    assert leaks(log) == []
    log, _ = run_virtual(main(f"Use {SECRET}.", [no_keys]))[0]
    assert log[-1].type == "run.failed"
    assert leaks(log) == []


def test_a_conversation_does_not_keep_what_was_blocked() -> None:
    from headwater import Thread

    async def main() -> None:
        agent, thread = scripted("Hello.", "Hello again.", guards=[no_keys]), Thread()
        with pytest.raises(GuardBlocked):
            await agent.run(SECRET, thread=thread)
        await agent.run("Hi.", thread=thread)
        assert SECRET not in str(thread.messages)

    run_virtual(main())


def test_an_agent_used_as_a_tool_checks_its_own_input() -> None:
    from headwater.backends.offline import Call

    async def main() -> None:
        below = scripted("Never.", name="below", guards=[no_keys])
        agent = scripted([Call("below", {"task": SECRET})], "Done.", tools=[below])
        log = await log_of(agent.run_stream("Go."))
        inputs = [event.input for event in log if isinstance(event, RunStarted)]
        assert SECRET not in str(inputs)

    run_virtual(main())

"""The actions by themselves; over the wires they are tried by the tests of the routes and of the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headwater import SequentialWorkflow, ToolContext, tool
from headwater.backends.offline import Call, Say
from headwater.web.http.bodies import Answering, Approving, Saying, Starting
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions, choice_of
from headwater.web.runs.manager import Manager
from tests.support.members import paced
from tests.support.streams import scripted
from tests.support.virtual import run_virtual


def on(*members: Any, then: Any = None) -> Callable[[Callable[[Actions], Awaitable[None]]], Callable[[], None]]:
    def decorate(test: Callable[[Actions], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            manager = Manager([member() for member in members])
            await test(Actions(manager, then))
            for live in manager.runs():
                live.cancel()
            await manager.shutdown()

        def run() -> None:
            run_virtual(main())

        return run

    return decorate


def refused(act: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(Problem) as problem:
        act(*arguments)
    return problem.value.code


@tool(approval=True)
async def send() -> str:
    """Send it."""
    return "sent"


async def choose(ctx: ToolContext[Any]) -> str:
    """Ask someone."""
    return str(await ctx.ask("Which?", int))


@on(lambda: paced("a"))
async def test_on_disconnect_is_the_requests_or_the_wires_default(actions: Actions) -> None:
    assert actions.start(Starting(input="Go."), None, 30.0).on_disconnect == 30.0
    assert actions.start(Starting(input="Go.", on_disconnect="cancel"), None, 30.0).on_disconnect == "cancel"
    assert refused(actions.start, Starting(input="Go.", on_disconnect=-1), None, 30.0) == "bad_request"


@on(lambda: paced("a"), then="continue")
async def test_or_as_the_server_has_it(actions: Actions) -> None:
    assert actions.start(Starting(input="Go."), None, 30.0).on_disconnect == "continue"
    assert actions.start(Starting(input="Go.", on_disconnect=0), None, 30.0).on_disconnect == 0


@on(lambda: scripted(Call("send"), [Say("Done.")], tools=[send]))
async def test_an_approval_is_given_once(actions: Actions) -> None:
    live = actions.start(Starting(input="Go."), "ann", 1.0)
    await asyncio.sleep(1)
    (question,) = live.pending
    assert refused(actions.answer, live, Answering(input=question.id, action="accept"), "ann") == "bad_request"
    actions.approve(live, Approving(approval=question.id, allowed=False, note="no"), "ann")
    assert refused(actions.approve, live, Approving(approval=question.id, allowed=True), "ann") == "answered"
    await live.task
    assert refused(actions.approve, live, Approving(approval=question.id, allowed=True), "ann") == "run_ended"
    answered = next(event for event in live.log if event.type == "approval.answered")
    assert (getattr(answered, "by", ""), getattr(answered, "note", "")) == ("ann", "no")


@on(lambda: scripted(Call("choose"), [Say("Done.")], tools=[choose]))
async def test_a_question_may_be_declined(actions: Actions) -> None:
    live = actions.start(Starting(input="Go."), None, 1.0)
    await asyncio.sleep(1)
    (question,) = live.pending
    assert refused(actions.answer, live, Answering(input="nothing", action="decline"), None) == "unknown_question"
    assert refused(actions.answer, live, Answering(input=question.id, action="accept"), None) == "bad_request"
    actions.answer(live, Answering(input=question.id, action="decline"), None)
    await live.task
    assert live.state == "finished"


@on(lambda: paced("a", 20), lambda: SequentialWorkflow([paced("m", 20)], name="team"))
async def test_messages_require_a_running_agent(actions: Actions) -> None:
    live = actions.start(Starting(input="Go."), None, 1.0)
    team = actions.start(Starting(input="Go.", agent="team"), None, 1.0)
    await asyncio.sleep(2)
    actions.say(live, Saying(input="And?", now=True), "ann")
    actions.say(team, Saying(input="And?", agent="m"), None)
    assert refused(actions.say, team, Saying(input="And?"), None) == "bad_request"
    assert refused(actions.say, live, Saying(input="And?", agent="nobody"), None) == "unknown_agent"
    assert refused(actions.say, live, Saying(input=[{"role": "system", "content": "x"}]), None) == "bad_request"
    await asyncio.sleep(1)
    live.cancel()
    await live.task
    assert refused(actions.say, live, Saying(input="And?"), None) == "run_ended"
    received = next(event for event in live.log if event.type == "message.received")
    assert getattr(received, "by", "") == "ann"


def test_a_choice_that_is_none_is_refused() -> None:
    assert choice_of([], None, False) is None
    assert choice_of(["a", "b"], 2, True) is not None
    assert refused(choice_of, [""], None, False) == "bad_request"

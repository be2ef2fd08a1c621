"""What has begun stands in the log before it does anything, and what becomes of it where its process ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent, ToolContext, tool
from headwater.backends.offline import Call
from headwater.errors import Parked, ToolFailed
from headwater.events import (
    ApprovalAsked,
    Event,
    InputAsked,
    RunWaiting,
    ToolFinished,
    ToolStarted,
    decode,
    encode,
)
from headwater.testing import check_log
from headwater.tools.work import OnUnknown
from headwater.workflows import ConcurrentWorkflow, SequentialWorkflow
from tests.support.streams import log_of
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import by_step


def _saved(log: Any) -> list[Event]:
    return [decode(encode(event)) for event in log]


# --- in the log first


class Looking:
    """Tools that look, when they begin, whether the log has said so; and the log, as whoever watches is told of it."""

    def __init__(self) -> None:
        self.told: set[tuple[str, str]] = set()
        self.began: list[str] = []
        self.too_soon: list[str] = []

        @tool
        async def look(ctx: ToolContext[Any]) -> str:
            """Look."""
            self.note(ctx)
            return "seen"

        @tool
        def look_in_thread(ctx: ToolContext[Any]) -> str:
            """Look."""
            self.note(ctx)
            return "seen"

        @tool(approval=True)
        async def ask_first(ctx: ToolContext[Any]) -> str:
            """Look, once that is allowed."""
            self.note(ctx)
            return "seen"

        self.tools = [look, look_in_thread, ask_first]

    def note(self, ctx: ToolContext[Any]) -> None:
        self.began.append(ctx.tool_name)
        if (ctx.run_id, ctx.call_id) not in self.told:
            self.too_soon.append(ctx.tool_name)

    async def watch(self, event: Event) -> None:
        """As a store does: what it is told counts once it has been written."""
        await asyncio.sleep(0.01)
        if isinstance(event, ToolStarted):
            self.told.add((event.run, event.call))

    def agent(self, name: str = "looks", *more: Any, heir: bool = False) -> Agent[Any, Any]:
        calls = [Call(one.name) for one in self.tools] + [Call(one.name, {"task": "look"}) for one in more]
        return Agent(
            name=name, tools=[*self.tools, *more], model=by_step(*[["(the one before)"]] * heir, calls, ["All seen."])
        )


SHAPES: dict[str, Callable[[Looking], Any]] = {
    "an agent": lambda looking: looking.agent(),
    "an agent as a tool": lambda looking: looking.agent("boss", looking.agent("mid", looking.agent("deep"))),
    "members": lambda looking: ConcurrentWorkflow([looking.agent("one"), looking.agent("two")]),
    "nested members": lambda looking: SequentialWorkflow(
        [ConcurrentWorkflow([looking.agent("one"), looking.agent("two", looking.agent("below"))], name="both")]
    ),
    "who was handed to": lambda looking: Agent(
        name="front",
        handoffs=[looking.agent("heir", heir=True)],
        model=by_step([Call("transfer_to_heir", {})]),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_no_tool_starts_before_the_log_says_so(name: str) -> None:
    async def main() -> int:
        looking = Looking()
        stream = SHAPES[name](looking).run_stream("Go.", approver=lambda question: True)
        stream._begun().watch(looking.watch)
        log = await log_of(stream)
        check_log(log)
        started = sum(isinstance(event, ToolStarted) and "look" in event.name for event in log)
        assert not looking.too_soon
        assert looking.began.count("ask_first") == looking.began.count("look") == looking.began.count("look_in_thread")
        assert started == 2 * looking.began.count("look")
        return looking.began.count("look")

    looked = asyncio.run(main())
    assert looked == {"an agent as a tool": 3, "members": 2, "nested members": 3}.get(name, 1)


def test_a_slow_reader_holds_back_the_tools_of_runs_below_it() -> None:
    """It has been given the beginning of a tool, and has not come back: the tool waits, and goes on when it does."""

    async def main() -> None:
        looking = Looking()
        stream = ConcurrentWorkflow([looking.agent("one")]).run_stream("Go.")
        begun_when_given: list[bool] = []
        async for event in stream.events():
            if isinstance(event, ToolStarted):
                looking.told.add((event.run, event.call))
                begun_when_given.append(event.name in looking.began)
                await asyncio.sleep(1)
            if isinstance(event, ApprovalAsked):
                stream.deny(event.approval)
        assert begun_when_given == [False, False]
        assert sorted(looking.began) == ["look", "look_in_thread"]
        assert not looking.too_soon

    asyncio.run(main())


# --- one that waited for an answer


def _books(on_unknown: OnUnknown, ran: list[str]) -> Agent[Any, Any]:
    @tool(on_unknown=on_unknown)
    async def book(ctx: ToolContext[Any]) -> str:
        """Book a room."""
        ran.append("began")
        nights = await ctx.ask("How many nights?", int)
        name = await ctx.ask("In whose name?")
        ran.append(f"booked {nights} {name}")
        return "booked"

    return Agent(name="books", tools=[book], model=by_step([Call("book")], ["It is booked."]), keep_log=True)


@pytest.mark.parametrize("on_unknown", ["retry", "tell", "ask", "fail"])
def test_a_tool_that_waits_in_ask_starts_again_whatever_its_on_unknown(on_unknown: OnUnknown) -> None:
    async def main() -> None:
        ran: list[str] = []
        stream = _books(on_unknown, ran).run_stream("Go.")
        with contextlib.suppress(Parked):
            async for event in stream.events():
                if isinstance(event, RunWaiting):
                    stream.park()
        log = _saved(stream.log)
        check_log(log, parked=True)
        again = _books(on_unknown, ran).resume(log)
        async for event in again.events():
            log.append(event)
            if isinstance(event, RunWaiting):
                (question,) = again.pending
                again.answer(question.id, 3 if "nights" in question.message else "Ann", by="ann")
        check_log(log)
        assert ran == ["began", "began", "booked 3 Ann"]
        assert sum(isinstance(event, InputAsked) for event in log) == 2
        assert not [event for event in log if isinstance(event, ApprovalAsked)]
        assert again.response == "It is booked."

    run_virtual(main())


@pytest.mark.parametrize(
    ("on_unknown", "becomes"), [("tell", "It is unknown"), ("ask", "Run it again?"), ("fail", "it is unknown")]
)
def test_a_tool_that_continued_after_an_answer_is_unknown(on_unknown: OnUnknown, becomes: str) -> None:
    """What it did between its last answer and the end of its process nobody can say."""

    async def main() -> None:
        ran: list[str] = []
        stream = _books(on_unknown, ran).run_stream("Go.")
        log: list[Event] = []
        async for event in stream.events():
            log.append(event)
            if isinstance(event, RunWaiting):
                (question,) = stream.pending
                stream.answer(question.id, 3 if "nights" in question.message else "Ann")
        cut = next(event.seq for event in log if isinstance(event, ToolFinished))
        log = _saved(log[:cut])
        again = _books(on_unknown, ran).resume(log)
        with contextlib.suppress(ToolFailed):
            async for event in again.events():
                log.append(event)
                if isinstance(event, ApprovalAsked):
                    again.deny(event.approval)
        check_log(log)
        assert ran == ["began", "booked 3 Ann"]
        assert becomes in repr(log[cut:])

    run_virtual(main())

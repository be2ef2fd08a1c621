"""What anything that can be run has in common: its awaitable, and itself as a tool."""

from __future__ import annotations

import asyncio
import gc
import re
import warnings
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Agent
from headwater.agents.runnable import RunnableTool, tool_name
from headwater.backends.offline import Call, Wait
from headwater.errors import LoopMisuse
from headwater.runtime.run import Run
from headwater.tools.outcome import ToolOutcome
from tests.support.streams import always, scripted
from tests.support.virtual import run_virtual


def test_a_run_that_is_not_awaited_raises_an_error_with_advice() -> None:
    agent = scripted("Hello.")

    async def main() -> None:
        handle: Any = agent.run("Go.")
        assert asyncio.iscoroutine(cast(object, handle))
        assert repr(handle) == "<UnawaitedRun: inside async code write `await agent.run(…)`>"
        for use in (
            lambda: handle.usage,
            lambda: handle.upper(),
            lambda: str(handle),
            lambda: f"{handle}",
            lambda: f"{handle:>9}",
            lambda: handle + "!",
            lambda: "!" + handle,
            lambda: len(handle),
            lambda: handle[0],
            lambda: "H" in handle,
            lambda: list(handle),
            lambda: aiter(handle),
        ):
            with pytest.raises(LoopMisuse, match=r"await agent\.run|run_stream"):
                use()
        assert await handle == "Hello."
        with pytest.raises((LoopMisuse, RuntimeError)):
            await handle

    asyncio.run(main())


def test_a_run_that_was_never_awaited_warns_once() -> None:
    async def main() -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            agent.run("Go.")
            gc.collect()
        assert [warning.category for warning in caught] == [RuntimeWarning]
        assert "never awaited" in str(caught[0].message)

    agent = scripted("Hello.")
    asyncio.run(main())
    model: Any = agent.model
    assert model.requests == ()


def test_an_agent_as_a_tool_under_another_name() -> None:
    inner = scripted("Inner.", name="the inner one")
    agent = scripted(
        Call("ask_inner", {"task": "x"}), "So.", tools=[inner.as_tool(name="ask_inner", description="Asks.")]
    )
    assert agent.run_sync("Go.") == "So."
    model: Any = agent.model
    (spec,) = model.requests[0].tools
    assert (spec.name, spec.description) == ("ask_inner", "Asks.")
    assert scripted("x", tools=[inner]).tools[0].name == "the_inner_one"


@given(st.text(max_size=100))
def test_a_tools_name_is_one_that_every_provider_takes(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{0,64}", tool_name(name))


def test_a_tools_name_stays_what_it_was_where_it_can() -> None:
    assert tool_name("writer-2_b") == "writer-2_b"
    assert tool_name("the writer's friend") == "the_writer_s_friend"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [("[]", "no JSON object"), ({}, "task"), ({"task": "  "}, "non-empty"), ({"task": 5}, "non-empty")],
    ids=str,
)
def test_invalid_arguments_start_no_run(arguments: Any, said: str) -> None:
    begun: list[Any] = []

    def begin(*task: Any, **options: Any) -> Run:
        begun.append(task)
        return Run("x")

    tool = RunnableTool(scripted("x"), begin)

    class Working:
        call_id = run_id = "1"
        context = timeout = deadline = None

        def emit(self, data: Any) -> None: ...

        async def conduct(self, run: Any) -> ToolOutcome:
            return ToolOutcome.of("conducted")

        def hand_over(self, to: Any, note: str) -> ToolOutcome:
            raise AssertionError

    async def main() -> None:
        work: Any = Working()
        work.arguments = arguments
        outcome = await tool.call(work)
        assert outcome.invalid
        assert said in (outcome.error or "")
        work.arguments = {"task": "Look."}
        assert (await tool.call(work)).result == "conducted"

    run_virtual(main())
    assert begun == [("Look.",)]


def test_a_runnable_as_tool_can_be_passed_to_an_agent() -> None:
    made: Any = scripted("Inner.", name="inner").as_tool(name="ask")
    assert made.as_tool() is made
    assert scripted("x", tools=[made]).tools[0].name == "ask"


def test_a_run_closed_by_hand_is_not_warned_of() -> None:
    async def main() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            handle: Any = scripted("Hello.").run("Go.")
            assert bool(handle)
            handle.close()
            del handle
            gc.collect()

    asyncio.run(main())


def test_a_run_takes_what_is_thrown_into_it() -> None:
    async def main() -> None:
        task: Any = asyncio.ensure_future(Agent(model=always(Wait(1000))).run("Go."))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main())

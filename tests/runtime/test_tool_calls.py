"""Tools in a run: concurrent, failing in every way, agents among them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from headwater import Agent, AgentStream, Block, Timeouts, ToolContext, guard, tool
from headwater.backends.offline import Call, Cut, Finish, Say, ScriptedModel, Think, Wait
from headwater.errors import (
    GuardBlocked,
    HeadwaterError,
    IncompleteStream,
    MaxStepsReached,
    ToolCallInvalid,
    ToolFailed,
)
from headwater.events import (
    ChildFinished,
    ChildStarted,
    Event,
    RunFailed,
    RunStarted,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UsageReported,
)
from headwater.events.messages import ToolResult
from headwater.providers.request import Request
from headwater.runtime.context import current_run
from headwater.testing import check_log
from tests.support.streams import always, log_of, scripted, types_of
from tests.support.virtual import run_virtual


@tool
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return f"waited {seconds:g}"


def _results(response: Any) -> list[tuple[str, Any, bool]]:
    return [
        (part.id, part.content, part.error)
        for message in response.messages
        for part in message.content
        if isinstance(part, ToolResult)
    ]


def test_calls_run_concurrently_and_history_keeps_their_order() -> None:
    calls = [Call("wait", {"seconds": s}, id=name) for name, s in (("a", 3.0), ("b", 1.0), ("c", 2.0))]
    agent = scripted([*calls], "Done.", tools=[wait])

    async def main() -> None:
        stream = agent.run_stream("Go.")
        log = await log_of(stream)
        begun = [event.call for event in log if isinstance(event, ToolStarted)]
        ended = [event.call for event in log if isinstance(event, ToolFinished)]
        assert (begun, ended) == (["a", "b", "c"], ["b", "c", "a"])
        assert _results(stream.response) == [
            ("a", "waited 3", False),
            ("b", "waited 1", False),
            ("c", "waited 2", False),
        ]
        assert [call.id for call in stream.response.tool_calls] == ["a", "b", "c"]

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(3.0)


def test_sync_tools_run_in_threads_concurrently() -> None:
    meet = threading.Barrier(2, timeout=5)

    def one() -> int:
        """One."""
        return meet.wait()

    def two() -> int:
        """Two."""
        return meet.wait()

    response = scripted([Call("one"), Call("two")], "Done.", tools=[one, two]).run_sync("Go.")
    assert sorted(content for _, content, _ in _results(response)) == ["0", "1"]


def test_a_sync_tool_does_not_block_the_stream() -> None:
    """While it works in its thread, another tool's progress arrives: which the first one waits for."""
    heard = threading.Event()

    def slow() -> str:
        """Slow."""
        return f"heard {heard.wait(5)}"

    async def telling(ctx: ToolContext[Any]) -> str:
        """Tell."""
        ctx.emit("news")
        return "told"

    async def main() -> None:
        stream = scripted([Call("slow"), Call("telling")], "Done.", tools=[slow, telling]).run_stream("Go.")
        async for event in stream.events():
            if isinstance(event, ToolProgress):
                heard.set()
        assert ("heard True", False) in [result[1:] for result in _results(stream.response)]

    asyncio.run(main())


def test_progress_is_in_the_log_in_order() -> None:
    async def count() -> AsyncIterator[dict[str, int]]:
        """Count."""
        for number in range(3):
            yield {"n": number}

    log = asyncio.run(log_of(scripted(Call("count"), "Done.", tools=[count]).run_stream("Go.")))
    assert [event.data for event in log if isinstance(event, ToolProgress)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    finished = next(event for event in log if isinstance(event, ToolFinished))
    assert finished.result == '{"n":2}'


def test_a_flood_of_progress_is_dropped_with_a_warning_not_kept() -> None:
    def flood(ctx: ToolContext[Any]) -> str:
        """Flood."""
        return "done"

    async def flood_here(ctx: ToolContext[Any]) -> str:
        """Flood."""
        for number in range(3000):
            ctx.emit(number)
        return "done"

    flood_here.__name__ = "flood"
    log = asyncio.run(log_of(scripted(Call("flood"), "Done.", tools=[flood_here]).run_stream("Go.")))
    news = [event.data for event in log if isinstance(event, ToolProgress)]
    assert len(news) == 1000
    assert news[-1] == 2999
    assert types_of(log, "warning") == ["warning"]


# --- errors


def test_a_tool_that_cancels_its_own_task_has_failed() -> None:
    async def rash() -> str:
        """Rash."""
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return "never"

    async def look() -> str:
        """Look."""
        return "seen"

    async def main() -> None:
        log = await log_of(scripted([Call("rash"), Call("look")], "I see.", tools=[rash, look]).run_stream("Go."))
        check_log(log)
        ends = {event.name: event.error for event in log if isinstance(event, ToolFinished)}
        assert ends["look"] is None
        assert str(ends["rash"]).startswith("Cancelled: Something that was awaited here was cancelled by other code")
        assert log[-1].type == "run.finished"

    asyncio.run(main())


def test_cancelling_the_program_cancels_its_tools() -> None:
    """As `asyncio.run` does at its end: every task at once."""

    async def slow() -> str:
        """Slow."""
        begun.set()
        await asyncio.sleep(100)
        return "late"

    log: list[Event] = []
    begun = asyncio.Event()

    async def main() -> None:
        reading = asyncio.ensure_future(scripted(Call("slow"), tools=[slow]).arun("Go.", on_event=log.append))
        await begun.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    run_virtual(main())
    check_log(log)
    assert types_of(log, "step.") == ["step.started", "step.finished"]
    assert log[-1].type == "run.cancelled"


def test_a_tools_exception_is_reported_to_the_model() -> None:
    def broken() -> str:
        """Broken."""
        raise LookupError("no such thing")

    response = scripted(Call("broken", id="a"), "I see.", tools=[broken]).run_sync("Go.")
    assert response == "I see."
    assert _results(response) == [("a", "LookupError: no such thing", True)]


def test_an_unknown_tool_is_reported_to_the_model() -> None:
    response = scripted(Call("lok", id="a"), "I see.", tools=[wait]).run_sync("Go.")
    assert _results(response) == [("a", "There is no tool named 'lok'. The tools are: wait.", True)]


def test_the_model_corrects_invalid_arguments() -> None:
    agent = scripted(
        Call("wait", {"seconds": "long"}, id="a"), Call("wait", '{"seconds": 0}', id="b"), "So.", tools=[wait]
    )
    response = agent.run_sync("Go.")
    (_, said, error), mended = _results(response)
    assert error
    assert "seconds: must be a valid number" in said
    assert mended == ("b", "waited 0", False)


def test_invalid_json_arguments_are_never_run_and_are_reported_to_the_model() -> None:
    agent = scripted(Call("wait", "seconds=1", id="a"), "So.", tools=[wait])

    async def main() -> None:
        stream = agent.run_stream("Go.")
        log = await log_of(stream)
        assert types_of(log, "call.", "tool.")[-1] == "call.rejected"
        ((name, said, error),) = _results(stream.response)
        assert (name, error) == ("a", True)
        assert "JSON" in said

    asyncio.run(main())


def test_a_model_that_keeps_making_invalid_calls_is_stopped() -> None:
    for bad in (Call("wait", {"seconds": "long"}), Call("nobody"), Call("wait", "{")):
        agent = Agent(model=always(bad), tools=[wait])
        with pytest.raises(ToolCallInvalid, match="3 steps in a row") as caught:
            agent.run_sync("Go.")
        assert len(caught.value.response.tool_calls) == 3


def test_one_valid_call_resets_the_count() -> None:
    bad, good = Call("wait", {"seconds": "long"}), Call("wait", {"seconds": 0})
    agent = scripted(bad, bad, good, bad, bad, "So.", tools=[wait])
    assert agent.run_sync("Go.") == "So."


def test_a_model_that_keeps_calling_is_stopped_and_its_text_is_kept() -> None:
    agent = Agent(model=always("Again. ", Call("wait", {"seconds": 0})), tools=[wait], max_steps=3)
    with pytest.raises(MaxStepsReached, match="3 steps") as caught:
        agent.run_sync("Go.")
    response = caught.value.response
    assert response.transcript == "Again. \n\nAgain. \n\nAgain. "
    assert len(response.tool_calls) == 3
    assert [len(message.tool_calls) for message in response.messages if message.role == "assistant"] == [1, 1, 1]
    assert response.messages[-1].role == "tool"


def test_a_cut_answer_runs_none_of_its_calls() -> None:
    for turn in (
        [Call("wait", {"seconds": 0}), Finish("length")],
        [Call("wait", '{"seconds": '), Cut()],
    ):
        ran: list[float] = []

        async def noted(seconds: float, ran: list[float] = ran) -> None:
            """Wait."""
            ran.append(seconds)

        noted.__name__ = "wait"
        agent = scripted(turn, tools=[tool(noted, name="wait")], retries=0)
        with suppress(IncompleteStream):
            agent.run_sync("Go.")
        assert ran == []


def test_a_tool_can_end_the_run() -> None:
    async def stop() -> None:
        """Stop."""
        raise ToolFailed("The machine is on fire.")

    waits = Call("wait", {"seconds": 1000.0})
    agent = scripted([Say("Hm."), Call("stop"), waits], tools=[stop, wait])

    async def main() -> None:
        with pytest.raises(ToolFailed, match="on fire") as caught:
            await agent.run("Go.")
        response = caught.value.response
        assert response.text == "Hm."
        assert len(_results(response)) == 2
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _, seconds = run_virtual(main())
    assert seconds < 1


def test_a_tools_timeout_is_reported_to_the_model() -> None:
    from headwater import Timeouts

    @tool(timeout=2)
    async def hangs() -> None:
        """Hang."""
        await asyncio.sleep(1000)

    calls = [Call("hangs", id="a"), Call("wait", {"seconds": 1000.0}, id="b")]
    agent = scripted(calls, "So.", tools=[hangs, wait], timeouts=Timeouts(tool=5))

    async def main() -> None:
        response = await agent.run("Go.")
        assert [said for _, said, _ in _results(response)] == [
            "ToolTimeout: hangs took longer than 2 seconds.",
            "ToolTimeout: wait took longer than 5 seconds.",
        ]

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5)


def test_a_tool_knows_its_run() -> None:
    known: list[ToolContext[Any]] = []

    def ask(ctx: ToolContext[Any]) -> None:
        """Ask."""
        known.append(ctx)

    response = scripted(Call("ask", id="a"), "So.", tools=[ask]).run_sync("Go.", context={"user": "ada"})
    (ctx,) = known
    assert (ctx.context, ctx.call_id, ctx.run_id) == ({"user": "ada"}, "a", response.run_id)


# --- agents as tools


def test_an_agent_as_a_tool_is_in_the_same_log_under_its_path() -> None:
    inner = scripted([Think("Hm."), Say(["In", "ner."])], name="inner", description="Knows it all.")
    outer = scripted(
        [Say("I ask. "), Call("inner", {"task": "What?"}, id="a")], Say(["So."]), name="outer", tools=[inner]
    )

    async def main() -> None:
        stream = outer.run_stream("Go.")
        log = await log_of(stream)
        assert {event.path for event in log} == {("outer",), ("outer", "inner")}
        own = {event.run for event in log if event.path == ("outer",)}
        below = {event.run for event in log if event.path == ("outer", "inner")}
        assert len(own) == len(below) == 1
        assert own != below
        started = next(event for event in log if isinstance(event, ChildStarted))
        finished = next(event for event in log if isinstance(event, ChildFinished))
        assert (started.child, started.call, started.name) == (*below, "a", "inner")
        assert (finished.outcome, finished.call) == ("finished", "a")
        assert finished.usage
        assert _results(stream.response) == [("a", "Inner.", False)]
        # Its cost is the outer one's.
        inner_usage = sum(event.usage.output_tokens or 0 for event in log if isinstance(event, UsageReported))
        assert stream.response.usage.output_tokens == inner_usage

    asyncio.run(main())
    chunks = list(
        scripted(
            [Say(["I ask."]), Call("inner", {"task": "What?"})],
            Say(["So."]),
            tools=[scripted("Inner.", name="inner")],
        ).run_stream("Go.")
    )
    assert "".join(chunk.content for chunk in chunks) == "I ask.\n\nSo."
    assert {chunk.agent for chunk in chunks} == {"agent"}
    model: Any = outer.model
    assert model.requests[0].tools[0].description == "Knows it all."


def test_agents_below_agents_below_agents() -> None:
    low = scripted(Say(["Low."]), name="low")
    middle = scripted(Call("low", {"task": "x"}), Say(["Mid."]), name="middle", tools=[low])
    high = scripted(Call("middle", {"task": "x"}), Say(["High."]), name="high", tools=[middle])
    log = asyncio.run(log_of(high.run_stream("Go.")))
    assert {event.path for event in log} == {("high",), ("high", "middle"), ("high", "middle", "low")}
    said = [(event.agent, event.text) for event in log if isinstance(event, TextDelta)]
    assert said == [("low", "Low."), ("middle", "Mid."), ("high", "High.")]


def test_the_failure_of_an_agent_as_a_tool_is_reported_to_the_model() -> None:
    inner = scripted([Say("So far"), Cut()], name="inner", retries=0)
    outer = scripted(Call("inner", {"task": "x"}, id="a"), "I see.", tools=[inner])

    async def main() -> None:
        stream = outer.run_stream("Go.")
        log = await log_of(stream)
        assert stream.response == "I see."
        ((_, said, error),) = _results(stream.response)
        assert error
        assert said.startswith("IncompleteStream: ")
        assert next(event.outcome for event in log if isinstance(event, ChildFinished)) == "failed"

    asyncio.run(main())


def test_invalid_arguments_for_an_agent_are_reported_to_the_model() -> None:
    for arguments in ({"task": " "}, {"task": 5}, {}):
        inner = scripted(name="inner")
        response = scripted(Call("inner", arguments), "I see.", tools=[inner]).run_sync("Go.")
        ((_, said, error),) = _results(response)
        assert error
        assert "task" in said


def test_concurrent_agents_are_not_mixed() -> None:
    def answer(request: Request) -> Any:
        task = request.messages[-1].text
        return [piece for number in range(4) for piece in (Say(f"{task}{number} "), Wait(0.1))]

    inner = Agent(name="inner", model=ScriptedModel(answer))
    outer = scripted([Call("inner", {"task": t}, id=t) for t in "abc"], "So.", tools=[inner])

    async def main() -> None:
        stream = outer.run_stream("Go.")
        await log_of(stream)
        assert [(name, said) for name, said, _ in _results(stream.response)] == [
            (t, f"{t}0 {t}1 {t}2 {t}3 ") for t in "abc"
        ]

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(0.4)


# --- runs that a tool starts itself


def test_an_agent_run_in_a_sync_tool_blocks_and_is_linked() -> None:
    inner = scripted("Inner.", name="inner")
    parents: list[str | None] = []

    def ask() -> str:
        """Ask."""
        stream = inner.run_stream("x")
        parents.extend(event.parent for event in stream.events() if isinstance(event, RunStarted))
        return f"heard {stream.response}"

    ways: list[Callable[[Agent[Any, Any]], Any]] = [
        lambda agent: agent.run_sync("Go."),
        lambda agent: asyncio.run(agent.arun("Go.")),
    ]
    for run in ways:
        inner.model = ScriptedModel(["Inner."])
        response = run(scripted(Call("ask"), "So.", tools=[ask]))
        assert [said for _, said, _ in _results(response)] == ["heard Inner."]
        assert parents[-1] == response.run_id


def test_a_sync_tools_own_run_is_cancelled_with_the_outer_one() -> None:
    begun = threading.Event()
    ends: list[Any] = []
    inner = Agent(name="inner", model=always("Begun. ", Wait(1000)))

    def ask() -> str:
        """Ask."""
        stream = inner.run_stream("x")
        for chunk in stream:
            begun.set()
            if chunk.is_final:
                ends.append(chunk.finish_reason)
        return "done"

    async def main() -> None:
        stream = scripted(Call("ask"), tools=[ask]).run_stream("Go.")
        result = asyncio.ensure_future(stream.result())
        await asyncio.to_thread(begun.wait, 5)
        stream.cancel()
        assert (await result).finish_reason == "cancelled"
        for _ in range(1000):
            if ends:
                break
            await asyncio.sleep(0.001)
        assert ends == ["cancelled"]

    asyncio.run(main())


def test_an_async_tools_own_run_is_cancelled_with_the_outer_one() -> None:
    ends: list[Any] = []
    inner = Agent(name="inner", model=always("Begun. ", Wait(1000)))

    async def ask() -> str:
        """Ask."""
        stream = inner.run_stream("x")
        try:
            async for _ in stream:
                outer.cancel()
        finally:
            await stream.aclose()
            ends.append(stream.response.finish_reason)
        return "done"

    outer = scripted(Call("ask"), tools=[ask]).run_stream("Go.")

    async def main() -> None:
        assert (await outer.result()).finish_reason == "cancelled"
        await outer.aclose()
        assert ends == ["cancelled"]

    run_virtual(main())


def test_a_tool_has_no_current_run_after_it_ended() -> None:
    assert current_run.get() is None
    scripted(Call("wait", {"seconds": 0}), "So.", tools=[wait]).run_sync("Go.")
    assert current_run.get() is None


def test_a_sub_agents_own_timeout_is_reported_to_the_model() -> None:
    inner = scripted([Say("a"), Wait(5), Say("b")], name="inner", timeouts=Timeouts(run=1.0))
    agent = scripted([Call("inner", {"task": "x"})], "Done.", tools=[inner])

    async def main() -> None:
        ((_, content, error),) = _results(await agent.arun("Go."))
        assert error
        assert content.startswith("RunTimeout: ")

    run_virtual(main())


def test_the_tool_clock_is_for_agents_too() -> None:
    inner = scripted([Say("a"), Wait(50), Say("b")], name="inner")
    agent = scripted([Call("inner", {"task": "x"})], "Done.", tools=[inner], timeouts=Timeouts(tool=2.0))

    async def main() -> None:
        stream = agent.run_stream("Go.")
        await log_of(stream)
        assert _results(await stream.result())[0][1:] == ("ToolTimeout: inner took longer than 2 seconds.", True)

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(2.0)


def test_a_tool_limits_its_invalid_calls() -> None:
    @tool(retries=1)
    def count(number: int) -> str:
        """Count."""
        return str(number)

    wrong = [Call("count", {"number": "many"})]
    assert scripted(wrong, [Call("count", {"number": 1})], "Done.", tools=[count]).run("Go.") == "Done."
    with pytest.raises(ToolCallInvalid, match="count with invalid arguments 2 times in a row"):
        scripted(wrong, wrong, "Done.", tools=[count]).run("Go.")


# --- exceptions of tools


def _broken(n: int) -> str:
    """Look it up."""
    return {"1": "one"}[str(n)]


def test_a_tools_exception_is_logged_with_its_traceback_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    agent = scripted([Call("_broken", {"n": 2}, id="a"), Call("_broken", {"n": 1}, id="b")], "So.", tools=[_broken])
    response = agent.run_sync("Go.")
    (error,) = response.tool_errors
    assert (error.name, error.error) == ("_broken", "KeyError: '2'")
    (record,) = [one for one in caplog.records if one.name == "headwater.tools"]
    assert record.levelname == "WARNING"
    assert record.getMessage() == "The tool _broken raised KeyError; the model was told, and the run continues."
    assert record.exc_text is not None
    assert 'return {"1": "one"}[str(n)]' in record.exc_text


@pytest.mark.parametrize("how", ["agent", "tool"])
def test_what_a_tool_raises_may_end_the_run(how: str) -> None:
    tools = [tool(on_error="raise")(_broken)] if how == "tool" else [_broken]
    options: dict[str, Any] = {"tool_errors": "raise"} if how == "agent" else {}
    agent = scripted([Call("_broken", {"n": 2})], "So.", tools=tools, **options)
    log: list[Event] = []
    with pytest.raises(KeyError):
        agent.run_sync("Go.", on_event=log.append)
    check_log(log)


@tool
async def _slow() -> str:
    """Take a while."""
    await asyncio.sleep(3600)
    return "late"


@tool
async def _lost(n: int) -> str:
    """Look it up."""
    return _broken(n)


async def _read(stream: AgentStream[Any, Any], into: list[Event]) -> None:
    async for event in stream.events():
        into.append(event)  # noqa: PERF401  # kept also when the reading fails


@guard(on="result")
def _no_one(text: str) -> Block | None:
    """Let it not pass."""
    return Block("It says one.") if "one" in text else None


@pytest.mark.parametrize("why", ["tool", "guard"])
def test_a_run_that_a_tool_ends_fails_also_if_its_log_stops_before(why: str) -> None:
    requests: list[Request] = []

    def answer(request: Request) -> Any:
        requests.append(request)
        return [Call("_lost", {"n": 2 if why == "tool" else 1}), Call("_slow")]

    def made() -> Agent[Any, Any]:
        tools, guards = [_lost, _slow], [_no_one] if why == "guard" else []
        return Agent(name="a", model=ScriptedModel(answer), tools=tools, tool_errors="raise", guards=guards)

    async def main() -> None:
        log: list[Event] = []
        with pytest.raises(KeyError if why == "tool" else GuardBlocked):
            await made().arun("Go.", on_event=log.append)
        end = log[-1]
        assert isinstance(end, RunFailed)
        (at,) = [at for at, event in enumerate(log) if isinstance(event, ToolFinished) and event.failure is not None]
        assert at + 1 < len(log)
        requests.clear()
        for stop in range(at + 1, len(log)):
            new: list[Event] = []
            with pytest.raises(HeadwaterError):
                await _read(made().resume(log[:stop]), new)
            check_log([*log[:stop], *new])
            assert isinstance(new[-1], RunFailed)
            assert new[-1].error == end.error
        assert requests == []

    run_virtual(main())


def test_a_tool_can_be_exempt_from_raise() -> None:
    tools = [tool(on_error="tell")(_broken)]
    assert scripted([Call("_broken", {"n": 2})], "So.", tools=tools, tool_errors="raise").run_sync("Go.") == "So."


def test_a_call_that_does_not_fit_is_the_models_mistake(caplog: pytest.LogCaptureFixture) -> None:
    response = scripted([Call("_broken", {"n": "many"})], "So.", tools=[_broken], tool_errors="raise").run_sync("Go.")
    assert response.tool_errors == ()
    assert not [one for one in caplog.records if one.name == "headwater.tools"]

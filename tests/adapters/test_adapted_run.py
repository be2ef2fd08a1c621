from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headwater import Agent, Budget, ConcurrentWorkflow, Price, SequentialWorkflow, Timeouts
from headwater.adapters import Strings
from headwater.adapters.adapted_run import MAX_AHEAD
from headwater.errors import BudgetExceeded, ConfigurationError, RunTimeout
from headwater.events import ChildFinished, Event, RunCancelled
from headwater.events.answers import tree_response
from headwater.runtime.past import past_of
from headwater.testing import ScriptedModel, check_log
from headwater.testing.virtual_time import run_virtual

WORDS = [f"word{number} " for number in range(200)]


class Source:
    """An async generator that counts what it has yielded, and notes how it ended."""

    def __init__(self, pieces: list[str] = WORDS, *, fails: BaseException | None = None) -> None:
        self.pieces = pieces
        self.yielded = 0
        self.ends: list[str] = []
        self.fails = fails

    async def __call__(self, task: str) -> AsyncIterator[str]:
        try:
            for piece in self.pieces:
                self.yielded += 1
                yield piece
            if self.fails is not None:
                raise self.fails
        finally:
            self.ends.append("closed")

    def agent(self, name: str = "source") -> Strings:
        return Strings(self, name=name)


def test_the_reader_sets_the_pace() -> None:
    source = Source()
    read = 0
    for chunk in source.agent().run_stream("Go"):
        read += bool(chunk.content)
        assert source.yielded <= read + 2 * MAX_AHEAD + 2  # what waits, and what is being read
    assert (read, source.yielded) == (200, 200)


def test_break_closes_the_source() -> None:
    async def main() -> None:
        source = Source()
        stream = source.agent().run_stream("Go")
        async with stream:
            async for chunk in stream:
                if chunk.content:
                    break
        assert source.ends == ["closed"]
        assert source.yielded < len(WORDS)

    asyncio.run(main())


def test_break_closes_the_source_in_sync_code_too() -> None:
    source = Source()
    for chunk in source.agent().run_stream("Go"):
        if chunk.content:
            break
    assert source.ends == ["closed"]


def test_a_cancelled_reader_closes_the_source() -> None:
    async def main() -> None:
        source = Source()
        reading = asyncio.create_task(source.agent().arun("Go"))
        for _ in range(20):
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        for _ in range(20):
            await asyncio.sleep(0)
        assert source.ends == ["closed"]

    asyncio.run(main())


def test_cancel_gives_the_partial_answer() -> None:
    async def main() -> None:
        stream = Source().agent().run_stream("Go", keep_log=True)
        async for chunk in stream:
            if chunk.content:
                stream.cancel()
        check_log(stream.log)
        assert isinstance(stream.log[-1], RunCancelled)
        assert stream.response.partial
        assert stream.response.startswith("word0 ")

    asyncio.run(main())


def test_what_came_before_an_error_is_delivered_first() -> None:
    source = Source(WORDS[:3], fails=RuntimeError("no more"))
    log: list[Event] = []
    with pytest.raises(RuntimeError, match="no more") as caught:
        source.agent().run("Go", on_event=log.append)
    check_log(log)
    assert str(tree_response(log)) == "word0 word1 word2 "
    assert caught.value.response == "word0 word1 word2 "  # type: ignore[attr-defined]


def test_a_cancellation_inside_the_source_is_a_failure() -> None:
    with pytest.raises(Exception, match="cancelled by other code"):
        Source(WORDS[:3], fails=asyncio.CancelledError()).agent().run("Go")


def test_a_run_has_a_timeout() -> None:
    async def slow(task: str) -> AsyncIterator[str]:
        yield "One"
        await asyncio.sleep(60)

    async def main() -> None:
        with pytest.raises(RunTimeout) as caught:
            await Strings(slow).arun("Go", timeouts=Timeouts(run=5))
        assert caught.value.response == "One"

    run_virtual(main())


# --- in a workflow


def test_it_is_a_member_like_any_other() -> None:
    members: list[Any] = [
        Source(["Tides ", "rise."]).agent("one"),
        Agent(name="two", model=ScriptedModel(["They fall."])),
    ]
    log: list[Event] = []
    results = ConcurrentWorkflow(members, print_on=False).run("Explain tides", on_event=log.append)
    check_log(log)
    assert {name: str(results[name]) for name in ("one", "two")} == {"one": "Tides rise.", "two": "They fall."}


def test_an_answer_is_the_task_of_the_next_member() -> None:
    heard: list[str] = []

    async def listen(task: str) -> AsyncIterator[str]:
        heard.append(task)
        yield "Good."

    one = Source(["Tides ", "rise."]).agent("one")
    assert SequentialWorkflow([one, Strings(listen)], print_on=False).run("Explain tides") == "Good."
    assert "one has answered:\n\nTides rise." in heard[0]


def test_a_failed_member_is_collected() -> None:
    members: list[Any] = [Source(["Ti"], fails=RuntimeError("no more")).agent("one"), Source(["Whole."]).agent("two")]
    results = ConcurrentWorkflow(members, on_error="collect", print_on=False).run("Explain tides")
    assert [str(results["one"]), str(results["two"])] == ["Ti", "Whole."]
    assert isinstance(results["one"].error, RuntimeError)


def test_a_run_started_by_the_source_ends_with_it() -> None:
    inner: list[Event] = []

    async def asks(task: str) -> AsyncIterator[str]:
        agent = Agent(name="inner", model=ScriptedModel([["a " * 50]]))
        async for chunk in agent.run_stream(task, on_event=inner.append):
            yield chunk.content

    for chunk in Strings(asks).run_stream("Go"):
        if chunk.content:
            break
    assert inner[-1].type == "run.cancelled"


def test_a_member_that_was_interrupted_runs_again() -> None:
    first, again = Source(), Source(["It ", "is ", "done."])
    log: list[Event] = []

    def stop(event: Event) -> None:
        log.append(event)

    done = Agent(name="before", model=ScriptedModel(["Ready."]))
    workflow = SequentialWorkflow([done, first.agent("one")], print_on=False)
    for event in workflow.run_stream("Go", on_event=stop).events():
        if event.type == "text.delta" and event.agent == "one":
            break
    stopped = log[: next(i for i, event in enumerate(log) if event.type == "text.delta" and event.agent == "one") + 1]
    past_of(stopped)
    resumed = SequentialWorkflow([done, again.agent("one")], print_on=False)
    stream = resumed.resume(stopped, keep_log=True)
    assert stream.result_sync() == "It is done."
    check_log(stream.log)
    ends = [event.outcome for event in stream.log if isinstance(event, ChildFinished) and event.name == "one"]
    assert ends == ["cancelled", "finished"]
    assert again.yielded == 3


# --- budgets


def test_a_budget_counts_what_it_writes() -> None:
    source = Source()
    budget = Budget(output_tokens=20)
    with pytest.raises(BudgetExceeded) as caught:
        source.agent().run("Go", budget=budget)
    assert caught.value.response is not None
    assert 60 < len(caught.value.response) < 80 + 10 * MAX_AHEAD
    assert source.ends == ["closed"]
    assert source.yielded < len(WORDS)


def test_a_budget_of_a_workflow_counts_it_too() -> None:
    budget = Budget(requests=1)
    members: list[Any] = [Source(["One."]).agent("one"), Source(["Two."]).agent("two")]
    with pytest.raises(BudgetExceeded):
        SequentialWorkflow(members, print_on=False).run("Go", budget=budget)
    assert budget.spent.requests == 1


def test_a_limited_cost_needs_a_price() -> None:
    priced = Strings(Source(["word "] * 40), name="priced", model="llama", provider="local")
    with pytest.raises(ConfigurationError, match="price of llama is unknown"):
        priced.run("Go", budget=Budget(cost=1))
    budget = Budget(cost=1)
    priced.run("Go", budget=budget, prices={"local/llama": Price(input=1, output=10_000)})
    with pytest.raises(BudgetExceeded):
        priced.run("Go", budget=Budget(cost="0.1"), prices={"local/llama": Price(input=1, output=10_000)})


def test_it_is_read_by_any_reader() -> None:
    agent: Any = Source(["Tides ", "rise."]).agent()
    assert list(agent.run_stream("Go").text()) == ["Tides ", "rise."]

"""What type checkers make of workflows: what a run and a stream of each gives back."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

from headwater import (
    Agent,
    AgentStream,
    ConcurrentWorkflow,
    GraphWorkflow,
    Response,
    Results,
    SequentialWorkflow,
    StreamChunk,
)
from headwater.events import Event

AGENTS = [Agent(name=name, model="offline") for name in ("north", "south")]
TOGETHER = ConcurrentWorkflow(AGENTS)
IN_TURN = SequentialWorkflow(AGENTS)
GRAPH = GraphWorkflow(
    AGENTS, edges=[("north", "south"), ("south", "north", lambda said: len(said.text) > 9000)], start="north"
)


def test_runs_give_responses_and_a_concurrent_one_results() -> None:
    assert_type(TOGETHER.run("Go."), Results)
    assert_type(TOGETHER.run_sync("Go."), Results)
    assert_type(TOGETHER.run("Go.")["north"], Response[Any])
    assert_type(IN_TURN.run("Go."), Response[Any])
    assert_type(GRAPH.run("Go."), Response[Any])

    async def main() -> None:
        assert_type(await TOGETHER.run("Go."), Results)
        assert_type(await TOGETHER.arun("Go."), Results)
        assert_type(await IN_TURN.arun("Go."), Response[Any])

    asyncio.run(main())


def test_streams_give_the_same() -> None:
    stream = TOGETHER.run_stream("Go.")
    assert_type(stream, AgentStream[Any, Results])
    for chunk in stream:
        assert_type(chunk, StreamChunk)
    assert_type(stream.response, Results)
    assert_type(stream.result_sync(), Results)
    assert isinstance(stream.response, Results)
    assert_type(IN_TURN.run_stream("Go."), AgentStream[Any, Response[Any]])
    assert_type(IN_TURN.run_stream(message="Go.").result_sync(), Response[Any])

    async def main() -> None:
        assert_type(await TOGETHER.run_stream("Go.").result(), Results)
        assert_type(await TOGETHER.run_stream("Go."), Results)
        assert_type(await GRAPH.run_stream("Go."), Response[Any])

    asyncio.run(main())


def test_so_does_a_resumed_one() -> None:
    log: list[Event] = []
    TOGETHER.run("Go.", on_event=log.append)
    again = TOGETHER.resume(log)
    assert_type(again, AgentStream[Any, Results])
    assert_type(again.result_sync(), Results)
    assert again.response.to_dict() == {name: again.response[name].text for name in ("north", "south")}
    log.clear()
    IN_TURN.run("Go.", on_event=log.append)
    assert_type(IN_TURN.resume(log).result_sync(), Response[Any])


def test_a_stream_of_an_agent_needs_one_type() -> None:
    def last(stream: AgentStream) -> Response[str]:
        return stream.result_sync()

    def either(stream: AgentStream[Any, Response[Any] | Results]) -> str:
        return stream.result_sync().text

    assert_type(last(AGENTS[0].run_stream("Go.")), Response[str])
    assert either(AGENTS[0].run_stream("Go."))
    assert either(TOGETHER.run_stream("Go."))


class Polite:
    """A member of one's own."""

    name = "polite"

    def run_stream(self, task: Any, /, *, context: Any = None) -> AgentStream:
        return AGENTS[0].run_stream([*task, "Please."], context=context)


class Crowd:
    """One that is a concurrent workflow inside."""

    name = "crowd"

    def run_stream(self, task: Any, /, *, context: Any = None) -> AgentStream[Any, Results]:
        return TOGETHER.run_stream(task, context=context)


def test_whatever_streams_can_be_a_member() -> None:
    assert SequentialWorkflow([Polite(), Crowd(), TOGETHER, *AGENTS[:1]]).run("Go.")
    mistakes = 0
    for wrong in (
        lambda: SequentialWorkflow(["north"]),  # type: ignore[list-item]
        lambda: ConcurrentWorkflow(AGENTS, max_loop=2),  # type: ignore[call-arg]
        lambda: IN_TURN.run("Go.", temperature=1),  # type: ignore[call-arg]
        lambda: TOGETHER.run_stream(3).result_sync(),  # type: ignore[arg-type]
    ):
        try:
            wrong()
        except Exception:
            mistakes += 1
    assert mistakes == 4

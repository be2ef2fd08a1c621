"""A run that is open in a log and not continued ends in order, with everything below it."""

from __future__ import annotations

from typing import Any

from headwater import Agent, AgentStream
from headwater.events import (
    ChildFinished,
    ChildStarted,
    Event,
    RunCancelled,
    RunFinished,
    RunWaiting,
    StepFinished,
    decode,
    encode,
)
from headwater.testing import check_log
from headwater.workflows import GraphWorkflow, SequentialWorkflow
from tests.support.streams import always
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import deep


def _saved(log: list[Event]) -> list[Event]:
    return [decode(encode(event)) for event in log]


def _events(stream: AgentStream[Any]) -> list[Event]:
    async def read() -> list[Event]:
        return [event async for event in stream.events()]

    return run_virtual(read())[0]


def test_members_that_are_not_needed_any_more_are_cancelled() -> None:
    """A route led to one, and leads to another by now."""
    first, one, other = (Agent(name=name, model=always(f"{name}.")) for name in ("first", "one", "other"))

    def flow(to: str) -> GraphWorkflow:
        return GraphWorkflow([first, one, other], edges=[], routes={"first": lambda _: to}, start="first")

    log = _events(flow("one").run_stream("Go."))
    began = next(event for event in log if isinstance(event, ChildStarted) and event.name == "one")
    for more in range(1, 7):
        before = log[: began.seq + more]
        whole = before + _events(flow("other").resume(_saved(before)))
        check_log(whole)
        end = next(event for event in whole if isinstance(event, ChildFinished) and event.child == began.child)
        assert end.outcome == "cancelled"
        told = [event for event in whole if event.run == began.child]
        assert not told or isinstance(told[-1], RunCancelled)
        assert isinstance(whole[-1], RunFinished)


def test_child_runs_of_a_call_that_is_not_repeated() -> None:
    """What answers a call is abandoned with it, three runs deep."""

    async def main() -> list[Event]:
        log: list[Event] = []
        async for event in deep(3).run_stream("Go.").events():
            log.append(event)
            if isinstance(event, RunWaiting) and len(event.path) == 1:
                break
        whole = deep(3)
        (below,) = (tool for tool in whole.tools if tool.name == "level2")
        below.on_unknown = "tell"
        stream = whole.resume(_saved(log))
        new: list[Event] = []
        async for event in stream.events():
            new.append(event)
            for question in stream.pending:
                stream.deny(question.id)
        check_log([*log, *new])
        return new

    new, _ = run_virtual(main())
    ends = [event.agent for event in new if isinstance(event, RunCancelled)]
    assert ends == ["deep", "level2"], "the innermost first"
    assert isinstance(new[-1], RunFinished)


def test_an_open_answer_is_ended_with_its_usage() -> None:
    log = _events(SequentialWorkflow([Agent(name="a", model=always("One two three."))]).run_stream("Go."))
    at = next(event.seq for event in log if event.type == "text.delta")
    gone = SequentialWorkflow([Agent(name="b", model=always("b"))])
    before = log[: at + 1]
    whole = before + _events(gone.resume(_saved(before), on_changed="warn"))
    check_log(whole)
    step = next(event for event in whole if isinstance(event, StepFinished) and event.agent == "a")
    assert step.finish_reason == "cancelled"
    assert step.usage.output_tokens

"""What the answer of a step is: what the loop hears of it, and the value or the problem of a typed one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from headwater import Agent, tool
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import OutputInvalid
from headwater.events.fold import Fold
from headwater.runtime.agent_loop import Signal
from headwater.runtime.answer_kind import has_calls_of_client, judged, kind_of_answer, new_calls
from headwater.runtime.job import Job


@tool
async def look() -> str:
    """Look."""
    return "seen"


def at_end_of_step(turn: Any, **options: Any) -> tuple[Job, Fold]:
    """The job of a run, and its fold when the first step has ended."""
    job = Agent(model=ScriptedModel([turn, "Done."]), **options).job("Go.")

    async def main() -> Fold:
        fold = Fold()
        async for event in Agent(model=ScriptedModel([turn, "Done."]), **options).run_stream("Go.").events():
            fold.add(event)
            if event.type == "step.finished":
                break
        return fold

    return job, asyncio.run(main())


@pytest.mark.parametrize(
    ("turn", "run_tools", "kind", "calls"),
    [
        ("Text.", True, Signal.ANSWERED, 0),
        ([Call("look", {})], True, Signal.CALLED, 1),
        ([Call("look", {})], False, Signal.ANSWERED, 1),
    ],
)
def test_the_loop_hears_what_the_answer_asks_for(
    turn: Sequence[Any], run_tools: bool, kind: Signal, calls: int
) -> None:
    job, fold = at_end_of_step(turn, tools=[look])
    job = msgspec.structs.replace(job, run_tools=run_tools)
    assert kind_of_answer(job, fold, fold.calls_to_run(), of_client=has_calls_of_client(fold)) is kind
    assert new_calls(job, fold) == calls


def test_calls_of_the_client_are_offered() -> None:
    job, fold = at_end_of_step("Text.")
    assert kind_of_answer(job, fold, (), of_client=True) is Signal.OFFERED


def test_a_typed_answer_has_a_value_or_a_problem() -> None:
    job, fold = at_end_of_step("7", output_type=int)
    assert judged(job.output, fold, "") == (7, "")
    assert judged(job.output, fold, "It is cut.") == (UNSET, "It is cut.")
    assert judged(None, fold, "") == (UNSET, "")
    job, fold = at_end_of_step("seven", output_type=int)
    value, problem = judged(job.output, fold, "")
    assert value is UNSET
    assert "seven" in problem


def test_an_unfinished_typed_answer_is_an_error() -> None:
    job, fold = at_end_of_step("7", output_type=int)
    fold.finish_reason = "length"
    with pytest.raises(OutputInvalid, match="'length'"):
        judged(job.output, fold, "")

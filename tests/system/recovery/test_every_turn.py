"""Runs cut after each turn of the event loop: nothing of them goes on, whatever was about to wake."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent
from headwater.backends.offline import Call, Say, ScriptedModel, Turn
from headwater.events import Event, RunCancelled, ToolStarted
from headwater.providers.request import Request
from headwater.testing import check_log
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.virtual import run_virtual

SETTLED = 6
"""Cuts after the tool has started: from then on nothing new happens."""


async def wait() -> str:
    """Wait."""
    await asyncio.sleep(3600.0)
    return "waited"


def _calls(request: Request) -> Turn:
    return [Call(tool.name, dict.fromkeys(tool.parameters.get("required", ()), "Go.")) for tool in request.tools]


def _talks(request: Request) -> Turn:
    return [Say([f"word{number} " for number in range(5)])]


def worker(*tools: Any, name: str = "worker", **more: Any) -> Agent[Any, Any]:
    return Agent(name=name, model=ScriptedModel(_calls), tools=tools or ([] if more else [wait]), **more)


def talker(name: str = "talker") -> Agent[Any, Any]:
    return Agent(name=name, model=ScriptedModel(_talks))


SHAPES: dict[str, Callable[[], Any]] = {
    "agent": worker,
    "agent as tool": lambda: worker(worker(name="low"), name="high"),
    "handoff": lambda: worker(name="first", handoffs=[worker(name="heir")]),
    "sequential": lambda: SequentialWorkflow([talker(), worker()]),
    "concurrent": lambda: ConcurrentWorkflow([talker(), worker()]),
    "graph": lambda: GraphWorkflow([talker(), worker(), talker("other")], edges=[("talker", "other")]),
    "nested": lambda: ConcurrentWorkflow([talker(), SequentialWorkflow([worker()], name="flow")]),
}


@pytest.mark.parametrize("how", ["cancel", "abort", "task.cancel"])
@pytest.mark.parametrize("shape", SHAPES)
def test_after_whatever_turn_a_run_is_cut_nothing_of_it_is_left(shape: str, how: str) -> None:
    async def cut(after: int) -> bool:
        log: list[Event] = []
        stream = SHAPES[shape]().run_stream("Go.", on_event=log.append)
        run = stream._begun()
        reader = asyncio.ensure_future(stream.result())
        for _ in range(after):
            await asyncio.sleep(0)
        if how == "cancel":
            run.cancel()
        elif how == "abort":
            run.abort()
        else:
            reader.cancel()
        async with asyncio.timeout(1.0):  # virtual seconds: an hour is what the tool takes
            with contextlib.suppress(asyncio.CancelledError):
                await reader
            await run.settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if log:
            check_log(log)
            assert isinstance(log[-1], RunCancelled)
        return any(isinstance(event, ToolStarted) and event.name == "wait" for event in log)

    after = started = 0
    while started < SETTLED:
        started += run_virtual(cut(after))[0]
        after += 1
    assert after > SETTLED

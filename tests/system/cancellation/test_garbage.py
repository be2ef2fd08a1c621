"""A stream that is left in the middle of a tree is no garbage: nothing of it waits for the collector."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any, Final

import pytest

from headwater import Agent, ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from headwater.backends.offline import Call, ScriptedModel, Wait
from tests.support.virtual import run_virtual


def leaf(name: str = "leaf") -> Agent[Any, Any]:
    return Agent(name=name, model=ScriptedModel([["One ", Wait(60), "two."]]))


def with_tool(inner: Any, name: str = "outer") -> Agent[Any, Any]:
    return Agent(name=name, model=ScriptedModel([[Call(inner.name, {"task": "Go."})], "Done."]), tools=[inner])


def handing_over() -> Agent[Any, Any]:
    return Agent(name="first", model=ScriptedModel([[Call("transfer_to_leaf", {})]]), handoffs=[leaf()])


TREES: Final[dict[str, Callable[[], Any]]] = {
    "an agent": leaf,
    "a sequence": lambda: SequentialWorkflow([leaf()]),
    "side by side": lambda: ConcurrentWorkflow([leaf("a"), leaf("b")]),
    "a graph": lambda: GraphWorkflow([leaf("a"), leaf("b")], edges=[("a", "b")]),
    "an agent as a tool": lambda: with_tool(leaf()),
    "a tool in a tool": lambda: with_tool(with_tool(leaf(), "middle")),
    "a workflow as a tool": lambda: with_tool(SequentialWorkflow([leaf()], name="crew")),
    "tools side by side": lambda: ConcurrentWorkflow([with_tool(leaf(), "a"), with_tool(leaf(), "b")]),
    "a handoff": handing_over,
}


@pytest.mark.parametrize("way", ["left", "closed", "cancelled"])
@pytest.mark.parametrize("tree", TREES)
def test_leaving_a_stream_with_child_runs_leaves_no_reference_cycle(tree: str, way: str, small_heap: None) -> None:
    async def main() -> list[Any]:
        stream = TREES[tree]().run_stream("Go.")
        known: list[weakref.ref[Any]] = []
        reading = stream.events()
        async for event in reading:
            if event.type == "text.delta":
                run = stream._run
                known = [weakref.ref(one) for one in (run, *(run._log.runs or {}).values())]
                del run
                break
        if way == "closed":
            await stream.aclose()
        elif way == "cancelled":
            stream.cancel()
            await stream.result()
        del stream, reading, event
        for _ in range(10):  # turns of the loop, in which tasks end
            await asyncio.sleep(0)
        return [type(one()).__name__ for one in known if one() is not None]

    gc.disable()
    try:
        left, _ = run_virtual(main())
    finally:
        gc.enable()
    assert left == []

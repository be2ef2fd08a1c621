"""Who watches a run deep below the one that is read is told all of it, however far behind the reader is."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from headwater.backends.offline import Call, Say
from headwater.events import Event, RunFinished
from headwater.workflows import ConcurrentWorkflow
from tests.support.streams import scripted
from tests.support.virtual import run_virtual

ASK = {"task": "x"}


def _tower(seen: dict[str, list[Any]]) -> Any:
    """Three agents, each the tool of the one before it, and each with a callback and a watcher of its own."""
    agent: Any = None
    for name in ("deep", "middle", "top"):
        said = Say([f"{name} ", *"says so"])
        turns: list[Any] = [Call(agent.name, ASK), said] if agent is not None else [said]
        seen[name], seen[f"{name} events"] = [], []
        agent = scripted(
            *turns,
            name=name,
            tools=[agent] if agent is not None else [],
            streaming_callback=seen[name].append,
            on_event=seen[f"{name} events"].append,
        )
    return agent


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("pause", [0, 10])
def test_each_agents_own_watchers_receive_all_of_it(pause: float) -> None:
    async def main() -> None:
        seen: dict[str, list[Any]] = {}
        log: list[Event] = []
        async for event in _tower(seen).run_stream("Go.").events():
            log.append(event)
            await asyncio.sleep(pause)
            gc.collect()
        for depth, name in enumerate(("top", "middle", "deep")):
            assert "".join(seen[name]) == f"{name} says so"
            assert seen[f"{name} events"] == [event for event in log if event.path[depth : depth + 1] == (name,)]

    run_virtual(main())


def test_child_runs_are_released_after_they_were_read() -> None:
    async def main() -> None:
        kept: list[weakref.ref[Any]] = []
        deep = scripted("Deep.", "Deep.", "Deep.", name="deep")
        top = scripted(*[Call("deep", ASK)] * 3, "So.", name="top", tools=[deep])
        stream = top.run_stream("Go.")
        run = stream._begun()
        alive: list[int] = []
        async for event in stream.events():
            if event.type == "run.started" and event.run != run.id:
                assert run._log.runs is not None
                below = run._log.runs[event.run]
                kept.append(weakref.ref(below))
                del below
                gc.collect()
                alive.append(sum(ref() is not None for ref in kept))
        assert alive == [1, 1, 1]
        gc.collect()
        assert [ref() for ref in kept] == [None] * 3

    run_virtual(main())


def test_a_stream_that_is_collected_releases_its_child_runs() -> None:
    async def main() -> None:
        flow = ConcurrentWorkflow([scripted([Say(list("ab")), Call("nobody")], "So.", name=name) for name in "ab"])
        stream = flow.run_stream("Go.")
        ends: list[Event] = []
        run = weakref.ref(stream._begun())
        stream._begun().watch(lambda event: ends.append(event) if isinstance(event, RunFinished) else None)
        reader = aiter(stream.events())
        for _ in range(12):
            await anext(reader)
        del reader, stream
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
        assert run() is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())

"""A run leaves nothing behind for the garbage collector: all that it held is freed as it ends.

What is left in a circle keeps a whole answer, and a connection's buffers, until the collector comes; and it comes the
more often for it, in the middle of other streams.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow, Edge, GraphWorkflow, SequentialWorkflow
from headwater.testing import Call, ProviderSimulator, ScriptedModel

pytestmark = pytest.mark.usefixtures("small_heap")  # it collects garbage again and again

RUNS = 3
SAID = "The river rises in the hills."

Begin = Callable[[], Awaitable[Any]]


async def weather(city: str) -> str:
    """Tell the weather."""
    return f"Rain in {city}."


def tides(city: str) -> str:
    """Tell the tides."""
    return f"Ebb in {city}."


@dataclass
class River:
    """An output type."""

    name: str


def _agent(*turns: Any, **more: Any) -> Agent[Any, Any]:
    return Agent(model=ScriptedModel([*turns] * (RUNS + 1)), **more)


def _members() -> list[Agent[Any, Any]]:
    return [_agent(SAID, name=name) for name in ("one", "two", "three")]


def _leave(agent: Agent[Any, Any]) -> Begin:
    async def leave() -> None:
        async for _ in agent.run_stream("Go."):
            break

    return leave


def _ask(asked: Any, **more: Any) -> Begin:
    return lambda: asked.arun("Go.", **more)


KINDS: dict[str, Callable[[], Begin]] = {
    "text": lambda: _ask(_agent(SAID)),
    "a callback": lambda: _ask(_agent(SAID), streaming_callback=lambda _: None),
    "left": lambda: _leave(_agent(SAID)),
    "a tool": lambda: _ask(_agent(Call("weather", {"city": "Ghent"}), SAID, tools=[weather])),
    "a tool in a thread": lambda: _ask(_agent(Call("tides", {"city": "Ghent"}), SAID, tools=[tides])),
    "arguments that do not fit": lambda: _ask(_agent(Call("weather", {"town": "Ghent"}), SAID, tools=[weather])),
    "a typed answer": lambda: _ask(_agent('{"name": "Scheldt"}', output_type=River)),
    "an answer sent back": lambda: _ask(_agent('{"nam": 1}', '{"name": "Scheldt"}', output_type=River)),
    "a handoff": lambda: _ask(_agent(Call("transfer_to_two", {}), handoffs=[_agent(SAID, name="two")])),
    "an agent as a tool": lambda: _ask(
        _agent(Call("two", {"task": "Go."}), SAID, tools=[_agent(SAID, name="two").as_tool()])
    ),
    "in turn": lambda: _ask(SequentialWorkflow(_members())),
    "at once": lambda: _ask(ConcurrentWorkflow(_members())),
    "a graph": lambda: _ask(GraphWorkflow(_members(), edges=[Edge("one", "two"), Edge("two", "three")])),
}


async def _left_behind(begin: Begin) -> Counter[str]:
    """What is left in circles by some runs, after one that has brought in what is kept for all."""
    await begin()
    await asyncio.sleep(0)
    gc.collect()
    gc.disable()
    try:
        for _ in range(RUNS):
            await begin()
        await asyncio.sleep(0)  # what is closed on the loop's next turn is
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return Counter(type(thing).__name__ for thing in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_leaves_no_garbage(kind: str) -> None:
    assert not asyncio.run(_left_behind(KINDS[kind]()))


@pytest.mark.parametrize("api", ["openai-chat", "openai-responses", "anthropic", "gemini", "ollama"])
def test_an_answer_over_http_leaves_no_garbage(api: str) -> None:
    with ProviderSimulator(lambda _: SAID) as provider:
        agent = Agent(model=provider.model(api))
        assert not asyncio.run(_left_behind(_ask(agent)))

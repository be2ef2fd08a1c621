"""What type checkers make of a run's context: from the agent to its tools, its instructions and its runs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, assert_type

from pydantic import BaseModel

from headwater import Agent, Response, ToolContext, tool
from headwater.errors import ConfigurationError


@dataclass
class Harbour:
    name: str


class Tide(BaseModel):
    hour: int


def brief(harbour: Harbour) -> str:
    return f"You speak for {harbour.name}."


async def brief_later(harbour: Harbour) -> str:
    return brief(harbour)


@tool
def high_water(port: str, ctx: ToolContext[Harbour]) -> str:
    """When the tide is highest."""
    assert_type(ctx, ToolContext[Harbour])
    assert_type(ctx.context, Harbour)
    return f"06:12 at {ctx.context.name}"


def test_the_context_is_known_from_brackets_a_type_or_the_instructions() -> None:
    assert_type(Agent[Harbour](model="offline"), Agent[Harbour, str])
    assert_type(Agent[Harbour, Tide](model="offline", output_type=Tide), Agent[Harbour, Tide])
    assert_type(Agent(model="offline", context_type=Harbour), Agent[Harbour, str])
    assert_type(Agent(model="offline", context_type=Harbour, output_type=Tide), Agent[Harbour, Tide])
    assert_type(Agent(model="offline", context_type=dict[str, int]), Agent[dict[str, int], str])
    assert_type(Agent(model="offline", instructions=brief), Agent[Harbour, str])
    assert_type(Agent(model="offline", instructions=brief_later, output_type=Tide), Agent[Harbour, Tide])
    assert_type(Agent(model="offline", context_type=Harbour, instructions=lambda it: it.name), Agent[Harbour, str])


def test_without_any_of_these_it_is_anything() -> None:
    plain = Agent(model="offline")
    assert_type(plain, Agent[Any, str])
    assert_type(Agent(model="offline", instructions=lambda: "Be brief."), Agent[Any, str])
    assert_type(Agent(model="offline", instructions=lambda context: f"For {context}."), Agent[Any, str])
    plain.run("When?", context=Harbour("Brest"))
    plain.run("When?", context={"any": "thing"})


def test_a_run_accepts_only_that_context() -> None:
    agent = Agent(model="offline", context_type=Harbour, tools=[high_water], instructions=brief)
    assert_type(agent.run("When?", context=Harbour("Brest")), Response[str])
    assert_type(agent.run_stream("When?", context=Harbour("Brest")).result_sync(), Response[str])

    async def main() -> None:
        assert_type(await agent.arun("When?", context=Harbour("Brest")), Response[str])
        assert_type((await agent.arun("When?", context=Harbour("Brest"), output_type=Tide)).output, Tide)

    asyncio.run(main())
    mistakes = 0
    for wrong in (
        lambda: agent.run("When?", context="Brest"),  # type: ignore[call-overload]
        lambda: agent.run_sync("When?", context="Brest"),  # type: ignore[call-overload]
        lambda: list(agent.run_stream("When?", context="Brest")),  # type: ignore[call-overload]
        lambda: Agent[Harbour](model="offline", instructions=of_a_number).run("When?", context=Harbour("Brest")),  # type: ignore[arg-type]
    ):
        try:
            wrong()
        except (AttributeError, TypeError):
            mistakes += 1
    assert mistakes == 4


def of_a_number(number: int) -> str:
    return f"{number + 1}"


def test_a_forgotten_context_is_not_reported_by_checkers() -> None:
    with contextlib.suppress(ConfigurationError):  # an agent that declares none has the same signature
        Agent(model="offline", context_type=Harbour).run("When?")


def test_a_tool_can_be_tried_out_with_a_context_of_its_type() -> None:
    assert_type(high_water("Brest", ToolContext(Harbour("Brest"))), str)
    with contextlib.suppress(AttributeError):
        high_water("Brest", ToolContext("Brest"))  # type: ignore[arg-type]

"""Tools that cannot be described to a model, and tools that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headwater import Agent, Timeouts, ToolContext, ToolResult, tool
from headwater.errors import ToolFailed
from headwater.testing import Call, ScriptedModel
from tests.system.error_messages.cases import Here, case, offline

if TYPE_CHECKING:
    from decimal import Decimal


def high_water(port: str) -> str:
    """When the tide is highest at a port."""
    return "06:12"


@case("A tool that was called")
def called(here: Here) -> None:
    """Write `tools=[high_water]` without parentheses; the model calls it."""
    offline(tools=[high_water("Brest")])


@case("A tool that is not in a list")
def no_list(here: Here) -> None:
    """Write `tools=[high_water]`, even for one tool."""
    offline(tools=high_water)


@case("A tool by its name")
def by_name(here: Here) -> None:
    """Pass the function, not its name."""
    offline(tools=["high_water"])


@case("A lambda as a tool")
def unnamed(here: Here) -> None:
    """Write a function with a name, types and a docstring: these are what the model is told."""
    offline(tools=[lambda port: "06:12"])


@case("A class as a tool")
def of_a_class(here: Here) -> None:
    """Pass one of its methods, bound to an object."""

    class Harbour:
        """A harbour."""

    offline(tools=[Harbour])


@case("A method without its object")
def method(here: Here) -> None:
    """Write `tools=[harbour.high_water]` with a `harbour = Harbour()` before it."""
    offline(tools=[Harbour.high_water])


class Harbour:
    @tool
    def high_water(self, port: str) -> str:
        """When the tide is highest at a port."""
        return "06:12"


@case("A tool that takes *args")
def star(here: Here) -> None:
    """A model passes arguments by name: use one parameter that is a list."""

    def high_water(*ports: str) -> str:
        """When the tide is highest."""
        return "06:12"

    offline(tools=[high_water])


@case("A tool that takes **kwargs")
def two_stars(here: Here) -> None:
    """Declare the parameters, or use one dict."""

    def high_water(**ports: str) -> str:
        """When the tide is highest."""
        return "06:12"

    offline(tools=[high_water])


@case("A tool with a positional-only parameter")
def positional(here: Here) -> None:
    """Remove the slash."""

    def high_water(port: str, /) -> str:
        """When the tide is highest."""
        return "06:12"

    offline(tools=[high_water])


@case("A parameter whose type cannot be described")
def odd_type(here: Here) -> None:
    """A model can only write JSON: take a name or a number, and look up the object in the function."""
    offline(tools=[moor])


class Ship:
    """A ship."""


Ship.__module__ = "harbours"  # as it would be in a program


def moor(ship: Ship) -> str:
    """Moor a ship."""
    return "done"


@case("A type hint that is not there at run time")
def hint(here: Here) -> None:
    """Move the import out of `if TYPE_CHECKING:`."""
    offline(tools=[fee])


def fee(length: Decimal) -> str:
    """What a berth costs."""
    return "12"


@case("Two tools with the same name")
def twice(here: Here) -> None:
    """Remove one, or rename it."""
    offline(tools=[high_water, high_water])


@case("An invalid name for a tool")
def bad_name(here: Here) -> None:
    """Use letters, digits, `_` and `-`."""
    tool(high_water, name="high water")


@case("A misspelled argument of a tool")
def misspelled(here: Here) -> None:
    """Correct the name."""
    wrong: Any = {"timeut": 3}
    tool(high_water, **wrong)


@case("An invalid timeout for a tool")
def bad_timeout(here: Here) -> None:
    """Pass seconds, or None for the agent's timeout."""
    tool(high_water, timeout=0)


@case("@tool above @classmethod")
def above_classmethod(here: Here) -> None:
    """Write `@classmethod` first, then `@tool` on the line below it."""
    wrong: Any = classmethod(lambda cls: None)
    tool(wrong)


@case("A tool that ends the run")
def failed(here: Here) -> None:
    """A tool raised `ToolFailed` on purpose, with its own message. The partial answer is in `error.response`."""

    def berth(port: str) -> str:
        """Find a berth."""
        raise ToolFailed("The harbour is closed.")

    offline(tools=[berth]).run("Find a berth")


@case("A tool that takes too long")
def slow(here: Here) -> str:
    """This is not raised: the model gets it as the call's result and can try something else."""

    def wait(port: str, ctx: ToolContext[Any]) -> str:
        """Wait for high water."""
        while True:
            ctx.check()

    agent = offline(tools=[wait], timeouts=Timeouts(tool=0.1))
    parts = [part for message in agent.run("Wait").messages for part in message.content]
    return next(str(part.content) for part in parts if isinstance(part, ToolResult))


@case("A model that calls tools without end")
def max_steps(here: Here) -> None:
    """Raise `max_steps` if the model was making progress. The partial answer is in `error.response`."""
    offline(tools=[high_water], max_steps=1).run("When is high water?")


@case("Agents that hand the conversation to each other without end")
def max_handoffs(here: Here) -> None:
    """Their instructions should say when to answer. The partial answer is in `error.response`."""
    one = Agent(name="a", model=ScriptedModel(lambda request: [Call("transfer_to_b", {})]))
    other = Agent(name="b", model=ScriptedModel(lambda request: [Call("transfer_to_a", {})]), handoffs=[one])
    one.handoffs = (other,)
    one.run("Who answers?")


@case("An agent that is its own tool and never answers")
def max_depth(here: Here) -> None:
    """Give the agent a way to answer without the tool, or remove it from its own tools."""
    deep = Agent(name="deep", model=ScriptedModel(lambda request: [Call("deep", {"task": "again"})]))
    deep.tools = [deep]
    deep.run("Go on.")

"""A context that was declared and not given is one error, before anything is asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow, ToolContext, tool
from headwater.agents.needed_context import Needed, contexts_below, first_argument, refuse_without
from headwater.backends.offline import Call
from headwater.errors import ConfigurationError
from tests.support.members import asked
from tests.support.streams import always, scripted


@dataclass
class Harbour:
    name: str


class HarbourAgent(Agent[Harbour]):
    """An agent that says so in its class."""


class Pilot(HarbourAgent):
    """And one of these."""


@tool
def high_water(ctx: ToolContext[Harbour]) -> str:
    """When the tide is highest."""
    return f"06:12 at {ctx.context.name}"


def brief(harbour: Harbour) -> str:
    return f"You speak for {harbour.name}."


async def brief_later(harbour: Harbour) -> str:
    return brief(harbour)


def agent(**declared: Any) -> Agent[Any, Any]:
    return Agent(**{"name": "pilot", "model": always("So."), **declared})


def leading_in_circles() -> Agent[Any, Any]:
    front = agent(name="front")
    billing = agent(name="billing", handoffs=[front], tools=[high_water])
    front.handoffs = (billing,)
    return front


DECLARED: dict[str, tuple[Any, str]] = {
    "by its type": (lambda: agent(context_type=Harbour), "'pilot' is declared with one of type Harbour"),
    "in brackets": (lambda: Agent[Harbour](name="pilot", model=always("So.")), "'pilot' is declared with"),
    "in two brackets": (lambda: Agent[Harbour, str](name="pilot", model=always("So.")), "'pilot' is declared with"),
    "by its name": (lambda: Agent["Harbour"](name="pilot", model=always("So.")), "of type Harbour"),
    "by its class": (lambda: HarbourAgent(name="pilot", model=always("So.")), "'pilot' is declared with"),
    "by the class above": (lambda: Pilot(name="pilot", model=always("So.")), "'pilot' is declared with"),
    "by a mapping": (lambda: agent(context_type=dict[str, int]), r"of type dict\[str, int\]"),
    "by its instructions": (lambda: agent(instructions=brief), "the instructions of 'pilot' take one of type Harbour"),
    "by async instructions": (lambda: agent(instructions=brief_later), "the instructions of 'pilot' take"),
    "by a tool": (lambda: agent(tools=[high_water]), "the tool 'high_water' takes one of type Harbour"),
    "by an agent in it": (lambda: agent(tools=[agent(name="b", instructions=brief)]), "instructions of 'b' take"),
    "by who may follow": (lambda: agent(handoffs=[agent(name="b", context_type=Harbour)]), "'b' is declared with"),
    "in a circle": (leading_in_circles, "the tool 'high_water' takes"),
    "by a workflow in it": (lambda: agent(tools=[SequentialWorkflow([agent(instructions=brief)])]), "instructions of"),
    "by a member": (lambda: ConcurrentWorkflow([agent(), agent(name="b", instructions=brief)]), "instructions of 'b'"),
}


@pytest.mark.parametrize("how", DECLARED)
def test_a_declared_context_is_required(how: str) -> None:
    make, said = DECLARED[how]
    made = make()
    for run in (
        made.run,
        made.run_sync,
        lambda task: asyncio.run(made.arun(task)),
        lambda task: list(made.run_stream(task)),
    ):
        with pytest.raises(ConfigurationError, match=f"This run has no context, and .*{said}"):
            run("Go.")
    assert made.run("Go.", context=Harbour("Brest"))


@pytest.mark.parametrize("empty", [{}, 0, ""])
def test_an_empty_context_is_a_context(empty: Any) -> None:
    assert agent(context_type=dict).run("Go.", context=empty) == "So."


def _no_hint(context):  # type: ignore[no-untyped-def]
    return f"For {context}."


def _default(harbour: Harbour = Harbour("Brest")) -> str:  # noqa: B008
    return harbour.name


def _unknown(harbour: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
    return "x"


def _perhaps(harbour: Harbour | None) -> str:
    return "x"


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"context_type": None},
        {"context_type": Any},
        {"context_type": Harbour | None},
        {"instructions": "Be brief."},
        {"instructions": lambda: "Be brief."},
        {"instructions": _no_hint},
        {"instructions": _default},
        {"instructions": _unknown},
        {"instructions": _perhaps},
        {"instructions": str},
    ],
    ids=lambda declared: "-".join(declared),
)
def test_an_undeclared_context_is_optional(declared: dict[str, Any]) -> None:
    assert agent(**declared).run("Go.") == "So."


def test_no_request_is_sent_before() -> None:
    made = agent(tools=[high_water], handoffs=[agent(name="other")])
    with pytest.raises(ConfigurationError):
        made.run("Go.")
    assert asked(made) == []


def test_the_runs_own_arguments_count() -> None:
    made = agent(tools=[high_water], instructions=brief)
    assert made.run("Go.", tools=(), instructions="Be brief.") == "So."
    with pytest.raises(ConfigurationError, match="the tool 'high_water'"):
        agent().run("Go.", tools=[high_water])
    with pytest.raises(ConfigurationError, match="the instructions of 'pilot'"):
        agent().run("Go.", instructions=brief)
    made.context_type = Harbour
    with pytest.raises(ConfigurationError, match="'pilot' is declared"):
        made.run("Go.")


def test_it_reaches_tools_and_instructions() -> None:
    made = scripted(Call("high_water"), "So.", tools=[high_water], instructions=brief)
    response = made.run("Go.", context=Harbour("Brest"))
    assert asked(made)[0].messages[0].text == "You speak for Brest."
    assert "06:12 at Brest" in str(response.messages)


def test_each_is_asked_once() -> None:
    one = agent(name="one", context_type=Harbour)
    declared = list(contexts_below([one, one, "no runnable", None], set()))
    assert declared == [Needed("'one' is declared with", Harbour)]
    assert list(contexts_below([one], {id(one)})) == []
    refuse_without([Needed("it takes", Any), Needed("it takes", Harbour | None)])
    assert (first_argument(list[int]), first_argument(list), first_argument(None)) == (int, None, None)

"""`headwater demo`: agents at work in the dashboard, without key or network.

The words are a script and say so; everything else (the runs, the tools, the dropped connection that is healed, the call
that waits for a person, the terminal) is what a program gets from `GraphWorkflow(show_dashboard=True)`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

if TYPE_CHECKING:
    from headwater.agents.agent import Agent
    from headwater.cli.output import Outlet
    from headwater.events.questions import Question
    from headwater.workflows import GraphWorkflow

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute")

SUMMARY = "see agents at work: no key, no network"
USAGE = "demo"
DESCRIPTION = """\
One agent answers; then three look at a question at once and a fourth decides,
in the dashboard: reasoning, tools, a dropped connection that is healed, a call
that a person has to allow (the demo does, after a moment). The words are a
script, said by the offline model; the rest is what a program gets. Ctrl-C
stops it at once."""
EXAMPLES = """\
examples:
  headwater demo
  headwater demo | cat            what a pipe gets: a line as each thing happens"""

QUESTION: Final = "When is high water?"
"""What the agent alone is asked, where a person sees it."""

TASK: Final = "Can we sail from Brest today?"

SECONDS_BETWEEN: Final = 1.5
"""What a person takes to read the end of one answer before the next ones begin."""

RATE: Final = 32.0
"""Tokens a second of each agent: slow enough to be read while three speak at once."""

SECONDS_TO_ALLOW: Final = 2.0
"""What a person might take to read what is asked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`: there are none."""


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.output import Outlet, is_terminal, tell

    out = Outlet()
    if is_terminal(sys.stdout):
        tell(f"a demo; its words are a script. Asked: {QUESTION}")
        play_alone(out)
        time.sleep(SECONDS_BETWEEN)
        out.write("\n")
        out.flush()
        tell(f"now four agents are asked: {TASK}")
    else:
        tell(f"a demo; its words are a script. Asked: {TASK}")
    play(out)
    if is_terminal(sys.stdout):
        tell('now with a task of your own: headwater run "Explain tides"')
    return 0


def play(out: Outlet) -> None:
    """Show the agents at work on `out`, to the end. Raises KeyboardInterrupt, and what writing met."""
    from headwater.terminal.dashboard.dashboard import Dashboard

    workflow = make_workflow()
    # What `show_dashboard=True` does in a program; here it must stop as well where nobody reads the output any more.
    dashboard = Dashboard(workflow.name, [agent.name for agent in workflow.agents], file=cast(TextIO, out))
    stream = workflow.run_stream(TASK, on_event=dashboard)
    out.on_problem = stream.cancel
    try:
        stream.result_sync()
    finally:
        out.on_problem = None
        dashboard.close()
    out.check()


def play_alone(out: Outlet) -> None:
    """Show one agent at work on `out`, to the end. Raises as `play` does."""
    from headwater.cli.output import Printer

    agent = make_agent()
    printer = Printer(agent.name, out)
    stream = agent.run_stream(QUESTION, on_event=printer)
    out.on_problem = stream.cancel
    try:
        stream.result_sync()
    finally:
        out.on_problem = None
        printer.close()
    out.check()


def make_agent() -> Agent[Any, str]:
    """An agent whose words are written down, on the tide."""
    from headwater.backends.offline import Call, Think

    return _agent(
        "almanac",
        [high_water],
        [Think("Brest has two high waters a day. The almanac knows them."), Call("high_water", {"port": "Brest"})],
        [
            "High water in **Brest** today:\n\n"
            "| | time | height |\n|---|---|---|\n| morning | **06:12** | 6.9 m |\n| evening | **18:34** | 6.7 m |\n\n"
            "These are *springs*: the Goulet runs at `4 knots`.\n"
        ],
    )


def make_workflow() -> GraphWorkflow:
    """Three agents whose words are written down, on the tide, the weather and the way, and one who hears them all."""
    from headwater.workflows import GraphWorkflow

    looking = [_tides(), _weather(), _route()]
    skipper = _skipper()
    ways = [(agent.name, skipper.name) for agent in looking]
    return GraphWorkflow([*looking, skipper], edges=ways, name="sailing-from-brest", approver=_allow)


def _tides() -> Agent[Any, str]:
    from headwater.backends.offline import Call, Think

    return _agent(
        "tides",
        [high_water],
        [
            Think("The Goulet runs at **four knots** in springs: I need the time of high water before anything else."),
            Call("high_water", {"port": "Brest"}),
        ],
        [
            "High water is at **06:12**, 6.9 m: *springs*.\n\n"
            "- 05:30 leave while it still rises\n"
            "- 06:12 slack water: **pass the Goulet**\n"
            "- 18:30 be back, with the next flood"
        ],
    )


def _weather() -> Agent[Any, str]:
    from headwater.backends.offline import Call, Fail

    forecast = (
        "**North-west 4** until noon, veering north 5. Swell `1.2 m` from the west, nine seconds apart: comfortable "
        "outside, *steep over the Fillettes*. No front before **Sunday**."
    )
    return _agent(
        "weather",
        [wind, swell],
        ["Wind and swell first.", Call("wind", {"place": "Iroise"}), Call("swell", {"place": "Iroise"})],
        [forecast[:96], Fail(ConnectionResetError("dropped by the demo"))],
        [forecast],
    )


def _route() -> Agent[Any, str]:
    from headwater.backends.offline import Call, Think, Wait

    return _agent(
        "route",
        [distance],
        [
            Wait(0.5),
            Think("Camaret and back is a day's work. How far is it?"),
            Call("distance", {"start": "Brest", "end": "Camaret"}),
        ],
        [
            "**Brest to Camaret** is 9.5 miles, two hours with the ebb:\n\n"
            "1. Out by the north side of the Goulet\n"
            "2. The Fillettes to port, `0.5 miles` off\n"
            "3. Anchor under the Vauban tower"
        ],
    )


def _skipper() -> Agent[Any, str]:
    from headwater.backends.offline import Call, Think
    from headwater.tools import tool

    return _agent(
        "skipper",
        [tool(approval="It costs 32 euros.")(book_berth)],
        [Think("Wind, tide and way agree. A berth for the night, then."), Call("book_berth", {"harbour": "Camaret"})],
        ["**Yes.** We leave at `05:30`, pass the Goulet at slack water, and have berth **7** in Camaret by eight."],
    )


async def _allow(question: Question) -> bool:
    """Stand in for the person who is asked."""
    import asyncio

    await asyncio.sleep(SECONDS_TO_ALLOW)
    return True


def _agent(name: str, tools: list[Any], *turns: list[Any]) -> Agent[Any, str]:
    from headwater.agents.agent import Agent
    from headwater.backends.offline import OfflineModel

    model = OfflineModel(list(turns), rate=RATE, model="offline/demo")
    return Agent(name=name, model=model, tools=tools, on_interrupted="restart")


def high_water(port: str) -> Generator[str, None, str]:
    """When the tide is highest at a port."""
    for done in range(20, 101, 20):
        time.sleep(0.3)
        yield f"{done} % of the harmonics"
    return "06:12, 6.9 m"


async def wind(place: str) -> str:
    """The wind at a place."""
    import asyncio

    await asyncio.sleep(0.7)
    return "NW 4, veering N 5 in the evening"


async def swell(place: str) -> str:
    """The swell at a place."""
    import asyncio

    await asyncio.sleep(1.3)
    return "1.2 m from the west, every 9 s"


def book_berth(harbour: str) -> str:
    """Book a berth for the night."""
    return f"berth 7 in {harbour}"


def distance(start: str, end: str) -> str:
    """How far it is between two harbours."""
    time.sleep(0.9)
    return "9.5 nautical miles"

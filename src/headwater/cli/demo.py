"""`headwater demo`: agents at work in the dashboard, without key or network.

The text is a script, and the output says so. Everything else (the runs, the tools, the recovery from a dropped
connection, the call that waits for a person, the terminal) is what a program gets from
`GraphWorkflow(show_dashboard=True)`.
"""

from __future__ import annotations

import argparse
import math
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
USAGE = "demo [--speed N]"
DESCRIPTION = """\
First one agent answers, then three agents work on a question in parallel and a
fourth decides, in the dashboard: reasoning, tools, recovery from a dropped
connection, a call that needs approval (the demo approves it). The text is a
script of the offline model; everything else is real. Ctrl-C stops it."""
EXAMPLES = """\
examples:
  headwater demo
  headwater demo --speed 0.5      half as fast
  headwater demo | cat            output for a pipe: one line per event"""

QUESTION: Final = "When is high water?"
"""The task of the single agent."""

TASK: Final = "Can we sail from Brest today?"

SECONDS_BETWEEN: Final = 1.5
"""Pause in seconds for reading the end of an answer before the next ones start."""

RATE: Final = 32.0
"""Tokens per second of each agent: slow enough to read three at once."""

FASTEST: Final = 100.0
"""Maximum speed factor: faster, the demo would be over before anything is visible."""

SECONDS_TO_ALLOW: Final = 2.0
"""Seconds before the demo approves the call, as a reader would need."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="N times as fast (default: 1)")


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.output import Outlet, is_terminal, tell

    out = Outlet()
    if is_terminal(sys.stdout):
        out.note(f"a demo; its words are a script. Asked: {QUESTION}")
        play_alone(out, asked.speed)
        time.sleep(SECONDS_BETWEEN / asked.speed)
        out.write("\n")
        out.flush()
        tell(f"now four agents are asked: {TASK}")
    else:
        tell(f"a demo; its words are a script. Asked: {TASK}")
    play(out, asked.speed)
    if is_terminal(sys.stdout):
        tell('now with a task of your own: headwater run "Explain tides"')
    return 0


def play(out: Outlet, speed: float) -> None:
    """Shows the workflow on `out` until it ends. Raises KeyboardInterrupt and output errors."""
    from headwater.terminal.dashboard.dashboard import Dashboard

    workflow = make_workflow(speed)
    # Like `show_dashboard=True` in a program, but it also stops when the reader closes the output.
    dashboard = Dashboard(workflow.name, [agent.name for agent in workflow.agents], file=cast(TextIO, out))
    stream = workflow.run_stream(TASK, on_event=dashboard)
    out.on_problem = stream.cancel
    try:
        stream.result_sync()
    finally:
        out.on_problem = None
        dashboard.close()
    out.check()


def play_alone(out: Outlet, speed: float) -> None:
    """Shows one agent on `out` until it ends. Raises like `play`."""
    from headwater.cli.output import Printer

    agent = make_agent(speed)
    printer = Printer(agent.name, out)
    stream = agent.run_stream(QUESTION, on_event=printer)
    out.on_problem = stream.cancel
    try:
        stream.result_sync()
    finally:
        out.on_problem = None
        printer.close()
    out.check()


def make_agent(speed: float = 1.0) -> Agent[Any, str]:
    """Returns a scripted agent that knows the tide."""
    return _Cast(speed).almanac()


def make_workflow(speed: float = 1.0) -> GraphWorkflow:
    """Returns a workflow of scripted agents: tide, weather and route, and one that reads all three."""
    from headwater.workflows import GraphWorkflow

    cast = _Cast(speed)
    looking = [cast.tides(), cast.weather(), cast.route()]
    skipper = cast.skipper()
    ways = [(agent.name, skipper.name) for agent in looking]
    return GraphWorkflow([*looking, skipper], edges=ways, name="sailing-from-brest", approver=cast.allow)


class _Cast:
    """The agents and their tools; all times are divided by `speed`."""

    def __init__(self, speed: float) -> None:
        self._speed = speed

    # --- the agents

    def almanac(self) -> Agent[Any, str]:
        from headwater.backends.offline import Call, Think

        return self._agent(
            "almanac",
            [self.high_water],
            [Think("Brest has two high waters a day. The almanac knows them."), Call("high_water", {"port": "Brest"})],
            [
                "High water in **Brest** today:\n\n"
                "| | time | height |\n|---|---|---|\n"
                "| morning | **06:12** | 6.9 m |\n| evening | **18:34** | 6.7 m |\n\n"
                "These are *springs*: the Goulet runs at `4 knots`.\n"
            ],
        )

    def tides(self) -> Agent[Any, str]:
        from headwater.backends.offline import Call, Think

        return self._agent(
            "tides",
            [self.high_water],
            [
                Think(
                    "The Goulet runs at **four knots** in springs: I need the time of high water before anything else."
                ),
                Call("high_water", {"port": "Brest"}),
            ],
            [
                "High water is at **06:12**, 6.9 m: *springs*.\n\n"
                "- 05:30 leave while it still rises\n"
                "- 06:12 slack water: **pass the Goulet**\n"
                "- 18:30 be back, with the next flood"
            ],
        )

    def weather(self) -> Agent[Any, str]:
        from headwater.backends.offline import Call, Fail

        forecast = (
            "**North-west 4** until noon, veering north 5. Swell `1.2 m` from the west, nine seconds apart: "
            "comfortable outside, *steep over the Fillettes*. No front before **Sunday**."
        )
        return self._agent(
            "weather",
            [self.wind, self.swell],
            ["Wind and swell first.", Call("wind", {"place": "Iroise"}), Call("swell", {"place": "Iroise"})],
            [forecast[:96], Fail(ConnectionResetError("dropped by the demo"))],
            [forecast],
        )

    def route(self) -> Agent[Any, str]:
        from headwater.backends.offline import Call, Think, Wait

        return self._agent(
            "route",
            [self.distance],
            [
                Wait(0.5 / self._speed),
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

    def skipper(self) -> Agent[Any, str]:
        from headwater.backends.offline import Call, Think
        from headwater.tools.declaration import tool

        return self._agent(
            "skipper",
            [tool(approval="It costs 32 euros.")(book_berth)],
            [
                Think("Wind, tide and way agree. A berth for the night, then."),
                Call("book_berth", {"harbour": "Camaret"}),
            ],
            ["**Yes.** We leave at `05:30`, pass the Goulet at slack water, and have berth **7** in Camaret by eight."],
        )

    def _agent(self, name: str, tools: list[Any], *turns: list[Any]) -> Agent[Any, str]:
        from headwater.agents.agent import Agent
        from headwater.backends.offline import OfflineModel

        model = OfflineModel(list(turns), rate=RATE * self._speed, model="offline/demo")
        return Agent(name=name, model=model, tools=tools, on_interrupted="restart")

    async def allow(self, question: Question) -> bool:
        """Answers in place of a person."""
        await self._take(SECONDS_TO_ALLOW)
        return True

    # --- the tools

    def high_water(self, port: str) -> Generator[str, None, str]:
        """When the tide is highest at a port."""
        for done in range(20, 101, 20):
            time.sleep(0.3 / self._speed)
            yield f"{done} % of the harmonics"
        return "06:12, 6.9 m"

    async def wind(self, place: str) -> str:
        """The wind at a place."""
        await self._take(0.7)
        return "NW 4, veering N 5 in the evening"

    async def swell(self, place: str) -> str:
        """The swell at a place."""
        await self._take(1.3)
        return "1.2 m from the west, every 9 s"

    def distance(self, start: str, end: str) -> str:
        """How far it is between two harbours."""
        time.sleep(0.9 / self._speed)
        return "9.5 nautical miles"

    async def _take(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds / self._speed)


def book_berth(harbour: str) -> str:
    """Book a berth for the night."""
    return f"berth 7 in {harbour}"


def _speed(text: str) -> float:
    """Parses a speed for argparse; the message completes "argument --speed: "."""
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed <= FASTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and up to {FASTEST:g}")
    return speed

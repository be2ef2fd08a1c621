"""`headwater demo`: an agent at work, without key or network.

The words are a script and say so; everything else (the run, the tools, the retry, the terminal) is what a program gets.
`play` is what is shown; it can be replaced without the command changing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from headwater.cli.options import OFFLINE_RATE

if TYPE_CHECKING:
    from headwater.agent import Agent
    from headwater.cli.output import Outlet
    from headwater.offline import Turn

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute")

SUMMARY = "see an agent at work: no key, no network"
USAGE = "demo"
DESCRIPTION = """\
An agent answers a question with two tools, which run side by side; one
connection is dropped on the way and healed. The words are a script, said by
the offline model; the rest is what a program gets. Ctrl-C stops it at once."""
EXAMPLES = """\
examples:
  headwater demo
  headwater demo | cat            what a pipe gets: the answer's text alone"""

TASK: Final = "Can we sail from Brest today?"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`: there are none."""


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.output import Outlet, is_terminal, tell

    tell(f"a demo; its words are a script. Asked: {TASK}")
    out = Outlet()
    play(out)
    if is_terminal(sys.stdout):
        tell('now with a task of your own: headwater run "Explain tides"')
    return 0


def play(out: Outlet) -> None:
    """Show the agent at work on `out`, to the end. Raises KeyboardInterrupt, and what writing met."""
    from headwater.cli.output import Printer
    from headwater.cli.run import ask

    agent = _agent()
    ask(agent, TASK, out, Printer(agent.name, out))


def _agent() -> Agent[Any, str]:
    from headwater.agent import Agent
    from headwater.offline import OfflineModel

    return Agent(
        name="skipper",
        model=OfflineModel(_turns(), rate=OFFLINE_RATE, model="offline/demo"),
        tools=[high_water, wind],
    )


def _turns() -> list[Turn]:
    from headwater.offline import Call, Fail, Think

    return [
        [
            Think("The tide and the wind decide that. I ask for both at once."),
            "Let me look at the tide and the wind.",
            Call("high_water", {"port": "Brest"}),
            Call("wind", {"place": "Brest"}),
        ],
        Fail(ConnectionResetError("dropped by the demo")),
        [
            "Yes. High water is at 06:12, and the wind is north-west, 4.\n\n"
            "- **05:30** Leave the harbour while the tide still rises.\n"
            "- **06:12** Slack water: pass the Goulet now, wind and stream do not fight.\n"
            "- **07:00** The ebb carries you out. Keep north of the Fillettes.\n\n"
            "Be back before 18:30, when the wind veers north and freshens."
        ],
    ]


def high_water(port: str) -> Generator[str, None, str]:
    """When the tide is highest at a port."""
    for done in range(20, 101, 20):
        time.sleep(0.25)
        yield f"{done} % of the harmonics"
    return "06:12, 6.9 m"


async def wind(place: str) -> str:
    """The wind at a place."""
    import asyncio

    await asyncio.sleep(0.7)
    return "NW 4, veering N 5 in the evening"

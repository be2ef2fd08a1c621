"""Draws the dashboard at several sizes: the state of a real workflow's log at one moment, as SVG pictures.

    python scripts/screens.py                  # writes docs/assets/dashboard-*.svg
    python scripts/screens.py --png FOLDER     # also rendered by a browser, on a dark and on a light background

The workflows run in virtual time with the offline model: the same pictures every time, without waiting.
"""

import argparse
import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from drawn_terminal import Film, keep, still

from headwater import Agent, ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from headwater.backends.jitter import seed
from headwater.events import Event, ToolFinished, ToolStarted
from headwater.terminal.dashboard.drawing import PLAIN_SIGNS, SIGNS
from headwater.terminal.dashboard.panel import Layout
from headwater.terminal.dashboard.state import Board
from headwater.testing import Call, Fail, OfflineModel, Think, Wait, run_virtual
from headwater.workflows.base import Workflow

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"

WORDS = (
    "Price action suggests a **bullish** trend, with *higher lows* since March.\n\n"
    "- Resistance at 312\n- Support at 287, see `levels.csv`\n\n"
    "```python\nsma = prices.rolling(50).mean()\n```\n\n"
    "出来高は減少しています。三角保ち合いの上放れに注意してください。\n\n"  # wide characters, without spaces
)
FUNDAMENTALS = (
    "## Revenue\n\n**Automotive** grew by 9 % while energy storage *doubled*. Gross margin is back at `18.4 %`, "
    "against 17.2 % a year ago, and free cash flow stays positive for the **seventh** quarter in a row.\n\n"
    "Two things to watch:\n\n1. Inventory, up by eleven days\n2. The price of lithium, see [the filing](https://a.example)\n\n"
)
NAMES = ("Market-Researcher", "Financial-Analyst", "Technical-Analyst")


@dataclass(frozen=True)
class Shot:
    """The number of agents, the terminal, and the moment to show, in seconds."""

    agents: int
    columns: int
    lines: int
    after: float = 3.0
    plain: bool = False
    """Without colors, in ASCII."""
    over: bool = False
    """At the end."""
    kept: bool = True
    """Whether it is part of the documentation."""
    tree: bool = False
    """A graph with a workflow in it, instead of independent agents."""

    @property
    def name(self) -> str:
        """The file's name, without its suffix."""
        kind = "-plain" * self.plain + "-over" * self.over + "-tree" * self.tree
        return f"dashboard-{self.agents}-agents-{self.columns}x{self.lines}{kind}"


SHOTS = (
    Shot(1, 80, 24, kept=False),
    Shot(7, 80, 32, after=6.0, tree=True),
    Shot(7, 60, 16, after=3.0, tree=True, kept=False),
    Shot(3, 80, 24),
    Shot(3, 120, 40, kept=False),
    Shot(3, 200, 50, kept=False),
    Shot(3, 40, 12),
    Shot(3, 80, 24, plain=True, kept=False),
    Shot(3, 80, 24, over=True, kept=False),
    Shot(12, 80, 24),
    Shot(12, 120, 40, kept=False),
    Shot(12, 200, 50, kept=False),
    Shot(12, 40, 12, kept=False),
    Shot(200, 80, 24, kept=False),
    Shot(200, 120, 40),
    Shot(200, 200, 50, kept=False),
    Shot(200, 40, 12, kept=False),
)


async def quotes(symbol: str) -> str:
    """The last prices of a share."""
    await asyncio.sleep(0.6)
    return "301, 304, 299"


async def filings(company: str) -> str:
    """What a company has filed."""
    await asyncio.sleep(6)
    return "none since June"


def model(number: int) -> OfflineModel:
    """One of eight ways in which an agent spends its time."""
    called = [Think("Two sources, then."), Call("quotes", {"symbol": "TSLA"}), Call("filings", {"company": "Tesla"})]
    ways: list[list[object]] = [
        [["The current market shows **strong** momentum, and I ask for the figures behind it.", *called], "Buy."],
        [["Revenue", Fail(ConnectionResetError("reset by peer"))], FUNDAMENTALS],
        [WORDS],
        [["Half an answer, and then", Fail(400, message="the prompt was refused")]],
        [[Wait(2 + number % 9), "Later on. " * 20]],
        ["Short and **done**."],
        [["Rev", Fail(ConnectionResetError("reset by peer"))], "It holds, all in all."],
        [Think("Whether the moving average is of any use here depends on the horizon. " * 9), "So be it."],
    ]
    return OfflineModel(ways[number % len(ways)], rate=28 - number % 5 * 3)  # type: ignore[arg-type]  # turns of every kind


def workflow(count: int) -> ConcurrentWorkflow:
    """`count` agents, the first three by their names in the documents."""
    agents = [
        Agent(
            name=NAMES[number] if number < len(NAMES) else f"Analyst-{number:03}",
            model=model(number),
            on_interrupted="restart",
            tools=[quotes, filings] if number % 8 == 0 else (),
        )
        for number in range(count)
    ]
    return ConcurrentWorkflow(agents, name="market-analysis-workflow", on_error="collect")


def graph() -> GraphWorkflow:
    """A report that is planned, looked up, written in three steps and reviewed."""

    def agent(name: str, *turn: Any) -> Agent[Any, str]:
        return Agent(name=name, model=OfflineModel([[*turn]], rate=24))

    writing = SequentialWorkflow(
        [
            agent("draft", "Energy storage *doubled*, and carries the quarter. Automotive grew by **9 %**. " * 3),
            agent("edit", "Storage doubled and carries the quarter; automotive grew by **9 %**."),
            agent("proof", "No change."),
        ],
        name="writing",
    )
    members: list[Any] = [
        agent("plan", "Two sources, **one page**, figures first."),
        agent("research", "The filing, the call, and what the *competitors* say: ", FUNDAMENTALS[:200]),
        agent("figures", Wait(0.8), "Gross margin `18.4 %`, free cash flow **positive**."),
        writing,
        agent("review", "It says what it should."),
    ]
    ways = ("plan research", "plan figures", "research writing", "figures writing", "writing review")
    return GraphWorkflow(members, edges=[tuple(way.split()) for way in ways], name="quarterly-report")


def log_of(run: Workflow[Any]) -> list[Event]:
    """The log of its run, at the times of a virtual clock."""
    log: list[Event] = []
    begun: dict[str, float] = {}

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await run.arun("Analyze Tesla", on_event=lambda event: log.append(at(event, loop.time(), begun)))

    seed(0)  # the wait before the next attempt
    run_virtual(main())
    return log


def at(event: Event, time: float, begun: dict[str, float]) -> Event:
    """The event at another time; `begun` are the times at which tools started, by their calls."""
    if isinstance(event, ToolStarted):
        begun[event.run + event.call] = time
    if isinstance(event, ToolFinished):
        event = msgspec.structs.replace(event, duration=time - begun[event.run + event.call])
    return msgspec.structs.replace(event, time=time)


def rows(shot: Shot, log: list[Event]) -> list[str]:
    """The content of the screen at the shot's moment."""
    board = Board("quarterly-report" if shot.tree else "market-analysis-workflow")
    layout = Layout(board, signs=PLAIN_SIGNS if shot.plain else SIGNS, color=not shot.plain)
    drawn_at = 0.0
    for event in log:
        if event.time > shot.after and not shot.over:
            break
        if event.time >= drawn_at + 0.125:  # like the dashboard: the content of a row depends on its previous content
            layout.rows(shot.columns, shot.lines, event.time)
            drawn_at = event.time
        board.feed(event)
    return layout.rows(shot.columns, shot.lines, board.time if shot.over else shot.after, last=shot.over)


def main() -> None:
    """Draws the screens."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--png", type=Path, metavar="FOLDER", help="photograph all of them, too")
    folder: Path | None = parser.parse_args().png
    logs = {count: log_of(workflow(count)) for count in sorted({shot.agents for shot in SHOTS if not shot.tree})}
    tree = log_of(graph())

    def film(shot: Shot) -> Film:
        return still(rows(shot, tree if shot.tree else logs[shot.agents]), shot.columns, shot.lines)

    keep(SHOTS, film, ASSETS, title="Agents at work", folder=folder)


if __name__ == "__main__":
    main()

"""Keep some screens of the dashboard as text: real workflows on emulated terminals of several sizes.

    python scripts/screens.py            # writes docs/assets/dashboard-*.txt

Each is what stands on the screen at one moment of a run, as a person sees it, and what is left at its end.
"""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyte

from headwater import Agent, ConcurrentWorkflow
from headwater.testing import Call, Fail, OfflineModel, Think, Wait

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"

WORDS = (
    "Price action suggests a **bullish** trend, with higher lows since March.\n\n"
    "- Resistance at 312\n- Support at 287\n\n"
    "```python\nsma = prices.rolling(50).mean()\n```\n\n"
    "出来高は減少しています。三角保ち合いの上放れに注意してください。\n"  # wide characters, without spaces
)
NAMES = ("Market-Researcher", "Financial-Analyst", "Technical-Analyst")


@dataclass(frozen=True)
class Screen:
    """How many agents on what terminal, and when it is looked at, in seconds."""

    agents: int
    columns: int
    lines: int
    after: float = 3.0
    resized: tuple[int, int] | None = None
    """The size it takes a second earlier."""

    @property
    def name(self) -> str:
        """The file it is kept in."""
        size = "{}x{}".format(*(self.resized or (self.columns, self.lines)))
        return f"dashboard-{self.agents}-agents-{size}{'-resized' if self.resized else ''}.txt"


SCREENS = (
    Screen(1, 80, 24),
    Screen(3, 80, 24),
    Screen(3, 120, 40),
    Screen(3, 40, 12),
    Screen(3, 80, 24, resized=(60, 20)),
    Screen(12, 80, 24),
    Screen(200, 120, 40),
)


async def quotes(symbol: str) -> str:
    """The last prices of a share."""
    await asyncio.sleep(0.6)
    return "301, 304, 299"


async def filings(company: str) -> str:
    """What a company has filed."""
    await asyncio.sleep(60)
    return "none"


def model(number: int) -> OfflineModel:
    """One of six ways in which an agent spends its time."""
    called = [Think("Two sources, then."), Call("quotes", {"symbol": "TSLA"}), Call("filings", {"company": "Tesla"})]
    broken = [Fail(ConnectionResetError("reset by peer")), "Revenue growth indicates solid fundamentals. " * 12]
    ways: list[list[object]] = [
        ["The current market shows strong momentum, and I ask for the figures behind it.", *called],
        broken,
        [WORDS * 4],
        [["Half an answer, and then", Fail(400, message="the prompt was refused")]],
        [[Wait(2 + number % 9), "Later on. " * 50]],
        ["Short and done."],
    ]
    way = ways[number % len(ways)]
    turns = [way] if number % len(ways) == 0 else way
    return OfflineModel(turns, rate=30)  # type: ignore[arg-type]  # turns of every kind


def workflow(count: int) -> ConcurrentWorkflow:
    """`count` agents, the first three by their names in the documents."""
    agents = [
        Agent(
            name=NAMES[number] if number < len(NAMES) else f"Analyst-{number:03}",
            model=model(number),
            tools=[quotes, filings] if number % 6 == 0 else (),
        )
        for number in range(count)
    ]
    return ConcurrentWorkflow(agents, name="market-analysis-workflow", show_dashboard=True, on_error="collect")


class Terminal:
    """A terminal of its own in place of standard output."""

    def __init__(self, columns: int, lines: int) -> None:
        self._ours, theirs = pty.openpty()
        self.file = os.fdopen(theirs, "w", encoding="utf-8")
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        """Take another size. The emulated one is cleared: unlike a real one it does not break its rows anew."""
        fcntl.ioctl(self.file.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if (columns, lines) != (self._screen.columns, self._screen.lines):
            self._screen.resize(lines, columns)
            self._screen.reset()

    def look(self) -> str:
        """What stands there."""
        os.set_blocking(self._ours, False)
        with suppress(BlockingIOError):
            while piece := os.read(self._ours, 65536):
                self._stream.feed(piece)
        return "\n".join(row.rstrip() for row in self._screen.display).rstrip() + "\n"


@contextmanager
def terminal(screen: Screen) -> Iterator[Terminal]:
    """Standard output leads to an emulated terminal."""
    made, before = Terminal(screen.columns, screen.lines), sys.stdout
    sys.stdout = made.file
    try:
        yield made
    finally:
        sys.stdout = before


async def seen(screen: Screen) -> str:
    """The screen at its moment."""
    with terminal(screen) as shown:
        run = asyncio.create_task(workflow(screen.agents).arun("Analyze Tesla"))
        for _ in range(int(screen.after / 0.1)):
            await asyncio.sleep(0.1)
            shown.look()
        if screen.resized:
            shown.resize(*screen.resized)
            await asyncio.sleep(1)
        text = shown.look()
        run.cancel()
        await asyncio.wait([run])
    return text


def main() -> None:
    """Write the screens."""
    os.environ["TERM"] = "xterm-256color"
    ASSETS.mkdir(parents=True, exist_ok=True)
    for screen in SCREENS:
        target = ASSETS / screen.name
        target.write_text(asyncio.run(seen(screen)), encoding="utf-8")
        print(target.name)


if __name__ == "__main__":
    main()

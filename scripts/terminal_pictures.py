"""Draws one agent's answer on terminals of several sizes, at moments of a real run, as SVG pictures.

    python scripts/terminal_pictures.py                  # writes docs/assets/terminal-*.svg
    python scripts/terminal_pictures.py --png FOLDER     # also rendered by a browser, and FOLDER/sheet.png
    python scripts/terminal_pictures.py --png FOLDER --beside PEERS    # the sheet also has the pictures of PEERS

PEERS contains pictures of other programs that show the same answer: `peer-NAME-answer-80x24.png`, and so on.
The agents run in virtual time with the offline model, on a pseudo-terminal: the same pictures every time.
"""

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import pty
import struct
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from drawn_terminal import Film, contact_sheet, keep

from headwater import Agent, tool
from headwater.backends.jitter import seed
from headwater.events import Event, ToolFinished, ToolStarted
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.look import Look
from headwater.testing import Call, Fail, OfflineModel, Think, Wait, run_virtual

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"

ANSWER = """\
# Streaming in Python

There are **three** ways to read a stream, and each has its place:

1. *Iterate* it with `async for`
2. Give a **callback**
3. Wait for the whole

## A small example

```python
import asyncio
from headwater import Agent


async def main() -> None:
    agent = Agent(model="gpt-5.4", instructions="Be brief.")
    async for chunk in agent.run_stream("Explain tides"):
        print(chunk.content, end="", flush=True)  # as it comes


asyncio.run(main())
```

| way | latency | good for |
|---|---:|---|
| iterate | lowest | user interfaces |
| callback | lowest | logging, `metrics` |
| wait | highest | batch jobs |

> Note: a table is hard to stream, because its columns are known only at the end.

- First item with `inline code` and a [link](https://example.com)
- Second item, which is rather longer than the first one, so that it has to wrap on a narrow terminal of eighty columns
  - a nested item

Finally, some words: that is *it*.
"""


@tool
async def weather(city: str) -> str:
    """The weather."""
    await asyncio.sleep(1.5)
    return "4 °C, rain, wind from the west"


@tool
async def flights(to: str) -> Any:
    """Flights."""
    for number in range(1, 4):
        await asyncio.sleep(0.9)
        yield f"asked {number} of 3 airlines"


@tool
async def hotels(city: str) -> str:
    """Hotels."""
    await asyncio.sleep(1.0)
    raise ConnectionError(
        "the booking service is closed from 23:00 to 05:00; when it last answered, 12 rooms were left"
    )


def answer() -> Agent[Any, Any]:
    """A long answer in Markdown."""
    return agent([Wait(0.4), ANSWER])


def tools() -> Agent[Any, Any]:
    """Three tools at once, one of which fails, and their results."""
    calls = [Call("weather", {"city": "Bergen"}), Call("flights", {"to": "Bergen"}), Call("hotels", {"city": "Bergen"})]
    said = "It is **cold and wet** in Bergen: 4 °C.\n\n- Take a *coat*\n- Book the hotel in the morning"
    return agent(
        [Wait(0.4), "Let me look that up for you.", *calls], [Wait(0.4), said], tools=[weather, flights, hotels]
    )


def thinking() -> Agent[Any, Any]:
    """A model that reasons for a long time."""
    return agent(
        [Think("Well. "), *([Wait(1.0), Think("And then. ")] * 20), "Because the moon **pulls**, twice a day."]
    )


def healed() -> Agent[Any, Any]:
    """A stream that is cut, and restarted."""
    said = "## Tides\n\nThe tide is the rise and fall of the sea.\n\nIt comes from"
    cut = [Wait(0.4), said, Wait(0.5), Fail(ConnectionResetError("reset by peer"))]
    whole = "## Tides\n\nThe tide is the **rise and fall** of the sea, by the pull of the moon and the sun."
    return agent(cut, [whole], on_interrupted="restart")


def failed() -> Agent[Any, Any]:
    """A stream that is cut and not restarted."""
    said = "The tide is the rise and fall of the sea. It comes from"
    return agent([Wait(0.4), said, Wait(0.5), Fail(ConnectionResetError("reset by peer"))], retries=0)


def waiting() -> Agent[Any, Any]:
    """A provider that asks for a pause."""
    return agent([Fail(429, retry_after=8.0)], ["There."], retries=2)


def agent(*turns: Any, **options: Any) -> Agent[Any, Any]:
    """An agent that says this."""
    model = OfflineModel([list(turn) for turn in turns], rate=60, model="gpt-5.4")
    return Agent(name="Writer", model=model, **options)


@dataclass(frozen=True)
class Shot:
    """The run, the terminal, and the moment to show, in seconds; None is its end."""

    scene: Callable[[], Agent[Any, Any]]
    columns: int = 80
    lines: int = 24
    after: float | None = None
    kept: bool = False
    """Whether it is part of the documentation."""
    plain: bool = False
    """Without colors, in ASCII."""

    @property
    def name(self) -> str:
        """The file's name, without its suffix."""
        when = "" if self.after is None else f"-{self.after:g}s"
        return f"terminal-{self.scene.__name__}-{self.columns}x{self.lines}{when}{'-plain' * self.plain}"


SHOTS = (
    Shot(answer, 80, 24),
    Shot(answer, 120, 40),
    Shot(answer, 80, 50, kept=True),
    Shot(answer, 200, 60),
    Shot(answer, 40, 12),
    Shot(answer, 40, 50),
    Shot(answer, 80, 24, after=2.0),
    Shot(answer, 80, 24, after=3.2),
    Shot(answer, 80, 40, plain=True),
    Shot(tools, 80, 24, after=1.4, kept=True),
    Shot(tools, 80, 24, kept=True),
    Shot(tools, 40, 24),
    Shot(tools, 120, 40),
    Shot(thinking, 80, 12, after=12.5),
    Shot(thinking, 80, 12),
    Shot(waiting, 80, 12, after=3.0),
    Shot(healed, 80, 16),
    Shot(failed, 80, 16),
)


SHEET = ((80, 24), (120, 40), (40, 12), (200, 60))
"""The sizes at which an answer is compared with other programs."""


def film(shot: Shot) -> Film:
    """The content of the screen at the shot's moment."""
    os.environ.pop("NO_COLOR", None)
    if shot.plain:
        os.environ["NO_COLOR"] = "1"
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", shot.lines, shot.columns, 0, 0))
    os.set_blocking(ours, False)
    output = b""

    def read() -> bytes:
        read = b""
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                read += piece
        return read

    with os.fdopen(theirs, "w", encoding="ascii" if shot.plain else "utf-8") as file:
        one = shot.scene()
        show = LinePrinter(one.name, file=file, look=Look())
        begun: dict[str, float] = {}

        async def main() -> None:
            nonlocal output
            loop = asyncio.get_running_loop()
            stream = one.run_stream("Go.")
            stream.claim().watch(lambda event: show(at(event, loop.time(), begun)))
            running = asyncio.ensure_future(stream.result())
            while not running.done() and (shot.after is None or loop.time() < shot.after):
                await asyncio.sleep(0.05)
                output += read()
            if shot.after is not None:
                stream.cancel()
            with contextlib.suppress(Exception):
                await running

        seed(0)  # the wait before the next attempt
        run_virtual(main())
        show.close()
        output += read() if shot.after is None else b""
    os.close(ours)
    shown = Film(shot.columns, shot.lines)
    shown.feed(0, output)
    return shown


def at(event: Event, time: float, begun: dict[str, float]) -> Event:
    """The event at another time; `begun` are the times at which tools started, by their calls."""
    if isinstance(event, ToolStarted):
        begun[event.call] = time
    if isinstance(event, ToolFinished):
        event = msgspec.structs.replace(event, duration=time - begun[event.call])
    return msgspec.structs.replace(event, time=time)


def sheet(folder: Path, beside: Path | None) -> None:
    """Puts the answer on terminals of four sizes next to the pictures of other programs."""
    found = {path.stem: path for path in sorted(beside.glob("peer-*.png"))} if beside is not None else {}
    peers = sorted({stem.split("-")[1] for stem in found})
    rows: list[list[tuple[str, Path | None]]] = []
    for columns, lines in SHEET:
        size = f"{columns}x{lines}"
        row: list[tuple[str, Path | None]] = [(f"headwater, {size}", folder / f"terminal-answer-{size}-dark.png")]
        row += [(f"{peer}, {size}", found.get(f"peer-{peer}-answer-{size}")) for peer in peers]
        rows.append(row)
    contact_sheet(rows, folder / "sheet.png")
    print("sheet.png", file=sys.stderr)


def main() -> None:
    """Draws the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--png", type=Path, metavar="FOLDER", help="photograph all of them, and put them on a sheet")
    parser.add_argument("--beside", type=Path, metavar="PEERS", help="what peers show, for the sheet")
    asked = parser.parse_args()
    logging.getLogger("headwater").addHandler(logging.NullHandler())  # these failures are intended
    os.environ["TERM"] = "xterm-256color"
    keep(SHOTS, film, ASSETS, title="One agent on a terminal", folder=asked.png)
    if asked.png is not None:
        sheet(asked.png, asked.beside)


if __name__ == "__main__":
    main()

"""A run on an emulated terminal in virtual time: the screen at every tenth of a second.

frames = played(agent, columns=80, lines=24)
assert frames.at(2.0) == [...]
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from headwater import Agent
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.look import Look
from tests.support.virtual import run_virtual
from tests.terminal import crowds

__all__ = ("Frames", "played")

SECONDS_A_FRAME = 0.1


class Frames:
    """The screens of a run, by their time in seconds, and the final one."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.screens: list[list[str]] = []
        self.left: list[str] = []
        """All rows at the end, including those that scrolled off the top."""
        self.styles: dict[str, str] = {}
        """The colors and attributes of each word on the last screen."""
        self.raw = ""
        self.error: BaseException | None = None
        self.response: Any = None

    def at(self, seconds: float) -> list[str]:
        """Returns the screen at that time."""
        shown = [screen for time, screen in zip(self.times, self.screens, strict=True) if time <= seconds + 0.001]
        return shown[-1]

    def stillest(self) -> float:
        """The longest time without a change on the screen during the run, in seconds."""
        longest, since = 0.0, self.times[0]
        for time, screen, before in zip(self.times[1:], self.screens[1:], self.screens, strict=False):
            if screen != before:
                since = time
            longest = max(longest, time - since)
        return longest


def played(
    agent: Agent[Any, Any],
    *,
    columns: int = 80,
    lines: int = 24,
    look: Look | None = None,
    encoding: str = "utf-8",
    during: Callable[[Any, Any, float], None] | None = None,
    cancel_after: float | None = None,
) -> Frames:
    """The frames of a run of `agent`. `during(file, watched, seconds)` is called with every frame."""
    frames = Frames()
    with crowds.terminal(columns, lines, encoding=encoding) as (file, watched):
        printer = LinePrinter(agent.name, loops=agent.max_loops, file=file, look=look if look is not None else Look())

        async def film() -> None:
            begun = asyncio.get_running_loop().time()
            while True:
                seconds = asyncio.get_running_loop().time() - begun
                if during is not None:
                    during(file, watched, seconds)
                frames.times.append(seconds)
                frames.screens.append(watched.look())
                await asyncio.sleep(SECONDS_A_FRAME)

        async def main() -> None:
            stream = agent.run_stream("Go.")
            stream.claim().watch(printer)
            camera = asyncio.create_task(film())
            if cancel_after is not None:
                asyncio.get_running_loop().call_later(cancel_after, stream.cancel)
            try:
                frames.response = await stream.result()
            except Exception as error:
                frames.error = error
            finally:
                camera.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await camera
                printer.close()

        run_virtual(main())
        shown = watched.look()
        frames.left = [*watched.scrolled, *shown]
        frames.raw = watched.raw
        for row in range(watched.screen.lines):
            _gather(watched.screen.buffer[row], columns, frames.styles)
    return frames


def _gather(row: Any, columns: int, styles: dict[str, str]) -> None:
    """Records the style of each word's first character in a row."""
    word, style = "", ""
    for at in range(columns + 1):
        cell = row[at] if at < columns else None
        if cell is None or not cell.data.strip():
            if word:
                styles.setdefault(word, style)
            word = ""
            continue
        if not word:
            looks = [name for name in ("bold", "italics", "underscore", "strikethrough") if getattr(cell, name)]
            style = " ".join([*looks, *([cell.fg] if cell.fg != "default" else [])])
        word += cell.data

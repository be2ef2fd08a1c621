"""The cost of a terminal: one answer in Markdown at 100 tokens a second, drawn on a pseudo-terminal, short and long.

CPU time of the thread that draws, as a share of one core; the answer's tokens arrive by a virtual clock, so that a
long one takes no longer than drawing it.

    python -m benchmarks.terminal [--quick]
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from benchmarks.lab import Lab, Table, median
from headwater.events import (
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
)
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.look import Look
from headwater.testing import run_virtual

__all__ = ("measure",)

TOKENS_A_SECOND = 100
LENGTHS = (500, 2_000, 8_000, 32_000)
ROUNDS = 3

PROSE = """\
## Tides, part {n}

The tide is the **rise and fall** of the sea, by the pull of the *moon* and the sun, and by the turning of the earth
beneath them. A harbour's own times are in its `almanac`, which says when high water is and how high it will be.

- The moon pulls most, for it is near
- The sun adds to it at new moon and at full moon, and takes from it between

```python
def height(hours: float) -> float:
    return mean + range_ / 2 * cos(2 * pi * hours / 12.42)  # in meters
```

| port | high water | height |
|---|---:|---:|
| Brest | 06:12 | 6.9 m |
| Camaret | 06:05 | 6.7 m |

"""
PARAGRAPH = "The tide rises and falls by the pull of the moon and the sun, and each harbour has its own times of it. "


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """By length, for an answer in Markdown and for one that is a single paragraph, which is the worst case."""
    lengths, rounds = ((50,), 1) if quick else (LENGTHS, ROUNDS)
    rows = []
    for length in lengths:
        shares = [
            median(_share(text, length, look) for _ in range(rounds))
            for text, look in ((PROSE, Look()), (PARAGRAPH, Look()), (PROSE, Look(markdown=False)))
        ]
        rows.append((f"{length:,}", *(f"{share:.1%}" for share in shares)))
    title = f"A terminal: headwater draws an answer at {TOKENS_A_SECOND} tokens a second"
    columns = ("tokens", "Markdown", "one paragraph", "unrendered")
    return [Table("terminal", title, columns, rows)]


def _share(text: str, tokens: int, look: Look) -> float:
    """The share of one core needed to show that many tokens of the text."""
    with _terminal() as file:
        shown = _spent(text, tokens, LinePrinter("bench", file=file, look=look))
        return max(shown - _spent(text, tokens, None), 0.0) / (tokens / TOKENS_A_SECOND)


def _spent(text: str, tokens: int, printer: LinePrinter | None) -> float:
    """Seconds of CPU."""

    async def main() -> float:
        begun = time.thread_time()
        for event in _events(text, tokens):
            if printer is not None:
                printer(event)
            if event.__class__ is TextDelta:
                await asyncio.sleep(1 / TOKENS_A_SECOND)
        return time.thread_time() - begun

    return run_virtual(main())[0]


def _events(text: str, tokens: int) -> Iterator[Event]:
    yield RunStarted(run="r", agent_name="bench")
    yield StepStarted(run="r", step=1)
    yield TextStarted(run="r", step=1, part=0)
    pieces = _pieces(text)
    for _ in range(tokens):
        yield TextDelta(run="r", step=1, part=0, text=next(pieces))
    yield TextEnded(run="r", step=1, part=0)
    yield StepFinished(run="r", step=1, finish_reason="stop")
    yield RunFinished(run="r", finish_reason="stop")


def _pieces(text: str) -> Iterator[str]:
    """The text repeatedly, four characters at a time, like a model's tokens."""
    number = 0
    while True:
        number += 1
        told = text.replace("{n}", str(number))
        yield from (told[at : at + 4] for at in range(0, len(told), 4))


@contextmanager
def _terminal() -> Iterator[TextIO]:
    """A terminal of 80 columns and 24 lines, read by a separate thread."""
    import fcntl
    import pty
    import struct
    import termios

    os.environ.setdefault("TERM", "xterm-256color")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read() -> None:
        try:
            while os.read(ours, 65536):
                pass
        except OSError:  # how Linux says that the other side is closed
            pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as file:
        yield file
    reader.join(10)
    os.close(ours)


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("terminal")

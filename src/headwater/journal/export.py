"""A run of the journal as the lines of a file: what `save=` writes, and `RunFile` reads.

Owns how a stored log becomes such lines; who writes them is the caller's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from headwater.events.codec import decode
from headwater.events.saved import first_line, line
from headwater.journal.run_log import RunLog
from headwater.version import __version__

__all__ = ("export",)


async def export(log: RunLog, run: str) -> AsyncGenerator[bytes, None]:
    """The run's log, JSON lines, as far as it is stored now; each piece ends with a line end. Raises UnknownRun.

    Write them to a file that ends with .jsonl; `RunFile` reads it, `headwater runs play` plays it. A log that was
    trimmed has the numbers that are left.
    """
    after = -1
    page = await log.read(run, after)
    yield first_line(by=f"headwater {__version__}", saved=await log.now())
    while page.spans:
        yield b"".join(
            line(decode(text)) if number == 0 else text + b"\n" for number, text in page.lines()
        )  # only the first event may have left its stamps out
        after = page.after
        if after >= page.end - 1:
            break
        page = await log.read(run, after)

"""Packs and deletes the runs of a journal that are due, in every process that drives its runs.

Owns how often that is done, and how much at once. The store decides which runs are due (`RunLog.pack`,
`RunLog.expire`), and any number of processes may do it at the same time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from headwater.backends.jitter import jitter
from headwater.errors import HeadwaterError, JournalUnavailable
from headwater.journal.run_log import RunLog

__all__ = ("keep_tidy", "tidy")

TIDY_SECONDS: Final = 600.0
"""Between two rounds: runs are packed an hour after their end, and kept for days. The first round is that much later
than the start, so a shorter-lived process does none."""

AT_ONCE: Final = 20
"""Runs in one statement, so that appends do not wait long."""

_logger = logging.getLogger("headwater.journal")


async def tidy(log: RunLog) -> tuple[int, int]:
    """Packs and deletes all runs that are due. Returns how many were packed and deleted. Raises JournalUnavailable."""
    packed = gone = 0
    while some := await log.pack(limit=AT_ONCE):
        packed += some
    while some := await log.expire(limit=AT_ONCE):
        gone += some
    return packed, gone


async def keep_tidy(open: Callable[[], Awaitable[RunLog]]) -> None:
    """Runs such rounds forever. If the store does not answer, the next round does the work."""
    while True:
        await asyncio.sleep(TIDY_SECONDS * (1.0 + jitter() / 2))  # spread out processes that started together
        try:
            await tidy(await open())
        except JournalUnavailable:
            pass  # the heartbeat reports it
        except HeadwaterError as error:
            _logger.error("The journal cannot be tidied: %s", error.message)

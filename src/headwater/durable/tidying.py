"""Packing and deleting what is due in a journal, by every process that drives runs of it.

Owns how often that is done, and how much at once. What is due is the store's to say (`RunLog.pack`, `RunLog.expire`),
and any number of processes may do it at the same time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from headwater.errors import HeadwaterError, JournalUnavailable
from headwater.journal.run_log import RunLog

__all__ = ("keep_tidy", "tidy")

TIDY_SECONDS: Final = 600.0
"""Between two rounds: runs are packed an hour after their end, and kept for days. Before the first one as much time
passes, so a process that lives for less does nothing of it."""

AT_ONCE: Final = 20
"""Runs in one statement, so that nobody who appends waits for long."""

_logger = logging.getLogger("headwater.journal")


async def tidy(log: RunLog) -> tuple[int, int]:
    """Pack and delete all that is due. Returns how many runs were packed, and deleted. Raises JournalUnavailable."""
    packed = gone = 0
    while some := await log.pack(limit=AT_ONCE):
        packed += some
    while some := await log.expire(limit=AT_ONCE):
        gone += some
    return packed, gone


async def keep_tidy(open: Callable[[], Awaitable[RunLog]]) -> None:
    """Tidy up now and then, for ever. Where the store does not answer, the next round does it."""
    while True:
        await asyncio.sleep(TIDY_SECONDS * random.uniform(1.0, 1.5))  # processes that began together spread out
        try:
            await tidy(await open())
        except JournalUnavailable:
            pass  # who beats says so
        except HeadwaterError as error:
            _logger.error("The journal cannot be tidied: %s", error.message)

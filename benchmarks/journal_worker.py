"""A worker for the benchmarks: drives the runs of the agents below until it is stopped.

    python -m benchmarks.journal_worker JOURNAL MACHINE ENGINE

Unless MACHINE is empty, it is a worker of another machine, as far as the other workers can know; unless ENGINE is, that
delivers the runs and not the journal's own queue. It prints a line when it has started, and ends with its input.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import Any

from headwater import Agent
from headwater.durable import home
from headwater.durable.worker import work
from headwater.testing import ScriptedModel, Wait

__all__ = ("agents",)

WORDS = "High water is at five in the afternoon, and low water six hours later. "
PAUSE = 60.0


def agents(journal: str) -> dict[str, Agent[Any, Any]]:
    """`short` answers at once, `slow` stops in the middle of its answer."""
    return {
        "short": Agent(name="short", model=ScriptedModel(lambda request: WORDS), journal=journal),
        "slow": Agent(name="slow", model=ScriptedModel(lambda request: [WORDS, Wait(PAUSE), WORDS]), journal=journal),
    }


def _is_ours(record: logging.LogRecord) -> bool:
    """Not of Temporal's client, which warns that its test server is an old one."""
    return "sdk_core" not in record.name


async def _work(journal: str, engine: str | None) -> None:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()

    def ended() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=ended, daemon=True).start()
    await work(
        journal,
        [*agents(journal).values()],
        engine=engine,
        grace=0.0,
        stopping=stopping,
        hurry=asyncio.Event(),
        started=lambda worker: print(worker, flush=True),
    )


if __name__ == "__main__":
    _, journal, machine, engine = sys.argv
    logging.getLogger("headwater.journal").addFilter(_is_ours)
    if machine:
        home._boot = lambda: machine
    asyncio.run(_work(journal, engine or None))

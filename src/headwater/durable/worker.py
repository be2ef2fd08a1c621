"""A worker: this process drives the runs that an engine delivers, until it is told to stop.

Owns the order of starting and stopping. Stopping cancels no run: the active ones have a grace period to end in, the
rest is abandoned and submitted again, for another worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from headwater.durable.drive import Drivable
from headwater.durable.home import home_of
from headwater.errors import JournalUnavailable
from headwater.journal.addresses import shown
from headwater.journal.engines.engine import Engine
from headwater.journal.engines.opening import open_engine
from headwater.journal.run_log import RunLog
from headwater.version import __version__

__all__ = ("work",)

_logger = logging.getLogger("headwater.journal")

_UNKNOWN: Final = (
    "%s was delivered by %s, and the journal %s does not have it: it was deleted, or this journal is a restored"
    " copy of the one that has it."
)


async def work(
    url: str,
    members: Sequence[Drivable],
    *,
    engine: str | None = None,
    queues: Sequence[str] = ("default",),
    concurrency: int = 100,
    grace: float,
    stopping: asyncio.Event,
    hurry: asyncio.Event,
    started: Callable[[str], None],
) -> int:
    """Drives runs until `stopping` is set, and then for at most `grace` seconds, or until `hurry` is set.

    `engine` is the address of what delivers them; None means the journal's own queue.
    `started` is called with the worker's id. Returns how many runs were passed on. While the journal does not answer,
    none are: others find them once this worker has no heartbeat. Raises ConfigurationError,
    JournalMismatch, and JournalUnavailable if the journal or the engine does not answer at the start.
    """
    home = home_of(url)
    for member in members:
        home.members.add(member)
    home.use_engine(engine)
    station = home.station
    log = await station.log()
    about = {
        "version": __version__,
        "agents": ", ".join(member.name for member in members),
        "queues": ", ".join(queues),
        "concurrency": str(concurrency),
    }
    station.about = msgspec.structs.replace(station.about, about=about)
    queue = open_engine(url, engine, now=station.now)

    def unknown(run: str) -> None:
        _logger.warning(_UNKNOWN, run, shown(url if engine is None else engine), shown(url))

    serving = asyncio.ensure_future(station.serve(queue, queues=queues, concurrency=concurrency, unknown=unknown))
    told = asyncio.ensure_future(stopping.wait())
    try:
        started(station.worker)
        await asyncio.wait([serving, told], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        await _drained(queue, grace, hurry)
        await serving
        await station.writer.settle()
        station.claims = False  # it sends no more heartbeats
        try:
            return await _passed_on(log, queue, station.worker)
        except JournalUnavailable as error:
            _logger.warning("Active runs continue elsewhere, once this worker has no heartbeat: %s", error.message)
            return 0
    finally:
        told.cancel()
        serving.cancel()
        await asyncio.wait([told, serving])
        await queue.close()


async def _passed_on(log: RunLog, queue: Engine, worker: str) -> int:
    """Submits what the worker has not ended, for others. Returns how many runs. Raises JournalUnavailable."""
    left = await log.runs(states=("running",), owner=worker, limit=1000)
    await log.forget(worker)
    for run in left:
        await queue.submit(run.run, queue=run.request.queue, agent=run.request.agent, priority=run.request.priority)
    return len(left)


async def _drained(queue: Engine, grace: float, hurry: asyncio.Event) -> None:
    draining, hurried = asyncio.ensure_future(queue.drain(grace)), asyncio.ensure_future(hurry.wait())
    await asyncio.wait([draining, hurried], return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        await queue.drain(0.0)
    hurried.cancel()
    await draining

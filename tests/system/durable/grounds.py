"""Where the runs of the kill suite live: a store, and the engine that delivers runs to the processes that drive them.

Owns the databases and how an engine is made for one process. A new store or engine is one more entry of `GROUNDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headwater.journal.engines.executor import Executor
from headwater.journal.engines.in_process import InProcess
from headwater.journal.opening import upgrade
from tests.support.postgres import running_postgres
from tests.support.temporal import running_temporal

__all__ = ("GROUNDS", "Delivery", "Ground", "delivering")


LEASE: Final = 1.0
"""Seconds after which Temporal counts a killed process as dead: a tenth of what it is for workers."""


@dataclass(frozen=True)
class Ground:
    """A store and an engine. `url` makes a new store, in a folder of its own where it is a file; `engine` that which
    delivers a run of the store, of which one process at a time has one."""

    name: str
    url: Callable[[Path], str]
    engine: Callable[[str, str], Executor]

    def made(self, folder: Path) -> str:
        """A new store that is set up."""
        url = self.url(folder)
        asyncio.run(upgrade(url))
        self.engine(url, "")  # imported here, once, and not in each process
        return url


def _file(folder: Path) -> str:
    return f"sqlite:///{folder}/runs.db"


def _database(_: Path) -> str:
    return running_postgres().database()


def _in_process(_: str, __: str) -> Executor:
    return InProcess()


def _procrastinate(url: str, _: str) -> Executor:
    from headwater.journal.engines.procrastinate import Procrastinate

    return Procrastinate(url)


def _temporal(url: str, run: str) -> Executor:
    from headwater.journal.engines.temporal import Temporal

    # A namespace for each run: a killed process leaves tasks in the server, which all later ones would be given first.
    namespace = f"{url.rpartition('/')[2]}-{run}"
    return Temporal(f"{running_temporal()}/{namespace}", journal=url, lease=LEASE)


GROUNDS: Final = {
    "sqlite": Ground("SQLite", _file, _in_process),
    "postgresql": Ground("PostgreSQL", _database, _in_process),
    "procrastinate": Ground("PostgreSQL, procrastinate", _database, _procrastinate),
    "temporal": Ground("PostgreSQL, Temporal", _database, _temporal),
}


class Delivery:
    """Passes a run through the engine of this process, as a worker of it has it delivered."""

    def __init__(self, engine: Executor) -> None:
        self._engine = engine
        self._outcome: asyncio.Future[None] | None = None
        self.drive: Callable[[str], Awaitable[object]]

    async def _driven(self, run: str) -> None:
        outcome = self._outcome
        try:
            await self.drive(run)
        except BaseException as error:
            if outcome is not None and not outcome.done():
                outcome.set_exception(error)
            raise
        if outcome is not None and not outcome.done():
            outcome.set_result(None)

    async def deliver(self, run: str) -> None:
        """Submit the run, and wait until the engine has had it driven once. Raises what driving it raised."""
        self._outcome = asyncio.get_running_loop().create_future()
        await self._engine.submit(run)
        await self._outcome


@contextlib.asynccontextmanager
async def delivering(engine: Executor) -> AsyncIterator[Delivery]:
    """Serve the engine in this process."""
    delivery = Delivery(engine)
    serving = asyncio.ensure_future(engine.serve(delivery._driven))
    try:
        yield delivery
    finally:
        await engine.drain(10.0)
        await serving
        close = getattr(engine, "close", None)
        if close is not None:
            await close()

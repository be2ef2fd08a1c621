"""What happens to workers and their database, row by row: each on 200 runs and two workers.

    python -m tests.system.durable.faults                    # every row; prints the table
    python -m tests.system.durable.faults --runs 40 "kill -9" "disk full"
    python -m tests.system.durable.faults --on temporal      # with a Temporal server, to which things happen too

Real processes, started by the documented command. `soak` has what must be true afterwards: the rules of logs; the end,
the messages and the transcript as undisturbed; each finished tool ran once; every reader was given exactly what is in
the log; a fenced worker has stored nothing; no job, worker's name or active connection is left.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from headwater.journal.engines.engine import temporal_address
from headwater.journal.opening import upgrade
from tests.journal.postgres.databases import name_of, through_pgbouncer
from tests.support import programs
from tests.support.postgres import Postgres, running_postgres
from tests.support.proxy import Proxy
from tests.support.temporal import TemporalServer, running_temporal
from tests.system.durable.soak import Figures, Soak, Worker

__all__ = ("ENGINES", "ROWS", "WITH_TEMPORAL", "Row", "Setting", "carried_out")

PAST_THE_LEASE: Final = 12.0
"""Seconds; a worker counts as dead after 10 without a heartbeat."""


@dataclass(frozen=True)
class Setting:
    """Where a row is carried out: its folder, how many runs it has, and the engine that delivers them; None: the
    journal's own queue."""

    folder: Path
    runs: int
    engine: str | None

    def soak(self, url: str, *, times: int = 1, **options: Any) -> Soak:
        """The runs, so many times as many, in the journal with that URL."""
        return Soak(url, self.folder, runs=times * self.runs, engine=self.engine, **options)

    def worker(self, url: str, **more: str) -> Worker:
        """A worker."""
        return Worker(url, self.folder, self.engine, **more)

    def pair(self, url: str, *more: dict[str, str]) -> list[Worker]:
        """Two workers, the environment of each with what is said."""
        return [self.worker(url, **one) for one in more or ({}, {})]


Row: TypeAlias = Callable[[Setting], Awaitable[Figures]]


async def fresh(postgres: Postgres | None = None) -> str:
    """A new journal with a queue."""
    url = (postgres or running_postgres()).database()
    await upgrade(url)
    return url


async def kills(soak: Soak) -> int:
    """One of the two is killed every few seconds, and another is started, while the other one drives runs."""
    dice, many = random.Random(1), 0
    while soak.busy:
        await asyncio.sleep(1.0 + 2.0 * dice.random())
        if soak.busy:
            # Not in turn: a run would always be taken over by the one that is killed next, and soon be a crash loop.
            at = dice.randrange(2)
            soak.workers[at] = soak.workers[at].replaced()
            await soak.workers[at].ready()
            many += 1
    return many


async def stops(soak: Soak) -> int:
    """One of the two is stopped past its lease, and goes on."""
    many = 0
    while soak.busy and many < 4:
        await asyncio.sleep(3.0)
        worker = soak.workers[many % 2]
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(PAST_THE_LEASE)
        worker.signal(signal.SIGCONT)
        many += 1
    return many


async def restarts(soak: Soak) -> int:
    """Each in turn is stopped by SIGTERM, and another is started."""
    many = 0
    while soak.busy:
        await asyncio.sleep(1.0)
        await soak.replace(many % len(soak.workers))
        many += 1
    return many


async def stand_still(proxy: Proxy, soak: Soak) -> int:
    """Nothing passes through the proxy, past the lease, twice."""
    many = 0
    while soak.busy and many < 2:
        await asyncio.sleep(3.0)
        proxy.stalled = True
        await asyncio.sleep(PAST_THE_LEASE)
        proxy.stalled = False
        many += 1
    return many


async def nothing(_: Soak) -> int:
    """Nothing happens."""
    return 0


async def killed(here: Setting) -> Figures:
    """Two workers, one of which is killed every few seconds."""
    soak = here.soak(await fresh())
    soak.workers = here.pair(soak.url)
    return await soak.carry_out(kills)


async def stopped(here: Setting) -> Figures:
    """SIGSTOP past the lease, then SIGCONT."""
    soak = here.soak(await fresh())
    soak.workers = here.pair(soak.url)
    return await soak.carry_out(stops)


async def acknowledgements(here: Setting) -> Figures:
    """One in a hundred answers of the database is lost, and the connection with it."""
    soak, dice = here.soak(await fresh()), random.Random(2)
    async with Proxy(running_postgres().port) as proxy:
        soak.workers = here.pair(running_postgres().url(name_of(soak.url), proxy.port))

        async def lose(soak: Soak) -> int:
            proxy.loses = lambda: dice.random() < 0.01
            while soak.busy:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            proxy.loses = lambda: False
            return proxy.lost

        return await soak.carry_out(lose)


async def partition(here: Setting) -> Figures:
    """Nothing passes between one of the two and the database, past its lease, twice."""
    soak = here.soak(await fresh())
    async with Proxy(running_postgres().port) as proxy:
        through = here.worker(running_postgres().url(name_of(soak.url), proxy.port))
        soak.workers = [through, here.worker(soak.url)]
        return await soak.carry_out(partial(stand_still, proxy))


async def database_killed(here: Setting) -> Figures:
    """PostgreSQL is killed and started again."""
    postgres = Postgres(running_postgres().binaries)
    try:
        soak = here.soak(await fresh(postgres))
        soak.workers = here.pair(soak.url)

        async def kill(soak: Soak) -> int:
            many = 0
            while soak.busy and many < 4:
                await asyncio.sleep(4.0)
                await asyncio.to_thread(postgres.kill)
                await asyncio.sleep(1.0)
                await asyncio.to_thread(postgres.start)
                many += 1
            return many

        return await soak.carry_out(kill)
    finally:
        postgres.stop()


async def three_times(here: Setting) -> Figures:
    """Each run is created and submitted three times at once."""
    soak = here.soak(await fresh(), copies=3)
    soak.workers = here.pair(soak.url)
    return await soak.carry_out(nothing)


async def clocks(here: Setting) -> Figures:
    """The clocks of the two are two hours apart, and one of them is killed every few seconds."""
    soak = here.soak(await fresh())
    soak.workers = here.pair(soak.url, {"HEADWATER_TEST_CLOCK": "3600"}, {"HEADWATER_TEST_CLOCK": "-3600"})
    return await soak.carry_out(kills)


async def rolling(here: Setting) -> Figures:
    """Five times as many runs, submitted at 50 a second, while each of three workers is stopped and started in turn."""
    soak = here.soak(await fresh(), times=5, rate=50.0)
    soak.workers = here.pair(soak.url, {}, {}, {})
    return await soak.carry_out(restarts)


async def pooled(here: Setting) -> Figures:
    """Pgbouncer in transaction mode is in between, and no reader gets a hint; one is killed every few seconds."""
    direct = await fresh()
    soak = here.soak(direct, hints=False)
    soak.workers = here.pair(through_pgbouncer(direct))
    return await soak.carry_out(kills)


async def disk_full(here: Setting) -> Figures:
    """The disk of the database is full for some seconds; it is started again where it has stopped."""
    async with small_disk(here.folder, megabytes=160) as disk:
        postgres = Postgres(running_postgres().binaries, disk)
        try:
            soak = here.soak(await fresh(postgres))
            soak.workers = here.pair(soak.url)

            async def fill(soak: Soak) -> int:
                many = 0
                while soak.busy and many < 3:
                    await asyncio.sleep(4.0)
                    await asyncio.to_thread(fill_up, disk / "filler")
                    await asyncio.sleep(5.0)
                    (disk / "filler").unlink()
                    await asyncio.to_thread(postgres.start_if_stopped)
                    many += 1
                return many

            return await soak.carry_out(fill)
        finally:
            postgres.stop()


@contextlib.asynccontextmanager
async def small_disk(folder: Path, *, megabytes: int) -> AsyncIterator[Path]:
    """A tmpfs of that size; mounting it needs root."""
    place = folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "tmpfs", str(place)]
    await asyncio.to_thread(subprocess.run, mount, check=True)
    try:
        yield place
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(place)], check=True)


def fill_up(path: Path) -> None:
    """Write until there is no room left."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size) == size:
                        pass
            os.fsync(file.fileno())
            return


async def temporal_killed(here: Setting) -> Figures:
    """Temporal's server is killed, and started again without anything that it had: it keeps all in memory."""
    server = TemporalServer()
    try:
        here = replace(here, engine=server.url)
        soak = here.soak(await fresh())
        soak.workers = here.pair(soak.url)

        async def kill(soak: Soak) -> int:
            many = 0
            while soak.busy and many < 4:
                await asyncio.sleep(4.0)
                await asyncio.to_thread(server.kill)
                await asyncio.sleep(1.0)
                await asyncio.to_thread(server.start)
                many += 1
            return many

        return await soak.carry_out(kill)
    finally:
        server.kill()


async def temporal_away(here: Setting) -> Figures:
    """Nothing passes between one of the two and Temporal, past the lease, twice."""
    assert here.engine is not None
    address = temporal_address(here.engine)
    async with Proxy(int(address.target.rpartition(":")[2])) as proxy:
        soak = here.soak(await fresh())
        through = replace(here, engine=f"temporal://127.0.0.1:{proxy.port}/{address.namespace}")
        soak.workers = [through.worker(soak.url), here.worker(soak.url)]
        return await soak.carry_out(partial(stand_still, proxy))


ROWS: Final[dict[str, Row]] = {
    "kill -9": killed,
    "SIGSTOP past the lease": stopped,
    "1 % of acknowledgements lost": acknowledgements,
    "a partition past the lease": partition,
    "PostgreSQL killed": database_killed,
    "submitted three times at once": three_times,
    "clocks two hours apart": clocks,
    "pgbouncer, no hints": pooled,
    "disk full": disk_full,
    "rolling restart": rolling,
}

WITH_TEMPORAL: Final[dict[str, Row]] = {
    **ROWS,
    "Temporal killed": temporal_killed,
    "Temporal away past the lease": temporal_away,
}

ENGINES: Final = {"procrastinate": ROWS, "temporal": WITH_TEMPORAL}
"""What happens where that engine delivers the runs."""

_namespaces = itertools.count()


def carried_out(name: str, runs: int, on: str = "procrastinate") -> Figures:
    """One row, in a folder of its own, and with Temporal in a namespace of its own: all rows name their runs alike."""
    engine = f"{running_temporal()}/faults-{os.getpid()}-{next(_namespaces)}" if on == "temporal" else None
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # PostgreSQL is another user
        return asyncio.run(_carry_out(ENGINES[on][name], Setting(Path(folder), runs, engine)))


async def _carry_out(row: Row, here: Setting) -> Figures:
    figures = await row(here)
    left = [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}]
    figures.failures += [f"left behind: {left}"] if left else []
    return figures


def main(arguments: Sequence[str]) -> int:
    """Carry out the rows that are named, or all; print the table."""
    parser = argparse.ArgumentParser(description="Do to workers and their database what happens to them.")
    parser.add_argument("--runs", type=int, default=200, help="how many runs a row has (default: 200)")
    parser.add_argument("--on", choices=ENGINES, default="procrastinate", help="the engine (default: %(default)s)")
    parser.add_argument("names", nargs="*", help="the rows; all, unless given")
    asked = parser.parse_args(arguments)
    begun, failures = time.monotonic(), list[str]()
    atexit.register(programs.close)
    print(f"{'what happens':<34}{'runs':>6}{'events':>8}{'times':>7}{'resumed':>9}{'failed':>8}{'seconds':>9}")
    for name in asked.names or ENGINES[asked.on]:
        row = carried_out(name, asked.runs, asked.on)
        figures = (
            f"{row.runs:>6}{row.events:>8}{row.faults:>7}{row.resumed:>9}{len(row.failures):>8}{row.seconds:>9.0f}"
        )
        print(f"{name:<34}{figures}", flush=True)
        failures += [f"{name}: {one}" for one in row.failures]
    for failure in failures[:40]:
        print(failure)
    print(f"{len(failures)} failures, {time.monotonic() - begun:.0f} s")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

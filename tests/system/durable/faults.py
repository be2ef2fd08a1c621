"""What happens to workers and their database, row by row: each on 200 runs and two workers.

    python -m tests.system.durable.faults                    # every row; prints the table
    python -m tests.system.durable.faults --runs 40 "kill -9" "disk full"

Real processes, started by the documented command. `soak` has what must be true afterwards: the rules of logs; the end,
the messages and the transcript as undisturbed; each finished tool ran once; every reader was given exactly what is in
the log; a fenced worker has stored nothing; no job, worker's name or active connection is left.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from headwater.journal.opening import upgrade
from tests.journal.postgres.databases import name_of, through_pgbouncer
from tests.support import programs
from tests.support.postgres import Postgres, running_postgres
from tests.support.proxy import Proxy
from tests.system.durable.soak import Figures, Soak, Worker

__all__ = ("ROWS", "Row", "carried_out")

PAST_THE_LEASE: Final = 12.0
"""Seconds; a worker counts as dead after 10 without a heartbeat."""

Row: TypeAlias = Callable[[Path, int], Awaitable[Figures]]


async def fresh(postgres: Postgres | None = None) -> str:
    """A new journal with a queue."""
    url = (postgres or running_postgres()).database()
    await upgrade(url)
    return url


def pair(url: str, folder: Path, *more: dict[str, str]) -> list[Worker]:
    """Two workers, the environment of each with what is said."""
    return [Worker(url, folder, **one) for one in more or ({}, {})]


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


async def nothing(_: Soak) -> int:
    """Nothing happens."""
    return 0


async def killed(folder: Path, runs: int) -> Figures:
    """Two workers, one of which is killed every few seconds."""
    soak = Soak(await fresh(), folder, runs=runs)
    soak.workers = pair(soak.url, folder)
    return await soak.carry_out(kills)


async def stopped(folder: Path, runs: int) -> Figures:
    """SIGSTOP past the lease, then SIGCONT."""
    soak = Soak(await fresh(), folder, runs=runs)
    soak.workers = pair(soak.url, folder)
    return await soak.carry_out(stops)


async def acknowledgements(folder: Path, runs: int) -> Figures:
    """One in a hundred answers of the database is lost, and the connection with it."""
    soak, dice = Soak(await fresh(), folder, runs=runs), random.Random(2)
    async with Proxy(running_postgres().port) as proxy:
        soak.workers = pair(running_postgres().url(name_of(soak.url), proxy.port), folder)

        async def lose(soak: Soak) -> int:
            proxy.loses = lambda: dice.random() < 0.01
            while soak.busy:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            proxy.loses = lambda: False
            return proxy.lost

        return await soak.carry_out(lose)


async def partition(folder: Path, runs: int) -> Figures:
    """Nothing passes between one of the two and the database, past its lease, twice."""
    soak = Soak(await fresh(), folder, runs=runs)
    async with Proxy(running_postgres().port) as proxy:
        through = Worker(running_postgres().url(name_of(soak.url), proxy.port), folder)
        soak.workers = [through, Worker(soak.url, folder)]

        async def stand_still(soak: Soak) -> int:
            many = 0
            while soak.busy and many < 2:
                await asyncio.sleep(3.0)
                proxy.stalled = True
                await asyncio.sleep(PAST_THE_LEASE)
                proxy.stalled = False
                many += 1
            return many

        return await soak.carry_out(stand_still)


async def database_killed(folder: Path, runs: int) -> Figures:
    """PostgreSQL is killed and started again."""
    postgres = Postgres(running_postgres().binaries)
    try:
        soak = Soak(await fresh(postgres), folder, runs=runs)
        soak.workers = pair(soak.url, folder)

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


async def three_times(folder: Path, runs: int) -> Figures:
    """Each run is created and submitted three times at once."""
    soak = Soak(await fresh(), folder, runs=runs, copies=3)
    soak.workers = pair(soak.url, folder)
    return await soak.carry_out(nothing)


async def clocks(folder: Path, runs: int) -> Figures:
    """The clocks of the two are two hours apart, and one of them is killed every few seconds."""
    soak = Soak(await fresh(), folder, runs=runs)
    soak.workers = pair(soak.url, folder, {"HEADWATER_TEST_CLOCK": "3600"}, {"HEADWATER_TEST_CLOCK": "-3600"})
    return await soak.carry_out(kills)


async def rolling(folder: Path, runs: int) -> Figures:
    """Five times as many runs, submitted at 50 a second, while each of three workers is stopped and started in turn."""
    soak = Soak(await fresh(), folder, runs=5 * runs, rate=50.0)
    soak.workers = pair(soak.url, folder, {}, {}, {})
    return await soak.carry_out(restarts)


async def pooled(folder: Path, runs: int) -> Figures:
    """Pgbouncer in transaction mode is in between, and no reader gets a hint; one is killed every few seconds."""
    direct = await fresh()
    soak = Soak(direct, folder, runs=runs, hints=False)
    soak.workers = pair(through_pgbouncer(direct), folder)
    return await soak.carry_out(kills)


async def disk_full(folder: Path, runs: int) -> Figures:
    """The disk of the database is full for some seconds; it is started again where it has stopped."""
    async with small_disk(folder, megabytes=160) as disk:
        postgres = Postgres(running_postgres().binaries, disk)
        try:
            soak = Soak(await fresh(postgres), folder, runs=runs)
            soak.workers = pair(soak.url, folder)

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


def carried_out(name: str, runs: int) -> Figures:
    """One row, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # PostgreSQL is another user
        return asyncio.run(_carry_out(ROWS[name], Path(folder), runs))


async def _carry_out(row: Row, folder: Path, runs: int) -> Figures:
    figures = await row(folder, runs)
    left = [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}]
    figures.failures += [f"left behind: {left}"] if left else []
    return figures


def main(arguments: Sequence[str]) -> int:
    """Carry out the rows that are named, or all; print the table."""
    parser = argparse.ArgumentParser(description="Do to workers and their database what happens to them.")
    parser.add_argument("--runs", type=int, default=200, help="how many runs a row has (default: 200)")
    parser.add_argument("names", nargs="*", help="the rows; all, unless given")
    asked = parser.parse_args(arguments)
    begun, failures = time.monotonic(), list[str]()
    atexit.register(programs.close)
    print(f"{'what happens':<34}{'runs':>6}{'events':>8}{'times':>7}{'resumed':>9}{'failed':>8}{'seconds':>9}")
    for name in asked.names or ROWS:
        row = carried_out(name, asked.runs)
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

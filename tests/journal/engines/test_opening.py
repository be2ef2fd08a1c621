"""Engines of many machines: each submitted run reaches a worker, and no wake-up is lost, whichever engine it is."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from headwater.errors import ConfigurationError
from headwater.journal.engines.engine import Engine
from headwater.journal.engines.executor import aside
from headwater.journal.engines.opening import check_engine, open_engine
from headwater.journal.postgres.store import upgrade_postgres
from tests.journal.engines.drives import Drives
from tests.journal.postgres.databases import until
from tests.support.postgres import running_postgres
from tests.support.temporal import running_temporal

_places = itertools.count()


@dataclass
class Ground:
    """An engine without runs. `name` makes an id or a queue that no other test uses: a server is shared."""

    make: Callable[[], Engine]
    at: str

    def name(self, short: str) -> str:
        return f"{short}-{self.at}"

    @contextlib.asynccontextmanager
    async def submitting(self) -> AsyncIterator[Engine]:
        engine = self.make()
        try:
            yield engine
        finally:
            await engine.close()

    @contextlib.asynccontextmanager
    async def serving(self, drives: Any, *, queues: tuple[str, ...] = ("q",), **options: Any) -> AsyncIterator[Engine]:
        engine = self.make()
        task = asyncio.ensure_future(engine.serve(drives, queues=tuple(map(self.name, queues)), **options))
        try:
            yield engine
        finally:
            await engine.drain(0.0)
            await task
            await engine.close()

    async def submit(self, engine: Engine, run: str, *, queue: str = "q", **options: Any) -> None:
        await engine.submit(self.name(run), queue=self.name(queue), **options)

    async def left(self, *runs: str) -> list[str]:
        """Those of the runs that a worker would get now."""
        async with self.submitting() as engine:
            waiting = await engine.waiting([self.name(run) for run in runs])
        return [run for run in runs if self.name(run) in waiting]

    async def none_is_left(self, *runs: str) -> None:
        async def holds() -> bool:
            return not await self.left(*runs)

        await until(holds)


def _procrastinate() -> Callable[[], Engine]:
    url = running_postgres().database()
    asyncio.run(upgrade_postgres(url))
    return lambda: open_engine(url)


def _temporal() -> Callable[[], Engine]:
    url = running_postgres().database()
    return lambda: open_engine(url, running_temporal())


GROUNDS = {"procrastinate": _procrastinate, "temporal": _temporal}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group("postgres")) for name in GROUNDS])
def ground(request: pytest.FixtureRequest) -> Ground:
    return Ground(GROUNDS[request.param](), f"{os.getpid()}-{next(_places)}")


def test_each_run_reaches_one_of_two_workers_and_nothing_is_left(ground: Ground) -> None:
    async def main() -> None:
        one, other = Drives(), Drives()
        runs = [f"run{number}" for number in range(40)]
        async with ground.serving(one), ground.serving(other), ground.submitting() as engine:
            await asyncio.gather(*(ground.submit(engine, run) for run in runs))

            async def all_begun() -> bool:
                return len(one.begun) + len(other.begun) >= len(runs)

            await until(all_begun)
            await ground.none_is_left(*runs)
        assert sorted(one.begun + other.begun) == sorted(runs)

    asyncio.run(main())


def test_a_run_waits_once_and_in_its_queue(ground: Ground) -> None:
    async def main() -> None:
        drives = Drives()
        async with ground.submitting() as engine:
            for run, queue in (("a", "mine"), ("b", "mine"), ("a", "mine"), ("c", "others")):
                await ground.submit(engine, run, queue=queue)
            async with ground.serving(drives, queues=("mine",)):
                await drives.has(2)
                await ground.none_is_left("a", "b")
        assert sorted(drives.begun) == ["a", "b"]

    asyncio.run(main())


def test_a_run_waits_for_its_time_and_goes_at_once_when_it_is_submitted_again(ground: Ground) -> None:
    async def main() -> None:
        drives = Drives()
        async with ground.serving(drives), ground.submitting() as engine:
            await ground.submit(engine, "a", not_before=time.time() + 1000.0)
            await ground.submit(engine, "b", not_before=time.time() + 1000.0)
            await ground.submit(engine, "past", not_before=time.time() - 1.0)
            await ground.submit(engine, "soon", not_before=time.time() + 1.0)
            await drives.has(2)
            assert await ground.left("a", "b") == []
            await ground.submit(engine, "b")
            await drives.has(3)
        assert drives.begun[0] == "past"
        assert sorted(drives.begun) == ["b", "past", "soon"]

    asyncio.run(main())


def test_runs_that_are_submitted_together_wait_once_and_for_the_earlier_time(ground: Ground) -> None:
    async def main() -> None:
        drives, later = Drives(), time.time() + 1000.0
        async with ground.submitting() as engine:
            times = [("a", None), ("b", later), ("b", None), ("c", later), ("c", later), ("a", later), ("a", None)]
            await asyncio.gather(*(ground.submit(engine, run, not_before=at) for run, at in times))
            async with ground.serving(drives):
                await drives.has(2)
                await ground.none_is_left("a", "b")
        assert sorted(drives.begun) == ["a", "b"]

    asyncio.run(main())


def test_a_run_that_is_submitted_while_it_is_driven_is_driven_once_more(ground: Ground) -> None:
    async def main() -> None:
        begun: list[str] = []
        go_on = asyncio.Event()

        async def drive(run: str) -> None:
            begun.append(run)
            await go_on.wait()

        async with ground.serving(drive), ground.submitting() as engine:
            await ground.submit(engine, "a")

            async def so_many(many: int) -> None:
                async def holds() -> bool:
                    return len(begun) >= many

                await until(holds)

            await so_many(1)
            for _ in range(3):
                await ground.submit(engine, "a")
            go_on.set()
            await so_many(2)
            await ground.none_is_left("a")
        assert len(begun) >= 2, "harmless as it is, it may be driven for each"

    asyncio.run(main())


def test_a_worker_takes_no_more_than_it_may_drive_except_for_runs_that_wait_for_others(ground: Ground) -> None:
    async def main() -> None:
        begun: list[str] = []
        go_aside, ended = asyncio.Event(), asyncio.Event()

        async def drive(run: str) -> None:
            begun.append(run.partition("-")[0])
            if begun == ["first"]:
                await go_aside.wait()
                with aside():
                    await ended.wait()
            else:
                ended.set()

        async with ground.serving(drive, concurrency=1) as engine, ground.submitting() as other:
            await ground.submit(other, "first")

            async def first() -> bool:
                return begun == ["first"]

            await until(first)
            await ground.submit(other, "second")
            assert engine.here.busy == 1
            go_aside.set()
            await ended.wait()
        assert begun == ["first", "second"]

    asyncio.run(main())


def test_drain_takes_nothing_more_and_cancels_what_takes_too_long(ground: Ground) -> None:
    async def main() -> None:
        drives, others = Drives(), Drives()
        async with ground.serving(drives) as engine, ground.submitting() as other:
            await ground.submit(other, "long")
            await drives.has(1)
            await engine.drain(0.0)
            await ground.submit(other, "later")
        assert drives.cancelled == ["long"]
        assert drives.begun == ["long"]
        async with ground.serving(others):
            await others.has(1)
        assert others.begun == ["later"]

    asyncio.run(main())


def test_whoever_cancels_serve_leaves_nothing_behind(ground: Ground) -> None:
    async def main() -> None:
        drives = Drives()
        async with ground.submitting() as other:
            engine = ground.make()
            serving = asyncio.ensure_future(engine.serve(drives, queues=[ground.name("q")]))
            await ground.submit(other, "long")
            await drives.has(1)
            serving.cancel()
            await asyncio.wait([serving])
            await engine.close()
        assert serving.cancelled()
        assert drives.cancelled == ["long"]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_a_journal_in_memory_has_no_engine_and_one_in_a_file_no_queue() -> None:
    with pytest.raises(ConfigurationError, match="which cannot read the journal memory:"):
        check_engine("memory:", "temporal://h")
    for url, way_out in (
        ("sqlite:///runs.db", "name an engine, temporal:"),
        ("memory:", "name a journal in postgresql:"),
    ):
        with pytest.raises(ConfigurationError, match=f"has no queue for workers.*For workers {way_out}"):
            check_engine(url)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "temporalio.worker", None)
    with pytest.raises(ConfigurationError, match="needs temporalio") as missing:
        check_engine("sqlite:///runs.db", "temporal://h")
    assert 'pip install "headwater[temporal]"' in str(missing.value)

"""The engine of one process: each run is driven at least once, and no wake-up is lost."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import pytest

from headwater.journal.engines.executor import aside
from headwater.journal.engines.in_process import InProcess
from tests.support.virtual import run_virtual


class Drives:
    """Notes what is driven; each run takes a second."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.at_once = 0

    async def __call__(self, run: str) -> None:
        self.begun.append(run)
        self.at_once = max(self.at_once, len(self.begun) - len(self.ended))
        try:
            await asyncio.sleep(1.0)
        finally:
            self.ended.append(run)
        if run == "broken":
            raise ValueError("no")


def served(
    use: Callable[[InProcess, Drives], Awaitable[None]],
    *,
    concurrency: int = 100,
    queues: tuple[str, ...] = ("default",),
) -> Drives:
    drives = Drives()

    async def main() -> None:
        engine = InProcess(now=asyncio.get_running_loop().time)
        serving = asyncio.ensure_future(engine.serve(drives, queues=queues, concurrency=concurrency))
        await use(engine, drives)
        await engine.drain(60.0)
        await serving

    run_virtual(main())
    return drives


def test_what_is_submitted_is_driven_once_however_often_it_is_submitted_before() -> None:
    async def use(engine: InProcess, drives: Drives) -> None:
        for _ in range(3):
            await engine.submit("a")
        await engine.submit("b")
        await asyncio.sleep(5.0)

    assert sorted(served(use).begun) == ["a", "b"]


def test_what_is_submitted_while_it_is_driven_is_driven_once_more() -> None:
    async def use(engine: InProcess, drives: Drives) -> None:
        await engine.submit("a")
        await asyncio.sleep(0.5)
        assert engine.driven == {"a"}
        await engine.submit("a")
        await engine.submit("a")
        await asyncio.sleep(5.0)

    drives = served(use)
    assert drives.begun == ["a", "a"]
    assert drives.at_once == 1


def test_no_more_are_driven_at_once_than_are_wanted_and_priority_goes_first() -> None:
    async def use(engine: InProcess, drives: Drives) -> None:
        for run, priority in (("a", 0), ("b", 0), ("c", 5)):
            await engine.submit(run, priority=priority)
        await asyncio.sleep(10.0)

    drives = served(use, concurrency=1)
    assert drives.begun == ["c", "a", "b"]
    assert drives.at_once == 1


def test_only_its_queues_are_served() -> None:
    async def use(engine: InProcess, drives: Drives) -> None:
        await engine.submit("a", queue="others")
        await engine.submit("b", queue="mine")
        await asyncio.sleep(5.0)

    assert served(use, queues=("mine",)).begun == ["b"]


def test_a_run_that_is_not_due_yet_waits_and_is_driven_at_once_where_it_is_submitted_again() -> None:
    async def use(engine: InProcess, drives: Drives) -> None:
        await engine.submit("a", not_before=100.0)
        await engine.submit("b", not_before=100.0)
        await asyncio.sleep(10.0)
        assert drives.begun == []
        await engine.submit("b")
        await asyncio.sleep(10.0)
        assert drives.begun == ["b"]
        await asyncio.sleep(90.0)

    assert served(use).begun == ["b", "a"]


def test_one_that_fails_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def use(engine: InProcess, drives: Drives) -> None:
        await engine.submit("broken")
        await engine.submit("a")
        await asyncio.sleep(5.0)
        await engine.submit("b")
        await asyncio.sleep(5.0)

    assert sorted(served(use).begun) == ["a", "b", "broken"]
    assert "broken" in caplog.text


def test_drain_begins_nothing_more_and_cancels_what_takes_too_long() -> None:
    drives = Drives()

    async def main() -> None:
        engine = InProcess()
        serving = asyncio.ensure_future(engine.serve(drives, concurrency=1))
        await engine.submit("a")
        await engine.submit("b")
        await asyncio.sleep(0.1)
        await engine.drain(0.1)
        await serving
        assert drives.ended == ["a"]
        assert drives.begun == ["a"]

    run_virtual(main())


def test_whoever_cancels_serve_leaves_nothing_behind() -> None:
    drives = Drives()

    async def main() -> None:
        engine = InProcess()
        serving = asyncio.ensure_future(engine.serve(drives))
        await engine.submit("a")
        await engine.submit("later", not_before=1e12)
        await asyncio.sleep(0.1)
        serving.cancel()
        await asyncio.wait([serving])
        assert drives.ended == ["a"]
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_who_passes_a_run_through_learns_whether_it_was_driven() -> None:
    async def main() -> None:
        engine, drives = InProcess(), Drives()
        serving = asyncio.ensure_future(engine.serve(drives, concurrency=1))
        twice, waits = [asyncio.ensure_future(engine.through(run)) for run in ("a", "b")]
        await asyncio.sleep(0.5)
        await engine.submit("a")  # once more: it is through after that
        leaves = asyncio.ensure_future(engine.through("a"))
        await asyncio.sleep(0.1)
        leaves.cancel()
        await asyncio.sleep(0.6)
        assert drives.begun == ["a", "b"]
        assert not twice.done()
        await asyncio.sleep(1.2)
        assert drives.begun == ["a", "b", "a"]
        late = asyncio.ensure_future(engine.through("c"))
        await asyncio.sleep(0.1)
        await engine.drain(60.0)
        await serving
        assert [await one for one in (twice, waits, late)] == [True, True, False]
        assert await engine.through("d") is False

    run_virtual(main())


def test_runs_that_wait_for_runs_that_they_submitted_do_not_hold_every_slot() -> None:
    ended: list[str] = []

    async def main() -> None:
        engine, done = InProcess(), dict[str, asyncio.Event]()

        async def drive(run: str) -> None:
            if len(run) < 3:
                done[f"{run}1"] = asyncio.Event()
                await engine.submit(f"{run}1")
                with aside():
                    await done[f"{run}1"].wait()
            ended.append(run)
            if run in done:
                done[run].set()

        serving = asyncio.ensure_future(engine.serve(drive, concurrency=2))
        for run in ("a", "b", "c"):
            await engine.submit(run)
        await asyncio.sleep(5.0)
        await engine.drain(1.0)
        await serving

    run_virtual(main())
    assert sorted(ended) == ["a", "a1", "a11", "b", "b1", "b11", "c", "c1", "c11"]


def test_a_drive_knows_nothing_of_the_code_that_submitted_the_run() -> None:
    seen: list[str] = []
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")

    async def main() -> None:
        engine = InProcess()

        async def drive(run: str) -> None:
            seen.append(variable.get())

        variable.set("something")
        serving = asyncio.ensure_future(engine.serve(drive))
        await engine.submit("a")
        await asyncio.sleep(1.0)
        await engine.drain(1.0)
        await serving

    run_virtual(main())
    assert seen == ["nothing"]

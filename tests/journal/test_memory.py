"""Runs in memory: what they are told apart by, and who hears of what."""

from __future__ import annotations

import asyncio
import threading

import pytest

from headwater.errors import RunEnded, ThreadBusy, UnknownRun
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Batch, Created, Page, Request, Worker

LINES = (b'{"a":1}', b'{"a":2}')


def batch(first: int, *, run: str = "r", by: str = "w#1", state: str | None = None, **more: object) -> Batch:
    return Batch(run=run, first=first, lines=LINES, by=by, state=state, **more)  # type: ignore[arg-type]


def test_one_of_two_drivers_is_refused_and_a_repeated_append_is_the_same() -> None:
    async def main() -> None:
        log = MemoryLog()
        await log.create("r", Request(agent="a"))
        assert await log.append(batch(0)) == 2
        assert await log.append(batch(0)) == 2
        refused = (await log.append_many([batch(0, by="w#2")]))[0]
        assert (getattr(refused, "end", None), getattr(refused, "by", None)) == (2, "w#1")
        assert [line for _, line in (await log.read("r")).lines()] == list(LINES)

    asyncio.run(main())


def test_a_follower_in_another_thread_gets_each_batch() -> None:
    log, pages = MemoryLog(), list[Page]()
    following = threading.Event()

    async def follow() -> None:
        following.set()
        async for page in log.tail("r"):
            pages.append(page)

    async def main() -> None:
        await log.create("r", Request(agent="a"))
        reader = threading.Thread(target=asyncio.run, args=(follow(),))
        reader.start()
        following.wait()
        for first in range(0, 10, 2):
            await log.append(batch(first, state="finished" if first == 8 else None))
        reader.join()

    asyncio.run(main())
    assert [number for page in pages for number, _ in page.lines()] == list(range(10))


def test_times_are_its_clocks() -> None:
    now = 1000.0

    async def main() -> None:
        nonlocal now
        log = MemoryLog(clock=lambda: now)
        assert await log.create("r", Request(agent="a", keep=60.0, not_before=1005.0), key="k") == Created("r", True)
        assert await log.create("s", Request(agent="a"), key="k") == Created("r", False)
        assert await log.beat(Worker(id="w", host="h", boot="b", pid=1)) == now
        now = 1014.9
        assert await log.due() == []
        now = 1015.0
        assert [(one.run, one.why) for one in await log.due()] == [("r", "unclaimed")]
        assert [worker.age for worker in await log.workers()] == [15.0]
        await log.append(batch(0, owner="w"))
        assert [one.why for one in await log.due()] == ["owner"]
        await log.beat(Worker(id="w", host="h", boot="b", pid=1))
        assert await log.due() == []
        await log.append(batch(2, state="waiting", wake_at=1020.0))
        assert await log.due() == []
        await log.post("r", "steer", "s", b"{}")
        assert await log.due() == []
        await log.post("r", "cancel", "c", b"{}")
        assert [one.why for one in await log.due()] == ["wake"]
        await log.append(batch(4, state="finished"))
        with pytest.raises(RunEnded):
            await log.post("r", "steer", "late", b"{}")
        assert await log.pack() == 0
        assert await log.pack(after=0.0) == 1
        assert [number for number, _ in (await log.read("r", 1)).lines()] == [2, 3, 4, 5]
        assert await log.expire() == 0
        now = 1075.0
        assert await log.expire() == 1
        with pytest.raises(UnknownRun):
            await log.info("r")

    asyncio.run(main())


def test_a_thread_takes_one_run_at_a_time() -> None:
    async def main() -> None:
        log = MemoryLog()
        request = Request(agent="a", thread="t")
        await log.create("r", request)
        with pytest.raises(ThreadBusy):
            await log.create("s", request)
        await log.create("s", request, when_busy="queue")
        assert (await log.info("s")).ahead == "r"
        assert [one.run for one in await log.due(dead_after=0.0)] == ["r"]
        await log.append(batch(0, state="finished", said=(b"hello",)))
        assert (await log.info("s")).ahead is None
        assert await log.history("s") == [b"hello"]
        assert await log.history("r") == []
        assert await log.thread("t") == [b"hello"]
        assert await log.delete_thread("t") == 2
        assert await log.runs() == []

    asyncio.run(main())

"""Hints: only those who follow a run are told, large announcements are split, and what is old is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from headwater.journal.postgres.connection import Connection
from headwater.journal.postgres.hints import LARGEST, Hints
from tests.journal.postgres.databases import shared, until

pytestmark = pytest.mark.xdist_group("postgres")


class Process:
    """The hints of one process."""

    def __init__(self) -> None:
        self.woken = 0
        self.news = asyncio.Event()
        self.runs: set[str] = set()
        self.sending = Connection(shared())
        self.hints = Hints(shared(), self.sending, woken=self.wake, followed=lambda: self.runs)
        self.hints.start()

    def wake(self) -> None:
        self.woken += 1
        self.news.set()

    async def close(self) -> None:
        await self.hints.close()
        await self.sending.close()


async def told(process: Process, runs: set[str]) -> None:
    async def holds() -> bool:
        return runs <= process.hints._followers.keys()

    await until(holds)


def test_only_followers_of_the_run_are_notified() -> None:
    async def main() -> None:
        writer, reader, other = Process(), Process(), Process()
        for process in (writer, reader, other):
            await process.hints.heard.wait()
        reader.runs, other.runs = {"r"}, {"s"}
        reader.hints.follow()
        other.hints.follow()
        await told(writer, {"r", "s"})
        reader.news.clear()
        before = other.woken
        writer.hints.appended(["r", "nobody's"])
        await reader.news.wait()
        assert other.woken == before
        for process in (writer, reader, other):
            await process.close()

    asyncio.run(main())


def test_many_runs_are_announced_in_notifications_that_postgresql_takes() -> None:
    async def main() -> None:
        writer, reader = Process(), Process()
        await writer.hints.heard.wait()
        await reader.hints.heard.wait()
        reader.runs = {f"run_{number:04d}_\u00e9{'x' * 30}" for number in range(1000)}
        said = list(reader.hints._said(reader.runs))
        assert len(said) > 5
        assert max(len(payload.encode()) for _, payload in said) < LARGEST + 500
        reader.hints.follow()
        await told(writer, reader.runs)
        await writer.close()
        await reader.close()

    asyncio.run(main())


def test_who_does_not_announce_again_is_forgotten() -> None:
    async def main() -> None:
        process = Process()
        now = asyncio.get_running_loop().time()
        process.hints._followers = {"old": {"a": now - 1}, "both": {"a": now - 1, "b": now + 60}}
        process.hints._forget()
        assert process.hints._followers == {"both": {"b": now + 60}}
        await process.close()

    asyncio.run(main())

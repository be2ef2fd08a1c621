"""Whoever drives runs packs and deletes what is due, now and then."""

from __future__ import annotations

import asyncio
import time

from headwater import Agent
from headwater.durable.tidying import TIDY_SECONDS, keep_tidy, tidy
from headwater.errors import JournalUnavailable
from headwater.journal import Retention
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Batch, Request, RunLog, Worker
from headwater.testing import ScriptedModel
from tests.support.journals import by_role, journal, plain
from tests.support.virtual import run_virtual

__all__ = ("journal",)


async def ended(log: MemoryLog, run: str, keep: float | None = None) -> None:
    await log.create(run, Request(agent="a", keep=keep))
    await log.append(Batch(run=run, first=0, lines=(b"{}",), by="w", state="finished"))


def test_all_that_is_due_is_packed_and_deleted() -> None:
    async def main() -> None:
        now = 1_000_000.0
        log = MemoryLog(clock=lambda: now)
        for number in range(50):
            await ended(log, f"r{number}", 60.0 if number % 2 else None)
        assert await tidy(log) == (0, 0)
        now += 3600.0
        assert await tidy(log) == (50, 25)
        assert await tidy(log) == (0, 0)

    run_virtual(main())


def test_it_is_repeated_also_after_a_failure_of_the_store() -> None:
    async def main() -> None:
        tries: list[float] = []
        loop = asyncio.get_running_loop()
        log = MemoryLog(clock=lambda: 1_000_000.0 + loop.time())
        await ended(log, "r", 60.0)

        async def opened() -> RunLog:
            tries.append(loop.time())
            if len(tries) == 1:
                raise JournalUnavailable("Not now.")
            return log

        task = asyncio.ensure_future(keep_tidy(opened))
        await asyncio.sleep(0.9 * TIDY_SECONDS)
        assert not tries, "a short program does nothing of it"
        await asyncio.sleep(4 * TIDY_SECONDS)
        assert len(tries) >= 2
        assert await log.runs() == []
        task.cancel()

    run_virtual(main())


def test_a_worker_without_a_heartbeat_for_a_day_is_removed() -> None:
    async def main() -> None:
        now = 1_000_000.0
        log = MemoryLog(clock=lambda: now)
        await log.beat(Worker(id="old", host="h", boot="b", pid=1))
        now += 86_000.0
        await log.beat(Worker(id="new", host="h", boot="b", pid=1))
        await log.expire()
        assert {*log._workers} == {"old", "new"}
        now += 1000.0
        await log.expire()
        assert {*log._workers} == {"new"}

    run_virtual(main())


def test_the_agent_sets_how_long_its_runs_are_kept(journal: str) -> None:
    rules = Retention("30d", labels={"audit": None}, deltas=False)
    agent = plain(journal, keep=rules)
    asked = [agent.start("Hi"), agent.start("Hi", labels={"audit": "2026"}), agent.start("Hi", keep="1d")]
    kept = [ref.info().request for ref in asked]
    assert [(request.keep, request.deltas) for request in kept] == [
        (30 * 86_400.0, False),
        (None, False),
        (86_400.0, True),
    ]
    for ref in asked:
        assert ref.result_sync() == "Hello there."
    expires, ends = asked[0].info().expires_at, asked[0].info().ended_at
    assert expires is not None
    assert ends is not None
    assert round(expires - ends) == 30 * 86_400
    assert abs(ends - time.time()) < 3600


def test_a_run_that_is_read_is_kept_as_long(journal: str) -> None:
    agent = Agent(name="plain", model=ScriptedModel(lambda request: "So."), journal=journal, keep="12h")
    stream = agent.run_stream("Hi")
    assert stream.result_sync() == "So."
    ref = Agent(name="other", model=by_role(user="Hello."), journal=journal).start("Hi")
    assert ref.info().request.keep is None
    from headwater.durable.run_ref import RunRef

    assert RunRef(ref._home, stream._begun().id).info().request.keep == 12 * 3600.0

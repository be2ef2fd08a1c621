"""A worker: it drives what is submitted, and stopping it cancels no run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from headwater import AgentStream
from headwater.durable import drive as drives
from headwater.durable import home as homes
from headwater.durable.home import home_of
from headwater.durable.run_ref import RunRef, attached
from headwater.durable.start import started
from headwater.durable.worker import work
from headwater.errors import ConfigurationError
from headwater.events import RunCancelled, RunFailed
from headwater.events.messages import Message
from headwater.journal.engines.opening import open_engine
from headwater.journal.engines.procrastinate import Procrastinate
from headwater.journal.postgres.store import upgrade_postgres
from tests.journal.postgres.databases import execute, name_of, until
from tests.support.crew import sleeper, talker
from tests.support.places import stored, submitted
from tests.support.postgres import running_postgres
from tests.support.proxy import Proxy
from tests.support.temporal import running_temporal

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
def url() -> str:
    """A new journal in PostgreSQL."""
    url = running_postgres().database()
    asyncio.run(upgrade_postgres(url))
    return url


@pytest.fixture(params=["the journal", "temporal"])
def engine(request: pytest.FixtureRequest) -> str | None:
    """What delivers runs to the worker; None: the journal's own queue."""
    return running_temporal() if request.param == "temporal" else None


class Working:
    """A worker on the running loop."""

    def __init__(self, url: str, *, grace: float = 10.0, **options: Any) -> None:
        self.stopping, self.hurry, ready = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.ready = ready
        self.task = asyncio.ensure_future(
            work(
                url,
                [sleeper],
                grace=grace,
                stopping=self.stopping,
                hurry=self.hurry,
                started=lambda _: ready.set(),
                **options,
            )
        )


async def submit(url: str, task: str, **options: Any) -> RunRef[Any]:
    made: Any = started(sleeper, url, [Message.user(task)], options={}, **options)
    ref: RunRef[Any] = await made
    return ref


async def runs(url: str, ref: RunRef[Any]) -> None:
    """Wait until its tool runs."""
    log = await home_of(url).log()

    async def holds() -> bool:
        return any(event.type == "tool.started" for event in await stored(log, ref.id))

    await until(holds)


def test_it_drives_what_is_submitted_and_is_listed(url: str, engine: str | None) -> None:
    async def main() -> None:
        worker = Working(url, engine=engine, queues=("night",), concurrency=7)
        await worker.ready.wait()
        ref = await submit(url, "0", queue="night")
        assert (await ref.result()).text == "Rested."
        (me,) = await (await home_of(url).log()).workers()
        assert (me.about["queues"], me.about["concurrency"], me.about["agents"]) == ("night", "7", "sleeper")
        worker.stopping.set()
        assert await worker.task == 0
        assert await (await home_of(url).log()).workers() == []

    asyncio.run(main())


def test_runs_of_agents_that_it_does_not_know_stay_in_the_queue(url: str) -> None:
    async def main() -> None:
        log = await home_of(url).log()
        queue = Procrastinate(url)
        await submitted(log, talker, "r", task="2")
        await queue.submit("r", priority=1)

        async def gone() -> bool:
            return not await queue.waiting(["deleted"])

        ignorant = Working(url)
        await ignorant.ready.wait()
        assert (await (await submit(url, "0")).result()).text == "Rested."  # behind the other one in the queue
        assert await queue.waiting(["r"]) == {"r"}
        home_of(url).members.add(talker)  # from now on it knows it
        assert (await attached("r", url).result()).text == "word0 word1 "
        await queue.submit("deleted")  # a run that the journal does not have any more is no one's
        await until(gone)
        ignorant.stopping.set()
        await ignorant.task
        await queue.close()

    asyncio.run(main())


def test_a_run_that_the_journal_does_not_have_is_over_with_one_warning(
    url: str, engine: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        worker, queue = Working(url, engine=engine), open_engine(url, engine)
        await worker.ready.wait()
        await queue.submit(f"deleted-{name_of(url)}", agent="sleeper")

        async def told() -> bool:
            return "does not have it" in caplog.text

        await until(told)
        assert (await (await submit(url, "0")).result()).text == "Rested."  # the worker goes on
        assert await queue.waiting([f"deleted-{name_of(url)}"]) == set()  # and nobody tries it again
        worker.stopping.set()
        await worker.task
        await queue.close()

    asyncio.run(main())
    (said,) = [one for one in caplog.records if one.name == "headwater.journal" and "deleted-" in one.getMessage()]
    for name in (engine or url, url):
        assert name in said.getMessage()
    assert said.exc_info is None


def test_two_journals_in_one_namespace_get_their_own_runs(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = f"sqlite:///{tmp_path}/runs.db"

    async def main() -> None:
        workers = [Working(journal, engine=running_temporal()) for journal in (url, other)]
        for worker in workers:
            await worker.ready.wait()
        refs = [await submit(journal, "0") for journal in (url, other) for _ in range(8)]
        for ref in refs:
            assert (await ref.result()).text == "Rested."
        for worker in workers:
            worker.stopping.set()
            assert await worker.task == 0
        homes._homes.pop(other).stop()

    asyncio.run(main())
    assert "does not have it" not in caplog.text


def test_stopping_waits_for_active_runs(url: str, engine: str | None) -> None:
    async def main() -> None:
        worker = Working(url, engine=engine)
        await worker.ready.wait()
        ref = await submit(url, "0.3")
        await runs(url, ref)
        worker.stopping.set()
        assert await worker.task == 0
        assert (await (await home_of(url).log()).info(ref.id)).state == "finished"

    asyncio.run(main())


@pytest.mark.parametrize("how", ["grace", "hurry"])
def test_what_takes_too_long_is_passed_on_and_not_cancelled(url: str, how: str) -> None:
    async def main() -> None:
        worker = Working(url, grace=0.0 if how == "grace" else 1000.0)
        await worker.ready.wait()
        ref = await submit(url, "1000")
        await runs(url, ref)
        worker.stopping.set()
        if how == "hurry":
            await asyncio.sleep(0)
            worker.hurry.set()
        assert await worker.task == 1
        log = await home_of(url).log()
        assert (await log.info(ref.id)).state == "running"
        assert not any(isinstance(event, RunCancelled | RunFailed) for event in await stored(log, ref.id))
        waiting = "select queueing_lock from headwater_queue.procrastinate_jobs"
        assert await execute(url, waiting) == [(ref.id,)]

    asyncio.run(main())


def test_it_stops_while_the_journal_does_not_answer(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drives, "LAST_SECONDS", 0.1)

    async def main() -> None:
        async with Proxy(running_postgres().port) as proxy:
            through = running_postgres().url(name_of(url), proxy.port)
            worker = Working(through, grace=0.0)
            await worker.ready.wait()
            ref = await submit(url, "1000")
            await runs(url, ref)
            proxy.loses = lambda: True
            worker.stopping.set()
            assert await worker.task == 0
            proxy.loses = lambda: False
            homes._homes.pop(through).stop()
        log = await home_of(url).log()
        assert (await log.info(ref.id)).state == "running"

    asyncio.run(main())
    assert "Active runs continue elsewhere" in caplog.text


@pytest.mark.parametrize("down", ["stalled", "cut"])
def test_a_reader_leaves_while_the_journal_does_not_answer(url: str, down: str) -> None:
    """Here, where PostgreSQL is: nothing that leaving waits for would come, so that it returns at all says enough."""

    def fail(proxy: Proxy) -> None:
        if down == "stalled":
            proxy.stalled = True
        else:
            proxy.loses = lambda: True

    async def main() -> None:
        async with Proxy(running_postgres().port) as proxy:
            through = running_postgres().url(name_of(url), proxy.port)
            worker = Working(url)
            await worker.ready.wait()
            ref = await submit(url, "1000")
            async with attached(ref.id, through) as breaks:
                async for event in breaks.events():
                    if event.type == "tool.started":
                        break
                fail(proxy)
            reading = asyncio.ensure_future(_read(attached(ref.id, through)))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            proxy.stalled, proxy.loses = False, lambda: False
            homes._homes.pop(through).stop()
            await cast("Any", ref).cancel()
            worker.stopping.set()
            await worker.task

    asyncio.run(main())


async def _read(stream: AgentStream[Any, Any]) -> None:
    async for _ in stream:
        pass


def test_what_a_worker_passes_on_is_driven_by_the_next_one_whatever_delivers_it(url: str, engine: str | None) -> None:
    async def main() -> None:
        first = Working(url, engine=engine, grace=0.0)
        await first.ready.wait()
        ref = await submit(url, "3")
        await runs(url, ref)
        first.stopping.set()
        assert await first.task == 1
        next_one = Working(url, engine=engine)
        await next_one.ready.wait()
        assert (await ref.result()).text == "Rested."
        next_one.stopping.set()
        assert await next_one.task == 0

    asyncio.run(main())


def test_runs_of_one_journal_go_to_one_engine(url: str) -> None:
    home_of(url).use_engine()
    home_of(url).use_engine()
    with pytest.raises(ConfigurationError, match="submitted to another engine in this process already"):
        home_of(url).use_engine("temporal://h")

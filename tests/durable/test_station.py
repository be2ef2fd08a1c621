"""One event loop's end of a journal: opened once, closed before the loop ends, let go of where nobody hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headwater.durable.station import Station
from headwater.errors import JournalUnavailable, RunLost
from headwater.events.questions import Question
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import RunLog, Standing, Worker
from tests.support.places import stored, submitted
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import one_asked


def station(open: Callable[[], Awaitable[RunLog]], *members: Any, worker: str = "w") -> Station:
    return Station(
        open,
        about=Worker(id=worker, host="h", boot="b", pid=1),
        members={member.name: member for member in members},
        submit=lambda info: None,
    )


class Counted(MemoryLog):
    closed = beats = 0

    async def close(self) -> None:
        self.closed += 1

    async def beat(self, worker: Worker) -> float:
        self.beats += 1
        await asyncio.sleep(0)
        return await super().beat(worker)

    async def forget(self, worker: str) -> None:
        await asyncio.sleep(0)
        await super().forget(worker)


def test_of_runs_that_begin_at_once_one_sends_the_heartbeat() -> None:
    log = Counted()

    async def opening() -> RunLog:
        return log

    async def main() -> None:
        here = station(opening)
        await asyncio.gather(here.claim(log), here.claim(log))

    asyncio.run(main())
    assert log.beats == 1


def test_a_former_worker_may_be_forgotten_twice_at_once() -> None:
    log = Counted()

    async def opening() -> RunLog:
        return log

    async def main() -> None:
        here = station(opening)
        await here.claim(log)
        here.abandon()
        await asyncio.gather(here.forget_former(log), here.forget_former(log))  # by its loop and the journal's thread
        assert not here.former

    asyncio.run(main())


def test_the_store_is_opened_once_and_closed_with_the_loop() -> None:
    log, opened = Counted(), list[int]()

    async def opening() -> RunLog:
        opened.append(1)
        await asyncio.sleep(0)
        return log

    async def main() -> None:
        here = station(opening)
        assert {id(one) for one in await asyncio.gather(here.log(), here.log())} == {id(log)}

    asyncio.run(main())
    assert (len(opened), log.closed) == (1, 1)


def test_the_stores_of_two_journals_on_one_loop_are_closed_with_it() -> None:
    logs = [Counted(), Counted()]

    async def first() -> RunLog:
        return logs[0]

    async def second() -> RunLog:
        return logs[1]

    async def main() -> None:
        for opening, worker in ((first, "w1"), (second, "w2")):
            await station(opening, worker=worker).log()

    asyncio.run(main())
    assert [log.closed for log in logs] == [1, 1]


def test_one_that_could_not_be_opened_is_tried_again() -> None:
    log, tries = MemoryLog(), list[int]()

    async def opening() -> RunLog:
        tries.append(1)
        if len(tries) == 1:
            raise JournalUnavailable("Not yet.")
        return log

    async def main() -> None:
        here = station(opening)
        with pytest.raises(JournalUnavailable):
            await here.log()
        assert await here.log() is log

    asyncio.run(main())


def test_submitted_runs_are_driven_and_abandoned_ones_are_unchanged() -> None:
    async def main() -> None:
        log = MemoryLog()

        async def opening() -> RunLog:
            return log

        async def slow(question: Question) -> bool:  # a function without async would run in a thread, in real time
            await asyncio.sleep(60.0)
            return True

        one = one_asked()
        one.approver = slow
        await submitted(log, one)
        here = station(opening, one)
        here.submit("run_1")
        await asyncio.sleep(5.0)
        driving = [here.driving]
        here.abandon()
        await asyncio.sleep(1.0)
        driving.append(here.driving)
        assert driving == [True, False]
        assert (await stored(log))[-1].type == "run.waiting"
        info = await log.info("run_1")
        assert (info.state, info.owner) == ("running", "w")
        assert here.worker != info.owner  # whoever is alive does not own it
        await here.claim(log)
        await here.forget_former(log)
        assert [one.run for one in await log.due()] == ["run_1"]
        here.submit("run_1")
        await asyncio.sleep(61.0)
        assert (await log.info("run_1")).state == "finished"
        here.abandon()
        await here.close()
        assert await log.workers() == []

    run_virtual(main())


class Hiccup(MemoryLog):
    """A store that fails once when it is asked for a run."""

    asked = 0

    async def standing(self, run: str) -> Standing:
        self.asked += 1
        if self.asked == 1:
            raise JournalUnavailable("Not now.")
        return await super().standing(run)


def test_a_run_whose_drive_failed_is_driven_again(caplog: pytest.LogCaptureFixture) -> None:
    """The process is alive, so nobody else would find a run that it owns."""

    async def approve(question: Question) -> bool:  # on the loop: a thread would take time that is not virtual
        return True

    async def main() -> None:
        log = Hiccup()

        async def opening() -> RunLog:
            return log

        one = one_asked()
        one.approver = approve
        await submitted(log, one)
        here = station(opening, one)
        here.submit("run_1")
        await asyncio.sleep(4.0)
        assert ((await log.info("run_1")).state, here.engaged) == ("queued", False)
        await asyncio.sleep(4.0)
        assert (await log.info("run_1")).state == "finished"
        await here.close()

    run_virtual(main())
    assert "Driving run_1 failed; it is tried again in 5 s." in caplog.text


def test_a_run_that_is_read_is_released_with_an_error() -> None:
    async def main() -> None:
        log = MemoryLog()

        async def opening() -> RunLog:
            return log

        async def begin(log: RunLog) -> None:
            await submitted(log, one_asked(), run.id)

        here = station(opening)
        run = one_asked().run_stream("go").claim()
        here.record(run, first=0, begin=begin)
        assert here.writing_of(run.id) is not None
        assert here.writing_of("another") is None
        while events := await run.pull():
            for event in events:
                run.append(event)
                if event.type == "run.waiting":
                    asyncio.get_running_loop().call_soon(here.abandon)
        assert isinstance(run.error, RunLost)
        await here.close()

    run_virtual(main())

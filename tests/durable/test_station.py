"""One event loop's end of a journal: opened once, closed before the loop ends, let go of where nobody hears it."""

from __future__ import annotations

import asyncio

import pytest

from headwater.durable.station import Station
from headwater.errors import JournalUnavailable, RunLost
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import RunLog
from tests.support.places import stored, submitted
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import one_asked


class Counted(MemoryLog):
    closed = 0

    async def close(self) -> None:
        self.closed += 1


def test_the_store_is_opened_once_and_closed_with_the_loop() -> None:
    log, opened = Counted(), list[int]()

    async def opening() -> RunLog:
        opened.append(1)
        await asyncio.sleep(0)
        return log

    async def main() -> None:
        station = Station(opening, worker="w", members={})
        assert {id(one) for one in await asyncio.gather(station.log(), station.log())} == {id(log)}

    asyncio.run(main())
    assert (len(opened), log.closed) == (1, 1)


def test_one_that_could_not_be_opened_is_tried_again() -> None:
    log, tries = MemoryLog(), list[int]()

    async def opening() -> RunLog:
        tries.append(1)
        if len(tries) == 1:
            raise JournalUnavailable("Not yet.")
        return log

    async def main() -> None:
        station = Station(opening, worker="w", members={})
        with pytest.raises(JournalUnavailable):
            await station.log()
        assert await station.log() is log

    asyncio.run(main())


def test_what_is_submitted_is_driven_and_what_is_abandoned_is_left_as_it_stands() -> None:
    async def main() -> None:
        log = MemoryLog()

        async def opening() -> RunLog:
            return log

        one = one_asked()
        one.approver = lambda question: asyncio.sleep(60.0)
        await submitted(log, one)
        station = Station(opening, worker="w", members={one.name: one})
        await station.submit("run_1")
        await asyncio.sleep(5.0)
        driving = [station.driving]
        station.abandon()
        await asyncio.sleep(1.0)
        driving.append(station.driving)
        assert driving == [True, False]
        assert (await stored(log))[-1].type == "run.waiting"
        assert (await log.info("run_1")).state == "running"
        await station.close()

    run_virtual(main())


def test_a_run_that_is_read_is_let_go_with_an_error() -> None:
    async def main() -> None:
        log = MemoryLog()

        async def opening() -> RunLog:
            return log

        async def begin(log: RunLog) -> None:
            await submitted(log, one_asked(), run.id)

        station = Station(opening, worker="w", members={})
        run = one_asked().run_stream("go").claim()
        station.record(run, first=0, begin=begin)
        assert station.writing_of(run.id) is not None
        assert station.writing_of("another") is None
        while events := await run.pull():
            for event in events:
                run.append(event)
                if event.type == "run.waiting":
                    asyncio.get_running_loop().call_soon(station.abandon)
        assert isinstance(run.error, RunLost)
        await station.close()

    run_virtual(main())

"""`durable.turns`: of the runs that were driven in vain one goes on at a time, and ends no other one."""

from __future__ import annotations

import asyncio
from typing import Any

from headwater import Agent
from headwater.durable.drive import FRUITLESS, MAX_FRUITLESS, drive, fruitless
from headwater.durable.turns import LONGEST, Turns
from headwater.events import StepFinished
from headwater.journal.memory import MemoryLog
from headwater.testing import ScriptedModel, Wait, check_log, run_virtual
from tests.support.places import Place, stored, submitted

RUNS = ("run_1", "run_2", "run_3")


def test_turns_follow_one_another() -> None:
    async def main() -> None:
        turns = Turns()
        first, second = await turns.next(), asyncio.ensure_future(turns.next())
        await asyncio.sleep(LONGEST / 2)
        assert not second.done()
        first.see(StepFinished(step=1))
        first.end()  # changes nothing
        third = asyncio.ensure_future(turns.next())
        (await second).end()
        await third
        began = asyncio.get_running_loop().time()
        await turns.next()
        assert asyncio.get_running_loop().time() - began == LONGEST

    run_virtual(main())


def test_a_run_that_is_not_driven_leaves_its_turn() -> None:
    async def main() -> None:
        turns = Turns()
        first, waits = await turns.next(), asyncio.ensure_future(turns.next())
        await asyncio.sleep(0)
        waits.cancel()
        await asyncio.wait([waits])
        first.end()
        (await turns.next()).end()

    run_virtual(main())


def test_a_run_that_ends_each_process_does_not_make_the_others_fail() -> None:
    async def main() -> None:
        log = MemoryLog()

        def agent(dies: asyncio.Event) -> Any:
            def answer(request: Any) -> Any:
                if request.messages[0].text == "die":
                    dies.set()
                return [Wait(1.0), "whole"]

            return Agent(name="a", model=ScriptedModel(answer))

        for run in RUNS:
            await submitted(log, agent(asyncio.Event()), run, task="die" if run == "run_2" else "go")
        for number in range(MAX_FRUITLESS):
            dies = asyncio.Event()
            place = Place(log, agent(dies), worker=f"w{number}")
            process = [asyncio.ensure_future(drive(place, run)) for run in RUNS]
            await dies.wait()
            for one in process:
                one.cancel()
            await asyncio.wait(process)
        assert fruitless(await stored(log, "run_2")) == MAX_FRUITLESS
        place = Place(log, agent(asyncio.Event()), worker="last")
        await asyncio.gather(*(drive(place, run) for run in RUNS))
        for run in RUNS:
            check_log(await stored(log, run))
        states = [(await log.info(run)).state for run in RUNS]
        assert states == ["finished", "failed", "finished"]
        assert fruitless((await stored(log, "run_3"))[:-1]) <= FRUITLESS + 1

    run_virtual(main())

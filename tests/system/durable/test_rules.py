"""What holds when another process continues a run: its waiting, its cost, and what is not judged again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow, Timeouts
from headwater.durable.drive import drive
from headwater.durable.inbox import answer_body, asked_in
from headwater.events import ApprovalAnswered, StepFinished, ToolFinished, UsageReported
from headwater.events.questions import Answer
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import answer
from headwater.testing import Call, Wait, check_log
from tests.support.places import Place, stored, submitted
from tests.support.streams import always
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import asks


async def allow_all(log: MemoryLog) -> None:
    for question in asked_in(await stored(log)):
        await answer(log, "run_1", question, answer_body(Answer(by="ann"), "approval"))


def test_a_run_wakes_at_the_earliest_time_of_the_questions_below_it() -> None:
    now = 1_000_000.0

    def flow() -> Any:
        members = [
            asks([Call("charge", {"cents": 1})], ["Done."], name=name, timeouts=Timeouts(answer=seconds))
            for name, seconds in (("late", 7200.0), ("soon", 3600.0))
        ]
        return ConcurrentWorkflow(members, name="flow")

    async def main() -> None:
        nonlocal now
        log = MemoryLog(clock=lambda: now)
        await submitted(log, flow())
        await drive(Place(log, flow()), "run_1")
        info = await log.info("run_1")
        assert info.state == "waiting"
        assert info.wake_at == pytest.approx(now + 3600.0, abs=5.0)
        now += 3700.0
        await drive(Place(log, flow()), "run_1")
        lapsed = [event for event in await stored(log) if isinstance(event, ApprovalAnswered)]
        assert [event.by for event in lapsed] == ["timeout"]
        info = await log.info("run_1")
        assert info.state == "waiting"
        assert info.wake_at == pytest.approx(now + 3500.0, abs=10.0)
        now += 3600.0
        await drive(Place(log, flow()), "run_1")
        assert (await log.info("run_1")).state == "finished"
        check_log(await stored(log))

    run_virtual(main())


def test_a_cut_answer_costs_what_was_generated_and_is_requested_again() -> None:
    async def main() -> None:
        log = MemoryLog()

        def slow() -> Any:
            return Agent(model=always("half of it ", Wait(60.0), "and the rest"))

        await submitted(log, slow())
        dying = asyncio.ensure_future(drive(Place(log, slow(), worker="dying"), "run_1"))
        await asyncio.sleep(5.0)
        dying.cancel()
        await asyncio.wait([dying])
        run = await drive(Place(log, slow(), worker="next"), "run_1")
        assert run is not None
        events = await stored(log)
        check_log(events)
        cut, whole = [event.usage for event in events if isinstance(event, UsageReported)]
        assert cut.output_tokens
        response = run.response()
        assert response.usage_origin == "estimated"
        assert response.usage is not None
        assert response.usage.output_tokens == cut.output_tokens + (whole.output_tokens or 0)

    run_virtual(main())


def test_changed_limits_do_not_apply_to_the_past() -> None:
    def agent(max_steps: int) -> Any:
        steps = ([Call("add", {"a": 1, "b": 2})], [Call("charge", {"cents": 5})], ["It is done."])
        return asks(*steps, max_steps=max_steps)

    async def main() -> None:
        log = MemoryLog()
        await submitted(log, agent(5))
        await drive(Place(log, agent(5)), "run_1")
        await allow_all(log)
        await drive(Place(log, agent(1)), "run_1")
        events = await stored(log)
        check_log(events)
        assert sum(isinstance(event, StepFinished) for event in events) == 2, "no step more, and none taken back"
        assert sum(isinstance(event, ToolFinished) for event in events) == 2, "what was allowed is carried out"
        assert events[-1].error.type == "MaxStepsReached"  # type: ignore[attr-defined]

    run_virtual(main())

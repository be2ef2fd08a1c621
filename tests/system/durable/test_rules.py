"""The fourteen rules of durable runs: those that no other test names, and where the tests of the others are."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import psycopg
import pytest

from headwater import Agent, ConcurrentWorkflow, Timeouts
from headwater.durable.drive import MAX_FRUITLESS, drive
from headwater.durable.inbox import answer_body, asked_in, steer_body
from headwater.errors import AlreadyAnswered
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    MessageAdded,
    StepFinished,
    ToolFinished,
    ToolStarted,
    UsageReported,
)
from headwater.events.messages import Message
from headwater.events.questions import Answer
from headwater.journal.memory import MemoryLog
from headwater.journal.opening import open_journal
from headwater.journal.run_log import answer
from headwater.testing import Call, Wait, check_log
from tests.support.paths import ROOT
from tests.support.places import Place, stored, submitted
from tests.support.postgres import running_postgres
from tests.support.streams import always
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import asks, one_asked, two_asked

RULES: Final = {
    "1. an open question is not asked again, and its time is the store's": (
        "durable/test_drive.py::test_a_question_is_asked_once_however_often_the_run_is_driven",
        "durable/test_drive.py::test_a_question_lapses_by_the_stores_clock_in_whichever_process",
    ),
    "2. the inbox is read whole": (
        "journal/postgres/test_store.py::test_letters_that_commit_out_of_order_are_all_received",
        "system/durable/test_rules.py::test_an_answer_that_commits_after_a_later_one_is_heard",
    ),
    "3. everything goes through the inbox, and the first answer stands": (
        "durable/test_recording.py::test_a_local_answer_goes_through_the_inbox",
        "system/durable/test_rules.py::test_of_two_answers_at_once_the_first_stands_and_the_other_learns_whose_it_is",
    ),
    "4. steering wakes no run": (
        "system/durable/test_rules.py::test_a_message_wakes_no_run_and_is_heard_before_the_next_request",
    ),
    "5. drives that end by waiting are no crash loop": (
        "system/durable/test_rules.py::test_a_run_that_only_waits_is_no_crash_loop",
    ),
    "6. the process lets go when the outermost run only waits": (
        "durable/test_drive.py::test_a_waiting_run_is_released_and_continues_with_the_answer",
        "system/durable/test_rules.py::test_a_run_wakes_at_the_earliest_time_of_the_questions_below_it",
    ),
    "7. a run's clocks stand still while it waits": (
        "durable/test_drive.py::test_the_runs_timeout_pauses_while_it_waits",
    ),
    "8. a cut attempt's cost is estimated": (
        "system/durable/test_rules.py::test_a_cut_answer_costs_what_was_generated_and_is_requested_again",
    ),
    "9. what has happened is not judged again": (
        "system/durable/test_rules.py::test_changed_limits_do_not_apply_to_the_past",
    ),
    "10. what was asked stays asked, and calls of tools that are gone are answered with an error": (
        "system/durable/test_rules.py::test_a_call_that_was_allowed_and_whose_tool_is_gone_is_an_error_for_the_model",
    ),
    "11. what definition_hash covers": ("runtime/test_definition.py::test_what_is_declared_otherwise_has_another",),
    "12. what a log has spent is counted once": (
        "runtime/test_budget.py::test_a_resumed_run_counts_what_its_log_has_spent_once",
    ),
    "13. without deltas the numbers keep their gaps": (
        "durable/test_followed.py::test_a_reader_that_stopped_inside_a_gap_gets_the_trimmed_log",
        "durable/test_drive.py::test_a_run_of_a_thread_continues_from_the_previous_run",
    ),
    "14. a resumed stream hands out only what is new": (
        "system/resume/test_read_on.py::test_chunks_are_those_of_the_whole_log_that_are_new",
    ),
}
"""The tests of each rule."""


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_has_its_tests(rule: str) -> None:
    for place in RULES[rule]:
        file, _, name = place.partition("::")
        assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text(), (
            f"{place} is gone: name another test of {rule!r}"
        )


async def allow_all(log: MemoryLog) -> None:
    if (await log.info("run_1")).over:
        return
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


def test_a_message_wakes_no_run_and_is_heard_before_the_next_request() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, one_asked())
        await drive(Place(log, one_asked()), "run_1")
        await log.post("run_1", "steer", "said", steer_body(Message.user("be quick"), by="bob"))
        assert await log.due() == []
        await allow_all(log)
        assert [one.why for one in await log.due()] == ["wake"]
        while not (await log.info("run_1")).over:  # it charges again, as it was spoken to
            await drive(Place(log, one_asked()), "run_1")
            await allow_all(log)
        events = await stored(log)
        check_log(events)
        kinds = [event.type for event in events]
        assert (
            kinds.index("run.resumed")
            < kinds.index("message.received")
            < len(kinds) - kinds[::-1].index("attempt.started")
        )
        (heard,) = [event for event in events if isinstance(event, MessageAdded) and event.cause == "steer"]
        assert heard.message.text == "be quick"

    run_virtual(main())


def test_a_run_that_only_waits_is_no_crash_loop() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, one_asked())
        for number in range(2 * MAX_FRUITLESS):
            await drive(Place(log, one_asked(), worker=f"w{number}"), "run_1")
            assert (await log.info("run_1")).state == "waiting"
        await allow_all(log)
        await drive(Place(log, one_asked()), "run_1")
        check_log(await stored(log))
        assert (await log.info("run_1")).state == "finished"

    run_virtual(main())


def test_a_call_that_was_allowed_and_whose_tool_is_gone_is_an_error_for_the_model() -> None:
    def later() -> Any:
        agent = one_asked()
        agent.tools = [tool for tool in agent.tools if tool.name != "charge"]
        return agent

    async def main() -> None:
        log = MemoryLog()
        await submitted(log, one_asked())
        await drive(Place(log, one_asked()), "run_1")
        await allow_all(log)
        await drive(Place(log, later()), "run_1")
        events = await stored(log)
        check_log(events)
        assert sum(isinstance(event, ApprovalAsked) for event in events) == 1
        ended = {event.name: event for event in events if isinstance(event, ToolFinished)}
        assert ended["charge"].error
        assert not ended["charge"].invalid
        assert not ended["add"].error
        assert events[-1].type == "run.finished"

    run_virtual(main())


@pytest.mark.xdist_group("postgres")
def test_an_answer_that_commits_after_a_later_one_is_heard() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log = await open_journal(url)
        try:
            await submitted(log, two_asked())
            await drive(Place(log, two_asked()), "run_1")
            first, second = asked_in(await stored(log))
            body = msgspec.json.encode(answer_body(Answer(by="early"), "approval"))
            async with await psycopg.AsyncConnection.connect(url) as early:
                letter = (
                    "insert into headwater.inbox(no, kind, key, body) select no, 'answer', %s, %s from headwater.runs"
                )
                await early.execute(letter, (first, body))  # has its id, and is not committed
                await answer(log, "run_1", second, answer_body(Answer(by="late"), "approval"))
                await drive(Place(log, two_asked()), "run_1")
                assert (await log.info("run_1")).state == "waiting"
                await early.execute("update headwater.runs set posted = posted + 1, wake_at = clock_timestamp()")
                await early.commit()
            assert [one.why for one in await log.due()] == ["wake"]
            await drive(Place(log, two_asked()), "run_1")
            events = await stored(log)
            check_log(events)
            assert [event.by for event in events if isinstance(event, ApprovalAnswered)] == ["late", "early"]
            assert events[-1].type == "run.finished"
        finally:
            await log.close()

    asyncio.run(main())


@pytest.mark.xdist_group("postgres")
def test_of_two_answers_at_once_the_first_stands_and_the_other_learns_whose_it_is() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log, other = await open_journal(url), await open_journal(url)
        try:
            for number in range(8):
                run = await submitted(log, one_asked(), f"run_{number}")
                await drive(Place(log, one_asked()), run)
                (question,) = asked_in(await stored(log, run))
                said = (Answer(by="ann"), Answer(allowed=False, by="bob"))
                given = await asyncio.gather(
                    *(
                        answer(by, run, question, answer_body(one, "approval"))
                        for by, one in zip((log, other), said, strict=True)
                    ),
                    return_exceptions=True,
                )
                (lost,) = [one for one in given if isinstance(one, BaseException)]
                assert isinstance(lost, AlreadyAnswered)
                first = "ann" if given[1] is lost else "bob"
                assert lost.by == first
                await drive(Place(log, one_asked()), run)
                events = await stored(log, run)
                check_log(events)
                assert [event.by for event in events if isinstance(event, ApprovalAnswered)] == [first]
                charged = [event for event in events if isinstance(event, ToolStarted) and event.name == "charge"]
                assert len(charged) == (first == "ann")
        finally:
            await log.close()
            await other.close()

    asyncio.run(main())

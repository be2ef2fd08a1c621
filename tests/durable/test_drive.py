"""One drive: what it claims, what it goes on from, when it lets go, and what ends it without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from headwater import Agent, Message, SequentialWorkflow, Timeouts, tool
from headwater.durable.asked import AskedFor
from headwater.durable.drive import LAST_SECONDS, MAX_FRUITLESS, drive, fruitless
from headwater.durable.inbox import answer_body, steer_body
from headwater.errors import JournalUnavailable, RunLost
from headwater.events import ApprovalAsked, Event, RunResumed, RunStarted, RunWaiting, StepFinished
from headwater.events.codec import decode, decode_message, encode
from headwater.events.questions import Answer
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Batch, Worker, answer
from headwater.testing import Call, ScriptedModel, Wait, check_log
from tests.support.places import Place, stored, submitted
from tests.support.streams import always
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import asks_two_things, by_step, one_asked, two_asked


def types(events: Sequence[Event]) -> list[str]:
    return [event.type for event in events]


def agent(*turns: Any, **more: Any) -> Agent[Any, Any]:
    return Agent(model=ScriptedModel(list(turns) or ["So."]), **more)


async def allow(log: MemoryLog, question: str, **more: Any) -> None:
    await answer(log, "run_1", question, answer_body(Answer(by="ann", **more), "approval"))


def question(events: Sequence[Event], number: int = 0) -> str:
    return [event.approval for event in events if isinstance(event, ApprovalAsked)][number]


def test_a_run_is_driven_to_its_end_and_no_further() -> None:
    async def main() -> None:
        log, one = MemoryLog(), agent()
        await submitted(log, one)
        run = await drive(Place(log, one), "run_1")
        assert run is not None
        assert run.response() == "So."
        events = await stored(log)
        check_log(events)
        assert {event.run for event in events} == {"run_1"}
        info = await log.info("run_1")
        assert (info.state, info.outcome, info.owner, info.drives) == ("finished", "stop", "w", 1)
        assert await drive(Place(log, one), "run_1") is None
        assert await stored(log) == events

    run_virtual(main())


def test_of_two_processes_that_drive_it_at_once_one_stops_without_a_word() -> None:
    async def main() -> None:
        log = MemoryLog()

        def slow() -> Any:
            return Agent(model=always("I ", Wait(1.0), "think."))

        await submitted(log, slow())
        places = [Place(log, slow(), worker=name) for name in ("one", "two")]
        done = await asyncio.gather(*(drive(place, "run_1") for place in places))
        errors = [run.error for run in done if run is not None]
        assert sorted(type(error).__name__ for error in errors) == ["NoneType", "RunLost"]
        check_log(await stored(log))
        assert types(await stored(log)).count("run.started") == 1

    run_virtual(main())


def test_a_frozen_process_finds_the_run_taken_and_writes_nothing() -> None:
    async def main() -> None:
        log = MemoryLog()

        def slow() -> Any:
            return Agent(model=by_step([Wait(10.0), "So."]))

        await submitted(log, slow())
        frozen = asyncio.ensure_future(drive(Place(log, slow(), worker="old"), "run_1"))
        await asyncio.sleep(5.0)
        # Nobody hears of it any more, so another process takes over; then it goes on.
        taken = await drive(Place(log, slow(), worker="new"), "run_1")
        lost = await frozen
        assert taken is not None
        assert taken.error is None
        assert lost is not None
        assert isinstance(lost.error, RunLost)
        events = await stored(log)
        check_log(events)
        assert types(events).count("run.resumed") == 1
        assert (await log.info("run_1")).owner == "new"

    run_virtual(main())


def test_a_run_whose_owner_is_alive_is_left_to_it() -> None:
    async def main() -> None:
        log, one = MemoryLog(), agent()
        await submitted(log, one)
        await log.beat(Worker(id="other", host="h", boot="b", pid=1))
        await log.append(Batch(run="run_1", first=0, lines=(b"{}",), by="x", owner="other"))
        assert await drive(Place(log, one), "run_1") is None

    run_virtual(main())


def test_an_agent_that_is_not_known_here_is_left_to_others() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, agent())
        assert await drive(Place(log), "run_1") is None
        assert (await log.info("run_1")).state == "queued"

    run_virtual(main())


# --- waiting


def test_a_waiting_run_is_released_and_continues_with_the_answer() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, one_asked())
        first = await drive(Place(log, one_asked()), "run_1")
        events = await stored(log)
        assert first is not None
        assert types(events)[-1] == "run.waiting"
        assert (await log.info("run_1")).state == "waiting"
        assert [due.run for due in await log.due()] == []
        await allow(log, question(events))
        assert [due.why for due in await log.due()] == ["wake"]
        await drive(Place(log, one_asked()), "run_1")
        events = await stored(log)
        check_log(events)
        assert types(events).count("approval.asked") == 1
        assert (await log.info("run_1")).outcome == "stop"

    run_virtual(main())


def test_a_question_is_asked_once_however_often_the_run_is_driven() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, two_asked())
        for _ in range(3):
            await drive(Place(log, two_asked()), "run_1")
        events = await stored(log)
        assert types(events).count("approval.asked") == 2
        assert types(events).count("run.resumed") == 2

    run_virtual(main())


def test_an_answer_between_the_question_and_the_release_is_not_lost() -> None:
    class Quick(MemoryLog):
        async def append_many(self, batches: Sequence[Batch]) -> Any:
            events = [event for batch in batches for event in map(decode, batch.lines)]
            asked = [event for event in events if isinstance(event, ApprovalAsked)]
            done = await super().append_many(batches)
            for event in asked:
                await allow(self, event.approval)
            return done

    async def main() -> None:
        log = Quick()
        await submitted(log, one_asked())
        for _ in range(3):
            info = await log.info("run_1")
            if info.state == "waiting":
                assert [due.run for due in await log.due()] == ["run_1"]
            await drive(Place(log, one_asked()), "run_1")
        assert (await log.info("run_1")).state == "finished"

    run_virtual(main())


def test_the_first_answer_counts_and_the_second_gets_its_author() -> None:
    from headwater.errors import AlreadyAnswered

    async def main() -> None:
        log = MemoryLog()
        await submitted(log, one_asked())
        await drive(Place(log, one_asked()), "run_1")
        asked = question(await stored(log))
        await allow(log, asked)
        with pytest.raises(AlreadyAnswered, match="by ann"):
            await answer(log, "run_1", asked, answer_body(Answer(allowed=False, by="bob"), "approval"))
        await drive(Place(log, one_asked()), "run_1")
        told = next(event for event in await stored(log) if event.type == "approval.answered")
        assert (told.allowed, told.by) == (True, "ann")  # type: ignore[attr-defined]

    run_virtual(main())


def test_a_question_lapses_by_the_stores_clock_in_whichever_process() -> None:
    now = 1_000_000.0

    async def main() -> None:
        nonlocal now
        log = MemoryLog(clock=lambda: now)

        def patient() -> Any:
            one = one_asked()
            one.timeouts = Timeouts(answer=3600.0)
            return one

        await submitted(log, patient())
        await drive(Place(log, patient()), "run_1")
        info = await log.info("run_1")
        assert info.wake_at == pytest.approx(now + 3600.0, abs=5.0)
        now += 1800.0
        assert await log.due() == []
        now += 1900.0
        assert [due.why for due in await log.due()] == ["wake"]
        await drive(Place(log, patient()), "run_1")
        told = next(event for event in await stored(log) if event.type == "approval.answered")
        assert (told.allowed, told.by) == (False, "timeout")  # type: ignore[attr-defined]
        assert (await log.info("run_1")).state == "finished"

    run_virtual(main())


def test_an_answer_that_was_stored_before_the_timeout_counts() -> None:
    now = 1_000_000.0

    async def main() -> None:
        nonlocal now
        log = MemoryLog(clock=lambda: now)
        one = one_asked()
        one.timeouts = Timeouts(answer=60.0)
        await submitted(log, one)
        await drive(Place(log, one), "run_1")
        await allow(log, question(await stored(log)))
        now += 3600.0
        await drive(Place(log, one), "run_1")
        told = next(event for event in await stored(log) if event.type == "approval.answered")
        assert (told.allowed, told.by) == (True, "ann")  # type: ignore[attr-defined]

    run_virtual(main())


def test_the_runs_timeout_pauses_while_it_waits() -> None:
    now = 1_000_000.0

    async def main() -> None:
        nonlocal now
        log = MemoryLog(clock=lambda: now)
        one = one_asked()
        one.timeouts = Timeouts(run=60.0)
        await submitted(log, one)
        await drive(Place(log, one), "run_1")
        await allow(log, question(await stored(log)))
        now += 3 * 86_400.0
        await drive(Place(log, one), "run_1")
        assert (await log.info("run_1")).state == "finished"

    run_virtual(main())


def test_an_approver_answers_without_letting_go_and_its_answer_goes_through_the_inbox() -> None:
    async def main() -> None:
        log = MemoryLog()
        one = one_asked()
        one.approver = lambda question: True
        await submitted(log, one)
        await drive(Place(log, one), "run_1")
        assert (await log.info("run_1")).state == "finished"
        assert [letter.kind for letter in await log.inbox("run_1")] == ["answer"]
        assert types(await stored(log)).count("run.resumed") == 0

    asyncio.run(main())


def test_a_message_to_a_waiting_run_is_received_when_it_is_driven_again() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, one_asked())
        await drive(Place(log, one_asked()), "run_1")
        await log.post("run_1", "steer", "said-1", steer_body(Message.user("hurry"), by="bob"))
        assert await log.due() == []
        await allow(log, question(await stored(log)))
        await drive(Place(log, one_asked()), "run_1")
        told = [event for event in await stored(log) if event.type == "message.received"]
        assert [(event.key, event.by) for event in told] == [("said-1", "bob")]  # type: ignore[attr-defined]

    run_virtual(main())


def test_letters_that_commit_out_of_order_are_all_delivered() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, two_asked())
        await drive(Place(log, two_asked()), "run_1")
        events = await stored(log)
        await allow(log, question(events, 1))
        await drive(Place(log, two_asked()), "run_1")
        first, late = log._runs["run_1"].letters, list[Any]()
        await allow(log, question(events, 0))
        late.append(first.pop())
        first.insert(0, msgspec.structs.replace(late[0], id=0))
        await drive(Place(log, two_asked()), "run_1")
        assert (await log.info("run_1")).state == "finished"

    run_virtual(main())


def test_each_parked_question_is_notified_once() -> None:
    told: list[str] = []

    async def main() -> None:
        log = MemoryLog()
        one = asks_two_things()
        one.on_waiting = lambda question: told.append(question.message)
        await submitted(log, one)
        for _ in range(3):
            await drive(Place(log, one), "run_1")

    run_virtual(main())
    assert told == ["How many nights in Oslo?"]


def test_a_run_is_released_only_after_its_notifications() -> None:
    told: list[str] = []

    def tell(question: Any) -> None:
        told.append(question.id)
        if len(told) < 4:
            raise ConnectionError("the office is closed")

    async def main() -> None:
        log = MemoryLog()
        one = one_asked()
        one.on_waiting = tell
        await submitted(log, one)
        driving = asyncio.ensure_future(drive(Place(log, one), "run_1"))
        await asyncio.sleep(5.0)
        assert len(told) == 3
        assert (await log.info("run_1")).state == "running", "so that the run is due where this process dies"
        await driving
        assert len(told) == 4
        assert (await log.info("run_1")).state == "waiting"
        check_log(await stored(log), parked=True)

    run_virtual(main())


def test_the_next_process_sends_the_notifications_of_a_dead_one() -> None:
    told: list[str] = []

    def closed(question: Any) -> None:
        raise ConnectionError("the office is closed")

    async def main() -> None:
        log = MemoryLog()
        one = one_asked()
        one.on_waiting = closed
        await submitted(log, one)
        process = asyncio.ensure_future(drive(Place(log, one, worker="dead"), "run_1"))
        await asyncio.sleep(5.0)
        process.cancel()
        await asyncio.wait([process])
        assert [due.why for due in await log.due()] == ["owner"]
        one.on_waiting = lambda question: told.append(question.id)
        await drive(Place(log, one, worker="next"), "run_1")
        assert len(told) == 1
        assert (await log.info("run_1")).state == "waiting"
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_an_answer_is_received_during_a_pending_notification() -> None:
    def closed(question: Any) -> None:
        raise ConnectionError("the office is closed")

    async def main() -> None:
        log = MemoryLog()
        one = one_asked()
        one.on_waiting = closed
        await submitted(log, one)
        driving = asyncio.ensure_future(drive(Place(log, one), "run_1"))
        await asyncio.sleep(5.0)
        await allow(log, question(await stored(log)))
        run = await driving
        assert run is not None
        assert run.error is None
        assert (await log.info("run_1")).state == "finished"
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


# --- going on


def test_a_cancel_ends_a_run_that_waits() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, one_asked())
        await drive(Place(log, one_asked()), "run_1")
        await log.post("run_1", "cancel", "cancel", b"null")
        await drive(Place(log, one_asked()), "run_1")
        check_log(await stored(log))
        assert (await log.info("run_1")).state == "cancelled"

    run_virtual(main())


def test_five_drives_that_bring_it_no_further_are_enough() -> None:
    async def main() -> None:
        log = MemoryLog()

        def slow() -> Any:
            return Agent(model=always("half ", Wait(60.0), "whole"))

        await submitted(log, slow())
        for number in range(MAX_FRUITLESS):
            process = asyncio.ensure_future(drive(Place(log, slow(), worker=f"w{number}"), "run_1"))
            await asyncio.sleep(5.0)
            process.cancel()
            await asyncio.wait([process])
            assert (await log.info("run_1")).state == "running"
        run = await drive(Place(log, slow(), worker="last"), "run_1")
        assert run is not None
        events = await stored(log)
        check_log(events)
        assert events[-1].error.type == "CrashLoop"  # type: ignore[attr-defined]

    run_virtual(main())


def test_drives_that_ended_by_waiting_do_not_count() -> None:
    path = ("a",)
    started, resumed = RunStarted(agent_name="a", input=(), path=path), RunResumed(path=path)
    assert fruitless([started, resumed, resumed]) == 3
    assert fruitless([started, resumed, RunWaiting(path=path), resumed]) == 1
    assert fruitless([started, StepFinished(step=1, path=path), resumed]) == 1
    assert fruitless([]) == 0


def test_a_process_that_shuts_down_leaves_the_run_unchanged() -> None:
    async def main() -> None:
        log = MemoryLog()

        def slow() -> Any:
            return Agent(model=always("half ", Wait(60.0), "whole"))

        await submitted(log, slow())
        process = asyncio.ensure_future(drive(Place(log, slow()), "run_1"))
        await asyncio.sleep(5.0)
        process.cancel()
        await asyncio.wait([process])
        assert "run.cancelled" not in types(await stored(log))
        assert len(asyncio.all_tasks()) == 1
        await drive(Place(log, slow()), "run_1")
        check_log(await stored(log))
        assert (await log.info("run_1")).state == "finished"

    run_virtual(main())


@pytest.mark.parametrize("answers", ["an error", "nothing"])
def test_a_process_that_shuts_down_does_not_wait_for_a_lost_store(answers: str) -> None:
    class Gone(MemoryLog):
        gone = False

        async def append_many(self, batches: Sequence[Batch]) -> Any:
            if self.gone and answers == "nothing":
                await asyncio.sleep(3600.0)
            if self.gone:
                raise JournalUnavailable("It is gone.")
            return await super().append_many(batches)

    async def main() -> None:
        log = Gone()
        one = Agent(model=always("half ", Wait(60.0), "whole"))
        await submitted(log, one)
        process = asyncio.ensure_future(drive(Place(log, one), "run_1"))
        await asyncio.sleep(5.0)
        log.gone = True
        await asyncio.sleep(120.0)
        process.cancel()
        begun = asyncio.get_running_loop().time()
        await asyncio.wait([process])
        assert process.cancelled()
        assert asyncio.get_running_loop().time() - begun == pytest.approx(LAST_SECONDS, abs=1.0)
        log.gone = False
        await drive(Place(log, one, worker="next"), "run_1")
        check_log(await stored(log))

    run_virtual(main())


def test_another_declaration_is_a_warning_and_the_run_continues() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, one_asked())
        await drive(Place(log, one_asked()), "run_1")
        await allow(log, question(await stored(log)))
        later = one_asked()
        later.instructions = "Be brief."
        await drive(Place(log, later), "run_1")
        assert "definition_changed" in [getattr(event, "code", "") for event in await stored(log)]
        assert (await log.info("run_1")).state == "finished"

    run_virtual(main())


def test_an_impossible_request_fails_and_its_log_says_why() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, agent(), output_type=int)
        await drive(Place(log, agent()), "run_1")
        events = await stored(log)
        check_log(events)
        assert "output_type=" in events[-1].error.message  # type: ignore[attr-defined]
        assert (await log.info("run_1")).state == "failed"

    run_virtual(main())


def test_the_context_is_built_in_each_process() -> None:
    seen: list[Any] = []

    def instructions(context: Any) -> str:
        seen.append(context)
        return "Go."

    @tool(approval=True)
    def look(ctx: Any) -> str:
        """Look."""
        return "seen"

    def make() -> Any:
        one = Agent(
            name="asker",
            instructions=instructions,
            tools=[look],
            model=by_step(Call("look", {"ctx": "x"}), "Done."),
        )
        one.context_from = lambda asked: {"live": asked.context["user"], "run": asked.run}
        return one

    async def main() -> None:
        log = MemoryLog()
        await submitted(log, make(), context={"user": "ann"})
        await drive(Place(log, make()), "run_1")
        await allow(log, question(await stored(log)))
        await drive(Place(log, make()), "run_1")
        assert (await log.info("run_1")).state == "finished"

    run_virtual(main())
    assert seen == [{"live": "ann", "run": "run_1"}] * 2


# --- threads


def test_a_run_of_a_thread_continues_from_the_previous_run() -> None:
    heard: list[int] = []

    def answers(request: Any) -> Any:
        heard.append(len(request.messages))
        return ["So."]

    async def main() -> None:
        log = MemoryLog()
        one = Agent(model=ScriptedModel(answers))
        await submitted(log, one, "run_1", task="first", thread="t")
        await drive(Place(log, one), "run_1")
        await submitted(log, one, "run_2", task="second", thread="t")
        await drive(Place(log, one), "run_2")
        said = [decode_message(line) for line in await log.thread("t")]
        assert [message.text for message in said] == ["first", "So.", "second", "So."]
        (started,) = [event for event in await stored(log, "run_2") if isinstance(event, RunStarted)]
        assert [message.text for message in started.history] == ["first", "So."]

    run_virtual(main())
    assert heard == [1, 3]


def test_a_run_that_waits_its_turn_in_a_thread_is_not_driven() -> None:
    async def main() -> None:
        log = MemoryLog()
        await submitted(log, one_asked(), "run_1", thread="t")
        from headwater.durable.asked import asked_of
        from headwater.journal.run_log import Request

        body = asked_of([Message.user("go")], options={}).encode()
        await log.create("run_2", Request(agent="asker", body=body, thread="t"), when_busy="queue")
        assert await drive(Place(log, one_asked()), "run_2") is None

    run_virtual(main())


def test_workflows_are_driven_as_agents_are() -> None:
    async def main() -> None:
        log = MemoryLog()

        def flow() -> Any:
            return SequentialWorkflow([one_asked(), agent("Then that.", name="two")], name="flow")

        await submitted(log, flow())
        await drive(Place(log, flow()), "run_1")
        await allow(log, question(await stored(log)))
        run = await drive(Place(log, flow()), "run_1")
        assert run is not None
        assert run.response() == "Then that."
        check_log(await stored(log))

    run_virtual(main())


def test_the_stored_log_is_what_the_codec_writes() -> None:
    async def main() -> None:
        log, one = MemoryLog(), agent()
        await submitted(log, one)
        await drive(Place(log, one), "run_1")
        events = await stored(log)
        lines = [line for _, line in (await log.read("run_1")).lines()]
        assert lines == [encode(event) for event in events]
        assert [event.seq for event in events] == list(range(len(events)))

    run_virtual(main())


def test_what_context_from_is_given_says_which_run_it_is() -> None:
    asked = AskedFor(run="r", agent="a", task=(Message.user("go"),), context=None)
    assert (asked.run, asked.thread, asked.labels) == ("r", None, {})


def broken_context(asked: AskedFor) -> Any:
    async def build() -> Any:
        raise LookupError("no such user")

    return build()


def cancelled_context(asked: AskedFor) -> Any:
    async def build() -> Any:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        return await future

    return build()


def test_a_run_that_cannot_be_made_again_is_not_said_to_be_declared_otherwise() -> None:
    """Nothing is known of the declaration then; the log has the reason alone."""

    async def main() -> None:
        log, one = MemoryLog(), one_asked()
        await submitted(log, one)
        await drive(Place(log, one), "run_1")
        await allow(log, question(await stored(log)))
        one.context_from = broken_context
        await drive(Place(log, one), "run_1")
        events = await stored(log)
        check_log(events)
        assert types(events)[-2:] == ["run.resumed", "run.failed"]

    run_virtual(main())


@pytest.mark.parametrize(("build", "said"), [(broken_context, "no such user"), (cancelled_context, "cancelled")])
def test_an_async_context_from_that_raises_fails_the_run(build: Any, said: str) -> None:
    async def main() -> None:
        log, one = MemoryLog(), agent()
        one.context_from = build
        await submitted(log, one)
        await drive(Place(log, one), "run_1")
        events = await stored(log)
        check_log(events)
        assert said in events[-1].error.message  # type: ignore[attr-defined]
        assert (await log.info("run_1")).state == "failed"

    run_virtual(main())

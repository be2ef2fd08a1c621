"""People in a run: what they are asked shows at once, what they answer holds, and clocks stand still meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent, AgentStream, Timeouts, ToolContext, tool
from headwater.backends.offline import Call, ScriptedModel, Wait
from headwater.errors import (
    AlreadyAnswered,
    AnswerInvalid,
    ApprovalNeeded,
    Parked,
    RunEnded,
    RunTimeout,
    UnknownQuestion,
)
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    InputAnswered,
    InputAsked,
    RunFinished,
    RunWaiting,
    StepFinished,
    ToolFinished,
    ToolStarted,
    decode,
    encode,
    tree_response,
)
from headwater.events.questions import Answer, Question
from headwater.testing import check_log
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.streams import always, log_of
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import (
    add,
    asking_graph,
    asking_heir,
    asking_nested,
    asking_sequence,
    asking_together,
    asks_two_things,
    by_step,
    deep,
    done,
    one_asked,
    two_asked,
)

DAY = 86_400.0

Shape = Callable[[], Any]
WORKFLOWS: list[Shape] = [asking_sequence, asking_together, asking_graph, asking_nested, asking_heir]


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


def _saved(log: Any) -> list[Event]:
    return [decode(encode(event)) for event in log]


def _where(log: list[Event], kind: type[Event], **fields: Any) -> int:
    """The number of the first event of that kind."""
    found = (event for event in log if isinstance(event, kind))
    return next(one.seq for one in found if all(getattr(one, name) == value for name, value in fields.items()))


async def _read(stream: AgentStream[Any], then: Callable[[Event], object]) -> list[Event]:
    log: list[Event] = []
    async for event in stream.events():
        log.append(event)
        then(event)
    check_log(log)
    return log


def _when_waiting(stream: AgentStream[Any], then: Callable[[Question], object]) -> Callable[[Event], None]:
    def look(event: Event) -> None:
        if isinstance(event, RunWaiting) and len(event.path) == 1:
            for question in stream.pending:
                then(question)

    return look


def _tools_done() -> list[str]:
    return [one.split(" ", 1)[1] for one in done]


# --- the order of things


def test_the_question_shows_at_once_and_the_other_call_does_not_wait_for_its_answer() -> None:
    async def main() -> None:
        stream = one_asked().run_stream("Go.")
        log = await _read(stream, _when_waiting(stream, lambda question: stream.approve(question.id, by="ann")))
        asked, waits = _where(log, ApprovalAsked), _where(log, RunWaiting)
        assert asked == _where(log, StepFinished) + 1
        assert asked < _where(log, ToolFinished, name="add") < waits < _where(log, ApprovalAnswered)
        assert _where(log, ToolStarted, name="charge") > _where(log, ApprovalAnswered)
        assert _tools_done() == ["add 1 2", "charge 5"]
        assert [result.name for result in stream.response.messages[2].content] == ["charge", "add"]

    run_virtual(main())


def test_a_chunk_and_a_detail_report_the_question() -> None:
    async def main() -> None:
        told: list[Any] = []
        agent = one_asked()
        agent.stream = True
        stream = agent.run_stream("Go.", streaming_callback=told.append)
        chunks = []
        async for chunk in stream:
            chunks.append(chunk)
            if chunk.finish_reason == "waiting":
                assert isinstance(chunk.event, ApprovalAsked)
                assert not chunk.content
                assert stream.pending[0].reason == "It costs money."
                stream.approve(chunk.event.approval)
        assert [chunk.finish_reason for chunk in chunks].count("waiting") == 1
        question = next(one["question"] for one in told if one.get("finish_reason") == "waiting")
        assert (question["tool"], question["arguments"], question["kind"]) == ("charge", {"cents": 5}, "approval")

    run_virtual(main())


# --- what is answered


def test_a_denied_call_never_runs_and_the_model_reads_who_and_why() -> None:
    async def main() -> None:
        stream = one_asked().run_stream("Go.")
        deny = _when_waiting(stream, lambda question: stream.deny(question.id, note="too dear", by="ann"))
        log = await _read(stream, deny)
        assert _tools_done() == ["add 1 2"]
        assert not [event for event in log if isinstance(event, ToolStarted) and event.name == "charge"]
        result = stream.response.messages[2].content[0]
        assert "ann" in str(result)
        assert "too dear" in str(result)

    run_virtual(main())


def test_changed_arguments_are_validated_and_reported() -> None:
    async def main() -> None:
        stream = one_asked().run_stream("Go.")

        def change(question: Question) -> None:
            with pytest.raises(AnswerInvalid, match="cents"):
                stream.approve(question.id, arguments={"cents": "many"})
            assert stream.pending == (question,)
            stream.approve(question.id, arguments={"cents": 2})

        log = await _read(stream, _when_waiting(stream, change))
        assert _tools_done() == ["add 1 2", "charge 2"]
        finished = next(event for event in log if isinstance(event, ToolFinished) and event.name == "charge")
        assert '{"cents":2}' in str(finished.result)
        assert stream.response.tool_calls[0].arguments == {"cents": 5}, "the history keeps what the model wrote"

    run_virtual(main())


def test_a_question_is_answered_once_and_by_its_kind() -> None:
    async def main() -> None:
        stream = one_asked().run_stream("Go.")

        def answer(question: Question) -> None:
            with pytest.raises(UnknownQuestion, match=question.id):
                stream.approve("another")
            with pytest.raises(AnswerInvalid, match="another kind"):
                stream.answer(question.id, "yes")
            stream.approve(question.id, by="ann")
            for again in (stream.approve, stream.deny):
                with pytest.raises(AlreadyAnswered, match="approved by ann") as caught:
                    again(question.id)
                assert caught.value.by == "ann"

        asked = []

        def keep(question: Question) -> None:
            asked.append(question)
            answer(question)

        await _read(stream, _when_waiting(stream, keep))
        with pytest.raises(AlreadyAnswered):
            stream.approve(asked[0].id)
        with pytest.raises(RunEnded):
            stream.approve("another")

    run_virtual(main())


def test_a_question_that_is_open_where_the_run_is_cancelled_is_void() -> None:
    async def main() -> None:
        stream = one_asked().run_stream("Go.")
        log = await _read(stream, _when_waiting(stream, lambda _: stream.cancel()))
        assert [event.type for event in log][-1] == "run.cancelled"
        asked = next(event for event in log if isinstance(event, ApprovalAsked))
        with pytest.raises(RunEnded):
            stream.approve(asked.approval)
        assert stream.pending == ()
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert stream.response == tree_response(log)

    run_virtual(main())


def test_an_expired_approval_is_denied_by_timeout() -> None:
    async def main() -> None:
        stream = one_asked().run_stream("Go.", timeouts=Timeouts(answer=60.0))
        log = await _read(stream, lambda _: None)
        answered = next(event for event in log if isinstance(event, ApprovalAnswered))
        asked = next(event for event in log if isinstance(event, ApprovalAsked))
        waits = next(event for event in log if isinstance(event, RunWaiting))
        assert (answered.allowed, answered.by) == (False, "timeout")
        assert asked.until is not None
        assert waits.until == asked.until == pytest.approx(asked.time + 60.0, abs=5.0)
        assert _tools_done() == ["add 1 2"]

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(60.0, abs=1.0)


def test_two_questions_are_answered_in_any_order() -> None:
    async def main() -> None:
        stream = two_asked().run_stream("Go.")

        def last_first(question: Question) -> None:
            if question == stream.pending[-1]:
                stream.approve(question.id)

        log = await _read(stream, _when_waiting(stream, last_first))
        assert _tools_done() == ["add 1 1", "charge 7", "charge 5"]
        waits = [event.ids for event in log if isinstance(event, RunWaiting)]
        assert [len(ids) for ids in waits] == [2, 1]

    run_virtual(main())


def test_it_is_answered_from_another_thread() -> None:
    threads: list[threading.Thread] = []
    stream = one_asked().run_stream("Go.")

    def later(question: Question) -> None:
        threads.append(threading.Thread(target=stream.approve, args=(question.id,), kwargs={"by": "thread"}))
        threads[-1].start()

    log = asyncio.run(_read(stream, _when_waiting(stream, later)))
    for thread in threads:
        thread.join()
    assert next(event for event in log if isinstance(event, ApprovalAnswered)).by == "thread"
    assert _tools_done() == ["add 1 2", "charge 5"]


def test_in_sync_code_it_is_answered_in_the_loop_or_from_a_thread() -> None:
    for in_thread in (False, True):
        done.clear()
        stream = one_asked().run_stream("Go.")
        threads = []
        for event in stream.events():
            if isinstance(event, RunWaiting):
                approve = threading.Thread(target=stream.approve, args=(stream.pending[0].id,))
                threads.append(approve)
                if in_thread:
                    approve.start()
                else:
                    stream.approve(stream.pending[0].id)
        for thread in threads:
            if in_thread:
                thread.join()
        assert stream.response == "It is done."
        assert _tools_done() == ["add 1 2", "charge 5"]


def test_at_depth_three_it_is_answered_on_the_outermost_stream() -> None:
    async def main() -> None:
        stream = deep(3).run_stream("Go.")
        log = await _read(stream, _when_waiting(stream, lambda question: stream.approve(question.id)))
        deepest = next(event for event in log if isinstance(event, ApprovalAsked) and len(event.path) == 3)
        assert deepest.path == ("level1", "level2", "deep")
        assert sorted(_tools_done()) == ["add 1 2", "charge 1", "charge 2", "charge 5"]
        on = {len(event.path): event.on for event in log if isinstance(event, RunWaiting)}
        assert on[3] == "approval"

    run_virtual(main())


@pytest.mark.parametrize("make", WORKFLOWS)
def test_in_each_workflow(make: Shape) -> None:
    async def main() -> None:
        stream = make().run_stream("Go.")
        log = await _read(stream, _when_waiting(stream, lambda question: stream.approve(question.id)))
        asked = sum(isinstance(event, ApprovalAsked) for event in log)
        assert asked >= 2
        assert sum("charge" in one for one in done) == asked
        assert isinstance(log[-1], RunFinished)

    run_virtual(main())


def test_a_workflow_waits_only_when_nothing_else_can_continue() -> None:
    """A member has ended and the next is about to begin, while another waits: that is not the time to say so."""

    async def main() -> None:
        slow = Agent(name="slow", model=ScriptedModel([[Wait(1.0), "slow"]]))
        next_ = Agent(name="next", model=ScriptedModel([[Wait(1.0), "next"]]))
        asker = one_asked()
        flow = GraphWorkflow([slow, asker, next_], edges=[("slow", "next")], start=["slow", "asker"])
        with pytest.raises(ApprovalNeeded) as caught:
            await flow.run("Go.")
        log = [*caught.value.log]
        names = [event.agent for event in log if isinstance(event, RunFinished)]
        assert names == ["slow", "next"]
        waits = [event for event in log if isinstance(event, RunWaiting) and len(event.path) == 1]
        assert len(waits) == 1

    run_virtual(main())


# --- who answers without a reader


def _plain_approver(question: Question) -> bool:
    return bool(question.arguments["cents"] == 7)


async def _async_approver(question: Question) -> Answer:
    await asyncio.sleep(5)
    return Answer(allowed=question.arguments["cents"] == 7, by="ann")


class _Approver:
    async def __call__(self, question: Question) -> bool:
        return bool(question.arguments["cents"] == 7)


@pytest.mark.parametrize("approver", [_plain_approver, _async_approver, _Approver(), lambda q: _async_approver(q)])
@pytest.mark.parametrize("where", ["agent", "run"])
def test_an_approver_answers(approver: Any, where: str) -> None:
    async def main() -> None:
        agent = two_asked()
        agent.approver = approver if where == "agent" else None
        answer = await agent.run("Go.", approver=approver if where == "run" else None)
        assert answer == "Done."
        assert sorted(_tools_done()) == ["add 1 1", "charge 7"]

    run_virtual(main())


def test_an_approver_that_raises_or_returns_nonsense_ends_the_run() -> None:
    def broken(question: Question) -> bool:
        raise LookupError("nobody is home")

    async def main() -> None:
        with pytest.raises(LookupError, match="nobody is home"):
            await one_asked().run("Go.", approver=broken)
        with pytest.raises(AnswerInvalid, match="returned str"):
            await one_asked().run("Go.", approver=lambda _: "yes")
        with pytest.raises(AnswerInvalid, match="cents"):
            await one_asked().run("Go.", approver=lambda _: Answer(arguments={"cents": "x"}))
        assert "charge" not in str(done)

    run_virtual(main())


def test_the_nearest_approver_above_answers() -> None:
    async def main() -> None:
        heard: list[tuple[str, str]] = []

        def named(name: str) -> Callable[[Question], bool]:
            def approve(question: Question) -> bool:
                heard.append((name, question.agent))
                return True

            return approve

        whole = deep(3)
        assert await whole.run("Go.", approver=named("outermost")) == "1 is done."
        assert {name for name, _ in heard} == {"outermost"}
        heard.clear()
        middle = one_asked()
        middle.approver = named("middle")
        flow = SequentialWorkflow([middle, _renamed(one_asked(), "other")], approver=named("flow"))
        await flow.run("Go.")
        assert heard == [("middle", "asker"), ("flow", "other")]
        heard.clear()
        inner = SequentialWorkflow([one_asked()], name="inner", approver=named("inner"))
        await SequentialWorkflow([inner], name="outer", approver=named("outer")).run("Go.")
        assert heard == [("inner", "asker")]

    run_virtual(main())


def _renamed(agent: Any, name: str) -> Any:
    agent.name = name
    return agent


def test_the_reader_may_answer_before_the_approver() -> None:
    async def main() -> None:
        stream = one_asked().run_stream("Go.", approver=_async_approver)
        log = await _read(stream, _when_waiting(stream, lambda question: stream.approve(question.id, by="me")))
        assert next(event for event in log if isinstance(event, ApprovalAnswered)).by == "me"

    _, seconds = run_virtual(main())
    assert seconds < 5


def test_where_nobody_can_answer_the_run_is_parked_and_another_process_continues() -> None:
    async def main() -> None:
        with pytest.raises(ApprovalNeeded, match="charge") as caught:
            await one_asked().run("Go.")
        error = caught.value
        check_log(error.log, parked=True)
        assert error.response == tree_response(error.log)
        assert _tools_done() == ["add 1 2"]
        (question,) = error.pending
        stream = one_asked().resume(_saved(error.log), approvals={question.id: True}, by="worker")
        assert await stream.result() == "It is done."
        assert _tools_done() == ["add 1 2", "charge 5"]

    run_virtual(main())


def test_in_sync_code_too() -> None:
    with pytest.raises(ApprovalNeeded) as caught:
        one_asked().run("Go.")
    stream = one_asked().resume(_saved(caught.value.log), approvals={caught.value.pending[0].id: False})
    assert stream.result_sync() == "It is done."
    assert _tools_done() == ["add 1 2"]


def test_it_is_not_left_while_an_approver_thinks_about_another_question() -> None:
    async def main() -> None:
        alone = _renamed(one_asked(), "alone")
        attended = _renamed(one_asked(), "attended")
        attended.approver = lambda question: _async_approver(question)
        with pytest.raises(ApprovalNeeded) as caught:
            await ConcurrentWorkflow([alone, attended]).run("Go.")
        assert [question.agent for question in caught.value.pending] == ["alone"]
        finished = [event.agent for event in caught.value.log if isinstance(event, RunFinished)]
        assert finished == ["attended"]

    run_virtual(main())


# --- what is given to a run that is gone on with


def _parked(make: Shape) -> Parked:
    async def main() -> Parked:
        with pytest.raises(ApprovalNeeded) as caught:
            await make().run("Go.")
        return caught.value

    return run_virtual(main())[0]


def test_answers_to_unknown_questions_are_rejected_first() -> None:
    error = _parked(one_asked)
    with pytest.raises(UnknownQuestion, match="another"):
        one_asked().resume(error.log, approvals={"another": True})
    with pytest.raises(AnswerInvalid, match="approvals="):
        one_asked().resume(error.log, answers={error.pending[0].id: "yes"})
    asking = _parked(asks_two_things)
    with pytest.raises(AnswerInvalid, match="answers="):
        asks_two_things().resume(asking.log, approvals={asking.pending[0].id: True})


def test_invalid_answers_leave_the_run_unchanged() -> None:
    error = _parked(one_asked)
    bad = {error.pending[0].id: Answer(arguments={"cents": "many"})}
    stream = one_asked().resume(_saved(error.log), approvals=bad)

    async def main() -> None:
        with pytest.raises(AnswerInvalid, match="cents"):
            await stream.result()
        check_log(stream.log, parked=True)
        good = one_asked().resume(_saved(stream.log), approvals={error.pending[0].id: True})
        assert await good.result() == "It is done."
        assert _tools_done() == ["add 1 2", "charge 5"]

    run_virtual(main())
    asking = _parked(asks_two_things)
    question = asking.pending[0]
    stream = asks_two_things().resume(_saved(asking.log), answers={question.id: "many"})

    async def asks() -> None:
        with pytest.raises(AnswerInvalid):
            await stream.result()
        again = asks_two_things().resume(_saved(stream.log), answers={question.id: 3})
        with pytest.raises(ApprovalNeeded) as caught:
            await again._begun().drain(alone=True)
        assert "In whose name?" in caught.value.pending[0].message
        last = asks_two_things().resume(_saved(caught.value.log), answers={caught.value.pending[0].id: "Ann"})
        assert await last.result() == "Booked."
        assert _tools_done()[-1] == "book Oslo 3 Ann"

    run_virtual(asks())


# --- a tool that asks


def test_a_tool_asks_twice_and_gets_values_of_the_types_it_asks_for() -> None:
    async def main() -> None:
        stream = asks_two_things().run_stream("Go.")

        def answer(question: Question) -> None:
            if "nights" in question.message:
                with pytest.raises(AnswerInvalid):
                    stream.answer(question.id, "many")
                with pytest.raises(AnswerInvalid, match="another kind"):
                    stream.approve(question.id)
                stream.answer(question.id, 3, by="ann")
            else:
                stream.answer(question.id, "Ann", by="ann")

        log = await _read(stream, _when_waiting(stream, answer))
        assert _tools_done() == ["add 1 2", "book Oslo 3 Ann"]
        asked = [event for event in log if isinstance(event, InputAsked)]
        assert [event.input.rsplit("/", 1)[1] for event in asked] == ["1", "2"]
        assert [event.content for event in log if isinstance(event, InputAnswered)] == [3, "Ann"]

    run_virtual(main())


def test_a_declined_question_is_a_tool_error_for_the_model() -> None:
    async def main() -> None:
        stream = asks_two_things().run_stream("Go.")
        log = await _read(stream, _when_waiting(stream, lambda question: stream.decline(question.id, by="ann")))
        finished = next(event for event in log if isinstance(event, ToolFinished) and event.name == "book")
        assert finished.error is not None
        assert "declined by ann" in finished.error

    run_virtual(main())


def test_a_sync_tool_asks_in_its_thread() -> None:
    def plainly(ctx: ToolContext[Any]) -> str:
        """Ask."""
        return f"{ctx.ask_sync('How many?', int) + 1}"

    agent = Agent(name="plain", tools=[plainly], model=by_step([Call("plainly")], ["So."]))
    stream = agent.run_stream("Go.")
    for event in stream.events():
        if isinstance(event, RunWaiting):
            stream.answer(stream.pending[0].id, 3)
    assert str(stream.response.messages[2].content[0].content) == "4"  # type: ignore[union-attr]


def test_leaving_the_run_leaves_nothing_of_a_sync_tool_that_asks() -> None:
    ended = threading.Event()

    def plainly(ctx: ToolContext[Any]) -> str:
        """Ask."""
        try:
            return str(ctx.ask_sync("How many?", int))
        finally:
            ended.set()

    async def main() -> None:
        agent = Agent(name="plain", tools=[plainly], model=by_step([Call("plainly")], ["So."]))
        stream = agent.run_stream("Go.")
        async for event in stream.events():
            if isinstance(event, RunWaiting):
                break
        await stream.aclose()
        assert stream.pending == ()
        assert await asyncio.to_thread(ended.wait, 5)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


# --- clocks


def test_while_waiting_for_people_all_timeouts_pause() -> None:
    async def main() -> None:
        whole = deep(3)
        stream = whole.run_stream("Go.", timeouts=Timeouts(run=10.0, tool=5.0))
        loop = asyncio.get_running_loop()

        def in_a_day(question: Question) -> None:
            loop.call_later(DAY, stream.approve, question.id)

        log = await _read(stream, _when_waiting(stream, in_a_day))
        assert isinstance(log[-1], RunFinished)

    _, seconds = run_virtual(main())
    assert seconds >= DAY


def test_after_the_answer_the_timeouts_continue() -> None:
    @tool(approval=True)
    async def slow() -> str:
        """Be slow."""
        await asyncio.sleep(30)
        return "late"

    async def main() -> None:
        agent = Agent(name="slow", tools=[slow], model=by_step([Wait(4.0), Call("slow")], ["So."]))
        stream = agent.run_stream("Go.", timeouts=Timeouts(run=10.0))
        loop = asyncio.get_running_loop()
        look = _when_waiting(stream, lambda question: loop.call_later(100.0, stream.approve, question.id))
        with pytest.raises(RunTimeout):
            await _read(stream, look)

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(110.0, abs=0.5)


def test_parked_for_a_day_and_resumed_by_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> Parked:
        with pytest.raises(ApprovalNeeded) as caught:
            await deep(3).run("Go.", timeouts=Timeouts(run=60.0))
        return caught.value

    error, _ = run_virtual(main())
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + DAY)

    async def resume() -> None:
        whole = deep(3)
        stream = whole.resume(
            _saved(error.log),
            approvals={question.id: True for question in error.pending},
            timeouts=Timeouts(run=60.0),
        )
        look = _when_waiting(stream, lambda question: stream.approve(question.id))
        async for event in stream.events():
            look(event)
        assert stream.response == "1 is done."
        assert sorted(_tools_done()) == ["add 1 2", "charge 1", "charge 2", "charge 5"]

    run_virtual(resume())


@pytest.mark.parametrize("times", [1, 2])
def test_time_parked_between_steps_does_not_count_either(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    now = time.time
    late = [0.0]
    monkeypatch.setattr(time, "time", lambda: now() + late[0])

    async def left(stream: AgentStream[Any]) -> list[Event]:
        def then(event: Event) -> None:
            if isinstance(event, ToolFinished) or event.type == "run.resumed":
                stream.park()

        with pytest.raises(Parked) as caught:
            await _read(stream, then)
        check_log(caught.value.log, parked=True)
        return _saved(caught.value.log)

    async def main() -> None:
        agent = Agent(name="a", tools=[add], model=by_step([Call("add", {"a": 1, "b": 2})], ["Three."]), keep_log=True)
        clocks = Timeouts(run=60.0)
        log = await left(agent.run_stream("Go.", timeouts=clocks))
        for _ in range(times - 1):
            late[0] += DAY
            log = await left(agent.resume(log, timeouts=clocks))
        late[0] += DAY
        assert await agent.resume(log, timeouts=clocks).result() == "Three."

    run_virtual(main())


def test_time_before_a_crash_counts_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that died in the middle of an answer: that time was the run's."""

    async def main() -> None:
        agent = Agent(name="a", model=always("One ", Wait(5.0), "two."))
        log = await log_of(agent.run_stream("Go."), until=lambda event: event.type == "text.delta")
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + 8.0)
        with pytest.raises(RunTimeout):
            await agent.resume(_saved(log), timeouts=Timeouts(run=10.0)).result()

    run_virtual(main())


def test_declining_an_approval_denies_it() -> None:
    with pytest.raises(ApprovalNeeded) as left:
        one_asked().run("Go.")
    question = left.value.pending[0]
    stream = one_asked().resume(_saved(left.value.log), approvals={question.id: Answer(action="decline", by="bob")})
    assert stream.result_sync() == "It is done."
    assert _tools_done() == ["add 1 2"]

"""Leaving a run that people have to do with: parked gently and at once, cancelled, dropped, from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent, AgentStream, Timeouts, ToolContext, tool
from headwater.backends.offline import Call, ScriptedModel, Wait
from headwater.errors import AlreadyAnswered, LogNotKept, Parked, RunEnded
from headwater.events import (
    ApprovalAnswered,
    Event,
    InputAnswered,
    MessageReceived,
    RunWaiting,
    ToolFinished,
    ToolStarted,
    decode,
    encode,
    tree_response,
)
from headwater.events.questions import Answer, Question
from headwater.testing import check_log
from headwater.workflows import ConcurrentWorkflow, SequentialWorkflow
from tests.support.streams import always
from tests.support.virtual import VirtualLoop, run_virtual
from tests.system.resume.people import answer
from tests.system.resume.scenarios import asks_two_things, by_step, done, hears, one_asked, waiting_child


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


def _saved(log: Any) -> list[Event]:
    return [decode(encode(event)) for event in log]


@tool
async def slow(ctx: ToolContext[Any]) -> str:
    """Take a while."""
    await asyncio.sleep(5)
    done.append(f"{ctx.idempotency_key} slow")
    return "slow"


def _slow_agent() -> Agent[Any, Any]:
    return Agent(name="slow", tools=[slow], model=by_step(["I go. ", Call("slow")], ["It is done."]))


async def _left(stream: AgentStream[Any, Any], then: Callable[[Event], object]) -> Parked:
    """Read a run until it is parked, with `then` called for each event."""

    async def read() -> None:
        async for event in stream.events():
            then(event)

    with pytest.raises(Parked) as caught:
        await read()
    return caught.value


# --- gently, and at once


def test_park_lets_tools_finish_and_starts_nothing_new() -> None:
    async def main() -> None:
        stream = _slow_agent().run_stream("Go.")

        def then(event: Event) -> None:
            if isinstance(event, ToolStarted):
                stream.park()

        parked = await _left(stream, then)
        log = parked.log
        check_log(log, parked=True)
        assert isinstance(log[-1], ToolFinished)
        assert parked.response == stream.response == tree_response(log)
        assert await _slow_agent().resume(_saved(log)).result() == "It is done."
        assert len(done) == 1

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5.0)


def test_park_lets_the_answer_finish() -> None:
    async def main() -> None:
        agent = Agent(model=ScriptedModel([["One ", Wait(3.0), "two."], ["Three."]]), max_loops=2, keep_log=True)
        stream = agent.run_stream("Go.")

        def then(event: Event) -> None:
            if event.type == "text.delta":
                stream.park()

        parked = await _left(stream, then)
        assert [event.type for event in parked.log][-2:] == ["step.finished", "message.added"]
        assert stream.response.text == "One two."

    run_virtual(main())


@pytest.mark.parametrize("now", [True, False])
def test_an_answer_after_parking_is_kept_for_resume(now: bool) -> None:
    """It is needed, and nobody is there to hear it: the log takes it."""

    async def main() -> None:
        stream = one_asked().run_stream("go")
        question = ""

        def park(event: Event) -> None:
            nonlocal question
            if isinstance(event, RunWaiting):
                (question,) = event.ids
                stream.park(now=now)

        parked = await _left(stream, park)
        with pytest.raises(RunEnded, match=r"was parked.*resume\(log, approvals=\{id: True\}\)"):
            stream.approve(question)
        with pytest.raises(RunEnded, match=r"was parked.*resume\(log, answers="):
            stream.answer(question, 3)
        assert await one_asked().resume(_saved(parked.log), approvals={question: True}) == "It is done."

    run_virtual(main())


def test_park_now_leaves_it_in_the_middle() -> None:
    async def main() -> None:
        stream = _slow_agent().run_stream("Go.")

        def then(event: Event) -> None:
            if isinstance(event, ToolStarted):
                stream.park(now=True)

        parked = await _left(stream, then)
        assert not done
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await _slow_agent().resume(_saved(parked.log)).result() == "It is done."

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5.0)


def test_a_cancel_before_it_is_parked_takes_precedence() -> None:
    async def main() -> None:
        stream = _slow_agent().run_stream("Go.")
        async for event in stream.events():
            if isinstance(event, ToolStarted):
                stream.park()
                stream.cancel()
        assert event.type == "run.cancelled"
        with pytest.raises(RunEnded):
            stream.approve("any")

    run_virtual(main())


def test_a_run_without_a_kept_log_cannot_be_parked() -> None:
    stream = Agent(model=always("So.")).run_stream("Go.")
    with pytest.raises(LogNotKept, match="keep_log"):
        stream.park()
    assert stream.result_sync() == "So."


def test_parked_before_it_is_read_it_does_nothing() -> None:
    stream = _slow_agent().run_stream("Go.")
    assert stream.log == ()
    stream.park()
    with pytest.raises(Parked) as caught:
        stream.result_sync()
    assert caught.value.log == ()


def test_parked_again_before_it_continues_its_log_is_unchanged() -> None:
    async def main() -> None:
        stream = one_asked().run_stream("Go.")

        def then(event: Event) -> None:
            if isinstance(event, RunWaiting):
                stream.park()

        parked = await _left(stream, then)
        again = one_asked().resume(_saved(parked.log))
        again.park()
        with pytest.raises(Parked) as left:
            await again.result()
        assert left.value.log == parked.log

    run_virtual(main())


def test_parked_with_an_open_question_it_starts_no_call_that_was_approved_meanwhile() -> None:
    async def main() -> None:
        agent = one_asked()
        agent.tools = [*agent.tools, slow]
        agent.model = by_step([Call("charge", {"cents": 5}), Call("slow")], ["It is done."])
        stream = agent.run_stream("Go.")

        def then(event: Event) -> None:
            if isinstance(event, ToolStarted) and event.name == "slow":
                stream.park()
                stream.approve(stream.pending[0].id)

        parked = await _left(stream, then)
        log = parked.log
        check_log(log, parked=True)
        assert [one.split(" ")[1] for one in done] == ["slow"]
        assert "approval.answered" in [event.type for event in log]
        again = agent.resume(_saved(log))
        assert await again.result() == "It is done."
        assert [one.split(" ")[1] for one in done] == ["slow", "charge"]

    run_virtual(main())


def _asking_below() -> Any:
    return Agent(name="boss", tools=[asks_two_things()], model=by_step([Call("asker", {"task": "go"})], ["Done."]))


def _asking_together() -> Any:
    return SequentialWorkflow([ConcurrentWorkflow([_asking_below()], name="inner")])


@pytest.mark.parametrize("now", [False, True])
@pytest.mark.parametrize("make", [one_asked, waiting_child, asks_two_things, _asking_below, _asking_together])
def test_an_answer_at_the_moment_of_parking_is_in_the_log(make: Callable[[], Any], now: bool) -> None:
    """Whoever answers is told that it holds: so it does, also where the run is left before it has heard of it."""

    async def main() -> None:
        stream = make().run_stream("Go.")
        answered: list[str] = []

        def then(event: Event) -> None:
            if isinstance(event, RunWaiting) and len(event.path) == 1 and not answered:
                (question,) = stream.pending
                answer(stream, question, Answer(by="ann", content=3))
                answered.append(question.id)
                stream.park(now=now)

        log = (await _left(stream, then)).log
        told = [event.approval for event in log if isinstance(event, ApprovalAnswered)]
        assert [*told, *(event.input for event in log if isinstance(event, InputAnswered))] == answered
        if not now:
            check_log(log, parked=True)
        again, whole = make().resume(_saved(log)), [*_saved(log)]
        async for event in again.events():
            whole.append(event)
            if isinstance(event, RunWaiting) and len(event.path) == 1:
                for question in again.pending:
                    assert question.id not in answered
                    answer(again, question, Answer(by="ann", content="Ann"))
        check_log(whole)
        assert again.response == tree_response(whole)

    run_virtual(main())


@pytest.mark.parametrize("deep", [False, True])
def test_answers_to_child_runs_while_others_are_still_working(deep: bool) -> None:
    """A run that rests already hears it: a tool that had asked comes to its end, and what is allowed does not begin."""

    async def main() -> None:
        asks = _asking_below() if deep else asks_two_things()
        flow = ConcurrentWorkflow([SequentialWorkflow([asks], name="inner"), one_asked(), _slow_agent()])
        stream: AgentStream[Any, Any] = flow.run_stream("Go.", keep_log=True)
        loop = asyncio.get_running_loop()

        def answer_all(content: Any) -> None:
            for question in stream.pending:
                answer(stream, question, Answer(content=content))

        def then(event: Event) -> None:
            if isinstance(event, ToolStarted) and event.name == "slow":
                loop.call_later(0.5, stream.park)
                loop.call_later(1.0, answer_all, 3)
                loop.call_later(2.0, answer_all, "Ann")

        parked = await _left(stream, then)
        check_log(parked.log, parked=True)
        told = [event.type for event in parked.log]
        assert (told.count("input.answered"), told.count("approval.answered")) == (2, 1)
        assert [one.split(" ")[1] for one in done] == ["add", "add", "book", "slow"]
        assert [one.type for one in parked.log if getattr(one, "name", "") == "charge" and "tool" in one.type] == []

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5.0)


@tool
async def ponder(ctx: ToolContext[Any]) -> str:
    """Ask, then take a second."""
    said = await ctx.ask("Well?")
    await asyncio.sleep(1)
    done.append(f"{ctx.idempotency_key} ponder")
    return str(said)


def _pondering_below() -> Any:
    """A tool that works on after it has asked, and whose failure ends its run, four runs below the outermost."""
    model = by_step([Call("ponder")], ["It is done."])
    inner = Agent(name="inner", tools=[ponder], model=model, tool_errors="raise")
    flow = SequentialWorkflow([inner], name="flow")
    boss = Agent(
        name="boss", tools=[flow.as_tool(name="flow")], model=by_step([Call("flow", {"task": "go"})], ["Done."])
    )
    return ConcurrentWorkflow([boss], name="outer")


@pytest.mark.parametrize("fails", [False, True])
def test_parked_while_an_answer_is_on_its_way_up(fails: bool) -> None:
    """No run above rests before it has read that the one below works on, or has failed."""

    async def parked_after(turns: int) -> bool:
        asked, log = asyncio.Event(), list[Event]()

        async def approver(question: Question) -> Answer:
            await asked.wait()
            if fails:
                raise ValueError("Nobody knows.")
            return Answer(content="Yes.")

        stream = _pondering_below().run_stream("Go.", approver=approver)

        async def answer_and_park() -> None:
            asked.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            stream.park()

        done.clear()
        with contextlib.suppress(Parked):
            async for event in stream.events():
                log.append(event)
                if isinstance(event, RunWaiting) and len(event.path) == 1:
                    parking = asyncio.ensure_future(answer_and_park())
        await parking
        check_log(log, parked=True)
        had_ended = any(isinstance(event, ToolFinished) and event.name == "ponder" for event in log)
        again = _pondering_below().resume(_saved(log), approver=lambda question: "Yes.")
        whole = [*_saved(log), *[event async for event in again.events()]]
        check_log(whole)
        assert again.response.to_dict() == {"boss": "Done."}
        assert len(done) == (0 if had_ended and fails else 1)
        return len(whole) > len(log)

    async def main() -> None:
        parked = [await parked_after(turns) for turns in range(10)]
        assert sum(parked) > 5

    run_virtual(main())


def _steps_below() -> Any:
    """Two members in the middle of their answers, one of them with an agent as a tool in the middle of its own."""
    below = Agent(name="below", model=always("I am ", Wait(5.0), "below."))
    one = Agent(name="one", tools=[below], model=by_step([Call("below", {"task": "go"})], ["One."]))
    two = Agent(name="two", model=always("I am ", Wait(5.0), "two."))
    return ConcurrentWorkflow([one, two], keep_log=True)


def test_parked_right_after_resume_its_log_has_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run whose process died in the middle of its answers, and the time that it lies then is not the run's."""

    async def main() -> None:
        stream = _steps_below().run_stream("Go.")
        log: list[Event] = []
        async for event in stream.events():
            log.append(event)
            if sum(one.type == "text.delta" for one in log) == 2:
                break
        log = _saved(log)
        now = time.time
        for day in range(1, 4):
            again = _steps_below().resume(log)

            def then(event: Event, again: Any = again) -> None:
                if event.type == "run.resumed":
                    again.park()

            parked = await _left(again, then)
            check_log(parked.log, parked=True)
            log = _saved(parked.log)
            monkeypatch.setattr(time, "time", lambda day=day: now() + day * 86_400)
        last = _steps_below()
        last.timeouts = Timeouts(run=60.0)
        assert (await last.resume(log).result()).to_dict() == {"one": "One.", "two": "I am two."}

    run_virtual(main())


def test_in_sync_code_it_is_parked_from_the_loop_and_from_a_thread() -> None:
    for in_thread in (False, True):
        stream = one_asked().run_stream("Go.")
        park = threading.Thread(target=stream.park)
        events = iter(stream.events())
        while not isinstance(next(events), RunWaiting):
            pass
        if in_thread:
            park.start()
            park.join()
        else:
            stream.park()
        with pytest.raises(Parked) as caught:
            list(events)
        parked = caught.value
        assert [question.tool for question in parked.pending] == ["charge"]
        check_log(parked.log, parked=True)


def test_parking_an_idle_stream_closes_the_request_at_once() -> None:
    model = ScriptedModel([["One ", Wait(50.0), "two."]])
    stream = Agent(model=model, keep_log=True).run_stream("Go.")
    events = iter(stream.events())
    while next(events).type != "text.delta":
        pass
    told: list[bool] = []
    stream._begun()._asking.shut = lambda: told.append(True)  # type: ignore[attr-defined]
    thread = threading.Thread(target=stream.park, kwargs={"now": True})
    thread.start()
    thread.join()
    assert told
    with pytest.raises(Parked):
        list(events)
    assert stream.log[-1].type == "text.delta"


# --- nothing said is lost


@pytest.mark.parametrize("now", [False, True])
def test_a_message_to_a_parked_run_is_received_after_resume(now: bool) -> None:
    async def main() -> None:
        stream = hears().run_stream("Go.", keep_log=True)

        def then(event: Event) -> None:
            if isinstance(event, ToolStarted) and not stream._begun().parking:
                assert stream.steer("hurry")
                stream.park(now=now)
                assert stream.steer("and be kind") is not now

        parked = await _left(stream, then)
        log = parked.log
        said = [event.message.text for event in log if isinstance(event, MessageReceived)]
        assert said == (["hurry"] if now else ["hurry", "and be kind"])
        assert [message.text for message in stream.response.unheard] == said
        answer = await hears().resume(_saved(log)).result()
        assert f"with {' and '.join(said)}" in answer

    run_virtual(main())


def test_a_message_to_a_waiting_member_is_kept() -> None:
    async def main() -> None:
        flow = SequentialWorkflow([hears()], keep_log=True)
        stream = flow.run_stream("Go.")

        def then(event: Event) -> None:
            if isinstance(event, ToolStarted):
                stream.park()
                assert stream.steer("hurry", agent="hears")

        parked = await _left(stream, then)
        assert "message.received" in [event.type for event in parked.log]
        assert "with hurry" in await flow.resume(_saved(parked.log)).result()

    run_virtual(main())


def test_messages_that_no_model_received_are_in_the_response() -> None:
    async def main() -> None:
        stream = _slow_agent().run_stream("Go.")
        async for event in stream.events():
            if isinstance(event, ToolStarted):
                assert stream.steer("hurry", by="ann")
                stream.cancel()
        assert [message.text for message in stream.response.unheard] == ["hurry"]
        assert not stream.steer("too late")

    run_virtual(main())


# --- threads, and what is left


def test_an_answer_while_the_loop_ends_is_accepted_or_rejected() -> None:
    """Twenty threads answer the moment the run is left: none hangs, none is told nonsense."""
    for _ in range(5):
        stream = one_asked().run_stream("Go.")
        go, told = threading.Event(), list[str]()

        def answer(name: str, stream: Any = stream, go: threading.Event = go, told: list[str] = told) -> None:
            go.wait(5)
            try:
                stream.approve(name)
            except (AlreadyAnswered, RunEnded) as error:
                told.append(type(error).__name__)
            else:
                told.append("answered")

        threads: list[threading.Thread] = []
        for event in stream.events():
            if isinstance(event, RunWaiting):
                question = stream.pending[0].id
                threads = [threading.Thread(target=answer, args=(question,)) for _ in range(20)]
                for thread in threads:
                    thread.start()
                go.set()
                break
        stream.close()
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive()
        assert len(told) == 20
        assert told.count("answered") <= 1


def test_a_stream_with_questions_is_not_a_reference_cycle() -> None:
    """Whoever lets go of it in the middle of a question, or after its end, lets go of all of it."""

    async def main() -> None:
        gone: list[weakref.ref[Any]] = []
        gc.collect()
        gc.disable()
        try:
            for make, ways in ((one_asked, (True, False)), (waiting_child, (True,))):
                for to_the_end in ways:
                    stream = make().run_stream("Go.")
                    gone.append(weakref.ref(stream._begun()))
                    reader = aiter(stream.events())
                    async for event in reader:
                        if isinstance(event, RunWaiting) and len(event.path) == 1:
                            if not to_the_end:
                                break
                            for question in stream.pending:
                                stream.approve(question.id)
                    if not to_the_end:
                        await stream.aclose()
                    del stream, reader, event
                    for _ in range(20):
                        await asyncio.sleep(0)
            assert [ref() for ref in gone] == [None] * 3
        finally:
            gc.enable()

    run_virtual(main())


def test_a_resumed_stream_is_not_a_reference_cycle() -> None:
    async def parked() -> Parked:
        stream = one_asked().run_stream("Go.")
        return await _left(stream, lambda event: isinstance(event, RunWaiting) and stream.park())

    async def main() -> None:
        error = await parked()
        log, approvals = _saved(error.log), {error.pending[0].id: True}
        gc.collect()
        gc.disable()
        try:
            again = one_asked().resume(log, approvals=approvals)
            gone = weakref.ref(again._begun())
            assert await again.result() == "It is done."
            del again
            for _ in range(20):
                await asyncio.sleep(0)
            assert gone() is None
        finally:
            gc.enable()

    run_virtual(main())


# --- steering


def test_now_interrupts_the_answer_and_never_a_tool() -> None:
    async def main() -> None:
        agent = Agent(model=ScriptedModel([["One ", Wait(50.0), "two."], [Wait(1.0), "Then so."]]))
        stream = agent.run_stream("Go.")
        log: list[Event] = []
        async for event in stream.events():
            log.append(event)
            if event.type == "text.started" and len(log) < 8:
                asyncio.get_running_loop().call_later(2.0, lambda: stream.steer("stop", now=True))
        check_log(log)
        finished = [event.finish_reason for event in log if event.type == "step.finished"]  # type: ignore[attr-defined]
        assert finished[0] == "cancelled"
        assert stream.response.transcript.startswith("One ")
        assert [message.role for message in stream.response.messages] == ["user", "assistant", "user", "assistant"]

    _, seconds = run_virtual(main())
    assert seconds < 50


def test_now_before_the_first_token() -> None:
    async def main() -> None:
        agent = Agent(model=by_step(["Never."], ["So."]))
        for when in ("step.started", "attempt.started", "run.started"):
            stream = agent.run_stream("Go.")
            log: list[Event] = []
            async for event in stream.events():
                log.append(event)
                if event.type == when and not any(one.type == "message.received" for one in log):
                    assert stream.steer("stop", now=True)
            check_log(log)
            assert stream.response == tree_response(log)
            assert not stream.response.unheard

    run_virtual(main())


def test_final_only_retracts_text_that_is_not_the_answer_after_all() -> None:
    async def main() -> None:
        agent = Agent(model=ScriptedModel([["This is it."], ["No, this."]]))
        stream = agent.run_stream("Go.")
        chunks = []
        async for chunk in stream.select(final_only=True):
            chunks.append(chunk)
            if chunk.content and len(chunks) == 1:
                stream.steer("wait")
        shown = ""
        for chunk in chunks:
            if chunk.finish_reason == "retracted":
                shown = shown[: len(shown) - chunk.event.chars]  # type: ignore[union-attr]
            shown += chunk.content
        assert "retracted" in [chunk.finish_reason for chunk in chunks]
        assert shown == stream.response.text == "No, this."

    run_virtual(main())


def test_what_is_said_right_before_a_cancel_is_in_the_log() -> None:
    """Also where the run's next events are on their way: they come too late, and what was said among them does not."""

    async def read(stream: AgentStream[Any, Any]) -> list[Event]:
        return [event async for event in stream.events()]

    async def begin() -> tuple[AgentStream[Any, Any], asyncio.Task[list[Event]]]:
        stream = _slow_agent().run_stream("Go.")
        return stream, asyncio.ensure_future(read(stream))

    loop = VirtualLoop()
    try:
        stream, reading = loop.run_until_complete(begin())
        loop.run_until_complete(asyncio.sleep(5))  # the tool has ended, and nothing more has been done
        assert stream.steer("Hurry.")
        stream.cancel()
        log = loop.run_until_complete(reading)
    finally:
        loop.close()
    check_log(log)
    assert [event.message.text for event in log if isinstance(event, MessageReceived)] == ["Hurry."]
    assert [message.text for message in stream.response.unheard] == ["Hurry."]

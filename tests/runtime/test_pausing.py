"""A run pauses with its timeouts; and it is parked, with a complete log."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from headwater import Agent, Timeouts
from headwater.backends.offline import Wait
from headwater.errors import LogNotKept, Parked, RunTimeout
from headwater.events import (
    Custom,
    Event,
    MessageReceived,
    RunResumed,
    StepStarted,
    TextDelta,
    ToolStarted,
    Unknown,
    Warned,
    tree_response,
)
from headwater.events.messages import Message
from headwater.events.questions import Question
from headwater.runtime.past import past_of
from headwater.runtime.pausing import nobody_answers, wakes
from headwater.workflows import ConcurrentWorkflow
from tests.runtime.runs import Saying, Team, log_of_run
from tests.support.streams import scripted
from tests.support.virtual import run_virtual

WORDS = ("One ", "two ", "three.")


# --- what wakes, and what is said


@pytest.mark.parametrize(
    ("event", "woken"),
    [
        (MessageReceived(key="k", message=Message.user("x")), False),
        (Warned(code="c", message="m"), False),
        (Custom(name="n"), False),
        (Unknown(name="n", body={}), False),
        (ToolStarted(step=1, call="c", name="n"), True),
        (RunResumed(), True),
        (StepStarted(step=1), True),
    ],
)
def test_what_ends_a_wait(event: Event, woken: bool) -> None:
    assert wakes(event) is woken


def test_without_an_answer_the_error_lists_the_questions_and_how_to_continue() -> None:
    questions = [Question(id=name, kind="approval", tool="pay") for name in ("q1", "q2")]
    error = nobody_answers(questions)
    assert "pay (q1), pay (q2)" in error.message
    assert "approvals={id: True}" in error.hint


# --- timeouts


def test_the_runs_timeout_pauses() -> None:
    async def main() -> None:
        run = Saying("ann", *WORDS, timeout=10.0)
        loop = asyncio.get_running_loop()

        def still(event: Event) -> None:
            if isinstance(event, StepStarted):
                run.stand_still(True)
                loop.call_later(100.0, run.stand_still, False)

        run.watch(still)
        await run.drain()
        assert run.error is None
        slow = Saying("ann", *WORDS, pause=4.0, timeout=10.0)
        slow.watch(lambda event: slow.stand_still(True) if isinstance(event, StepStarted) else None)
        slow.watch(lambda event: slow.stand_still(False) if isinstance(event, TextDelta) and slow.waiting else None)
        with pytest.raises(RunTimeout):
            await slow.drain()

    run_virtual(main())


def test_the_call_that_it_answers_is_notified_of_the_pause() -> None:
    async def main() -> None:
        told: list[bool] = []
        run = Saying("ann", *WORDS)
        run.stands_still = told.append
        run.stand_still(True)
        assert run.waiting
        run.stand_still(False)
        assert told == [True, False]

    run_virtual(main())


def test_its_deadline_moves_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("headwater.runtime.pausing.time.monotonic", lambda: now[0])
    run = Saying("ann")
    run.deadline = 1010.0
    run.stand_still(True)
    now[0] += 50.0
    run.stand_still(False)
    assert run.deadline == 1060.0


# --- parking


def test_all_that_was_on_its_way_gets_into_the_log() -> None:
    """Members are ahead of the reader: what they have said is told before the run is left."""

    async def main() -> None:
        team = Team("team", *(Saying(name, *WORDS, pause=0.0) for name in "abc"))
        team.wants_log = True
        log: list[Event] = []
        error = Parked("enough")
        while events := await team.pull():
            for event in events:
                team.append(event)
                log.append(event)
            await asyncio.sleep(1.0)
            if len(log) > 12 and team.ending.going:
                team.leave(error)
        assert error.log == tuple(log) == team.kept
        assert team.over
        assert team.response() == tree_response(log)

    run_virtual(main())


def test_a_reader_that_leaves_instead_of_continuing_loses_nothing() -> None:
    async def main() -> None:
        for way in ("abort", "drop"):
            team = Team("team", *(Saying(name, *WORDS, pause=0.0) for name in "abc"))
            team.wants_log = True
            await log_of_run(team, until=lambda event: isinstance(event, TextDelta))
            await asyncio.sleep(1.0)
            team.leave(error := Parked("enough"))
            if way == "abort":
                team.abort("left")
                assert team.over
                assert error.log == team.kept
                assert team.response() == tree_response(error.log)
            del team
            gc.collect()

    run_virtual(main())


def test_the_first_to_stop_it_counts() -> None:
    async def main() -> None:
        run = Saying("ann", *WORDS)
        await log_of_run(run, until=lambda event: isinstance(event, TextDelta))
        run.cancel()
        run.leave(Parked("too late"))
        log = await log_of_run(run)
        assert log[-1].type == "run.cancelled"
        other = Saying("ann", *WORDS)
        await log_of_run(other, until=lambda event: isinstance(event, TextDelta))
        other.leave(Parked("enough"))
        other.cancel()
        assert await log_of_run(other) == []
        with pytest.raises(Parked, match="enough"):
            other.raise_error()

    run_virtual(main())


def test_a_member_that_ends_meanwhile_ends_in_good_order() -> None:
    async def main() -> None:
        members = [Saying(name, *WORDS, pause=3.0) for name in "ab"]
        team = Team("team", *members)
        team.wants_log = True
        log = await log_of_run(team, until=lambda event: isinstance(event, TextDelta))
        members[0].cancel("parent")
        team.leave(error := Parked("enough"))
        log += await log_of_run(team)
        assert [event.type for event in log if event.run == members[0].id][-1] == "run.cancelled"
        assert [event.type for event in log if event.run == members[1].id][-1] != "run.cancelled"
        assert error.log == tuple(log)

    run_virtual(main())


def test_a_log_is_kept_on_request_from_its_first_event() -> None:
    async def main() -> None:
        run = Saying("ann", *WORDS)
        with pytest.raises(LogNotKept):
            _ = run.kept
        run = Saying("ann", *WORDS)
        run.wants_log = True
        assert run.kept == ()
        log = await log_of_run(run)
        assert run.kept == tuple(log)

    run_virtual(main())


def test_a_gentle_park_waits_for_every_member() -> None:
    async def main() -> None:
        quick = scripted(["Quick."], ["Never."], name="quick", max_loops=2)
        slow = scripted(["Slow ", Wait(9.0), "too."], ["Never."], name="slow", max_loops=2)
        stream = ConcurrentWorkflow([quick, slow], keep_log=True).run_stream("Go.")
        await _until_parked(stream)
        results = stream.response
        assert [str(member) for member in results.members.values()] == ["Quick.", "Slow too."]

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(9.0)


async def _until_parked(stream: Any) -> None:
    async def read() -> None:
        async for event in stream.events():
            if isinstance(event, TextDelta):
                stream.park()

    with pytest.raises(Parked):
        await read()


# --- resuming


def test_it_resumes_the_state_of_its_log() -> None:
    async def main() -> None:
        agent = Agent(name="ann", model=scripted("One two.").model)
        log = [event async for event in agent.run_stream("Go.").events()]
        run = agent._begin("Go.", shown=False)
        run.go_on(past_of(log[:5]), by="me")
        assert run.id == log[0].run
        assert run.record is not None
        assert not run.changed
        assert not run.over
        run = agent._begin("Go.", shown=False)
        run.go_on(past_of(log))
        assert run.over
        assert await run.pull() == []
        assert run.response() == tree_response(log)

    run_virtual(main())


def test_its_time_is_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        agent = Agent(name="ann", model=scripted(["One ", Wait(4.0), "two."]).model, timeouts=Timeouts(run=10.0))
        log = [event async for event in agent.run_stream("Go.").events()][:4]
        again = agent._begin("Go.", shown=False)
        monkeypatch.setattr("headwater.runtime.pausing.time.time", lambda: log[0].time + 7.0)
        again.go_on(past_of(log))
        await again.pull()
        clock, loop = again._clock, asyncio.get_running_loop()
        assert clock is not None
        assert clock.when() - loop.time() == pytest.approx(3.0, abs=0.1)
        again.abort("left")

    run_virtual(main())

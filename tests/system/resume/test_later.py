"""What people answer late: past its time, a day later, to another process, and twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from headwater import AgentStream, Timeouts
from headwater.errors import AlreadyAnswered, ApprovalNeeded, UnknownQuestion
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    InputAnswered,
    RunFinished,
    RunWaiting,
    ToolStarted,
    decode,
    encode,
)
from headwater.testing import check_log
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import (
    asking_graph,
    asking_heir,
    asking_nested,
    asking_sequence,
    asking_together,
    asks_two_things,
    deep,
    done,
    one_asked,
    results_by_a_call,
    two_asked,
)

DAY = 86_400.0

EVERYWHERE = [
    *(one_asked, deep, asking_sequence, asking_together),
    *(asking_graph, asking_nested, asking_heir, results_by_a_call),
]


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock on the wall forward by so many seconds."""
    now, late = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: now() + late[0])

    def forward(seconds: float) -> None:
        late[0] += seconds

    return forward


def _saved(log: Any) -> list[Event]:
    return [decode(encode(event)) for event in log]


def _left_waiting(make: Callable[[], Any], **timeouts: float) -> ApprovalNeeded:
    """The run, where nobody was there to answer."""

    async def main() -> ApprovalNeeded:
        declared = make()
        if timeouts:
            declared.timeouts = Timeouts(**timeouts)
        with pytest.raises(ApprovalNeeded) as caught:
            await declared.run("Go.")
        return caught.value

    return run_virtual(main())[0]


async def _rest(stream: AgentStream[Any, Any], before: list[Event], then: Callable[[Any], object]) -> list[Event]:
    """The whole log, once `then` was done with each question that the outermost run waits for."""
    log = [*before]
    async for event in stream.events():
        log.append(event)
        if isinstance(event, RunWaiting) and len(event.path) == 1:
            for question in stream.pending:
                then(question)
    check_log(log)
    return log


def _charged() -> int:
    return sum(" charge " in one for one in done)


# --- in every place where one may be asked


@pytest.mark.parametrize("make", EVERYWHERE)
def test_denied_everywhere_no_tool_runs_and_the_run_continues(make: Callable[[], Any]) -> None:
    async def main() -> None:
        stream = make().run_stream("Go.", keep_log=True)
        log = await _rest(stream, [], lambda question: stream.deny(question.id, note="no", by="ann"))
        refused = [event for event in log if isinstance(event, ApprovalAnswered)]
        assert refused
        assert _charged() == 0
        assert not [event for event in log if isinstance(event, ToolStarted) and event.name == "charge"]
        assert isinstance(log[-1], RunFinished)

    run_virtual(main())


@pytest.mark.parametrize("make", EVERYWHERE)
def test_a_day_later_another_process_is_answered_in_every_place(
    make: Callable[[], Any], clock: Callable[[float], None]
) -> None:
    needed = _left_waiting(make)
    before, days = _saved(needed.log), 0
    ran = _charged()
    pending = needed.pending

    async def go_on() -> ApprovalNeeded | None:
        nonlocal before
        declared = make()
        stream = declared.resume(before, approvals={one.id: True for one in pending}, keep_log=True, by=f"day {days}")
        try:
            await stream._begun().drain(alone=True)
        except ApprovalNeeded as still:
            before = _saved(still.log)
            return still
        before = _saved(stream.log)
        return None

    while pending:
        clock(DAY)
        days += 1
        check_log(before, parked=True)
        still = run_virtual(go_on())[0]
        pending = still.pending if still is not None else ()
    check_log(before)
    asked = sum(isinstance(event, ApprovalAsked) for event in before)
    assert _charged() - ran == asked, "each was charged once"
    assert isinstance(before[-1], RunFinished)


@pytest.mark.parametrize("make", EVERYWHERE)
def test_cancelled_in_every_place_all_of_it_ends_and_nothing_runs_later(make: Callable[[], Any]) -> None:
    async def main() -> None:
        stream = make().run_stream("Go.", keep_log=True)
        log = await _rest(stream, [], lambda _: stream.cancel())
        assert log[-1].type == "run.cancelled"
        assert stream.pending == ()
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        again = make().resume(_saved(log))
        assert [event async for event in again.events()] == []
        assert _charged() == 0

    run_virtual(main())


# --- past its time


@pytest.mark.parametrize("late", [False, True])
def test_the_answer_timeout_continues_in_the_next_process(late: bool, clock: Callable[[float], None]) -> None:
    needed = _left_waiting(one_asked, answer=DAY)
    (question,) = needed.pending
    assert question.until is not None
    clock(DAY / 2)
    if late:
        clock(DAY)

    async def main() -> None:
        agent = one_asked()
        agent.timeouts = Timeouts(answer=5.0)  # what was asked stays asked, for as long as was said then
        stream = agent.resume(_saved(needed.log))
        log = await _rest(stream, _saved(needed.log), lambda _: None)
        answered = next(event for event in log if isinstance(event, ApprovalAnswered))
        assert (answered.allowed, answered.by) == (False, "timeout")
        assert _charged() == 0

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(0.0 if late else DAY / 2, abs=60.0)


def test_a_tools_question_expires_in_the_next_process_too(clock: Callable[[float], None]) -> None:
    """It was dismissed by the time; the tool reads that, in whatever process it waits."""
    needed = _left_waiting(asks_two_things)
    log = [*_saved(needed.log)]
    at = next(at for at, event in enumerate(log) if event.type == "input.asked")
    log[at] = msgspec.structs.replace(log[at], until=log[at].time + 60.0)
    clock(DAY)

    async def main() -> None:
        stream = asks_two_things().resume(log)
        whole = await _rest(stream, log, lambda _: None)
        first = next(event for event in whole if isinstance(event, InputAnswered))
        assert (first.action, first.by) == ("cancel", "timeout")

    run_virtual(main())


# --- twice


def test_what_was_answered_in_one_process_is_not_answered_in_the_next() -> None:
    needed = _left_waiting(two_asked)
    first, second = needed.pending

    async def main() -> None:
        log = _saved(needed.log)
        half = two_asked().resume(log, approvals={first.id: True}, keep_log=True)
        with pytest.raises(ApprovalNeeded) as caught:
            await half._begun().drain(alone=True)
        log = _saved(caught.value.log)
        assert [one.id for one in caught.value.pending] == [second.id]
        with pytest.raises(UnknownQuestion):
            two_asked().resume(log, approvals={first.id: False})
        stream = two_asked().resume(log)

        def answer(question: Any) -> None:
            with pytest.raises(AlreadyAnswered, match="approved"):
                stream.deny(first.id)
            stream.deny(question.id)

        await _rest(stream, log, answer)
        assert _charged() == 1

    run_virtual(main())

"""Waiting for answers: the first one counts, whoever gives it, from any thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from headwater.errors import AlreadyAnswered, AnswerInvalid, RunEnded, UnknownQuestion
from headwater.events import ApprovalAnswered, InputAnswered
from headwater.events.questions import Answer, Question
from headwater.runtime.people import Approver, People, Waiting, answer_of
from tests.support.virtual import run_virtual

QUESTION = Question(id="q", kind="approval", run="r", tool="pay")
INPUT = Question(id="i", kind="input", run="r", tool="book", message="How many?")


def _same(answer: Answer) -> Answer:
    return answer


def _refuses(answer: Answer) -> Answer:
    raise AnswerInvalid("It does not fit.")


def _open(
    people: People,
    question: Question = QUESTION,
    check: Callable[[Answer], Answer] = _same,
    approver: Approver | None = None,
) -> Waiting:
    return people.open(question, check, approver)


def test_it_is_pending_from_when_it_is_asked_and_may_be_answered_before_it_is_waited_for() -> None:
    async def main() -> None:
        people = People()
        waiting = _open(people)
        assert [*people.pending] == [*people.unattended] == [QUESTION]
        people.answer("q", Answer(by="ann"), "approval")
        assert not people.pending
        assert (await people.wait(waiting)).by == "ann"

    run_virtual(main())


def test_only_an_open_question_of_that_kind_is_answered_and_once() -> None:
    async def main() -> None:
        people = People()
        with pytest.raises(UnknownQuestion, match="The open questions are: none"):
            people.answer("q", Answer(), "approval")
        _open(people)
        with pytest.raises(UnknownQuestion, match="The open questions are: q"):
            people.answer("other", Answer(), "approval")
        with pytest.raises(AnswerInvalid, match="approve or deny"):
            people.answer("q", Answer(), "input")
        people.answer("q", Answer(allowed=False, by="bob"), "approval")
        with pytest.raises(AlreadyAnswered, match="denied by bob") as caught:
            people.answer("q", Answer(), "approval")
        assert caught.value.by == "bob"

    run_virtual(main())


def test_a_pending_answer_is_logged_when_the_run_is_left() -> None:
    async def main() -> None:
        people = People()
        waiting, other = _open(people), _open(people, INPUT)
        people.answer("q", Answer(arguments={"a": 1}, by="ann", note="so", for_run=True), "approval")
        people.answer("i", Answer(content=3, by="bob"), "input")
        assert people.untold("another") == ()
        assert people.untold("r") == (
            ApprovalAnswered(approval="q", allowed=True, by="ann", note="so", arguments={"a": 1}, for_run=True),
            InputAnswered(input="i", action="accept", content=3, by="bob"),
        )
        await people.wait(waiting)
        assert [event.type for event in people.untold("r")] == ["input.answered"]
        await people.wait(other)
        assert people.untold("r") == ()
        settled = [people.settled()]
        for run in ("another", "r"):
            assert people.settled("another")
            assert people.settled("r") is people.settled()
            people.told(run)
            settled.append(people.settled())
        assert settled == [False, False, True]

    run_virtual(main())


def test_a_run_that_has_ended_accepts_no_answer() -> None:
    async def main() -> None:
        people = People()
        _open(people)
        people.answer("q", Answer(), "approval")
        assert [people.settled(), len(people.untold("r"))] == [False, 1]
        people.void("r")
        assert [people.settled(), len(people.untold("r"))] == [True, 0]

    run_virtual(main())


def test_an_invalid_answer_leaves_it_open() -> None:
    async def main() -> None:
        people = People()
        _open(people, check=_refuses)
        with pytest.raises(AnswerInvalid, match="does not fit"):
            people.answer("q", Answer(), "approval")
        assert people.pending == (QUESTION,)

    run_virtual(main())


def test_of_many_threads_one_answers() -> None:
    async def main() -> None:
        people, told = People(), list[str]()
        waiting = _open(people)
        start = threading.Barrier(10)

        def answer(name: str) -> None:
            start.wait()
            try:
                people.answer("q", Answer(by=name), "approval")
                told.append(name)
            except AlreadyAnswered:
                pass

        threads = [threading.Thread(target=answer, args=(f"t{number}",)) for number in range(10)]
        for thread in threads:
            thread.start()
        answered = await people.wait(waiting)
        for thread in threads:
            thread.join()
        assert told == [answered.by]

    asyncio.run(main())


def test_waiting_for_an_answer_ends_when_it_is_not_needed() -> None:
    async def main() -> None:
        people = People()
        waiting = _open(people)
        task = asyncio.ensure_future(people.wait(waiting))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert people.pending == ()
        with pytest.raises(RunEnded):
            people.answer("q", Answer(), "approval")

    run_virtual(main())


def test_what_a_run_asked_is_void_at_its_end() -> None:
    async def main() -> None:
        people = People()
        _open(people)
        other = Question(id="o", kind="approval", run="other")
        _open(people, other)
        people.void("r")
        assert people.pending == (other,)
        with pytest.raises(RunEnded):
            people.answer("q", Answer(), "approval")

    run_virtual(main())


def test_a_closed_loop_receives_nothing() -> None:
    people = People()

    async def ask() -> None:
        _open(people)

    asyncio.run(ask())
    with pytest.raises(RunEnded, match="over"):
        people.answer("q", Answer(), "approval")


# --- approvers


async def _later(question: Question) -> bool:
    await asyncio.sleep(3)
    return True


def _now(question: Question) -> Answer:
    return Answer(allowed=False, by="now")


def _awaitable(question: Question) -> Any:
    return _later(question)


class _Object:
    async def __call__(self, question: Question) -> bool:
        return question.tool == "pay"


@pytest.mark.parametrize(
    ("approver", "allowed", "by"),
    [(_later, True, "approver"), (_now, False, "now"), (_awaitable, True, "approver"), (_Object(), True, "approver")],
)
def test_an_approver_is_asked(approver: Approver, allowed: bool, by: str) -> None:
    async def main() -> None:
        people = People()
        waiting = _open(people, approver=approver)
        assert people.unattended == ()
        answer = await people.wait(waiting)
        assert (answer.allowed, answer.by) == (allowed, by)
        assert people.pending == ()
        with pytest.raises(AlreadyAnswered):
            people.answer("q", Answer(), "approval")

    run_virtual(main())


def test_an_approver_gives_a_tool_what_it_asks_for() -> None:
    async def main() -> None:
        people = People()
        answer = await people.wait(_open(people, INPUT, approver=lambda question: len(question.message)))
        assert (answer.content, answer.action) == (9, "accept")

    run_virtual(main())


def test_an_approvers_error_is_raised_and_its_answer_is_validated() -> None:
    def broken(question: Question) -> bool:
        raise LookupError("nobody")

    async def main() -> None:
        people = People()
        with pytest.raises(LookupError):
            await people.wait(_open(people, approver=broken))
        with pytest.raises(AnswerInvalid, match="returned NoneType"):
            await people.wait(_open(people, approver=lambda _: None))
        with pytest.raises(AnswerInvalid, match="does not fit"):
            await people.wait(_open(people, check=_refuses, approver=_now))

    run_virtual(main())


def test_someone_may_answer_before_the_approver_who_is_then_stopped() -> None:
    stopped: list[bool] = []

    async def slow(question: Question) -> bool:
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append(True)
        return False

    async def main() -> None:
        people = People()
        waiting = _open(people, approver=slow)
        asyncio.get_running_loop().call_later(1.0, people.answer, "q", Answer(by="ann"), "approval")
        assert (await people.wait(waiting)).by == "ann"
        await asyncio.sleep(0)
        assert stopped == [True]

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(1.0)


def test_an_approver_that_raises_after_an_answer_is_ignored() -> None:
    async def raises(question: Question) -> bool:
        raise LookupError("too late")

    async def main() -> None:
        people = People()
        complaints: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
        waiting = _open(people, approver=raises)
        people.answer("q", Answer(by="ann"), "approval")
        assert (await people.wait(waiting)).by == "ann"
        await asyncio.sleep(1)
        assert not complaints

    run_virtual(main())


def test_where_one_question_has_an_approver_the_others_are_not_alone_yet() -> None:
    async def main() -> None:
        people = People()
        _open(people)
        _open(people, INPUT, approver=_later)
        assert len(people.pending) == 2
        assert people.unattended == ()

    run_virtual(main())


# --- time, and another process


def test_it_lapses() -> None:
    async def main() -> None:
        people = People()
        question = Question(id="q", kind="approval", until=time.time() + 30.0)
        answer = await people.wait(_open(people, question))
        assert (answer.allowed, answer.action, answer.by) == (False, "cancel", "timeout")

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(30.0, abs=1.0)


def test_what_was_answered_before_it_is_asked_again_is_its_answer() -> None:
    async def main() -> None:
        people = People()
        people.give({"q": Answer(by="given")})
        waiting = _open(people)
        assert [*people.pending, *people.unattended] == []
        with pytest.raises(AlreadyAnswered, match="approved by given"):
            people.answer("q", Answer(allowed=False), "approval")
        assert not people.settled("r")
        assert (await people.wait(waiting)).by == "given"
        people.give({"i": Answer(content=1)})
        misfit = _open(people, INPUT, _refuses)
        assert [*people.pending] == [INPUT]
        with pytest.raises(AnswerInvalid):
            await people.wait(misfit)
        assert people.untold("r") == ()

    run_virtual(main())


def test_answers_in_the_log_are_answered() -> None:
    people = People()
    people.know(
        [
            ApprovalAnswered(approval="q", allowed=True, by="ann"),
            InputAnswered(input="i", action="decline"),
            InputAnswered(input="j", action="cancel", by="bob"),
        ]
    )
    for name, how in (("q", "approved by ann"), ("i", "declined already"), ("j", "dismissed by bob")):
        with pytest.raises(AlreadyAnswered, match=how):
            people.answer(name, Answer(), "approval")


@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_an_approver_that_declines_does_not_allow(action: Any) -> None:
    async def main() -> None:
        answer = Answer(action=action)
        assert not (await answer_of(lambda question: answer, QUESTION)).allowed
        assert await answer_of(lambda question: answer, INPUT) is answer

    run_virtual(main())

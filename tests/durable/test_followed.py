"""A run of a journal is read as any stream is, whoever drives it, and spoken to through its inbox."""

from __future__ import annotations

import asyncio

import pytest

import headwater
from headwater.errors import AlreadyAnswered, AnswerInvalid, UnknownQuestion, UsageError
from tests.support.journals import journal, payer, plain, slow

__all__ = ("journal",)


def test_it_has_every_face_of_a_stream(journal: str) -> None:
    ref = plain(journal).start("Hi")

    def again() -> headwater.AgentStream[object]:
        return headwater.attach(ref.id, journal=journal)

    assert "".join(again().text()) == "Hello there."
    assert [event.seq for event in again().events()] == [*range(len([*again().events()]))]
    assert again().result_sync() == "Hello there."
    assert "".join(chunk.content for chunk in again().select(final_only=True)) == "Hello there."

    async def main() -> None:
        assert await again() == "Hello there."
        async with again() as stream:
            async for _ in stream:
                break
        assert len(asyncio.all_tasks()) <= 3

    asyncio.run(main())


def test_questions_are_answered_through_it(journal: str) -> None:
    ref = payer(journal).start("Pay")
    stream = headwater.attach(ref.id, journal=journal)
    for event in stream.events():
        if event.type == "run.waiting":
            (question,) = stream.pending
            with pytest.raises(UnknownQuestion):
                stream.approve("nobody")
            with pytest.raises(AnswerInvalid):
                stream.answer(question.id, 3)
            stream.approve(question.id, by="ann")
            with pytest.raises(AlreadyAnswered):
                stream.approve(question.id, by="bob")
        elif event.type == "approval.answered":
            with pytest.raises(AlreadyAnswered):
                stream.approve(question.id, by="bob")
    assert stream.response == "It is done."
    assert not stream.steer("too late")


def test_it_is_cancelled_and_steered_and_never_parked(journal: str) -> None:
    ref = slow(journal).start("Think")
    stream = headwater.attach(ref.id, journal=journal)
    types = []
    for event in stream.events():
        types.append(event.type)
        if event.type == "text.delta" and "message.received" not in types:
            assert stream.steer("hurry", now=True)
            with pytest.raises(UsageError):
                stream.park()
        elif event.type == "message.received":
            stream.cancel()
    assert types[-1] == "run.cancelled"

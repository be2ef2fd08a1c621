"""A run of a journal is read as any stream is, whoever drives it, and spoken to through its inbox."""

from __future__ import annotations

import asyncio
import contextvars
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import pytest

import headwater
from headwater import Agent, tool
from headwater.errors import AlreadyAnswered, AnswerInvalid, IncompleteStream, UnknownQuestion, UsageError
from headwater.events import Event
from headwater.events.codec import decode, encode
from headwater.events.questions import Question
from headwater.journal.engines.executor import enter
from headwater.journal.opening import open_journal
from headwater.journal.run_log import Batch, Request, RunLog
from headwater.testing import Call, check_log
from headwater.testing.journal_check.stores import sample as written
from tests.support.journals import by_role, journal, payer, plain, slow

__all__ = ("journal",)

T = TypeVar("T")


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


@pytest.mark.parametrize("way", ["sync", "async"])
def test_questions_are_answered_through_one_that_nobody_reads(
    way: str, journal: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As a handler of a web server does: it knows the run and the question by their ids alone."""
    ref = payer(journal).start("Pay")
    for event in ref.events():
        if event.type == "run.waiting":
            break
    (question,) = ref.pending()

    def unread() -> headwater.AgentStream[Any, Any]:
        return headwater.attach(ref.id, journal=journal)

    async def handle() -> None:
        unread().approve("nobody")
        unread().answer(question.id, 3)
        failing = unread()
        failing.approve("nobody")
        with pytest.raises(UnknownQuestion):
            await failing
        unread().approve(question.id, by="ann")
        assert await unread() == "It is done."

    if way == "async":
        asyncio.run(handle())
        said = {record.getMessage() for record in caplog.records if record.levelname == "WARNING"}
        assert "There is no question with the id 'nobody'." in said
        assert any("is another kind of question" in one for one in said)
    else:
        with pytest.raises(UnknownQuestion, match=re.escape(question.id)):
            unread().approve("nobody")
        with pytest.raises(AnswerInvalid):
            unread().answer(question.id, 3)
        unread().approve(question.id, by="ann")
        assert ref.result_sync() == "It is done."
    with pytest.raises(AlreadyAnswered, match="by ann"):
        unread().approve(question.id, by="bob")


def test_a_local_approver_answers_what_it_asks(journal: str) -> None:
    asked: list[Question] = []

    def decide(question: Question) -> bool:
        asked.append(question)
        return True

    ref = payer(journal).start("Pay")
    assert headwater.attach(ref.id, journal=journal, approver=decide).result_sync() == "It is done."
    assert [(one.tool, one.arguments) for one in asked] == [("pay", {"cents": 5})]
    asked.clear()
    assert headwater.attach(ref.id, journal=journal, approver=decide).result_sync() == "It is done."
    assert asked == []  # it was answered before


def test_an_approver_that_fails_ends_the_reading_alone(journal: str) -> None:
    def decide(question: Question) -> bool:
        raise LookupError("Nobody is here.")

    ref = payer(journal).start("Pay")
    with pytest.raises(LookupError):
        headwater.attach(ref.id, journal=journal, approver=decide).result_sync()
    (question,) = ref.pending()
    ref.deny(question.id)
    assert ref.result_sync() == "It is done."


def test_a_slower_approver_is_stopped_by_an_answer_from_elsewhere(journal: str) -> None:
    async def main() -> None:
        asked, stopped = asyncio.Event(), asyncio.Event()

        async def decide(question: Question) -> bool:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            raise AssertionError

        ref = await payer(journal).start("Pay")
        reading = asyncio.ensure_future(headwater.attach(ref.id, journal=journal, approver=decide).result())
        await asked.wait()
        (question,) = await ref.pending()
        await ref.approve(question.id)
        assert await reading == "It is done."
        assert stopped.is_set()

    asyncio.run(main())


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


def canceller(journal: str, name: str, other: list[str]) -> Agent[Any, Any]:
    """Cancels another run in an async tool."""

    @tool
    async def stop() -> str:
        """Stop the other run."""
        headwater.attach(other[0], journal=journal).cancel()
        return "stopped"

    return Agent(name=name, model=by_role(user=[Call("stop", {})], tool="Done."), tools=[stop], journal=journal)


def test_an_async_tool_cancels_another_run_and_blocks_nothing(journal: str) -> None:
    other = [slow(journal).start("Think").id]
    assert canceller(journal, "canceller", other).start("Go").result_sync() == "Done."
    events = [*headwater.attach(other[0], journal=journal).events()]
    assert events[-1].type == "run.cancelled"


def test_in_async_code_the_log_shows_who_answered_first(journal: str) -> None:
    async def main() -> None:
        ref = await payer(journal).start("Pay")
        stream = headwater.attach(ref.id, journal=journal)
        async for event in stream.events():
            if event.type == "run.waiting":
                stream.approve(stream.pending[0].id, by="ann")
                stream.deny(stream.pending[0].id, by="bob")
        assert stream.response == "It is done."
        assert stream._begun().settled

    asyncio.run(main())


def test_a_run_that_waits_for_another_leaves_its_slot(journal: str) -> None:
    changes: list[str] = []

    class Slot:
        def leave(self) -> None:
            changes.append("leave")

        def take_back(self) -> None:
            changes.append("take back")

    ref = plain(journal).start("Hi")

    def driven() -> None:
        enter(Slot())
        ref.result_sync()

    contextvars.copy_context().run(driven)
    assert changes[:2] == ["leave", "take back"]
    assert changes.count("leave") == changes.count("take back")


# --- a log that is another by now


def sample(run: str, *texts: str) -> list[Event]:
    """A run that says these, and ends."""
    lines = written(run, texts)
    return [decode(line) for line in lines]


async def write(log: RunLog, run: str, events: Sequence[Event], **more: Any) -> None:
    """Append these events."""
    lines = tuple(map(encode, events))
    await log.append(Batch(run=run, first=events[0].seq, lines=lines, by="w#1", **more))


def said(item: object) -> str:
    """The text of an event, a chunk or a piece."""
    return item if isinstance(item, str) else str(getattr(item, "text", ""))


async def half_read(journal: str, read: Callable[[headwater.AgentStream[object]], AsyncGenerator[T, None]]) -> list[T]:
    """What a reader is given that has read six events of a log when a shorter one takes its place."""
    log, seen, restored = await open_journal(journal), list[T](), asyncio.Event()
    first, second = sample("r", "one ", "two ", "three"), sample("r", "four")
    await log.create("r", Request(agent="a"))
    await write(log, "r", first[:6])
    stream = headwater.attach("r", journal=journal)
    async with aclosing(read(stream)) as items:
        async for item in items:
            seen.append(item)
            if said(item) == "two ":
                await log.delete("r")
                await log.create("r", Request(agent="a"))
                await write(log, "r", second[:5])
                await asyncio.sleep(0)
                restored.set()
            if restored.is_set() and said(item) == "four":
                await write(log, "r", second[5:], state="finished")
    await log.close()
    return seen


def test_a_reader_of_a_log_that_was_restored_gets_it_from_its_beginning(journal: str) -> None:
    async def events(stream: headwater.AgentStream[object]) -> AsyncGenerator[Event, None]:
        async for event in stream.events():
            yield event
        assert stream.response == "four"

    seen = asyncio.run(half_read(journal, events))
    assert [event.seq for event in seen] == [*range(6), *range(len(sample("r", "four")))]
    check_log(seen[6:])


def test_chunks_of_a_restored_log_start_with_a_reset(journal: str) -> None:
    async def chunks(stream: headwater.AgentStream[object]) -> AsyncGenerator[headwater.StreamChunk, None]:
        async for chunk in stream:
            yield chunk

    seen = asyncio.run(half_read(journal, chunks))
    told = [(chunk.content, chunk.finish_reason) for chunk in seen]
    assert told == [("one ", None), ("two ", None), ("", "reset"), ("four", None), ("", None)]


def test_text_readers_get_an_error_at_a_reset(journal: str) -> None:
    async def text(stream: headwater.AgentStream[object]) -> AsyncGenerator[str, None]:
        async for piece in stream.text():
            yield piece

    with pytest.raises(IncompleteStream, match="starts again"):
        asyncio.run(half_read(journal, text))


def test_a_reader_that_stopped_inside_a_gap_gets_the_trimmed_log(journal: str) -> None:
    async def main() -> None:
        log = await open_journal(journal)
        all_ = sample("r", "one ", "two ", "three")
        await log.create("r", Request(agent="a", deltas=False))
        await write(log, "r", all_[:6])
        stream, seen = headwater.attach("r", journal=journal), list[Event]()
        async for event in stream.events():
            seen.append(event)
            if event.seq == 5 and len(seen) == 6:
                await write(log, "r", all_[6:], state="finished")
                assert await log.pack(after=0.0) == 1
        assert [event.seq for event in seen] == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 7, 8, 9]
        check_log(seen[6:], trimmed=True)
        assert stream.response == "one two three"
        await log.close()

    asyncio.run(main())

"""A started run is read, answered and cancelled by its reference, in plain code and inside an event loop."""

from __future__ import annotations

import asyncio

import pytest

import headwater
from headwater.durable.run_ref import RunRef
from headwater.errors import AlreadyAnswered, ConfigurationError, RunEnded, UnknownRun
from headwater.testing import check_log
from tests.support.journals import journal, payer, plain, slow

__all__ = ("journal",)


def test_in_sync_code(journal: str) -> None:
    ref = plain(journal).start("Hi")
    assert ref.new
    assert "".join(chunk.content for chunk in ref) == "Hello there."
    assert ref.result_sync() == "Hello there."
    events = [*ref.events()]
    check_log(events)
    assert {event.run for event in events} == {ref.id}
    assert ref.info().state == "finished"
    assert ref.id in repr(ref)


def test_inside_an_event_loop(journal: str) -> None:
    async def main() -> None:
        ref: RunRef[str] = await plain(journal).start("Hi")
        assert [chunk.content async for chunk in ref][:2] == ["Hello", " there"]
        assert await ref == "Hello there."
        assert (await ref.info()).state == "finished"  # type: ignore[misc]

    asyncio.run(main())


def test_an_answer_goes_through_the_inbox_and_the_first_counts(journal: str) -> None:
    ref = payer(journal).start("Pay")
    for event in ref.events():
        if event.type == "approval.asked":
            ref.approve(event.approval, by="ann")
            with pytest.raises(AlreadyAnswered, match="by ann") as caught:
                ref.deny(event.approval, by="bob")
            assert caught.value.by == "ann"
    assert ref.result_sync() == "It is done."
    with pytest.raises(RunEnded):
        ref.cancel()


def test_its_open_questions_are_those_that_nobody_has_answered(journal: str) -> None:
    ref = payer(journal).start("Pay")
    for event in ref.events():
        if event.type == "approval.asked":
            (question,) = ref.pending()
            assert (question.id, question.kind, question.run) == (event.approval, "approval", ref.id)
            ref.approve(question.id)
        if event.type == "approval.answered":
            assert ref.pending() == ()
    assert ref.pending() == ()

    async def main() -> None:
        with pytest.raises(UnknownRun):
            await RunRef(ref._home, "run_nobody").pending()  # type: ignore[misc]
        assert await ref.pending() == ()  # type: ignore[misc]

    asyncio.run(main())


def test_a_run_is_cancelled_wherever_it_is_driven(journal: str) -> None:
    ref = slow(journal).start("Think")
    last = ""
    for event in ref.events():
        last = event.type
        if last == "text.delta":
            ref.cancel()
    assert last == "run.cancelled"
    assert ref.info().state == "cancelled"


def test_a_plain_function_in_an_event_loop_cancels_too(journal: str) -> None:
    """It cannot await: a coroutine would never run, and the run would go on."""

    async def main() -> None:
        ref: RunRef[str] = await slow(journal).start("Think")

        def called_back() -> None:
            ref.cancel()

        async for event in ref.events():
            if event.type == "text.delta":
                called_back()
        assert event.type == "run.cancelled"

    asyncio.run(main())


def test_leaving_a_started_run_cancels_nothing(journal: str) -> None:
    ref = payer(journal).start("Pay")
    for event in ref.events():
        if event.type == "run.waiting":
            break
    stream = headwater.attach(ref.id, journal=journal)
    for chunk in stream:
        if chunk.finish_reason == "waiting":
            stream.approve(stream.pending[0].id, by="ann")
    assert stream.response == "It is done."


def test_attach_finds_it_by_its_id(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = plain(journal).start("Hi")
    assert headwater.attach(ref.id, journal=journal).result_sync() == "Hello there."
    with pytest.raises(ConfigurationError, match="HEADWATER_JOURNAL"):
        headwater.attach(ref.id)
    monkeypatch.setenv("HEADWATER_JOURNAL", journal)
    assert headwater.attach(ref.id).result_sync() == "Hello there."
    with pytest.raises(UnknownRun):
        headwater.attach("run_none").result_sync()

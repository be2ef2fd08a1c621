"""A run that is read as ever is stored as it grows, and others see it and speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest

import headwater
from headwater import Agent, SequentialWorkflow
from headwater.durable import home as homes
from headwater.errors import AlreadyAnswered, ConfigurationError, JournalUnavailable, ThreadBusy, UsageError
from headwater.events import Event
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Appended, Batch, Created
from headwater.testing import ScriptedModel, check_log
from tests.support.journals import by_role, journal, payer, plain, slow

__all__ = ("journal",)

T = TypeVar("T")


def stored(run: str, journal: str) -> list[Event]:
    return [*headwater.attach(run, journal=journal).events()]


def test_what_is_read_is_what_is_stored(journal: str) -> None:
    stream = plain(journal).run_stream("Hi")
    events = [*stream.events()]
    assert stored(stream.run_id, journal) == events
    assert plain(journal).run("Hi") == "Hello there."


@pytest.mark.parametrize("plain_code", [True, False])
def test_leaving_cancels_and_that_is_stored(journal: str, plain_code: bool) -> None:
    stream = slow(journal).run_stream("Think")
    if plain_code:
        for event in stream.events():
            if event.type == "text.delta":
                break
    else:

        async def main() -> None:
            async for event in stream.events():
                if event.type == "text.delta":
                    break

        asyncio.run(main())
    stream.close()
    log = stored(stream.run_id, journal)
    check_log(log)
    assert log[-1].type == "run.cancelled"


def test_a_local_answer_goes_through_the_inbox(journal: str) -> None:
    stream = payer(journal).run_stream("Pay")
    for event in stream.events():
        if event.type == "run.waiting":
            (question,) = stream.pending
            stream.approve(question.id, by="ann")
            with pytest.raises(AlreadyAnswered):
                stream.deny(question.id, by="bob")
    assert stream.response == "It is done."


def test_another_process_answers_a_run_that_is_read_here(journal: str) -> None:
    async def main() -> None:
        stream = payer(journal).run_stream("Pay")
        async for event in stream.events():
            if event.type == "run.waiting":
                other = headwater.attach(stream.run_id, journal=journal)
                async for chunk in other:
                    if chunk.finish_reason == "waiting":
                        other.approve(other.pending[0].id, by="bob")
                        break
        assert stream.response == "It is done."

    asyncio.run(main())


def test_members_and_tools_are_part_of_one_log(journal: str) -> None:
    members = [plain(journal), payer(journal, approver=lambda question: True)]
    flow = SequentialWorkflow(members, name="flow", journal=journal)
    stream = flow.run_stream("Go")
    events = [*stream.events()]
    assert stored(stream.run_id, journal) == events
    check_log(events)


def test_a_thread_is_kept_by_its_name(journal: str) -> None:
    agent = plain(journal)
    assert len(agent.run("one", thread="ann").messages) == 2
    assert len(agent.run("two", thread="ann").messages) == 4
    assert len(agent.run("three", thread="bob").messages) == 2
    with pytest.raises(UsageError, match="no journal"):
        Agent(model=ScriptedModel(["So."])).run("one", thread="ann")


def test_a_thread_is_busy_while_a_run_of_it_is_open(journal: str) -> None:
    first = payer(journal).run_stream("Pay", thread="ann")
    events = iter(first.events())
    while next(events).type != "run.waiting":
        pass
    with pytest.raises(ThreadBusy):
        payer(journal).run("Pay", thread="ann")
    first.close()
    assert plain(journal).run("Hi", thread="ann") == "Hello there."


def test_the_context_is_json_or_built_of_it(journal: str) -> None:
    with pytest.raises(ConfigurationError, match="context_from"):
        plain(journal).run("Hi", context=object())
    seen: list[Any] = []

    def instructions(context: Any) -> str:
        seen.append(context)
        return "Be kind."

    agent = Agent(
        model=by_role(user="So."),
        instructions=instructions,
        journal=journal,
        context_from=lambda asked: (asked.context["user"], asked.agent),
    )
    agent.run("Hi", context={"user": "ann"})
    assert seen == [("ann", "agent")]


def test_a_log_is_resumed_in_its_journal(journal: str) -> None:
    stream = payer(journal, keep_log=True).run_stream("Pay")
    for event in stream.events():
        if event.type == "run.waiting":
            break
    log = [event for event in stream.log if event.type != "run.cancelled"]
    again = payer("memory:").resume(log, approvals={log[-2].approval: True})  # type: ignore[attr-defined]
    assert again.result_sync() == "It is done."
    check_log(stored(stream.run_id, "memory:"))


class Hiccups(MemoryLog):
    """Loses the answer to its first call of each kind, before or after it has done what it was asked for."""

    def __init__(self, *, after: bool) -> None:
        super().__init__()
        self.after = after
        self._asked: set[str] = set()

    async def create(self, *given: Any, **more: Any) -> Created:
        return await self._once("create", lambda: super(Hiccups, self).create(*given, **more))

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        return await self._once("append", lambda: super(Hiccups, self).append_many(batches))

    async def _once(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        if what in self._asked:
            return await call()
        self._asked.add(what)
        if self.after:
            await call()
        raise JournalUnavailable("It hiccups.")


@pytest.mark.parametrize("after", [False, True])
def test_a_store_that_hiccups_loses_no_run_that_is_resumed(
    journal: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = payer("memory:", keep_log=True).run_stream("Pay")
    for event in stream.events():
        if event.type == "run.waiting":
            break
    log = [event for event in stream.log if event.type != "run.cancelled"]
    store = Hiccups(after=after)

    async def open_journal(url: str) -> MemoryLog:
        return store

    monkeypatch.setattr(homes, "open_journal", open_journal)
    again = payer(journal).resume(log, approvals={log[-2].approval: True})  # type: ignore[attr-defined]
    assert again.result_sync() == "It is done."
    events = stored(stream.run_id, journal)
    check_log(events)
    assert events[: len(log)] == log

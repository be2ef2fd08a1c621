"""The runs of a server under a journal: stored, found again by another server, and never another caller's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headwater import Agent
from headwater.cli import main
from headwater.durable import home as homes
from headwater.testing import Call, ScriptedModel
from headwater.web.native.wire import SSE
from headwater.web.problems import Problem
from headwater.web.runs.manager import NOW, Manager
from tests.support.journals import by_role, journal, pay

__all__ = ("journal",)


def agents() -> list[Any]:
    model = by_role(user=["Let me. ", Call("pay", {"cents": 5})], tool="It is done.")
    return [
        Agent(name="plain", model=ScriptedModel(lambda request: f"{len(request.messages)} messages.")),
        Agent(name="payer", model=model, tools=[pay]),
    ]


def of_two_servers(journal: str, use: Callable[[Manager, Manager], Awaitable[None]]) -> None:
    """Two servers of one journal, which drive their runs here."""

    assert main(["journal", "upgrade", journal]) == 0

    async def use_both() -> None:
        one, other = Manager(agents(), journal=journal), Manager(agents(), journal=journal)
        try:
            async with asyncio.timeout(30):
                await use(one, other)
        finally:
            for manager in (one, other):
                await manager.shutdown()
                manager.close()

    asyncio.run(use_both())


async def read(manager: Manager, live: Any, position: int = 0) -> bytes:
    reading = manager.read(live, SSE, position)
    data = b"".join([data async for data in reading])
    manager.leave(reading)
    return data


def test_another_server_finds_the_run_and_reads_the_same(journal: str) -> None:
    async def use(one: Manager, other: Manager) -> None:
        live = one.start("plain", "Hi")
        await one.stored(live)
        there = await other.find(live.id)
        assert there is not live
        assert there.agent == "plain"
        whole = await read(one, live)
        assert b"run.finished" in whole
        assert await read(other, there) == whole
        assert (await other.find(live.id)).state == "finished"

    of_two_servers(journal, use)


def test_the_journal_is_asked_about_a_run_once(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def use(one: Manager, other: Manager) -> None:
        assert other.durable is not None
        info = other.durable.info

        async def counted(id: str) -> Any:
            asked.append(id)
            return await info(id)

        monkeypatch.setattr(other.durable, "info", counted)
        live = one.start("plain", "Hi")
        await read(one, live)
        there = await other.find(live.id, position=NOW)
        assert there.visible == live.visible
        assert asked == [live.id]
        await read(other, there)
        assert there.over
        await other.find(live.id, position=NOW)  # its log is whole
        assert asked == [live.id]

    of_two_servers(journal, use)


def test_what_a_reader_saw_elsewhere_is_waited_for(journal: str) -> None:
    async def use(one: Manager, other: Manager) -> None:
        live = one.start("plain", "Hi")
        await read(one, live)
        there = await other.find(live.id, position=live.visible)
        assert there.visible == live.visible
        await other.find(live.id, position=live.visible + 1000)  # past the end: it does not wait forever

    of_two_servers(journal, use)


def test_a_run_that_is_let_go_while_a_reader_comes_is_found_again(
    journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log here is no longer the whole one: what a reader saw elsewhere would be past its end."""

    async def use(one: Manager, other: Manager) -> None:
        live = one.start("payer", "Pay")
        reading = one.read(live, SSE)
        async for data in reading:
            if b"approval.asked" in data:
                break
        there = await other.find(live.id, position=NOW)
        assert other.durable is not None
        info = other.durable.info

        async def slow(id: str) -> Any:
            if not there.over:
                there.cancel("shutdown")  # as after some time without a reader
                await asyncio.wait({there.task})
            return await info(id)

        monkeypatch.setattr(other.durable, "info", slow)
        again = await other.find(live.id, position=there.visible + 1)
        assert there.let_go
        assert again is not there
        assert not again.over
        assert again.visible >= there.visible
        one.leave(reading)

    of_two_servers(journal, use)


def test_a_run_is_its_owners_alone(journal: str) -> None:
    async def use(one: Manager, other: Manager) -> None:
        live = one.start("plain", "Hi", owner="ann")
        await one.stored(live)
        assert one.durable is not None
        for owner, ids in (("ann", [live.id]), ("bob", []), (None, [])):
            found = await one.durable.listed(owner, agent=None, state=None, before=None, limit=10)
            assert [info.run for info in found] == ids
            if owner != "ann":
                with pytest.raises(Problem, match="There is no such run"):
                    await other.find(live.id, owner)
        assert (await other.find(live.id, "ann")).owner == "ann"

    of_two_servers(journal, use)


def test_a_thread_is_kept_in_the_journal_and_busy_on_every_server(journal: str) -> None:
    async def use(one: Manager, other: Manager) -> None:
        await read(one, one.start("plain", "Hi", thread="t"))
        second = other.start("plain", "Again", thread="t")
        assert b"3 messages." in await read(other, second)
        waits = one.start("payer", "Pay", thread="u")
        await one.stored(waits)
        busy = other.start("payer", "Pay", thread="u")
        with pytest.raises(Problem) as problem:
            await other.stored(busy)
        assert problem.value.code == "thread_busy"

    of_two_servers(journal, use)


def test_readers_that_leave_and_a_server_that_stops_do_not_cancel_it(journal: str) -> None:
    async def use(one: Manager, other: Manager) -> None:
        live = one.start("payer", "Pay", on_disconnect="cancel")
        await one.stored(live)
        one.leave(one.read(live, SSE))
        await one.shutdown()
        assert live.over
        there = await other.find(live.id)
        await there.reaches(5)
        assert not there.over
        assert there.cancel()
        await there.task
        assert b"run.cancelled" in await read(other, there)

    of_two_servers(journal, use)


def test_what_cannot_be_stored_is_refused(journal: str) -> None:
    async def use(one: Manager, other: Manager) -> None:
        with pytest.raises(Problem, match="which its journal cannot hold"):
            one.start("plain", "Hi", client_tools=[object()])

    of_two_servers(journal, use)


def test_a_server_that_starts_again_has_its_runs(journal: str) -> None:
    async def first() -> str:
        manager = Manager(agents(), journal=journal)
        live = manager.start("plain", "Hi")
        await read(manager, live)
        await manager.shutdown()
        manager.close()
        return live.id

    async def second(run: str) -> bytes:
        manager = Manager(agents(), journal=journal)
        data = await read(manager, await manager.find(run))
        await manager.shutdown()
        manager.close()
        return data

    run = asyncio.run(first())
    homes._homes.pop(journal).stop()
    assert b"run.finished" in asyncio.run(second(run))

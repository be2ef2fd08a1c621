"""The engine over a Temporal server, which is the real one for tests. What all engines do is in `test_opening`."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from temporalio.client import Client

from headwater.errors import JournalUnavailable
from headwater.journal.engines.temporal import Temporal
from tests.journal.postgres.databases import until
from tests.support.temporal import running_temporal

pytestmark = pytest.mark.xdist_group("temporal")

ME = f"{os.getpid()}"


class Drives:
    """Notes what is driven, forever where it is told so."""

    def __init__(self, *, forever: bool = False) -> None:
        self.begun: list[str] = []
        self._forever = forever

    async def __call__(self, run: str) -> None:
        self.begun.append(run)
        if self._forever:
            await asyncio.Event().wait()

    async def has(self, many: int) -> None:
        async def holds() -> bool:
            return len(self.begun) >= many

        await until(holds)


def here(**options: Any) -> Temporal:
    return Temporal(running_temporal(), journal="memory:", **options)


def serving(engine: Temporal, drives: Drives, **options: Any) -> asyncio.Task[None]:
    return asyncio.ensure_future(engine.serve(drives, **options))


async def stopped(engine: Temporal, task: asyncio.Task[None]) -> None:
    await engine.drain(0.0)
    await task
    await engine.close()


def test_a_worker_gets_runs_of_its_agents_only_also_of_those_that_it_learns_of_later() -> None:
    async def main() -> None:
        engine, other, drives = here(), here(), Drives()
        agents = {f"tides-{ME}"}
        task = serving(engine, drives, agents=agents)
        await other.submit(f"stars-1-{ME}", agent=f"stars-{ME}")
        await other.submit(f"tides-1-{ME}", agent=f"tides-{ME}")
        await drives.has(1)
        assert drives.begun == [f"tides-1-{ME}"]
        agents.add(f"stars-{ME}")
        await drives.has(2)
        assert drives.begun == [f"tides-1-{ME}", f"stars-1-{ME}"]
        await stopped(engine, task)

    asyncio.run(main())


def test_a_run_whose_worker_sends_no_heartbeat_is_driven_by_another() -> None:
    async def main() -> None:
        queue, lost, taken = f"lost-{ME}", Drives(forever=True), Drives()
        dead, alive = here(lease=1.0), here(lease=1.0)
        dead._lease = 1000.0  # it beats so rarely that it counts as dead
        dying = serving(dead, lost, queues=[queue])
        await alive.submit(f"lost-1-{ME}", queue=queue)
        await lost.has(1)
        task = serving(alive, taken, queues=[queue])
        await taken.has(1)
        assert taken.begun == lost.begun
        await stopped(alive, task)
        await stopped(dead, dying)

    asyncio.run(main())


def test_a_worker_that_stops_gives_back_what_it_has_not_begun_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        engine, drives = here(), Drives(forever=True)
        agents = [f"one-{ME}", f"two-{ME}"]
        task = serving(engine, drives, agents=agents, concurrency=1)
        for agent in agents:  # each task queue has a seat: one of the two runs waits here
            await engine.submit(f"{agent}-1", agent=agent)

        async def both_have_come() -> bool:
            return engine.here.busy == 2

        await until(both_have_come)
        await stopped(engine, task)
        next_one, taken = here(), Drives()
        task = serving(next_one, taken, agents=agents)
        await taken.has(1)
        await stopped(next_one, task)
        assert len(drives.begun) == 1
        assert {*taken.begun} <= {f"{agent}-1" for agent in agents}

    asyncio.run(main())
    assert [one.getMessage() for one in caplog.records if one.name.startswith("temporalio")] == []


def test_a_run_waits_where_its_workflow_has_an_activity() -> None:
    async def main() -> None:
        queue, drives = f"waiting-{ME}", Drives(forever=True)
        engine = here()
        task = serving(engine, drives, queues=[queue])
        await engine.submit(f"waiting-1-{ME}", queue=queue)
        await drives.has(1)
        assert await engine.waiting([f"waiting-1-{ME}", "unknown"]) == {f"waiting-1-{ME}"}
        assert await engine.waiting([]) == set()
        await stopped(engine, task)

    asyncio.run(main())


def test_nothing_but_ids_passes_through_the_server() -> None:
    async def main() -> None:
        queue, drives, run = f"ids-{ME}", Drives(), f"ids-1-{ME}"
        engine = here()
        task = serving(engine, drives, queues=[queue])
        await engine.submit(run, queue=queue, priority=7)
        await drives.has(1)
        client = await Client.connect(running_temporal().removeprefix("temporal://"))
        handle = client.get_workflow_handle(run)
        assert await handle.result() is None
        history = await handle.fetch_history()
        said = [bytes(one.data) for event in history.events for one in _payloads(event)]
        assert sorted(said) == sorted([f'"{run}"'.encode(), b"10.0", b"0.0", b"7", f'"{run}"'.encode(), b"7"])
        await stopped(engine, task)

    asyncio.run(main())


def _payloads(event: Any) -> list[Any]:
    return [
        payload
        for carried in (
            event.workflow_execution_started_event_attributes.input,
            event.workflow_execution_signaled_event_attributes.input,
            event.activity_task_scheduled_event_attributes.input,
        )
        for payload in carried.payloads
    ]


@pytest.mark.parametrize("doing", ["submit", "waiting", "serve"])
def test_a_server_that_cannot_be_reached_is_said_without_secrets(doing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "sesame")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:1")

    async def main() -> None:
        engine = Temporal("temporal://127.0.0.1:1/agents", journal="memory:")
        asked: dict[str, Any] = {
            "submit": lambda: engine.submit("a"),
            "waiting": lambda: engine.waiting(["a"]),
            "serve": lambda: engine.serve(Drives()),
        }
        with pytest.raises(JournalUnavailable, match=r"temporal://127\.0\.0\.1:1/agents does not answer") as raised:
            await asked[doing]()
        assert "TEMPORAL_API_KEY" in str(raised.value)
        assert "sesame" not in str(raised.value)

    asyncio.run(main())

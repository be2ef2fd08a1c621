"""The workflow of a run: what it orders is the same whenever its history is replayed."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from temporalio.client import Client
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from headwater.journal.engines.temporal import Temporal
from headwater.journal.engines.temporal_workflow import DriveRun, priority_of
from tests.support.temporal import running_temporal

pytestmark = pytest.mark.xdist_group("temporal")


def test_a_history_with_a_timer_and_two_drives_is_replayed_the_same() -> None:
    run = f"replayed-{os.getpid()}"

    async def main() -> None:
        engine = Temporal(running_temporal(), journal="memory:")
        driven = 0

        async def drive(_: str) -> None:
            nonlocal driven
            driven += 1
            if driven == 1:
                await engine.submit(run, queue=run)

        await engine.submit(run, queue=run, not_before=time.time() + 0.5)
        serving = asyncio.ensure_future(engine.serve(drive, queues=[run]))
        client = await Client.connect(running_temporal().removeprefix("temporal://"))
        handle = client.get_workflow_handle(run)
        await handle.result()
        await engine.drain(0.0)
        await serving
        assert driven == 2
        history = await handle.fetch_history()
        replayer = Replayer(workflows=[DriveRun], workflow_runner=UnsandboxedWorkflowRunner())
        assert (await replayer.replay_workflow(history)).replay_failure is None

    asyncio.run(main())


def test_five_levels_of_priority() -> None:
    assert [priority_of(one).priority_key for one in (9, 2, 1, 0, -1, -2, -9)] == [1, 1, 2, 3, 4, 5, 5]

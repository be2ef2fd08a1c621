from __future__ import annotations

import asyncio

from headwater import tool
from headwater.backends.offline import Call, Say
from headwater.web.runs.latest import GRACE, PATIENCE, Latest, told_to_the_end
from headwater.web.runs.live_run import LiveRun
from headwater.web.runs.manager import Manager
from tests.support.members import paced
from tests.support.streams import scripted
from tests.support.virtual import run_virtual


def test_the_last_run_of_a_conversation_is_its_callers() -> None:
    async def main() -> None:
        manager = Manager([paced("a", 2)])
        latest = Latest(manager, "wire", 2)
        first, second = (manager.start(None, "Hi", owner="ann") for _ in range(2))
        latest.put(("ann", "c"), first)
        latest.put(("ann", "c"), second)
        assert await latest.get(("ann", "c")) is second
        latest.put(("bob", "c"), first)
        assert await latest.get(("bob", "c")) is None
        latest.put(("ann", "d"), first)
        assert await latest.get(("ann", "c")) is None
        assert await latest.get(("ann", "d")) is first
        await asyncio.wait([first.task, second.task])
        manager.close()

    run_virtual(main())


@tool(approval=True)
async def send() -> str:
    """Send."""
    return "sent"


def test_only_a_run_that_waits_for_a_person_is_given_more_time() -> None:
    def grace(live: LiveRun, before: float) -> object:
        live.on_disconnect = before
        told_to_the_end(live)
        return live.on_disconnect

    async def main() -> None:
        manager = Manager([scripted(Call("send"), [Say("Done.")], tools=[send])])
        live = manager.start(None, "Hi")
        await asyncio.sleep(1)
        assert grace(live, GRACE) == PATIENCE
        assert grace(live, 7.0) == 7.0
        live.cancel()
        await live.task
        assert grace(live, GRACE) == GRACE
        manager.close()

    run_virtual(main())

"""A thread with an event loop: it begins and ends on that loop, and is gone once it was stopped."""

from __future__ import annotations

import asyncio
import threading

from headwater.durable.loop_thread import LoopThread


def test_it_starts_and_ends_on_its_own_loop() -> None:
    seen: list[tuple[str, asyncio.AbstractEventLoop]] = []

    def begin() -> None:
        seen.append(("begin", asyncio.get_running_loop()))

    async def end() -> None:
        await asyncio.sleep(0)
        seen.append(("end", asyncio.get_running_loop()))

    thread = LoopThread("one of its own", begin=begin, end=end)
    assert [what for what, _ in seen] == ["begin"]

    async def where() -> str:
        return threading.current_thread().name

    assert asyncio.run_coroutine_threadsafe(where(), thread.loop).result(20) == "one of its own"
    thread.stop(20)
    assert seen == [("begin", thread.loop), ("end", thread.loop)]
    assert thread.loop.is_closed()
    assert "one of its own" not in [one.name for one in threading.enumerate()]
    thread.stop(20)

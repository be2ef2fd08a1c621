"""What the tests of all frameworks do with an adapter whose provider is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from headwater.adapters import Adapted
from headwater.events import Event
from headwater.testing import ProviderSimulator, Say, Wait, check_log

__all__ = ("check_break", "logged", "text_of")

Make = Callable[[ProviderSimulator], Adapted]


def logged(agent: Adapted, task: Any = "How is Paris?", **options: Any) -> list[Event]:
    """The valid log of a run."""
    log: list[Event] = list(agent.run_stream(task, **options).events())
    check_log(log)
    return log


def text_of(log: list[Event], agent: str) -> str:
    """What the runs of that name have said."""
    return "".join(event.text for event in log if event.type == "text.delta" and event.agent == agent)  # type: ignore[attr-defined]


def check_break(make: Make) -> None:
    """Leaving the run in the middle of the answer closes the connection, in sync and in async code."""
    with ProviderSimulator([[Say("one " * 5), Wait(60), "two"]] * 2) as server:
        for chunk in make(server).run_stream("Count"):
            if chunk.content:
                break
        assert server.requests[0].wait_gone()

        async def leave() -> None:
            stream = make(server).run_stream("Count")
            async with stream:
                async for chunk in stream:
                    if chunk.content:
                        break
            assert await asyncio.to_thread(server.requests[1].wait_gone)

        asyncio.run(leave())

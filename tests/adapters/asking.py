"""What the tests of all frameworks do with an adapter whose provider is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from headwater import Image, Message
from headwater.adapters import Adapted
from headwater.events import Event
from headwater.testing import Call, ProviderSimulator, Say, Wait, check_log

__all__ = ("CALLS", "CONVERSATION", "check_break", "logged", "text_of", "weather")

Make = Callable[[ProviderSimulator], Adapted]

CALLS: list[Any] = [Say("Let me look. "), Call("weather", {"city": "Paris"}, id="call_a")]
"""An answer that calls `weather`."""

CONVERSATION: list[Any] = [
    Message.user("I am Ann."),
    Message.assistant("Hello Ann."),
    Image(data=b"\x89PNG\r\n\x1a\n"),
    "Who am I?",
]
"""A task of several messages, one with an image."""


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


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

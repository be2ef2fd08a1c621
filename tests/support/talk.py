"""An agent with every kind of output: reasoning, text, two tool calls, and text again."""

from __future__ import annotations

from typing import Any

from headwater import Agent
from headwater.backends.offline import Call, Say, Think
from tests.support.streams import scripted

__all__ = ("look", "talk")


async def look() -> str:
    """Look. (In the loop, for a thread may be at its last words of a call when the run has ended.)"""
    return "seen"


def talk(**more: Any) -> Agent[Any, Any]:
    """Returns the agent; `more` are additional arguments."""
    return scripted(
        [Think("Hm."), Say(["I ", "look."]), Call("look")],
        Call("look"),
        [Say(["It ", "is ", "there."])],
        tools=[look],
        **more,
    )

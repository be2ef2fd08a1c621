"""Agents for workers that tests start by the documented commands, as a module of the working folder.

`sleeper` sleeps as many seconds as it is told, in a tool; `talker` says as many words as it is told, one at a time;
`cashier` asks for an approval; `fleet` is a workflow of fifty agents that each sleep for a moment, `few` one of five.
"""

from __future__ import annotations

import asyncio
from typing import Any

from headwater import Agent, ConcurrentWorkflow, Timeouts, tool
from headwater.testing import Call, ScriptedModel, Wait

__all__ = ("cashier", "few", "fleet", "paid", "sleeper", "talker")


@tool
async def nap(seconds: float) -> str:
    """Sleep."""
    await asyncio.sleep(seconds)
    return "rested"


def _sleeps(request: Any) -> list[object] | str:
    last = request.messages[-1]
    return [Call("nap", {"seconds": float(last.text)})] if last.role == "user" else "Rested."


paid: list[int] = []


@tool(approval=True)
async def pay(euros: int) -> str:
    """Pay."""
    paid.append(euros)
    return f"paid {euros}"


def _pays(request: Any) -> list[object] | str:
    return [Call("pay", {"euros": 5})] if request.messages[-1].role == "user" else "Paid."


def _talks(request: Any) -> list[object]:
    return [one for number in range(int(request.messages[-1].text)) for one in (Wait(0.02), f"word{number} ")]


sleeper: Agent = Agent(name="sleeper", model=ScriptedModel(_sleeps), tools=[nap])
cashier: Agent = Agent(name="cashier", model=ScriptedModel(_pays), tools=[pay], timeouts=Timeouts(run=3600))
talker: Agent = Agent(name="talker", model=ScriptedModel(_talks))


def _boats(name: str, many: int) -> ConcurrentWorkflow:
    agents = [Agent(name=f"boat{number}", model=ScriptedModel(_sleeps), tools=[nap]) for number in range(many)]
    return ConcurrentWorkflow(agents, name=name)


fleet = _boats("fleet", 50)
few = _boats("few", 5)

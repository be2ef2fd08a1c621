"""A run with something of everything, for tests and pictures of the page: five agents plan a boat's day.

The runtime is the real one, the models are scripts, and time is virtual: seconds of waiting cost nothing, and stand in
the log as they would have passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import msgspec

from headwater import Agent, ConcurrentWorkflow, GraphWorkflow, ToolContext, tool
from headwater.backends.jitter import seed
from headwater.backends.offline import Call, Fail, Item, OfflineModel, Think, Wait
from headwater.events import Event
from headwater.testing import run_virtual

__all__ = (
    "TASK",
    "agent",
    "ask_harbour",
    "book_pilot_boat",
    "harbour_fleet",
    "harbour_plan",
    "harbour_workflow",
    "log_of",
)

BEGUN: Final = 1_764_424_931.0
"""When the run begins, in Unix seconds."""

TASK: Final = "When can the survey boat leave Brest on Thursday, and what should the crew know?"


def agent(name: str, model: str, rate: float, *turns: list[Item], tools: Any = ()) -> Agent[Any, str]:
    """An agent whose words are `turns`, said at `rate` tokens a second."""
    words = OfflineModel(list(turns), rate=rate, model=model)
    return Agent(name=name, model=words, tools=tools, on_interrupted="restart")


@tool
async def high_water(port: str, day: str) -> str:
    """When the tide is highest."""
    await asyncio.sleep(1.9)
    return "06:12 at 7.1 m · 18:37 at 6.9 m"


@tool
async def forecast(area: str, hours: int) -> AsyncIterator[Any]:
    """What the weather will be, from four models."""
    for done, model in enumerate(("ARPEGE", "GFS", "ECMWF", "ICON"), 1):
        await asyncio.sleep(1.6)
        yield {"progress": done, "total": 4, "message": f"{done} of 4 models read: {model}"}
    yield "SW 4 to 5 until noon, veering W and easing; sea moderate"


@tool(approval="It writes to the harbour's system.")
async def book_pilot_boat(port: str, at: str, draught: str) -> str:
    """Book the pilot boat."""
    await asyncio.sleep(0.5)
    return "Booked."


@dataclass
class Stay:
    """What a harbour wants to know."""

    port: str
    nights: int


@tool
async def ask_harbour(context: ToolContext) -> str:
    """Ask the skipper where to stay."""
    stay = await context.ask("Where do you stay, and for how long?", Stay)
    return f"{stay.port} for {stay.nights}"


def harbour_workflow() -> GraphWorkflow:
    """A planner, three who look things up side by side, and a pilot who answers and wants to book."""
    planner = agent(
        "planner",
        "openai/gpt-5.4",
        38,
        [
            Wait(0.62),
            Think(
                "The question has two halves: a time window, and what to warn of. Tides decide the first, weather and "
                "notices the second; they can be asked at once."
            ),
            "Three things decide it: the **tide at the sill**, the **wind against the ebb** in the Goulet, and any "
            "**notice in force**. I ask for all three at once.",
        ],
    )
    tides = agent(
        "tides",
        "ollama/llama3.2",
        51,
        [Wait(0.18), Call("high_water", {"port": "Brest", "day": "Thursday"})],
        [
            Wait(0.2),
            "High water at Brest is **06:12** (7.1 m) and **18:37** (6.9 m). With 3.4 m of draught the sill is "
            "passable\n\n"
            "| window | from | to | least depth |\n|---|---|---|---:|\n"
            "| morning | 04:05 | 08:20 | 4.2 m |\n| evening | 16:31 | 20:44 | 4.0 m |\n",
        ],
        tools=[high_water],
    )
    weather = agent(
        "weather",
        "google/gemini-3-flash",
        62,
        [
            Wait(0.34),
            "I ask four models before I say anything.",
            Call("forecast", {"area": "Iroise", "hours": 36}),
        ],
        [
            Wait(0.3),
            "South-west 4 to 5 until noon, veering west and easing. Sea moderate in the Goulet on the morning ebb:\n\n"
            "> Wind against tide from 08:30 on. Expect short, steep seas off the *Petit Minou*.\n\n"
            "Visibility stays above **5 miles** all day.",
        ],
        tools=[forecast],
    )
    notices = agent(
        "notices",
        "anthropic/claude-sonnet-5",
        40,
        [
            Wait(0.79),
            "Notice 2231: the dredger Samuel de Champlain is at work in",
            Fail(ConnectionResetError("Connection reset by peer")),
        ],
        [
            Wait(0.29),
            "Two notices are in force on Thursday:\n\n"
            "- **2231** Dredging in the Rade-Abri; pass north of the yellow buoys, call on `VHF 8`.\n"
            "- **2240** Firing range *off Toulinguet*, 09:00 to 11:30; keep clear of the marked area.\n\n"
            "```text\nVHF 8   dredger Samuel de Champlain\nVHF 16  range control\n```\n\n"
            "Both are on the [harbour's page](https://www.example.org/notices).",
        ],
    )
    pilot = agent(
        "pilot",
        "openai/gpt-5.4",
        58,
        [
            Wait(0.55),
            "Leave on the morning window, no later than **07:40**, before the ebb meets the wind.\n\n"
            "1. Sill: 4.2 m or more from 04:05 to 08:20.\n"
            "2. Call the dredger on VHF 8; pass north of the yellow buoys.\n"
            "3. Firing range off Toulinguet from 09:00: you are clear of it if you leave on time.\n\n"
            "I would book the pilot boat now.",
            Call("book_pilot_boat", {"port": "Brest", "at": "Thursday 07:15", "draught": "3.4 m"}),
        ],
        [Wait(0.4), "The pilot boat is booked for 07:15. Fair winds."],
        tools=[book_pilot_boat],
    )
    looked_up = (tides, weather, notices)
    return GraphWorkflow(
        [planner, *looked_up, pilot],
        edges=[*(("planner", one.name) for one in looked_up), *((one.name, "pilot") for one in looked_up)],
        name="harbour-plan",
    )


def harbour_fleet(count: int, *, paragraphs: int = 1) -> ConcurrentWorkflow:
    """As many agents as wanted, side by side, each with so much to say."""
    said = "Boat {0} leaves at **0{1}:{2:02}**, draws {3} m, and keeps north of the yellow buoys until the Goulet."
    boats = [
        agent(
            f"boat-{at:03}",
            "offline/fleet",
            12 + at % 9,
            [
                Wait(0.1 + at % 13 / 10),
                "\n\n".join([said.format(at, 5 + at % 4, at * 7 % 60, 2 + at % 3)] * paragraphs),
            ],
        )
        for at in range(count)
    ]
    return ConcurrentWorkflow(boats, name="harbour-fleet")


@cache
def harbour_plan() -> tuple[Event, ...]:
    """The log of the plan up to where it waits for a person."""
    return log_of(harbour_workflow(), TASK)


def log_of(workflow: Any, task: str) -> tuple[Event, ...]:
    """The log of a run up to where it waits for a person, as if its seconds had passed."""

    async def main() -> list[Event]:
        loop = asyncio.get_running_loop()
        log: list[Event] = []
        stream = workflow.run_stream(task)
        async for event in stream.events():
            log.append(msgspec.structs.replace(event, time=BEGUN + loop.time()))
            if stream.pending and event.type == "run.waiting":
                break
        return log

    seed(0)  # the wait before the next attempt
    log, _ = run_virtual(main())
    return tuple(log)

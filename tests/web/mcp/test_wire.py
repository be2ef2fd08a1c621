"""Runs as notes; what clients make of them is tested in test_calls."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from headwater import tool
from headwater.backends.offline import Call
from headwater.events import ApprovalAsked
from headwater.web.mcp.wire import MCP, Note
from tests.support.members import log_of, speaker


def notes(events: list[Any]) -> list[Note]:
    shown = MCP.make()
    return [msgspec.json.decode(line, type=Note) for event in events for line in shown(event).splitlines()]


def test_the_text_and_the_waiting_are_noted() -> None:
    @tool(approval=True)
    async def send() -> str:
        """Send."""
        return "sent"

    async def main() -> list[Any]:
        agent = speaker("a", ["Wait. ", Call("send", {})], "It is sent.", tools=[send])
        stream = agent.run_stream("Go.")
        events = []
        async for event in stream.events():
            events.append(event)
            if isinstance(event, ApprovalAsked):
                stream.approve(event.approval)
        return events

    events = asyncio.run(main())
    told = notes(events)
    assert "".join(note.text for note in told) == "Wait. \n\nIt is sent."
    (asked,) = [event.approval for event in events if event.type == "approval.asked"]
    assert [note.answered for note in told if note.answered] == [asked]
    for note in told:
        if note.waits:
            assert events[note.waits - 1].type == "run.waiting"


def test_a_log_without_questions_is_its_text() -> None:
    async def main() -> None:
        events = await log_of(speaker("a").run_stream("Go."))
        assert "".join(note.text for note in notes(events)) == "a says hi there."

    asyncio.run(main())

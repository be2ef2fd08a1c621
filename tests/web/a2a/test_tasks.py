"""The pure part: a log as a task, and as the updates that add up to it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from headwater import Agent, tool
from headwater.backends.offline import Call
from headwater.events import ApprovalAsked
from headwater.web.a2a.tasks import LAST, STATES, Telling, task_of, task_wire
from tests.support.members import log_of, speaker


def log() -> list[Any]:
    return asyncio.run(log_of(speaker("a", "Well said.").run_stream("Go.")))


def approved() -> list[Any]:
    @tool(approval=True)
    async def send() -> str:
        """Send."""
        return "sent"

    async def main() -> list[Any]:
        agent: Agent[Any, Any] = speaker("a", ["Wait. ", Call("send", {})], "It is sent.", tools=[send])
        stream = agent.run_stream("Go.")
        events = []
        async for event in stream.events():
            events.append(event)
            if event.type == "run.waiting":
                (asked,) = [one for one in events if isinstance(one, ApprovalAsked)]
                stream.approve(asked.approval)
        return events

    return asyncio.run(main())


def test_a_task_is_the_fold_of_its_log() -> None:
    task = task_of(log(), "t", "c")
    assert (task["id"], task["contextId"], task["status"]["state"]) == ("t", "c", STATES["finished"])
    assert task["artifacts"] == [{"artifactId": "answer", "parts": [{"text": "Well said."}]}]
    assert "artifacts" not in task_of(log(), "t", "c", artifacts=False)
    assert task_of([], "t", "c") == {"id": "t", "contextId": "c", "status": {"state": STATES["queued"]}}
    assert task["status"]["timestamp"].endswith("Z")


def test_every_prefix_of_a_log_is_a_task_and_its_updates_add_up_to_it() -> None:
    events = approved()
    telling, text, states = Telling("t", "c"), "", [STATES["queued"]]
    for number, event in enumerate(events, 1):
        for update in telling.add(event):
            if "statusUpdate" in update:
                states.append(update["statusUpdate"]["status"]["state"])
            else:
                text += update["artifactUpdate"]["artifact"]["parts"][0]["text"]
        task = task_of(events[:number], "t", "c")
        assert task["status"]["state"] == states[-1]
        assert "".join(part["text"] for one in task.get("artifacts", ()) for part in one["parts"]) == text
    assert [state.removeprefix("TASK_STATE_") for state in states] == [
        "SUBMITTED",
        "WORKING",
        "INPUT_REQUIRED",
        "WORKING",
        "COMPLETED",
    ]


def test_a_stream_ends_where_its_task_rests() -> None:
    wire = task_wire(1, {"id": "t", "contextId": "c"}, (7,))
    assert json.loads(wire.hello[6:]) == {"jsonrpc": "2.0", "id": 7, "result": {"task": {"id": "t", "contextId": "c"}}}
    frame_of = wire.make()
    events = approved()
    rests = [event.type for event in events if frame_of(event).endswith(LAST)]
    assert rests == ["run.waiting", "run.finished"]
    bare = task_wire(2, {"id": "t", "contextId": "c"}, None)
    assert json.loads(bare.hello[6:]) == {"task": {"id": "t", "contextId": "c"}}

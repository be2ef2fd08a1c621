"""AG-UI's own package for Python against a server of ours; the clients for JavaScript are in `.ci/run`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from ag_ui.core import Event, ResumeEntry, RunAgentInput, Tool, UserMessage
from pydantic import TypeAdapter

from tests.support.ag_ui import Client
from tests.system.clients import serving

EVENT: TypeAdapter[Any] = TypeAdapter(Event)
AGENTS = (
    "plain",
    "tools",
    "broken",
    "long",
    "refuses",
    "fails",
    "cut",
    "restarts",
    "sequence",
    "both",
    "boss",
    "giver",
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as url:
        yield url


def run(server: str, agent: str, **more: Any) -> tuple[list[Any], Client]:
    """The events of a run, as the package has them, and what a client holds then."""
    hi = UserMessage(id="u1", content="Hi")
    asked = RunAgentInput(thread_id="t", run_id="r", protocol_version="1.0", **{"messages": [hi], **more})
    body = asked.model_dump(by_alias=True, mode="json")
    events = []
    client = Client(messages=body["messages"])
    with httpx.stream("POST", f"{server}/ag-ui/{agent}", json=body, timeout=60, trust_env=False) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                event = EVENT.validate_json(line[6:])
                assert event.model_dump(by_alias=True, mode="json") == json.loads(line[6:])
                events.append(event)
                client.read(json.loads(line[6:]))
    return events, client


@pytest.mark.parametrize("agent", AGENTS)
def test_every_run_is_of_its_types(server: str, agent: str) -> None:
    events, client = run(server, agent)
    assert events[0].type == "RUN_STARTED"
    assert client.end is not None


def test_it_answers_what_was_asked(server: str) -> None:
    events, client = run(server, "question")
    (interrupt,) = events[-1].outcome.interrupts
    answer = ResumeEntry(interrupt_id=interrupt.id, status="resolved", payload=7)
    _, rest = run(server, "question", messages=[*client.messages.values()], resume=[answer])
    assert rest.text() == "Chosen."


def test_it_keeps_its_own_tools(server: str) -> None:
    tool = Tool(name="pick", description="Pick one.", parameters={"type": "object"})
    events, client = run(server, "client", tools=[tool])
    assert events[-1].outcome.pending_tool_call_ids == client.pending != []

"""Whoever watches a run changes nothing of it: with every set of observers it ends, and each of them gets the same."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from headwater import Agent, AgentStream, RunFile, attach, on_event
from headwater.events import Event
from headwater.testing import Call, ScriptedModel
from tests.support.journals import journal as journal
from tests.telemetry.traced import traced

OBSERVERS = ("telemetry", "hook", "callback", "file", "kept log", "journal")
SETS = [chosen for many in range(len(OBSERVERS) + 1) for chosen in itertools.combinations(OBSERVERS, many)]


def look(what: str) -> str:
    """Look."""
    return f"saw {what}"


@pytest.mark.parametrize("chosen", SETS, ids=" and ".join)
def test_every_set_of_observers_gets_the_same_log(chosen: tuple[str, ...], journal: str, tmp_path: Path) -> None:
    model = ScriptedModel([["Let me look.", Call("look", {"what": "sea"})], "It is as blue as it was yesterday."])
    logs: dict[str, list[Event]] = {name: [] for name in ("hook", "callback") if name in chosen}
    declared: dict[str, Any] = {"on_event": logs["callback"].append} if "callback" in chosen else {}
    if "journal" in chosen:
        declared["journal"] = journal
    agent: Agent[Any, Any] = Agent(name="guide", model=model, tools=[look], keep_log="kept log" in chosen, **declared)
    more: dict[str, Any] = {"save": tmp_path / "run.jsonl"} if "file" in chosen else {}

    async def events_of(stream: AgentStream[Any]) -> list[Event]:
        async with asyncio.timeout(30.0):
            return [event async for event in stream.events()]

    with ExitStack() as stack:
        if "telemetry" in chosen:
            told = stack.enter_context(traced())
        if "hook" in chosen:
            stack.callback(on_event(logs["hook"].append))
        read = asyncio.run(events_of(agent.run_stream("Go.", **more)))
    if "journal" in chosen:
        logs["journal"] = asyncio.run(events_of(attach(read[0].run, journal=journal)))
    if "file" in chosen:
        logs["file"] = [*RunFile(tmp_path / "run.jsonl").events]
    if "telemetry" in chosen:
        told.check()
    assert read[-1].type == "run.finished"
    assert {name: log == read for name, log in logs.items()} == dict.fromkeys(logs, True)
    assert [event.seq for event in read] == [*range(len(read))]

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headwater import Agent, RunFile
from headwater.adapters import Adapted, Strings
from headwater.adapters.adapted import named
from headwater.errors import ConfigurationError, LoopMisuse
from headwater.events import Event
from headwater.testing import Call, ScriptedModel, check_log
from headwater.web import router
from tests.support.served import served


async def tides(task: str) -> AsyncIterator[str]:
    for word in ("They ", "rise."):
        yield word


def agent() -> Strings:
    return Strings(tides, name="tides", description="Knows tides.")


def test_every_way_of_running_gives_the_same_answer() -> None:
    async def main() -> list[str]:
        loose: Any = agent()
        awaited = str(await loose.run("Go"))
        chunks = "".join([chunk.content async for chunk in agent().run_stream("Go")])
        with pytest.raises(LoopMisuse):
            agent().run_sync("Go")
        return [awaited, str(await agent().arun("Go")), chunks]

    answers = {*asyncio.run(main()), str(agent().run("Go")), str(agent().run_sync("Go"))}
    assert answers == {"They rise."}


def test_callbacks_and_a_file(tmp_path: Path) -> None:
    tokens: list[str] = []
    log: list[Event] = []
    path = tmp_path / "run.jsonl"
    agent().run("Go", streaming_callback=tokens.append, on_event=log.append, save=path)
    check_log(log)
    assert tokens == ["They ", "rise."]
    assert RunFile(path).events == tuple(log)


def test_as_a_tool_it_has_its_description() -> None:
    asks = ScriptedModel([[Call("tides", {"task": "Do they?"})], "Yes."])
    desk = Agent(name="desk", model=asks, tools=[agent()])
    log = list(desk.run_stream("Go").events())
    check_log(log)
    assert {event.path for event in log} == {("desk",), ("desk", "tides")}
    assert agent().as_tool().spec.description == "Knows tides."


def test_an_option_that_belongs_to_the_framework_is_refused() -> None:
    loose: Any = agent()
    with pytest.raises(ConfigurationError, match="temperature"):
        loose.run("Go", temperature=1)


def test_its_name() -> None:
    assert (named("given", "own", "other"), named(None, "own", "other"), named(None, None, "other")) == (
        "given",
        "own",
        "other",
    )
    with pytest.raises(ConfigurationError, match="name"):
        Adapted("")


def test_it_is_served_like_an_agent() -> None:
    async def main() -> Any:
        async with served(router(agent())) as server:
            started = await server.client.post("/runs", json={"input": "Go"})
            text = await server.client.get(f"/runs/{started.json()['run_id']}/events")
            return text.text

    shown = asyncio.run(main())
    assert '"They "' in shown
    assert "run.finished" in shown

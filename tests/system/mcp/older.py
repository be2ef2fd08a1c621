"""Servers of the packages before the revision without a handshake: `python -m tests.system.mcp.older PYTHON`.

PYTHON has the packages of older_requirements.txt, which exclude the one that this client is built on.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from headwater import MCP, Agent
from headwater.events import Event, InputAsked, ToolFinished, ToolProgress
from headwater.testing import Call, ScriptedModel, check_log
from tests.support.mcp import seen
from tests.system.mcp.everything import free_port, listening

PROGRAM: Final = str(Path(__file__).with_name("older_server.py"))
PACKAGES: Final = ("fastmcp", "mcp.server.fastmcp")
SECONDS: Final = 20.0
"""How long a server may take until it has seen a cancel."""


@asynccontextmanager
async def connected(command: list[str], saw: Path, *, http: bool) -> AsyncIterator[MCP]:
    """The server, over its standard streams or over HTTP."""
    env = {"HEADWATER_TEST_SAW": str(saw)}
    if not http:
        async with MCP(command, name="older", env=env) as one:
            yield one
        return
    port = free_port()
    async with (
        listening([*command, str(port)], port, env),
        MCP(f"http://127.0.0.1:{port}/mcp", name="older") as one,
    ):
        yield one


async def check(one: MCP, saw: Path) -> None:
    """Lists its tools, calls each, follows its progress, answers its question, and leaves a call."""
    session = await one.connection().session()
    assert not session.modern
    assert {tool.name for tool in await session.tools()} == {"add", "boom", "slow", "ask"}
    calls = [Call("add", {"a": 1, "b": 2}), Call("boom", {}), Call("slow", {"steps": 3})]
    stream = Agent(model=ScriptedModel([calls, [Call("ask", {})], "done"]), tools=[one]).run_stream("go")
    log: list[Event] = []
    async for event in stream.events():
        log.append(event)
        if isinstance(event, InputAsked):
            assert list(event.schema["properties"]) == ["ok"]
            stream.answer(event.input, {"ok": True})
    check_log(log)
    ends = {event.name: event for event in log if isinstance(event, ToolFinished)}
    assert ends["add"].result == "3", ends
    assert "kaputt" in str(ends["boom"].error), ends
    assert ends["slow"].result == "done", ends
    assert ends["ask"].result == "accept True", ends
    told = [event.data for event in log if isinstance(event, ToolProgress)]
    assert told == [{"progress": step, "total": 3, "message": f"step {step}"} for step in (1, 2, 3)], told

    left = ScriptedModel([[Call("slow", {"steps": 100_000})], [calls[0]], "x"])
    agent = Agent(model=left, tools=[one])
    async for event in agent.run_stream("go").events():
        if isinstance(event, ToolProgress):
            break
    assert (await agent.run("again")).text == "x"
    async with asyncio.timeout(SECONDS):
        while seen(saw) != ["cancelled"]:  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.01)


async def passes(python: str, package: str, *, http: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        saw = Path(folder, "saw")
        async with connected([python, PROGRAM, package], saw, http=http) as one:
            await check(one, saw)
    print(f"passed: {package} over {'HTTP' if http else 'stdio'}", flush=True)


async def main(python: str) -> None:
    async with asyncio.TaskGroup() as group:  # they take long to start
        for package in PACKAGES:
            for http in (False, True):
                group.create_task(passes(python, package, http=http))


if __name__ == "__main__":
    asyncio.run(main(os.path.abspath(sys.argv[1])))

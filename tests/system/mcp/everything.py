"""The protocol's example server over each transport: `python -m tests.system.mcp.everything FOLDER`.

FOLDER has the packages of package.json in its `node_modules`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from headwater import MCP, Agent, Image, Text
from headwater.events import Event, InputAsked, ToolFinished, ToolProgress
from headwater.testing import Call, ScriptedModel, check_log

PROGRAM = Path("node_modules", "@modelcontextprotocol", "server-everything", "dist", "index.js")

CALLS = [
    Call("echo", {"message": "hi"}),
    Call("get-tiny-image", {}),
    Call("trigger-long-running-operation", {"duration": 0.4, "steps": 4}),
    Call("get-structured-content", {"location": "New York"}),
    Call("get-resource-links", {}),
    Call("get-resource-reference", {}),
]


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def listening(command: list[str], port: int, env: dict[str, str]) -> AsyncIterator[None]:
    """The server of a command, from when it listens at the port."""
    process = subprocess.Popen(  # noqa: ASYNC220
        command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            assert process.poll() is None, f"it has ended: {command}"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def target(program: str, way: str) -> AsyncIterator[Any]:
    if way == "stdio":
        yield ["node", program, way]
        return
    port = free_port()
    async with listening(["node", program, way], port, {"PORT": str(port)}):
        yield f"http://127.0.0.1:{port}/{'sse' if way == 'sse' else 'mcp'}"


async def check(place: Any) -> None:
    async with MCP(place, name="everything") as server:
        model = ScriptedModel([CALLS, [Call("trigger-elicitation-request", {})], "done"])
        stream = Agent(model=model, tools=[server]).run_stream("go")
        log: list[Event] = []
        async for event in stream.events():
            log.append(event)
            if isinstance(event, InputAsked):
                assert "name" in event.schema["properties"]
                stream.decline(event.input)
        check_log(log)
        ends = {event.name: event for event in log if isinstance(event, ToolFinished)}
        assert len(ends) == len(CALLS) + 1
        assert all(end.error is None for end in ends.values()), ends
        assert ends["echo"].result == "Echo: hi"
        assert {type(part) for part in ends["get-tiny-image"].result} == {Text, Image}
        assert '"temperature"' in str(ends["get-structured-content"].result)
        assert sum(isinstance(event, ToolProgress) for event in log) == 4
        again = ScriptedModel(
            [[Call("trigger-long-running-operation", {"duration": 60, "steps": 600})], [CALLS[0]], "x"]
        )
        agent = Agent(model=again, tools=[server])
        async for event in agent.run_stream("go").events():
            if isinstance(event, ToolProgress):
                break
        assert (await agent.run("again")).text == "x"


async def main(folder: Path) -> None:
    for way in ("stdio", "sse", "streamableHttp"):
        async with target(str(folder / PROGRAM), way) as place:
            await check(place)
        print(f"passed: {way}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

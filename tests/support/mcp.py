"""MCP servers for tests, as targets and as what was seen of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from headwater import MCP, Agent
from headwater.events import Event, ToolFinished
from headwater.testing import Call, ScriptedModel, check_log

SMALL = Path(__file__).with_name("mcp_small.py")


def small(*ways: str, saw: Path | None = None, **options: Any) -> MCP:
    """The small server as a process of its own; it writes what it sees to `saw`."""
    env = {"HEADWATER_TEST_SAW": str(saw)} if saw is not None else None
    return MCP([sys.executable, str(SMALL), *ways], env=env, **{"name": "small", **options})


def seen(path: Path) -> list[str]:
    """What a server saw."""
    return path.read_text("utf-8").split() if path.exists() else []


def pids(path: Path) -> list[int]:
    """The processes that a server has been."""
    return [int(word[4:]) for word in seen(path) if word.startswith("pid:")]


def gone(pid: int, seconds: float = 20.0) -> bool:
    """Waits until the process has left; False if it stays."""
    until = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def agent_with(*tools: Any, turns: Iterable[Any], **options: Any) -> Agent[Any, Any]:
    return Agent(model=ScriptedModel([*turns]), tools=tools, **options)


async def log_of_calls(tool: Any, *calls: Call | str | Sequence[Call], **options: Any) -> list[Event]:
    """The log of a run that makes these calls, a step each, and then answers."""
    turns = [[call] if isinstance(call, Call) else call for call in calls]
    agent = agent_with(tool, turns=[*turns, "done"], **options)
    log: list[Event] = [event async for event in agent.run_stream("go").events()]
    check_log(log)
    return log


def results(log: Iterable[Event]) -> dict[str, Any]:
    """The results in a log by the names of the tools."""
    return {event.name: event.result for event in log if isinstance(event, ToolFinished)}

from __future__ import annotations

import asyncio
import copy
import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headwater import MCP, Agent, Timeouts, tool
from headwater.errors import ConfigurationError, MCPUnavailable
from headwater.events import ApprovalAsked, RunStarted, ToolFinished, Warned
from headwater.testing import Call, ScriptedModel
from tests.support.mcp import agent_with, gone, log_of_calls, pids, results, small
from tests.support.mcp_server import server


def names_of(*tools: Any) -> list[str]:
    """The names of the tools that a model gets."""
    seen: list[str] = []

    def answer(request: Any) -> list[str]:
        seen.extend(tool.name for tool in request.tools)
        return ["done"]

    asyncio.run(_run(Agent(model=ScriptedModel(answer), tools=tools)))
    return seen


async def _run(agent: Agent[Any, Any]) -> None:
    await agent.run("go")


def test_tools_are_chosen_and_prefixed() -> None:
    assert names_of(MCP(server(), include=["a*", "point"], exclude=["ask"])) == ["add", "point"]
    assert names_of(MCP(server(), include=["add"], prefix="math.")) == ["math_add"]


def test_a_misspelled_choice_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    tides = MCP(server(), name="tides", include=["add", "pont"])
    assert names_of(tides) == names_of(tides) == ["add"]
    (told,) = [record.getMessage() for record in caplog.records if record.name == "headwater.mcp"]
    assert told.startswith("No tool of tides fits include='pont'. Its tools are ")
    assert "point" in told


def test_a_name_that_is_taken_gets_the_servers_as_prefix() -> None:
    @tool
    def add(a: int) -> int:
        """Mine."""
        return a

    first = MCP(server(), name="first", include=["add", "point"])
    second = MCP(server(), name="second", include=["add", "point"])
    assert names_of(first, second, add) == ["add", "first_add", "point", "second_add", "second_point"]


def test_a_call_goes_to_the_server_that_has_the_tool() -> None:
    first, second = MCP(server(), name="first", include=["add"]), MCP(server(), name="second", include=["add"])
    agent = agent_with(first, second, turns=[[Call("second_add", {"a": 1, "b": 1})], "done"])
    log = [event for event in agent.run_stream("go").events() if isinstance(event, ToolFinished)]
    assert log[0].result == "2"


def test_approval_holds_for_each_tool() -> None:
    async def main() -> None:
        one = MCP(server(), approval=lambda arguments: arguments["a"] > 1)
        calls = [Call("add", {"a": 1, "b": 1}), Call("add", {"a": 2, "b": 2})]
        stream = agent_with(one, turns=[calls, "done"]).run_stream("go")
        asked = []
        async for event in stream.events():
            if isinstance(event, ApprovalAsked):
                asked.append(event.arguments)
                stream.deny(event.approval, note="no")
        assert asked == [{"a": 2, "b": 2}]

    asyncio.run(main())


@pytest.mark.parametrize("sync", [True, False])
def test_a_server_that_cannot_start_fails_the_run_before_anything_is_sent(sync: bool) -> None:
    sent: list[Any] = []

    def answer(request: Any) -> list[str]:
        sent.append(request)
        return ["x"]

    agent = Agent(model=ScriptedModel(answer), tools=[MCP("no-such-command")])
    with pytest.raises(MCPUnavailable) as error:
        agent.run("go") if sync else asyncio.run(_run(agent))
    assert error.value.server == "no-such-command"
    assert not sent


def test_one_that_is_not_required_is_a_warning() -> None:
    log = asyncio.run(log_of_calls(MCP("no-such-command", required=False), []))
    assert [event.code for event in log if isinstance(event, Warned)] == ["mcp_unavailable"]


def test_many_runs_share_one_process(tmp_path: Path) -> None:
    saw = tmp_path / "saw"

    async def main() -> None:
        one = small(saw=saw)
        turns = [[Call("echo", {"n": 1})], "done"] * 200

        async def run() -> None:
            await agent_with(one, turns=turns[:2]).run("go")

        for _ in range(20):
            await asyncio.gather(*(run() for _ in range(10)))
        await one.aclose()

    asyncio.run(main())
    assert len(pids(saw)) == 1
    assert gone(*pids(saw))


def test_ten_servers_are_connected_at_once(tmp_path: Path) -> None:
    saws = [tmp_path / str(n) for n in range(10)]

    async def main() -> list[Any]:
        servers = [small(saw=saw, name=f"s{n}", include=["echo"]) for n, saw in enumerate(saws)]
        calls = [Call("echo" if n == 0 else f"s{n}_echo", {"n": n}) for n in range(10)]
        stream = agent_with(*servers, turns=[calls, "done"]).run_stream("go")
        return [event async for event in stream.events()]

    log = asyncio.run(main())
    assert set(results(log).values()) == {f'{{"n": {n}}}' for n in range(10)}
    assert all(gone(*pids(saw)) for saw in saws)


def test_each_event_loop_has_its_own_connection(tmp_path: Path) -> None:
    saw = tmp_path / "saw"
    one = small(saw=saw)
    for _ in range(2):
        asyncio.run(log_of_calls(one, Call("echo", {})))
    assert len(pids(saw)) == 2


def test_unused_connections_are_closed(tmp_path: Path) -> None:
    saw = tmp_path / "saw"

    async def main() -> None:
        await log_of_calls(small(saw=saw), Call("echo", {}))
        gc.collect()
        await asyncio.sleep(0.2)
        assert gone(*pids(saw))

    asyncio.run(main())


def test_copies_share_the_connection() -> None:
    one = MCP(server())
    agent = Agent(model="offline", tools=[one, one])
    assert agent.tools == (one,)
    assert copy.deepcopy(agent).tools == (one,)


def test_the_declaration_counts_in_the_hash_and_the_servers_list_does_not() -> None:
    def hashed(*tools: Any) -> str:
        stream = Agent(name="a", model=ScriptedModel(["x"]), tools=tools).run_stream("go")
        return next(event.definition_hash for event in stream.events() if isinstance(event, RunStarted))

    assert hashed(MCP(server(), name="s")) == hashed(MCP(server(extra=3), name="s"))
    assert len({hashed(), hashed(MCP(server(), name="s")), hashed(MCP(server(), name="s", include=["add"]))}) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"include": "add"},
        {"exclude": [1]},
        {"prefix": 1},
        {"approval": 1},
        {"timeouts": 5},
    ],
    ids=str,
)
def test_wrong_options_say_what_to_write(options: Any) -> None:
    with pytest.raises(ConfigurationError) as error:
        MCP("server", **options)
    assert error.value.hint


def test_the_servers_timeouts_apply() -> None:
    log = asyncio.run(log_of_calls(small(timeouts=Timeouts(tool=0.2)), Call("hang", {})))
    assert "took longer than 0.2 seconds" in results(log)["hang"]


def test_declaring_a_server_imports_nothing_of_it() -> None:
    program = (
        "import sys; from headwater import *; Agent(model='offline', tools=[MCP('x')]); print('mcp' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"

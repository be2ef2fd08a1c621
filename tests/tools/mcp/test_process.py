from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.errors import MCPUnavailable
from headwater.testing import Call
from tests.support.mcp import SMALL, gone, log_of_calls, pids, results, seen, small
from tests.support.paths import ROOT


def test_a_server_leaves_when_its_input_closes(tmp_path: Path) -> None:
    saw = tmp_path / "saw"

    async def main() -> None:
        async with small(saw=saw):
            pass

    asyncio.run(main())
    assert gone(*pids(saw))
    assert seen(saw)[-1] == "end"


def test_one_that_stays_is_ended_in_the_background(tmp_path: Path) -> None:
    saw = tmp_path / "saw"

    async def main() -> None:
        async with small("stays", saw=saw):
            pass

    asyncio.run(main())
    assert gone(*pids(saw))
    assert "end" not in seen(saw)


PROGRAM = """
import asyncio, sys
from headwater import Agent, MCP
from headwater.testing import Call, ScriptedModel
server = MCP([sys.executable, sys.argv[1], "stays"], env={"HEADWATER_TEST_SAW": sys.argv[2]})
agent = Agent(model=ScriptedModel([[Call("echo", {"a": 1})], "done"]), tools=[server])
if sys.argv[3] == "sync":
    print(agent.run("go").text)
else:
    async def main():
        print((await agent.run("go")).text)
    asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["sync", "async"])
def test_nothing_is_left_of_a_program_that_ends_without_closing(tmp_path: Path, how: str) -> None:
    saw = tmp_path / "saw"
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(SMALL), str(saw), how], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("done\n", "", 0)
    assert gone(*pids(saw))


def test_standard_error_goes_to_the_servers_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headwater.mcp.small")
    asyncio.run(log_of_calls(small(), Call("echo", {})))
    assert "small is here" in [record.getMessage() for record in caplog.records if record.name == "headwater.mcp.small"]


def test_an_invalid_message_is_skipped() -> None:
    log = asyncio.run(log_of_calls(small(), Call("garbage", {"a": 1})))
    assert results(log) == {"garbage": '{"a": 1}'}


def test_a_command_that_does_not_exist_is_unavailable() -> None:
    from headwater import MCP

    async def main() -> None:
        with pytest.raises(MCPUnavailable, match=r"no-such-command.*not available"):
            async with MCP("no-such-command-anywhere --flag"):
                pass

    asyncio.run(main())


def test_a_command_that_ends_at_once_is_unavailable() -> None:
    from headwater import MCP

    async def main() -> None:
        with pytest.raises(MCPUnavailable, match="Connection closed"):
            async with MCP([sys.executable, "-c", "raise SystemExit(1)"]):
                pass

    asyncio.run(main())

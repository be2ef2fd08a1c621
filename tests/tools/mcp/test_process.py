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


PYTHON = "import no_such_module_of_mine"
NODE = r"""
import sys
sys.stderr.write("node:internal/modules/cjs/loader:1215\n  throw err;\n  ^\n\nError: Cannot find module 'sea.js'\n"
    "    at Module._load (node:internal)\n  code: 'MODULE_NOT_FOUND'\n}\n\nNode.js v22.1.0\n")
"""
KEY = "import sys; sys.exit(f'\x1b[31mThe key {sys.argv[1]} is not valid.')"
SILENT = "import os, time; os.close(1); time.sleep(60)"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            PYTHON,
            "It wrote: Traceback (most recent call last): / ModuleNotFoundError: No module named 'no_such_modu",
        ),
        (NODE, "/ Error: Cannot find module 'sea.js' / Node.js v22.1.0. All that it writes goes to the logger"),
        (KEY, "is not valid. All that it writes goes to the logger headwater.mcp.small"),
        (SILENT, "Connection closed. Run the command in a terminal to see why."),
    ],
)
def test_why_a_command_ended_at_once_is_in_the_error(code: str, words: str) -> None:
    from headwater import MCP

    async def main() -> str:
        with pytest.raises(MCPUnavailable) as raised:
            async with MCP([sys.executable, "-c", code, "sekret-key"], name="small"):
                pass
        return str(raised.value)

    said = asyncio.run(main())
    assert words in said
    assert "sekret" not in said
    assert "\x1b" not in said


def test_what_a_command_writes_that_never_answers_is_in_the_error_too() -> None:
    from headwater import MCP, Timeouts

    code = "import sys, time; print('Waiting for a browser.', file=sys.stderr, flush=True); time.sleep(60)"

    async def main() -> None:
        with pytest.raises(MCPUnavailable, match=r"no answer in 5 seconds\. It wrote: Waiting for a browser\."):
            async with MCP([sys.executable, "-c", code], timeouts=Timeouts(connect=5)):
                pass

    asyncio.run(main())

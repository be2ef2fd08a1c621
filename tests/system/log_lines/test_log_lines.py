"""With `logging.basicConfig()` alone a program shows what went wrong and was mended: a line for each."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from typing import Any

import pytest

from headwater import Agent
from headwater.backends import rate_limits
from headwater.backends.offline import Call, Fail, Say, ScriptedModel
from headwater.testing import ProviderSimulator
from tests.support.virtual import run_virtual


async def look() -> str:
    """Look."""
    raise LookupError("nothing there")


def broken(*_: Any) -> None:
    raise ValueError("no screen")


def scripted(*turns: Any, model: str = "own") -> ScriptedModel:
    return ScriptedModel([[turn] if not isinstance(turn, list) else turn for turn in turns], model=model)


OTHER = scripted("From the other.", model="other")
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    # what the agent is, what the run is given, the logger, the line
    "a retry": (
        {"model": scripted(Fail(500), "So.")},
        {},
        "headwater.models",
        r"own failed with ServerError: .* retrying in \d\.\d s \(1 of 2\)\.",
    ),
    "a 429": (
        {"model": scripted(Fail(429, retry_after=7.0), "So.")},
        {},
        "headwater.models",
        r"own failed with RateLimited: .* retrying in \d+\.\d s \(1 of 2\)\.",
    ),
    "a fallback": (
        {"model": scripted(Fail(401)), "fallback": [OTHER]},
        {},
        "headwater.models",
        r"own failed with AuthenticationFailed: .* falling back to \w*/?other\.",
    ),
    "an answer begun again": (
        {"model": scripted([Say("So "), Fail("overloaded_error")], "So."), "on_interrupted": "restart"},
        {},
        "headwater.models",
        r"own failed with Overloaded: .* restarting the answer in \d\.\d s \(1 of 2\)\.",
    ),
    "a tool that raises": (
        {"model": scripted(Call("look"), "So."), "tools": [look]},
        {},
        "headwater.tools",
        r"The tool look raised LookupError; the model was told, and the run continues\.",
    ),
    "a token callback that raises": (
        {"model": scripted(["So ", "and ", "so."])},
        {"streaming_callback": broken},
        "headwater",
        r"A streaming_callback raised ValueError; the run continues\.",
    ),
    "an event callback that raises": (
        {"model": scripted("So.")},
        {"on_event": broken},
        "headwater",
        r"An on_event callback raised ValueError; the run continues\.",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_each_is_one_line_that_is_shown_by_default(what: str, caplog: pytest.LogCaptureFixture) -> None:
    declared, given, logger, line = CASES[what]

    async def main() -> None:
        assert await Agent(**declared).arun("Go.", **given)

    caplog.set_level(logging.WARNING)  # what basicConfig() shows
    run_virtual(main())
    (record,) = caplog.records
    assert record.name == logger
    assert record.levelno >= logging.WARNING
    caplog.clear()
    assert re.search(line, record.getMessage()), record.getMessage()
    assert (record.exc_info is not None) == ("raised" in record.getMessage()), "a traceback where code has raised"


def test_success_and_raised_errors_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="headwater")
    Agent(model=scripted("So.")).run("Go.")
    with pytest.raises(Exception, match="401"):
        Agent(model=scripted(Fail(401))).run("Go.")
    assert caplog.records == []


def test_a_request_that_waits_for_the_pause_of_another_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    model = scripted("So.")
    model.quota = ("scripted", "", "")  # type: ignore[attr-defined]

    async def main() -> None:
        rate_limits.pause(model.quota, 5.0, now=asyncio.get_running_loop().time())  # type: ignore[attr-defined]
        await Agent(model=model).arun("Go.")

    with caplog.at_level(logging.INFO, logger="headwater"):
        run_virtual(main())
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert "asked for a pause; this request waits" in record.getMessage()


PROGRAM = """
import logging, sys
from headwater import Agent
from headwater.testing import Fail, ScriptedModel
{setup}
model = ScriptedModel([[Fail(500)], ["So."]])
agent = Agent(model=model, retries=0, fallback=[ScriptedModel([["From the other."]], model="other")])
print(agent.run("Go."))
"""


@pytest.mark.parametrize(("setup", "lines"), [("", 0), ("logging.basicConfig()", 1)])
def test_nothing_is_written_without_configured_logging(setup: str, lines: int) -> None:
    command = [sys.executable, "-c", PROGRAM.format(setup=setup)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "From the other.\n"
    assert len(done.stderr.splitlines()) == lines, done.stderr
    assert lines == 0 or done.stderr.startswith("WARNING:headwater.models:")


def test_no_line_contains_a_key(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with ProviderSimulator([Fail(500), "So."]) as simulator:
        agent = Agent(model="openai/m", base_url=simulator.url("openai"), api_key="sk-planted-0123456789")
        agent.run("Go.")
    assert caplog.records
    assert "sk-planted" not in caplog.text

"""What others say steers no terminal, whichever way it gets there: a model, a tool, a server, a callback."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow
from headwater.backends.offline import Call, Fail, OfflineModel, Think
from headwater.cli import main
from headwater.events import Event
from headwater.readers.verbose import log_watcher
from headwater.terminal.dashboard.dashboard import Dashboard
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.section_printer import SectionPrinter
from tests.system.error_messages.server import Server

HOSTILE = "a\x1b[2Jb\x9b31mc\x07d\u202ee\u2066f"
STEERING = ("\x1b[2J", "\x1b]", "\x9b", "\x07", "\u202e", "\u2066")


class Screen(io.StringIO):
    """A file that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("no descriptor")


def check(shown: str, *, holds: str = "") -> None:
    assert [one for one in STEERING if one in shown] == []
    assert holds in shown


def high_water(port: str) -> Iterator[str]:
    """When the tide is highest."""
    yield f"progress {HOSTILE}"
    raise ValueError(f"raised {HOSTILE}")


def hostile_agent(name: str = "tides") -> Agent[Any, Any]:
    turns: list[Any] = [
        [Think(f"thought {HOSTILE}"), f"said {HOSTILE}", Call("high_water", {"port": HOSTILE})],
        [Call(f"no{HOSTILE}", {HOSTILE: 1})],
        [f"more {HOSTILE}", Fail("overloaded", f"failed {HOSTILE}")],
    ]
    return Agent(name=name, model=OfflineModel(turns, model="m"), tools=[high_water], retries=0)


def log_of(begin: Callable[..., Any]) -> list[Event]:
    log: list[Event] = []
    with pytest.raises(Exception, match="failed"):
        begin("Go.", on_event=log.append)
    return log


@pytest.fixture(scope="module")
def alone() -> list[Event]:
    return log_of(hostile_agent().run)


@pytest.fixture(scope="module")
def together() -> list[Event]:
    return log_of(ConcurrentWorkflow([hostile_agent("tides"), hostile_agent("wind")], name="crew").run)


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
@pytest.mark.parametrize("live", [True, False])
def test_a_run_that_is_shown(alone: list[Event], term: str, live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    screen = Screen()
    with closing(LinePrinter("tides", file=screen, live=live)) as printer:
        for event in alone:
            printer(event)
    check(screen.getvalue(), holds="more a␛[2Jb")


def test_several_agents_in_turn(together: list[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Screen()
    printer = SectionPrinter(live=False, file=screen)
    for event in together:
        printer(event)
    check(screen.getvalue(), holds="more a␛[2Jb")


@pytest.mark.parametrize("screen", [Screen(), io.StringIO()], ids=["terminal", "pipe"])
def test_a_dashboard(together: list[Event], screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    with closing(Dashboard(f"crew {HOSTILE}", ["tides", "wind"], file=screen)) as dashboard:
        for event in together:
            dashboard(event)
    check(screen.getvalue(), holds="failed a␛[2Jb")


def test_a_callback_and_a_tool_that_raise(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (None, "headwater", "headwater.tools"):  # a command that ran in this process has set up its own
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])

    def callback(token: str) -> None:
        raise ValueError(f"raised {HOSTILE}\nagain")

    with pytest.raises(Exception, match="failed"):
        hostile_agent().run("Go.", streaming_callback=callback)
    told = capsys.readouterr().err
    check(told, holds="raised ValueError: raised a␛[2Jb�31mc␇d�e�f again; the run continues.\n")
    assert "high_water" in told


def test_log_lines_of_a_verbose_agent(
    alone: list[Event], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = logging.getLogger("headwater")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(ours, "handlers", [])
    watch = log_watcher(f"tides{HOSTILE}")
    for event in alone:
        watch(event)
    ours.getChild("tools").error("A tool raised.", exc_info=ValueError(f"raised {HOSTILE}"))
    check(capsys.readouterr().err, holds="ValueError: raised a␛[2Jb")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with Server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
        monkeypatch.setenv("OLLAMA_HOST", server.url.removesuffix("/v1"))
        for variable in ("VLLM_BASE_URL", "LLAMACPP_BASE_URL", "LMSTUDIO_BASE_URL"):
            monkeypatch.setenv(variable, "http://127.0.0.1:9/v1")
        yield server


@pytest.mark.parametrize("debug", [[], ["--debug"]], ids=["", "debug"])
def test_a_command_whose_run_fails(
    debug: list[str], server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    server.answers(400, {"error": {"message": f"refused {HOSTILE}", "code": HOSTILE}})
    assert main(["run", "Go.", "--model", "openai/gpt-5.4", *debug]) == 1
    check(capsys.readouterr().err, holds="refused a␛[2Jb")


@pytest.mark.parametrize("command", ["models", "doctor"])
@pytest.mark.parametrize("body", [{"models": [{"name": HOSTILE}, {"name": "llama"}]}, {"models": HOSTILE}, HOSTILE])
def test_commands_that_ask_servers(
    command: str, body: Any, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    server.answers(200, body if isinstance(body, dict) else json.dumps(body).encode())
    main([command])
    check(screen.getvalue() + capsys.readouterr().err, holds="ollama")

"""Who answers: the options, the environment, and where the offline model stands in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from headwater.agents.agent import Agent
from headwater.backends.http import HTTPBackend
from headwater.backends.offline import OfflineModel
from headwater.cli.options import OFFLINE_RATE, add_agent_options, make_agent
from headwater.errors import ConfigurationError, MissingKey, ModelNotNamed, UnknownModel, UsageError

SCHEMA = '{"type": "object"}'
STAND_IN = "headwater: no model named, no key set: using offline, a built-in fake model.\n"


def agent(*line: str) -> Agent[Any, str]:
    parser = argparse.ArgumentParser()
    add_agent_options(parser)
    parser.add_argument("--schema")
    made = make_agent(parser.parse_args(line))
    assert isinstance(made, Agent)
    return made


def source(*line: str) -> OfflineModel | HTTPBackend:
    found = agent(*line).llm.backend
    assert isinstance(found, OfflineModel | HTTPBackend)
    return found


def test_without_model_and_key_the_offline_model_answers_and_says_so(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = source()
    assert isinstance(found, OfflineModel)
    assert found.rate == OFFLINE_RATE
    assert capsys.readouterr() == ("", STAND_IN)


@pytest.mark.parametrize("name", ["offline", "offline/poem", "offline:markdown"])
def test_named_it_answers_without_a_word(
    name: str, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = source("--model", name)
    assert isinstance(found, OfflineModel)
    assert (found.rate, found.model) == (OFFLINE_RATE, name)
    bare.setenv("HEADWATER_MODEL", name)
    assert source().model == name
    assert capsys.readouterr() == ("", "")


def test_a_key_without_a_model_is_an_error_that_names_it(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("ANTHROPIC_API_KEY", "sk-ant-1")
    with pytest.raises(ModelNotNamed, match=r"anthropic \(ANTHROPIC_API_KEY\)"):
        source()


def test_a_model_without_a_key_is_an_error(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingKey):
        source("--model", "openai/gpt-5.4")
    bare.setenv("HEADWATER_MODEL", "groq/llama-3.3-70b-versatile")
    with pytest.raises(MissingKey, match="groq"):
        source()


def test_an_offline_model_that_is_none_is_an_error(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownModel):
        source("--model", "offline/opera")


def test_a_base_url_needs_a_name_and_gets_it_as_it_is(bare: pytest.MonkeyPatch) -> None:
    found = source("--base-url", "http://127.0.0.1:9/v1", "--model", "meta-llama/Llama-3.1-8B")
    assert isinstance(found, HTTPBackend)
    assert (found.endpoint.base_url, found.model) == ("http://127.0.0.1:9/v1", "meta-llama/Llama-3.1-8B")
    with pytest.raises(ModelNotNamed):
        source("--base-url", "http://127.0.0.1:9/v1")
    with pytest.raises(ConfigurationError):
        source("--base-url", "127.0.0.1:9", "--model", "x")


def test_the_rest_is_the_agents(bare: pytest.MonkeyPatch) -> None:
    made = agent(
        *("--model", "offline", "--name", "pilot", "--instructions", "Be brief.", "--tool", "os.path:basename"),
        *("--max-tokens", "30", "--temperature", "0.5", "--top-p", "0.9", "--seed", "-7", "--stop", "a", "--stop", "b"),
        *("--timeout", "2.5"),
    )
    assert (made.name, made.instructions) == ("pilot", "Be brief.")
    assert [tool.name for tool in made.tools] == ["basename"]
    assert made.settings.given() == {
        "max_tokens": 30,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": -7,
        "stop": ("a", "b"),
    }
    assert made.timeouts is not None
    assert made.timeouts.run == 2.5


@pytest.mark.parametrize(
    ("text", "value"), [("low", "low"), ("XHIGH", "xhigh"), ("on", True), ("off", False), ("2048", 2048)]
)
def test_reasoning_is_an_effort_a_switch_or_a_number(text: str, value: object, bare: pytest.MonkeyPatch) -> None:
    assert agent("--model", "offline", "--reasoning", text).settings.reasoning == value


HARBOUR = """
from headwater import Agent, SequentialWorkflow, Timeouts, tool

@tool
def anchor() -> str:
    return "down"

pilot = Agent(
    name="pilot", model="offline/poem", instructions="Be brief.", tools=[anchor], temperature=0.1, seed=3,
    timeouts=Timeouts(idle=7)
)
nameless = Agent(name="nameless")
crew = SequentialWorkflow([pilot])
"""


@pytest.fixture
def harbour(tmp_path: Path, bare: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    (tmp_path / "cli_options_harbour.py").write_text(HARBOUR, encoding="utf-8")
    bare.chdir(tmp_path)
    return bare


def test_an_agent_of_ones_own_is_as_it_is_declared(harbour: pytest.MonkeyPatch) -> None:
    made = agent("--agent", "cli_options_harbour:pilot")
    assert (made.name, made.instructions, made.llm.name) == ("pilot", "Be brief.", "offline/poem")


def test_options_are_laid_over_a_copy_of_it(harbour: pytest.MonkeyPatch) -> None:
    line = ("--agent", "cli_options_harbour:pilot", "--model", "offline:markdown", "--instructions", "At length.")
    made = agent(*line, "--tool", "os.path:basename", "--temperature", "0.7", "--timeout", "9", "--schema", SCHEMA)
    assert (made.name, made.instructions, made.llm.name) == ("pilot", "At length.", "offline:markdown")
    assert [tool.name for tool in made.tools] == ["anchor", "basename"]
    assert made.settings.given() == {"temperature": 0.7, "seed": 3}
    assert made.timeouts is not None
    assert (made.timeouts.run, made.timeouts.idle) == (9, 7)
    assert made.output_type == {"type": "object"}
    again = agent("--agent", "cli_options_harbour:pilot")
    assert (again.instructions, again.output_type, len(again.tools)) == ("Be brief.", str, 1)


def test_an_agent_without_a_model_uses_the_offline_model(
    harbour: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agent("--agent", "cli_options_harbour:nameless").llm.name == "offline"
    assert capsys.readouterr().err == STAND_IN


@pytest.mark.parametrize(
    ("place", "line", "told"),
    [
        (
            "pilot",
            ["--name", "x"],
            "--name cannot be combined with --agent cli_options_harbour:pilot: pilot has its own.",
        ),
        ("pilot", ["--base-url", "http://x"], "--base-url cannot be combined with"),
        ("crew", ["--model", "offline"], "--model cannot be combined with --agent cli_options_harbour:crew"),
        ("crew", ["--max-tokens", "3"], "--max-tokens cannot be combined with"),
        ("crew", ["--tool", "os.path:basename"], "--tool cannot be combined with"),
        ("crew", ["--schema", SCHEMA], "--schema cannot be combined with"),
    ],
)
def test_what_does_not_go_with_it_is_a_mistake(
    place: str, line: list[str], told: str, harbour: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError) as caught:
        agent("--agent", f"cli_options_harbour:{place}", *line)
    assert str(caught.value).startswith(told)


def test_servers_of_a_file_are_among_the_tools(tmp_path: Path, bare: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{"mcpServers": {"files": {"command": "x"}}}', "utf-8")
    assert [one.name for one in agent("--model", "offline", "--mcp", str(file)).tools] == ["files"]
    with pytest.raises(ConfigurationError, match=r"none.json cannot be read: No such file"):
        agent("--model", "offline", "--mcp", str(tmp_path / "none.json"))

"""`--tool module:function` and `--agent module:name`: what is found, and what is told where nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.agents.agent import Agent
from headwater.cli.named import load_agent, load_tool
from headwater.errors import ConfigurationError, InvalidTool


@pytest.fixture
def folder(tmp_path: Path, bare: pytest.MonkeyPatch) -> Path:
    bare.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, source: str) -> None:
    (folder / f"{name}.py").write_text(source, encoding="utf-8")


def test_a_module_of_the_working_folder_is_found(folder: Path) -> None:
    write(folder, "cli_tides", "def high_water(port: str) -> str:\n    return port")
    assert load_tool("cli_tides:high_water")("Brest") == "Brest"


def test_an_attribute_may_be_nested(folder: Path) -> None:
    write(folder, "cli_sea", "class Sea:\n    @staticmethod\n    def tide() -> str:\n        return 'high'")
    assert load_tool("cli_sea:Sea.tide")() == "high"
    assert load_tool("os.path:basename")("a/b") == "b"


def test_an_agent_is_a_tool_too(folder: Path) -> None:
    write(folder, "cli_agents", "from headwater import Agent\npilot = Agent(name='pilot', model='offline')")
    assert isinstance(load_tool("cli_agents:pilot"), Agent)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("tides", "--tool 'tides' names no function. Write module:function, as in tides:high_water."),
        ("tides:", "--tool 'tides:' names no function."),
        (":x", "--tool ':x' names no function."),
        ("a b:c", "--tool 'a b:c' names no function."),
        ("tides.py:x", "--tool 'tides.py:x' names a file. Write its module: tides:x."),
        ("./sea/tides.py:x", "Write its module: sea.tides:x."),
        ("tides.py", "--tool 'tides.py' names a file. Write its module: tides:high_water."),
        ("cli_nowhere:x", "--tool: there is no module 'cli_nowhere'. Modules are searched in this folder"),
        ("os.nowhere:x", "--tool: there is no module 'os.nowhere'."),
        ("os.path:basenam", "--tool os.path:basenam: os.path has no 'basenam'. Did you mean 'basename'?"),
        ("math:pi", "--tool math:pi is not a function, but a float."),
        ("cli_broken:x", "--tool: importing cli_broken failed with ZeroDivisionError: division by zero."),
        ("cli_needy:x", "--tool: importing cli_needy failed with ModuleNotFoundError: No module named 'cli_missing'."),
        ("cli_leaving:x", "--tool: importing cli_leaving failed with SystemExit: 3."),
        ("cli_few:x", "There are first, second."),
        ("cli_none:x", "cli_none has no 'x'. No function is in it; write one as in tides:high_water."),
    ],
)
def test_a_missing_name_is_reported(place: str, told: str, folder: Path) -> None:
    write(folder, "cli_broken", "1 / 0")
    write(folder, "cli_needy", "import cli_missing")
    write(folder, "cli_leaving", "raise SystemExit(3)")
    write(folder, "cli_few", "from os.path import basename\ndef first(): ...\ndef second(): ...")
    write(folder, "cli_none", "from typing import Literal\nnumber = 3")
    with pytest.raises(InvalidTool) as caught:
        load_tool(place)
    assert told in str(caught.value)


AGENTS = """
from headwater import Agent, SequentialWorkflow

pilot = Agent(name="pilot", model="offline")
crew = SequentialWorkflow([pilot])
number = 3

def make():
    return pilot

def make_one(name="pilot"):
    return Agent(name=name, model="offline")

def taking(name):
    return pilot

async def later():
    return pilot

def failing():
    raise ValueError("no sea.")

def refusing():
    return Agent(name="", model="offline")

def nothing():
    return None
"""


def test_an_agent_a_workflow_and_a_factory_are_found(folder: Path) -> None:
    write(folder, "cli_harbour", AGENTS)
    named = [load_agent(f"cli_harbour:{name}").name for name in ("pilot", "crew", "make", "make_one")]
    assert named == ["pilot", "sequential-workflow", "pilot", "pilot"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x", "cli_harbour has no 'x'. There are crew, pilot."),
        ("pilo", "--agent cli_harbour:pilo: cli_harbour has no 'pilo'. Did you mean 'pilot'?"),
        ("number", "--agent cli_harbour:number is not an agent or a workflow, but an int. There are crew, pilot."),
        ("Agent", "is not an agent or a workflow, but the class Agent."),
        ("nothing", "is not an agent or a workflow, but a NoneType."),
        ("taking", "--agent cli_harbour:taking is a function that takes arguments. Name a function without arguments,"),
        ("later", "--agent cli_harbour:later is an async function."),
        ("failing", "--agent: cli_harbour:failing() failed with ValueError: no sea. --debug shows where."),
        ("refusing", "An agent's name is a non-empty string"),
    ],
)
def test_another_object_than_an_agent_is_reported(name: str, told: str, folder: Path) -> None:
    write(folder, "cli_harbour", AGENTS)
    with pytest.raises(ConfigurationError) as caught:
        load_agent(f"cli_harbour:{name}")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("harbour", "--agent 'harbour' names no agent or workflow. Write module:agent, as in harbour:pilot."),
        ("harbour.py:pilot", "--agent 'harbour.py:pilot' names a file. Write its module: harbour:pilot."),
        ("cli_nowhere:x", "--agent: there is no module 'cli_nowhere'."),
    ],
)
def test_an_invalid_reference_is_reported(place: str, told: str, folder: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_agent(place)
    assert told in str(caught.value)

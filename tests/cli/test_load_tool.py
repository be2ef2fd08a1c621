"""`--tool module:function`: what is found, and what is told where nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.agents.agent import Agent
from headwater.cli.load_tool import load_tool
from headwater.errors import InvalidTool


@pytest.fixture
def folder(tmp_path: Path, bare: pytest.MonkeyPatch) -> Path:
    bare.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, source: str) -> None:
    (folder / f"{name}.py").write_text(source, encoding="utf-8")


def test_a_module_of_the_working_folder_is_found(folder: Path) -> None:
    write(folder, "cli_tides", "def high_water(port: str) -> str:\n    return port")
    assert load_tool("cli_tides:high_water")("Brest") == "Brest"


def test_an_attribute_may_stand_deeper(folder: Path) -> None:
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
        ("cli_nowhere:x", "--tool: there is no module 'cli_nowhere'. It is looked for in this folder"),
        ("os.nowhere:x", "--tool: there is no module 'os.nowhere'."),
        ("os.path:basenam", "--tool os.path:basenam: os.path has no 'basenam'. Did you mean 'basename'?"),
        ("math:pi", "--tool math:pi is no function but a float."),
        ("cli_broken:x", "--tool: importing cli_broken failed with ZeroDivisionError: division by zero."),
        ("cli_needy:x", "--tool: importing cli_needy failed with ModuleNotFoundError: No module named 'cli_missing'."),
        ("cli_leaving:x", "--tool: importing cli_leaving failed with SystemExit: 3."),
        ("cli_few:x", "There are first, second."),
    ],
)
def test_what_cannot_be_found_is_told(place: str, told: str, folder: Path) -> None:
    write(folder, "cli_broken", "1 / 0")
    write(folder, "cli_needy", "import cli_missing")
    write(folder, "cli_leaving", "raise SystemExit(3)")
    write(folder, "cli_few", "def first(): ...\ndef second(): ...")
    with pytest.raises(InvalidTool) as caught:
        load_tool(place)
    assert told in str(caught.value)

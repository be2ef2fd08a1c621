"""`headwater demo`: what it shows, and that it stops."""

from __future__ import annotations

import argparse
import re
import sys

import pytest

from headwater.backends.offline import OfflineModel
from headwater.cli.demo import RATE, _speed, make_agent
from tests.cli.commands import headwater, terminal

pytestmark = pytest.mark.interpreters

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

ASKED = "headwater: a demo; its words are a script. Asked: Can we sail from Brest today?"
ONE_ASKED = "headwater: a demo; its words are a script. Asked: When is high water?"
FOUR_ASKED = "headwater: now four agents are asked: Can we sail from Brest today?"


def test_a_pipe_gets_a_line_as_each_thing_happens() -> None:
    done = headwater("demo", "--speed", "50")
    assert done.returncode == 0
    assert done.stderr == f"{ASKED}\n"
    lines = done.stdout.splitlines()
    assert lines[:4] == ["sailing-from-brest: 4 agents", "tides: started", "weather: started", "route: started"]
    assert [line for line in lines if re.match(r'tides: ✓ high_water\(port="Brest"\) [\d.]+ m?s', line)]
    broken = next(at for at, line in enumerate(lines) if "dropped by the demo" in line)
    assert lines[broken].startswith("weather: · ")
    assert "weather: ✓ healed, goes on" in lines[broken:]
    asked = next(at for at, line in enumerate(lines) if 'book_berth(harbour="Camaret")' in line)
    assert lines[asked].startswith("skipper: · ")
    assert "skipper: · Approved" in lines[asked:]
    assert re.fullmatch(r"sailing-from-brest: done, \d+\.\d s, \d+ tokens", lines[-1])


@posix
def test_a_terminal_sees_one_agent_then_four_and_a_connection_healed() -> None:
    with terminal("demo", "--speed", "20", columns=100) as shown:
        shown.wait_for(FOUR_ASKED)
        alone = shown.text.splitlines()
        assert shown.end() == 0
        lines = shown.text.splitlines()
    assert alone[0] == ONE_ASKED
    assert any('high_water(port="Brest")' in line for line in alone)
    assert any("06:12" in line for line in alone)
    top = next(at for at, line in enumerate(lines) if line.startswith("╭"))
    assert lines[-1] == 'headwater: now with a task of your own: headwater run "Explain tides"'
    assert [line[:1] for line in lines[-3:-1]] == ["╰", ""]
    panel = lines[top:-2]
    assert [line.split()[2] for line in panel if "✅" in line or "🩹" in line] == [
        "tides",
        "weather",
        "route",
        "skipper",
    ]
    assert [line for line in panel if "🩹 weather" in line and "done, healed" in line]
    assert {len(line) + line.count("✅") + line.count("🩹") for line in panel} == {99}


@posix
def test_ctrl_c_stops_it_while_three_are_at_work() -> None:
    with terminal("demo", "--speed", "8") as shown:
        shown.wait_for("╭")
        shown.type("\x03")
        assert shown.end() == 130
        assert shown.text.count("🚫") == 3
        assert shown.text.count("⏳") == 1
        assert shown.text.rstrip().endswith("╯")


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "fast", "1e9"])
def test_an_invalid_speed_is_reported(speed: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number above 0 and up to 100"):
        _speed(speed)


def test_at_another_speed_everything_takes_less() -> None:
    agent = make_agent(4.0)
    assert isinstance(agent.model, OfflineModel)
    assert agent.model.rate == 4 * RATE

"""`headwater demo`: what it shows, and that it stops."""

from __future__ import annotations

import sys

import pytest

from .commands import headwater, terminal

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")


def test_a_pipe_gets_the_answer_alone() -> None:
    done = headwater("demo")
    assert done.returncode == 0
    assert done.stdout.startswith("Let me look at the tide and the wind.\n\nYes. High water is at 06:12")
    assert done.stderr == "headwater: a demo; its words are a script. Asked: Can we sail from Brest today?\n"


@posix
def test_a_terminal_sees_tools_side_by_side_and_a_connection_healed() -> None:
    with terminal("demo") as shown:
        shown.wait_for('◌ 2 running: high_water(port="Brest") · wind(place="Brest")')
        shown.wait_for(lambda text: '✓ wind(place="Brest")' in text and "◌ high_water" in text)
        assert shown.end() == 0
        lines = shown.text.splitlines()
    assert [line for line in lines if line.startswith('✓ high_water(port="Brest")')]
    assert [line for line in lines if "dropped by the demo" in line and "trying again" in line]
    assert lines[-1] == 'headwater: now with a task of your own: headwater run "Explain tides"'
    assert [line for line in lines if len(line) > 79 and "━" not in line] == []


@posix
def test_ctrl_c_stops_it_while_tools_run() -> None:
    with terminal("demo") as shown:
        shown.wait_for("◌ 2 running")
        shown.type("\x03")
        assert shown.end() == 130
        assert shown.text.endswith("· Cancelled")

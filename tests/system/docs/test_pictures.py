"""The pictures of terminals and of a run's spans in docs/ show what is shown today.

What is drawn in virtual time must be the same to the byte. A film's moments are the clock's, so of those the words must
be today's.
"""

from __future__ import annotations

import asyncio
import html
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.environments import requirements

from headwater import Agent, tool
from headwater.cli.demo import QUESTION, TASK, make_agent, make_workflow
from headwater.cli.options import NO_KEY
from headwater.events import Event
from headwater.terminal.dashboard.blocks import Note, ToolLine
from headwater.terminal.dashboard.state import Board
from tests.support.paths import ROOT

ASSETS = ROOT / "docs" / "assets"
SCRIPTS = ROOT / "scripts"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def kept(script: dict[str, Any]) -> list[Any]:
    return [shot for shot in script["SHOTS"] if shot.kept]


def test_the_pictures_of_answers_are_current(plain_environment: None) -> None:
    script = runpy.run_path(str(SCRIPTS / "terminal_pictures.py"))
    from drawn_terminal import draw

    for shot in kept(script):
        drawn = draw(script["film"](shot), title="One agent on a terminal")
        assert drawn == (ASSETS / f"{shot.name}.svg").read_text("utf-8"), "run python scripts/terminal_pictures.py"


def test_the_pictures_of_the_dashboard_are_current(plain_environment: None) -> None:
    script = runpy.run_path(str(SCRIPTS / "screens.py"))
    from drawn_terminal import draw, still

    for shot in kept(script):
        log = script["log_of"](script["graph"]() if shot.tree else script["workflow"](shot.agents))
        drawn = draw(still(script["rows"](shot, log), shot.columns, shot.lines), title="Agents at work")
        assert drawn == (ASSETS / f"{shot.name}.svg").read_text("utf-8"), "run python scripts/screens.py"


def test_a_picture_shows_the_colors_behind_letters(plain_environment: None) -> None:
    from drawn_terminal import CELL, LEFT, ROW, TOP, draw, still

    drawn = draw(still(["a \x1b[40mcode\x1b[0m", "\x1b[48;2;39;40;34m    \x1b[0m"], 20, 2), title="Colors")
    wide = f"h{4 * CELL:.1f}v{ROW}h-{4 * CELL:.1f}z"
    assert f'<path class="c000000" d="M{LEFT + 2 * CELL:.1f} {TOP}{wide}"/>' in drawn
    assert f'<path class="c272822" d="M{LEFT:.1f} {TOP + ROW}{wide}"/>' in drawn
    assert ".c272822{fill:#272822}" in drawn
    assert drawn.count("</text>") == 3, "the title, a and code: nothing is written where there are no letters"


def test_each_program_beside_ours_has_an_environment() -> None:
    for peer in runpy.run_path(str(SCRIPTS / "peer_terminals.py"))["PEERS"]:
        assert f"\n{peer.name}==" in "\n" + requirements(peer.name).read_text("utf-8")


def test_the_waterfall_of_spans_is_current(plain_environment: None) -> None:
    script = runpy.run_path(str(SCRIPTS / "telemetry_pictures.py"))
    drawn = script["waterfall"](script["spans"]())
    assert drawn == (ASSETS / "telemetry-spans.svg").read_text("utf-8"), "run python scripts/telemetry_pictures.py"


def texts(picture: Path) -> str:
    """What a film shows at any moment, piece by piece: what comes at once on one row is one piece."""
    found: list[str] = re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text("utf-8"))
    return "\n".join(html.unescape(piece) for piece in found)


def begun(text: str) -> str:
    """The first words of what appears at once: as much as any row has room for, and no figure, which varies."""
    return re.sub(r"\d.*", "", " ".join(text.split()[:4])).strip()


def told(log: list[Event]) -> Iterator[str]:
    """The notes and tools of a workflow, as its dashboard tells of them."""
    board = Board("")
    for event in log:
        view = board.feed(event)
        for block in view.blocks if view is not None else ():
            if isinstance(block, Note) and block.text != "Approved" and not block.text.startswith("Healed"):
                yield block.text  # those two may stand for less than a frame
            elif isinstance(block, ToolLine):
                yield block.phrase


def test_the_picture_of_the_demo_is_current() -> None:
    log: list[Event] = []

    async def main() -> None:
        await make_workflow(100.0).arun(TASK, on_event=log.append)

    asyncio.run(main())
    shown = texts(ASSETS / "demo.svg")
    notes = {begun(text) for text in told(log)}
    assert "Waiting for approval to" in notes
    for text in notes:
        assert text in shown, f"{text!r} is in no frame: run python scripts/picture.py demo, and look at the picture"
    for asked in (QUESTION, TASK):
        assert asked in shown
    alone = make_agent(100.0).run(QUESTION)
    for word in set(re.findall(r"[A-Za-z]{3,}", alone.text)):
        assert word in shown
    assert re.search(r"stop · \d+ tokens · \d+ tok/s · first token [\d.]+ m?s", shown)


@tool
def high_water(port: str) -> str:
    """When the tide is highest at a port."""
    return "06:12"


def test_the_picture_of_the_agent_is_current() -> None:
    shown = texts(ASSETS / "agent.svg")
    response = Agent(model="offline", tools=[high_water]).run("Explain tides")
    for word in set(re.findall(r"[A-Za-z]{3,}", response.text)):
        assert word in shown, f"{word!r} is in no frame: run python scripts/picture.py agent, and look at the picture"
    assert NO_KEY in shown
    assert 'high_water(port="Brest")' in shown

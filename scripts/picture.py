"""Draws the documentation's films: runs the real commands in a pseudo-terminal and draws their output over time.

    python scripts/picture.py            # writes docs/assets/agent.svg and demo.svg
    python scripts/picture.py demo       # one of them
    python scripts/picture.py --png FOLDER   # also their last frames, rendered by a browser

The commands are those of the documentation, with the offline model: no key, no network. Every character appears in the
picture when it appeared on the terminal, and the film repeats; with reduced motion only the end is shown.
"""

import argparse
import fcntl
import os
import pty
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drawn_terminal import CELL, LEFT, ROW, Film, draw, photograph

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "docs" / "assets"


@dataclass(frozen=True)
class Scene:
    """A command, and the terminal that shows it."""

    command: str
    columns: int
    lines: int


SCENES = {
    "agent": Scene('headwater run "Explain tides" --tool tides:high_water', 80, 40),
    "demo": Scene("headwater demo", 72, 34),
}

TOOL = '''
import time
from typing import Literal

def high_water(port: Literal["Brest", "Dover"]) -> str:
    """When the tide is highest at a port."""
    time.sleep(0.9)
    return "06:12"
'''

README_WIDTH = 570
"""A picture's width in pixels in a README on a narrow screen: its text must be readable then, too."""

PROMPT_SECONDS = 0.6
"""Seconds for which the command is shown before it runs."""


def capture(scene: Scene, folder: Path) -> Iterator[tuple[float, bytes]]:
    """What the command writes to its terminal, and when, in seconds."""
    (folder / "tides.py").write_text(TOOL, encoding="utf-8")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", scene.lines, scene.columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_TOKEN"))}
    for name in ("HEADWATER_MODEL", "NO_COLOR"):
        kept.pop(name, None)
    command = [sys.executable, "-m", "headwater", *shlex.split(scene.command)[1:]]
    env = {**kept, "TERM": "xterm-256color", "HEADWATER_HISTORY": "off"}
    with subprocess.Popen(command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        began = time.monotonic()
        try:
            while piece := os.read(ours, 65536):
                yield time.monotonic() - began, piece
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(ours)
    if process.returncode:
        raise SystemExit(f"{scene.command} ended with {process.returncode}")


def filmed(scene: Scene) -> Film:
    """The command's output, from its first output on."""
    film = Film(scene.columns, scene.lines)
    film.feed(0, f"\x1b[32m$\x1b[0m \x1b[1m{scene.command}\x1b[0m\r\n".encode())
    with tempfile.TemporaryDirectory() as folder:
        begun: float | None = None
        for now, output in capture(scene, Path(folder)):
            begun = now if begun is None else begun  # Python's startup time is not part of the picture
            film.feed(PROMPT_SECONDS + now - begun, output)
    return film


def main() -> None:
    """Writes the given pictures, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenes", nargs="*", choices=[*SCENES, []], help="which; all of them unless named")
    parser.add_argument("--png", type=Path, metavar="FOLDER", help="photograph their ends, too, as wide as in a README")
    asked = parser.parse_args()
    ASSETS.mkdir(parents=True, exist_ok=True)
    for name in asked.scenes or SCENES:
        scene, target = SCENES[name], ASSETS / f"{name}.svg"
        film = filmed(scene)
        target.write_text(draw(film, title=f"$ {scene.command}"), encoding="utf-8")
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes, {film.now:.1f} s")
        if asked.png:
            share = README_WIDTH / (scene.columns * CELL + 2 * LEFT)
            for dark in (True, False):
                png = asked.png / f"{name}-{'dark' if dark else 'light'}.png"
                photograph(target, png, dark=dark, width=README_WIDTH, height=round(share * (film.rows * ROW + 80)))


if __name__ == "__main__":
    main()

"""Draw the documents' pictures: run the real command in a pseudo-terminal and draw what it showed, as it came.

    python scripts/picture.py            # writes docs/assets/agent.svg and demo.svg
    python scripts/picture.py demo       # one of them

The commands are those that the documents name, on the offline model: no key, no network. Every character appears in
the picture when it appeared on the terminal; where nothing moves (or nobody wants it to), the end is shown.
"""

import fcntl
import html
import os
import pty
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "docs" / "assets"


@dataclass(frozen=True)
class Scene:
    """A command, and the terminal that it is shown on."""

    command: str
    columns: int
    lines: int


SCENES = {
    "agent": Scene('headwater run "Explain tides" --tool tides:high_water', 80, 40),
    "demo": Scene("headwater demo", 80, 26),
}

TOOL = '''
import time
from typing import Literal

def high_water(port: Literal["Brest", "Dover"]) -> str:
    """When the tide is highest at a port."""
    time.sleep(0.9)
    return "06:12"
'''

PROMPT_SECONDS = 0.6
"""How long the command stands there before it is run."""

TICK = 0.02
"""Seconds that are told apart: a token of the offline model."""

CELL, ROW, SIZE = 8.4, 20, 14
"""Width and height of a character, and the size of its letters, in pixels."""

LEFT, TOP = 20, 52
"""Where the first character stands."""

Style = tuple[str, bool, bool]
"""Color by name, bold, and faint, which pyte does not know: `main` has it stand as italics."""


@dataclass
class Spell:
    """What a cell showed, and from when to when; `until` None is to the end."""

    text: str
    style: Style
    since: float
    until: float | None = None


def capture(scene: Scene, folder: Path) -> Iterator[tuple[float, bytes]]:
    """What the command writes to a terminal of its own, and when, in seconds."""
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


class Film:
    """Each cell of the screen with all it has shown."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._screen = pyte.Screen(scene.columns, scene.lines)
        self._stream = pyte.ByteStream(self._screen)
        self.cells: dict[tuple[int, int], list[Spell]] = {}
        self.now = 0.0

    def feed(self, now: float, output: bytes) -> None:
        """Show `output` at the time `now`."""
        self.now = round(now / TICK) * TICK
        self._stream.feed(output)
        for row in sorted(self._screen.dirty):
            for column in range(self.scene.columns):
                self._see(row, column, self._screen.buffer[row][column])
        self._screen.dirty.clear()

    def _see(self, row: int, column: int, char: Any) -> None:
        style: Style = (char.fg, char.bold, char.italics)
        spells = self.cells.setdefault((row, column), [])
        last = spells[-1] if spells and spells[-1].until is None else None
        if last is not None and (last.text, last.style) == (char.data, style):
            return
        if last is not None:
            last.until = self.now
        if char.data != " " or last is not None:
            spells.append(Spell(char.data, style, self.now))

    @property
    def rows(self) -> int:
        """How many rows were written."""
        return 1 + max(row for (row, _), spells in self.cells.items() if any(one.text.strip() for one in spells))


@dataclass
class Run:
    """Neighbouring cells that came and went together."""

    row: int
    column: int
    text: str
    cells: int
    style: Style
    since: float
    until: float | None


def runs(film: Film) -> Iterator[Run]:
    """All that was shown, in as few pieces as it takes: words that came together are one, with the spaces between."""
    open_: list[Run] = []
    for (row, column), spells in sorted(film.cells.items()):
        for spell in spells:
            if not spell.text.strip():
                continue
            run = next((run for run in open_ if goes_on(run, row, column, spell)), None)
            if run is None:
                run = Run(row, column, "", 0, spell.style, spell.since, spell.until)
                open_.append(run)
            gap = column - run.column - run.cells
            run.text += " " * gap + spell.text
            run.cells += gap + 1
    return iter(open_)


def is_wide(text: str) -> bool:
    """Whether it is as wide as its font likes: an emoji, which stands alone so that nothing after it is moved."""
    return any(unicodedata.east_asian_width(char) == "W" for char in text)


def goes_on(run: Run, row: int, column: int, spell: Spell) -> bool:
    """Whether the next cell, or the one after a space or two, is of the same run."""
    near = run.row == row and 0 <= column - run.column - run.cells <= 2
    return (
        near and not is_wide(run.text) and (run.style, run.since, run.until) == (spell.style, spell.since, spell.until)
    )


HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{title}</title>
<style>
  text {{
    font: {size}px ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    fill: #e6edf3; white-space: pre;
  }}
  .card {{ fill: #0d1117; stroke: #30363d; }}
  .bar {{ fill: #161b22; }}
  .name {{ fill: #8b949e; font-size: 12px; }}
  .faint {{ fill: #8b949e; }}
  .green {{ fill: #3fb950; }}
  .red {{ fill: #ff7b72; }}
  .yellow {{ fill: #d29922; }}
  .cyan {{ fill: #39c5cf; }}
  .bold {{ font-weight: 600; }}
  .gone {{ opacity: 0; }}
  @media (prefers-color-scheme: light) {{
    text {{ fill: #1f2328; }}
    .card {{ fill: #ffffff; stroke: #d0d7de; }}
    .bar {{ fill: #f6f8fa; }}
    .name, .faint {{ fill: #656d76; }}
    .green {{ fill: #1a7f37; }}
    .red {{ fill: #cf222e; }}
    .yellow {{ fill: #9a6700; }}
    .cyan {{ fill: #1b7c83; }}
  }}
  @media (prefers-reduced-motion: no-preference) {{
    .late {{ animation-name: hidden; }}
    .gone {{ animation-name: shown; }}
  }}
  @keyframes hidden {{ from, to {{ opacity: 0; }} }}
  @keyframes shown {{ from, to {{ opacity: 1; }} }}
</style>
<rect class="card" x="0.5" y="0.5" width="{inner_width}" height="{inner_height}" rx="10"/>
<path class="bar" d="M1 36V11A10 10 0 0 1 11 1H{bar_end}A10 10 0 0 1 {right} 11V36Z"/>
<circle cx="20" cy="18" r="6" fill="#ff5f57"/><circle cx="40" cy="18" r="6" fill="#febc2e"/>
<circle cx="60" cy="18" r="6" fill="#28c840"/>
<text class="name" x="{middle}" y="22" text-anchor="middle">headwater</text>
"""


def draw(film: Film) -> str:
    """The film as an SVG picture."""
    width = round(film.scene.columns * CELL + 2 * LEFT)
    height = TOP + film.rows * ROW + 20
    head = HEAD.format(
        width=width,
        height=height,
        inner_width=width - 1,
        inner_height=height - 1,
        bar_end=width - 11,
        right=width - 1,
        middle=width // 2,
        size=SIZE,
        title=html.escape(f"$ {film.scene.command}", quote=False),
    )
    return head + "".join(map(element, runs(film))) + "</svg>\n"


def element(run: Run) -> str:
    """A run of cells as SVG text, with the time it comes and goes."""
    text = run.text
    color, bold, faint = run.style
    classes = [name for name in ("green", "red", "yellow", "cyan") if color in (name, {"yellow": "brown"}.get(name))]
    classes += ["bold"] * bold + ["faint"] * faint
    timing = ""
    if run.until is not None:
        classes.append("gone")
        timing = f' style="animation-delay:{run.since:.2f}s;animation-duration:{run.until - run.since:.2f}s"'
    elif run.since:
        classes.append("late")
        timing = f' style="animation-duration:{run.since:.2f}s"'
    x, y = LEFT + run.column * CELL, TOP + run.row * ROW + SIZE
    # Whatever font there is, the letters stand in their cells.
    length = f' textLength="{len(text) * CELL:.1f}"' if len(text) > 1 else ""
    named = f' class="{" ".join(classes)}"' if classes else ""
    return f'<text{named} x="{x:.1f}" y="{y}"{length}{timing}>{html.escape(text, quote=False)}</text>\n'


def filmed(scene: Scene) -> Film:
    """What the command showed, from its first output on."""
    film = Film(scene)
    film.feed(0, f"\x1b[32m$\x1b[0m \x1b[1m{scene.command}\x1b[0m\r\n".encode())
    with tempfile.TemporaryDirectory() as folder:
        begun: float | None = None
        for now, output in capture(scene, Path(folder)):
            begun = now if begun is None else begun  # how long Python takes to start is no part of the picture
            film.feed(PROMPT_SECONDS + now - begun, output.replace(b"\x1b[2m", b"\x1b[3m"))
    return film


def main() -> None:
    """Write the pictures that are named, or all."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or SCENES:
        target = ASSETS / f"{name}.svg"
        target.write_text(draw(filmed(SCENES[name])), encoding="utf-8")
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

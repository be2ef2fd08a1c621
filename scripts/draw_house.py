"""Draws the house, src/headwater, as docs/assets/house.svg: a floor for each package, a room for each module.

    python scripts/draw_house.py           # writes docs/assets/house.svg

The order of the floors, and which rooms are pure, come from the import contracts in pyproject.toml; the rooms are the
files. The same house gives the same picture, byte for byte; a test checks it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "headwater"
PICTURE = ROOT / "docs" / "assets" / "house.svg"

WIDTH = 800
WALL = 28
"""Where the house starts, and its distance from the right edge."""
STAIRS = 106
"""The column of the floors' names."""
ROOM, GAP, PAD = 24, 4, 8
"""A room's height, the space between rooms, and the space between rooms and floor."""
INSET = 10
"""Space on each side of a room's name."""
ROOF, SKY, GROUND, LEGEND = 64, 22, 18, 74
CHARACTER, SMALL = 6.62, 6.02
"""How wide a character is in the font of rooms, and of rooms in a suite."""

STYLE = """\
  svg { --sky: #f6f3ec; --wall: #fffdf8; --line: #d9d2c3; --slab: #bfb6a4; --room: #f4f0e6; --edge: #ddd5c4;
        --ink: #3d3a33; --name: #1f1d19; --quiet: #766f60; --pure: #d5ede3; --pure-edge: #9accb8; --pure-ink: #14523f;
        --roof: #b5533c; --roof-edge: #97432f; --roof-ink: #fff6ee; --water: #7fb3cf; }
  @media (prefers-color-scheme: dark) {
    svg { --sky: #14181d; --wall: #1b2027; --line: #313a45; --slab: #47525f; --room: #252c35; --edge: #3a4552;
          --ink: #c9d1da; --name: #eef2f6; --quiet: #93a0ae; --pure: #163a31; --pure-edge: #2f6f5d; --pure-ink: #a5e4cd;
          --roof: #8f3f2d; --roof-edge: #a9543f; --roof-ink: #fbe9df; --water: #3f7793; }
  }
  text { font-family: ui-sans-serif, system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
  .room text { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
               fill: var(--ink); text-anchor: middle; }
  .room rect { fill: var(--room); stroke: var(--edge); }
  .pure rect { fill: var(--pure); stroke: var(--pure-edge); }
  .pure text { fill: var(--pure-ink); }
  .suite > rect { fill: none; stroke-dasharray: 2.5 2.5; }
  .suite > text { font-weight: 600; text-anchor: start; }
  .suite .in text { font-size: 10px; }
  .floor { font-size: 13.5px; font-weight: 650; fill: var(--name); }
  .slab { stroke: var(--slab); stroke-width: 1.5; }
  .quiet { font-size: 11px; fill: var(--quiet); }
  .code { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
          fill: var(--quiet); text-anchor: end; }"""


class Room(NamedTuple):
    """A module, or a package in a package, whose modules are its `rooms`."""

    name: str
    pure: bool
    rooms: tuple[Room, ...] = ()

    @property
    def width(self) -> float:
        """What it needs, in pixels."""
        if not self.rooms:
            return len(self.name) * CHARACTER + 2 * INSET
        inner = sum(_inner_width(room) + GAP for room in self.rooms)
        return INSET + len(self.name) * CHARACTER + INSET / 2 + inner


class Floor(NamedTuple):
    """A package, or the modules next to the packages."""

    name: str
    rooms: tuple[Room, ...]


def _inner_width(room: Room) -> float:
    return len(room.name) * SMALL + 12


# --- reading the house


def floors() -> list[Floor]:
    """The floors from the top down, as the import contracts have them; the files outside of packages share the last."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    contracts = {contract["id"]: contract for contract in settings["contracts"]}
    pure = tuple(contracts["pure"]["source_modules"])
    found: list[Floor] = []
    beside: list[Room] = []
    for layer in contracts["house"]["layers"]:
        name = layer.strip("()")
        if (SOURCE / name).is_dir():
            found.append(Floor(name, tuple(_rooms(SOURCE / name, f"headwater.{name}", pure))))
        elif name != "__main__":
            beside.append(Room(name, _is_pure(f"headwater.{name}", pure)))
    return [*found, Floor("", tuple(beside))]


def _rooms(folder: Path, package: str, pure: tuple[str, ...]) -> Iterator[Room]:
    """The modules of a package by name, then the packages in it."""
    for path in sorted(folder.glob("*.py")):
        if path.stem != "__init__":
            yield Room(path.stem, _is_pure(f"{package}.{path.stem}", pure))
    for path in sorted(one for one in folder.iterdir() if (one / "__init__.py").exists()):
        name = f"{package}.{path.name}"
        yield Room(f"{path.name}/", _is_pure(name, pure), tuple(_rooms(path, name, pure)))


def _is_pure(module: str, pure: tuple[str, ...]) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in pure)


# --- layout


def shelves(rooms: Sequence[Room], width: float) -> list[list[Room]]:
    """Arranges rooms in rows of at most `width`, in order, with as few and as evenly filled rows as possible."""
    best: list[tuple[int, float, list[list[Room]]]] = [(0, 0.0, [])]
    for end in range(1, len(rooms) + 1):
        options = []
        for begin in range(end):
            row = list(rooms[begin:end])
            left = width - sum(room.width + GAP for room in row) + GAP
            if left >= 0 or len(row) == 1:
                count, waste, before = best[begin]
                options.append((count + 1, waste + left**2, [*before, row]))
        best.append(min(options, key=lambda option: option[:2]))
    return best[-1][2]


def fitting(rooms: Iterable[Room], width: float) -> Iterator[Room]:
    """The rooms; a suite that is wider than the house is split into several with its name."""
    for room in rooms:
        if room.width <= width or len(room.rooms) < 2:
            yield room
            continue
        half = (len(room.rooms) + 1) // 2
        yield from fitting((room._replace(rooms=room.rooms[:half]), room._replace(rooms=room.rooms[half:])), width)


def drawing() -> str:
    """The whole picture."""
    inside = WIDTH - 2 * WALL - STAIRS - PAD
    top = SKY + ROOF
    parts: list[str] = []
    for floor in floors():
        rows = shelves([*fitting(floor.rooms, inside)], inside)
        height = len(rows) * (ROOM + GAP) - GAP + 2 * PAD
        label = floor.name or "ground"
        style = "floor" if floor.name else "quiet"
        parts.append(f'  <text class="{style}" x="{WALL + 14}" y="{top + PAD + 16.5}">{label}</text>')
        for at, row in enumerate(rows):
            parts += _row(row, WALL + STAIRS, top + PAD + at * (ROOM + GAP), inside, fill=bool(floor.name))
        top += height
        parts.append(f'  <path class="slab" d="M{WALL} {top}H{WIDTH - WALL}"/>')
    return "\n".join([*_before(top), *parts, *_after(top), "</svg>", ""])


def _row(rooms: Sequence[Room], left: float, top: float, width: float, *, fill: bool) -> Iterator[str]:
    """Rooms side by side; with `fill` they share the rest of the width."""
    free = width - sum(room.width + GAP for room in rooms) + GAP
    extra = free / len(rooms) if fill else 0.0
    for room in rooms:
        yield from _room(room, left, top, room.width + extra)
        left += room.width + extra + GAP


def _room(room: Room, left: float, top: float, width: float) -> Iterator[str]:
    style = "room pure" if room.pure else "room"
    walls = f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROOM}" rx="4"/>'
    if not room.rooms:
        yield f'  <g class="{style}">{walls}<text x="{left + width / 2:.1f}" y="{top + 16}">{room.name}</text></g>'
        return
    yield f'  <g class="{style} suite">{walls}<text x="{left + INSET:.1f}" y="{top + 16}">{room.name}</text>'
    extra = (width - room.width) / len(room.rooms)
    left += INSET + len(room.name) * CHARACTER + INSET / 2
    for inner in room.rooms:
        size = _inner_width(inner) + extra
        style = "room pure in" if inner.pure else "room in"
        yield (
            f'    <g class="{style}">'
            f'<rect x="{left:.1f}" y="{top + GAP}" width="{size:.1f}" height="{ROOM - 2 * GAP}" rx="3"/>'
            f'<text x="{left + size / 2:.1f}" y="{top + 15.5}">{inner.name}</text></g>'
        )
        left += size + GAP
    yield "  </g>"


def _before(bottom: float) -> Iterator[str]:
    """The sky, the roof and the walls, in the background."""
    height = bottom + GROUND + LEGEND
    eaves = SKY + ROOF
    middle = WIDTH / 2
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">'
    yield "  <title>The house: src/headwater</title>"
    yield "  <desc>Each floor is a package and imports only from the floors below it. Tinted rooms are pure.</desc>"
    yield "  <!-- Drawn by scripts/draw_house.py: run it again after a module was added, moved or renamed. -->"
    yield f"  <style>\n{STYLE}\n  </style>"
    yield f'  <rect width="{WIDTH}" height="{height:g}" rx="10" style="fill: var(--sky)"/>'
    yield f'  <path d="M{WIDTH - 150} {eaves}V{SKY + 6}h34V{eaves}z" style="fill: var(--roof-edge)"/>'
    yield (
        f'  <path d="M{WALL - 16} {eaves}L{middle - 96:g} {SKY}H{middle + 96:g}L{WIDTH - WALL + 16} {eaves}z"'
        ' style="fill: var(--roof); stroke: var(--roof-edge); stroke-linejoin: round"/>'
    )
    roof = "text-anchor: middle; fill: var(--roof-ink)"
    yield f'  <text x="{middle:g}" y="{SKY + 29}" style="{roof}; font-size: 18px; font-weight: 650">headwater</text>'
    yield (
        f'  <text x="{middle:g}" y="{SKY + 48}" style="{roof}; font-size: 11.5px">'
        "a module imports only from the floors below its own</text>"
    )
    yield (
        f'  <rect x="{WALL}" y="{eaves}" width="{WIDTH - 2 * WALL}" height="{bottom - eaves:g}"'
        ' style="fill: var(--wall); stroke: var(--slab); stroke-width: 1.5"/>'
    )


def _after(bottom: float) -> Iterator[str]:
    """The door, the stream in front of the house, and the legend."""
    door = WIDTH - WALL - 40
    yield f'  <path d="M{door} {bottom}v-21a9 9 0 0 1 18 0v21z" style="fill: var(--roof)"/>'
    yield f'  <circle cx="{door + 14}" cy="{bottom - 13}" r="1.5" style="fill: var(--roof-ink)"/>'
    yield f'  <text class="code" x="{door - 10}" y="{bottom - 15}">import headwater</text>'
    waves = f"M8 {bottom + 8}q7 -6 14 0" + "t14 0" * ((WIDTH - 16) // 14 - 1)
    yield f'  <path d="{waves}" style="fill: none; stroke: var(--water); stroke-width: 2.5; stroke-linecap: round"/>'
    top = bottom + GROUND + 16
    yield f'  <g class="room pure"><rect x="{WALL}" y="{top}" width="22" height="14" rx="3"/></g>'
    yield (
        f'  <text class="quiet" x="{WALL + 30}" y="{top + 11}">pure: no event loop, socket, thread, clock, randomness,'
        " environment or screen</text>"
    )
    yield f'  <g class="room"><rect x="{WALL}" y="{top + 22}" width="22" height="14" rx="3"/></g>'
    yield f'  <text class="quiet" x="{WALL + 30}" y="{top + 33}">needs an event loop, a clock, a screen …</text>'
    suite = WALL + 276
    yield f'  <g class="room suite"><rect x="{suite}" y="{top + 22}" width="22" height="14" rx="3"/></g>'
    yield f'  <text class="quiet" x="{suite + 30}" y="{top + 33}">a package in the package</text>'


if __name__ == "__main__":
    PICTURE.write_text(drawing(), encoding="utf-8")
    print(f"Wrote {PICTURE.relative_to(ROOT)}.")

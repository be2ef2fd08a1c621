"""Draws the content of a terminal as an SVG picture: at one moment, or as a film that repeats forever.

Owns the picture, and how pictures of several sizes are saved and put on one sheet: `picture` has the commands that
are filmed, `screens` the dashboards and `terminal_pictures` the answers that are drawn. Frames and bars are drawn as
shapes, so that no font leaves gaps between them, and every other letter is in its cell.
"""

import html
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyte

CELL, ROW, SIZE = 8.4, 20, 14
"""Width and height of a character, and the size of its letters, in pixels."""

LEFT, TOP, BELOW = 16, 48, 14
"""The position of the first character, and the space below the last row."""

TICK = 0.04
"""The resolution in seconds: a person sees no shorter changes."""

HOLD = 4.0
"""Seconds for which the end of a film is shown before it starts again."""

Style = tuple[str, bool, bool, bool, bool, str]
"""Color by name or as six hexadecimal digits; bold, faint, italic, underlined; the color behind the letter."""


class Screen(pyte.Screen):
    """An emulated screen that supports faint letters, stored as blinking ones: nothing here blinks."""

    def select_graphic_rendition(self, *attrs: int, **options: Any) -> None:
        """Handles attributes that pyte does not support."""
        known: list[int] = []
        waiting = 0  # parameters of an extended color, which mean something else
        for attr in attrs:
            extended = waiting > 0
            waiting = waiting - 1 if extended else 2 if attr in (38, 48) else 0
            known += [attr] if extended or attr not in (2, 22) else [5] if attr == 2 else [22, 25]
        super().select_graphic_rendition(*known, **options)


@dataclass
class Spell:
    """What a cell showed, and from when to when; `until` None is to the end."""

    text: str
    style: Style
    since: float
    until: float | None = None


class Film:
    """Each cell of a screen with everything that it has shown."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns = columns
        self._screen = Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.cells: dict[tuple[int, int], list[Spell]] = {}
        self.now = 0.0

    def feed(self, now: float, output: bytes) -> None:
        """Shows `output` at the time `now`, in seconds."""
        self.now = max(round(now / TICK) * TICK, self.now)
        self._stream.feed(output)
        for row in sorted(self._screen.dirty):
            for column in range(self.columns):
                self._see(row, column, self._screen.buffer[row][column])
        self._screen.dirty.clear()

    def _see(self, row: int, column: int, char: Any) -> None:
        color, ground = (char.bg, char.fg) if char.reverse else (char.fg, char.bg)
        style: Style = (color, char.bold, char.blink, char.italics, char.underscore, ground)
        spells = self.cells.setdefault((row, column), [])
        last = spells[-1] if spells and spells[-1].until is None else None
        if last is not None and (last.text, last.style) == (char.data, style):
            return
        if last is not None:
            last.until = self.now
            if last.since == self.now:  # too short to be seen
                spells.pop()
        if char.data.strip() or char.underscore or ground != "default":
            spells.append(Spell(char.data, style, self.now))

    @property
    def rows(self) -> int:
        """How many rows were written."""
        return 1 + max((row for (row, _), spells in self.cells.items() if spells), default=0)


def still(rows: Iterable[str], columns: int, lines: int) -> Film:
    """A screen that shows these rows, with escape codes, and nothing else."""
    film = Film(columns, lines)
    film.feed(0, "\r\n".join(rows).encode())
    return film


@dataclass
class Run:
    """Neighboring cells that appeared and disappeared together."""

    row: int
    column: int
    text: str
    cells: int
    style: Style
    since: float
    until: float | None


def runs(film: Film) -> Iterator[Run]:
    """Everything that was shown, in as few pieces as possible: words that appeared together are one piece."""
    open_: list[Run] = []
    done: list[Run] = []
    for (row, column), spells in sorted(film.cells.items()):
        open_, old = [run for run in open_ if run.row == row], open_
        done += [run for run in old if run.row != row]
        for spell in spells:
            run = next((run for run in open_ if goes_on(run, row, column, spell)), None)
            if run is None:
                run = Run(row, column, "", 0, spell.style, spell.since, spell.until)
                open_.append(run)
            gap = column - run.column - run.cells
            run.text += " " * gap + spell.text
            run.cells += gap + 1
    return iter([*done, *open_])


def is_filled(style: Style) -> bool:
    """Whether even a blank cell of it shows something."""
    return style[4] or style[5] != "default"


def is_wide(text: str) -> bool:
    """Whether its width depends on the font: an emoji, which is a separate piece so that it moves nothing after it."""
    return any(unicodedata.east_asian_width(char) == "W" for char in text)


def goes_on(run: Run, row: int, column: int, spell: Spell) -> bool:
    """Whether the next cell, or the one after a space or two, is of the same run."""
    return (
        run.row == row
        and (run.since, run.until) == (spell.since, spell.until)
        and run.style == spell.style
        and 0 <= column - run.column - run.cells <= (0 if is_filled(run.style) or spell.text in SHAPES else 2)
        and not is_wide(run.text)
        and (run.text[-1] in SHAPES) == (spell.text in SHAPES)
        and (spell.text not in SHAPES or run.text[-1] == spell.text)
    )


# --- shapes: x, y, width and height in parts of a cell

_EIGHTHS = {char: (0.0, 1 - part / 8, 1.0, part / 8) for part, char in enumerate("▁▂▃▄▅▆▇█", start=1)}
SHAPES = {
    "─": (0.0, 0.475, 1.0, 0.05),
    "━": (0.0, 0.45, 1.0, 0.1),
    "│": (0.43, 0.0, 0.12, 1.0),
    "┃": (0.39, 0.0, 0.2, 1.0),
    "▎": (0.0, 0.0, 0.25, 1.0),
    "▌": (0.0, 0.0, 0.5, 1.0),
    **_EIGHTHS,
    **dict.fromkeys("╭╮╯╰├┤└┏┓┗┛", (0.0, 0.0, 0.0, 0.0)),
}
_LINES = {
    "╭": "M{mx} {b}V{r}Q{mx} {my} {q} {my}H{e}",
    "╮": "M{x} {my}H{p}Q{mx} {my} {mx} {r}V{b}",
    "╯": "M{mx} {y}V{u}Q{mx} {my} {p} {my}H{x}",
    "╰": "M{mx} {y}V{u}Q{mx} {my} {q} {my}H{e}",
    "├": "M{mx} {y}V{b}M{mx} {my}H{e}",
    "┤": "M{mx} {y}V{b}M{mx} {my}H{x}",
    "└": "M{mx} {y}V{my}H{e}",
    "┏": "M{mx} {b}V{my}H{e}",
    "┓": "M{x} {my}H{mx}V{b}",
    "┗": "M{mx} {y}V{my}H{e}",
    "┛": "M{x} {my}H{mx}V{y}",
}


def shape(run: Run) -> str:
    """A run of frames or bars as a path's commands."""
    x, y = LEFT + run.column * CELL, TOP + run.row * ROW
    char = run.text[0]
    if (line := _LINES.get(char)) is not None:
        middle, center = x + CELL * 0.49, y + ROW / 2
        return line.format(
            x=f"{x:.1f}",
            e=f"{x + CELL:.1f}",
            mx=f"{middle:.1f}",
            p=f"{middle - 4:.1f}",
            q=f"{middle + 4:.1f}",
            y=y,
            b=y + ROW,
            my=f"{center:g}",
            u=f"{center - 6:g}",
            r=f"{center + 6:g}",
        )
    left, top, width, height = SHAPES[char]
    gap = 0.6 if char in _EIGHTHS else 0.0
    wide = (len(run.text) - 1 + width) * CELL
    if gap:  # adjacent bars
        width, height, top = CELL - gap, height * (ROW - 4), y + 2 + top * (ROW - 4)
        bar = f"{top:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"
        return "".join(f"M{x + at * CELL:.1f} {bar}" for at in range(len(run.text)))
    return f"M{x + left * CELL:.1f} {y + top * ROW:.1f}h{wide:.1f}v{height * ROW:.1f}h-{wide:.1f}z"


HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{title}</title>
<style>
text{{font:{size}px ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}}
text{{fill:#e6edf3;white-space:pre}}
path{{fill:#e6edf3}}
.line{{fill:none!important;stroke:#e6edf3;stroke-width:1}}
.card{{fill:#0d1117;stroke:#30363d}}
.top{{fill:#161b22}}
.name,.faint{{fill:#8b949e}}
path.faint{{fill:#484f58}}
.line.faint{{stroke:#484f58}}
.name{{font-size:12px}}
.green{{fill:#3fb950}}
.red{{fill:#ff7b72}}
.yellow{{fill:#d29922}}
.blue{{fill:#58a6ff}}
.magenta{{fill:#bc8cff}}
.cyan{{fill:#39c5cf}}
.bold{{font-weight:700}}
.italic{{font-style:italic}}
.under{{text-decoration:underline}}
.gone{{visibility:hidden}}
@media (prefers-color-scheme:light){{
text,path{{fill:#1f2328}}
.line{{stroke:#1f2328}}
.card{{fill:#ffffff;stroke:#d0d7de}}
.top{{fill:#f6f8fa}}
.name,.faint{{fill:#656d76}}
path.faint{{fill:#c4cad1}}
.line.faint{{stroke:#c4cad1}}
.green{{fill:#1a7f37}}
.red{{fill:#cf222e}}
.yellow{{fill:#9a6700}}
.blue{{fill:#0969da}}
.magenta{{fill:#8250df}}
.cyan{{fill:#1b7c83}}
}}
{colors}{motion}</style>
<rect class="card" x="0.5" y="0.5" width="{inner_width}" height="{inner_height}" rx="10"/>
<path class="top" d="M1 36V11A10 10 0 0 1 11 1H{bar_end}A10 10 0 0 1 {right} 11V36Z"/>
<circle cx="20" cy="18" r="6" fill="#ff5f57"/><circle cx="40" cy="18" r="6" fill="#febc2e"/>
<circle cx="60" cy="18" r="6" fill="#28c840"/>
<text class="name" x="{middle}" y="22" text-anchor="middle">{name}</text>
"""

NAMES = {
    **{f"bright{color}": color for color in ("red", "green", "blue", "magenta", "cyan")},
    "brown": "yellow",
    "brightbrown": "yellow",
    "bfightmagenta": "magenta",  # as pyte spells it
    "brightblack": "faint",
    "black": "c000000",
}
"""The names of some colors in pyte, and here."""


def draw(film: Film, *, title: str, name: str = "headwater") -> str:
    """The film as an SVG picture; an animated one starts again at its end."""
    width = round(film.columns * CELL + 2 * LEFT)
    height = TOP + film.rows * ROW + BELOW
    whole = film.now + HOLD
    groups: dict[tuple[float, float | None], list[Run]] = {}
    for run in runs(film):
        groups.setdefault((run.since, run.until), []).append(run)
    motion, body = "", ""
    for number, ((since, until), together) in enumerate(
        sorted(groups.items(), key=lambda at: (at[0][0], at[0][1] or 0))
    ):
        drawn = elements(together)
        if not since and until is None:
            body += drawn
            continue
        begin = f"0%{{visibility:hidden}}{since / whole * 100:.3f}%" if since else "0%"
        end = f"{until / whole * 100:.3f}%{{visibility:hidden}}" if until is not None else ""
        motion += f"@keyframes m{number}{{{begin}{{visibility:visible}}{end}}}\n"
        motion += f".m{number}{{animation:m{number} {whole:.2f}s step-end infinite}}\n"
        gone = " gone" if until is not None else ""
        body += f'<g class="m{number}{gone}">{drawn}</g>\n'
    colors = "".join(
        f".c{color}{{fill:#{color}}}\n.line.c{color}{{stroke:#{color}}}\n"
        for color in sorted({color for together in groups.values() for run in together for color in own_colors(run)})
    )
    head = HEAD.format(
        width=width,
        height=height,
        inner_width=width - 1,
        inner_height=height - 1,
        bar_end=width - 11,
        right=width - 1,
        middle=width // 2,
        size=SIZE,
        colors=colors,
        motion=f"@media (prefers-reduced-motion:no-preference){{\n{motion}}}\n" if motion else "",
        title=html.escape(title, quote=False),
        name=html.escape(name, quote=False),
    )
    return f"{head}{body}</svg>\n"


def is_hex(color: str) -> bool:
    """Whether it is a color of its own rather than the theme's."""
    return len(color) == 6 and all(char in "0123456789abcdef" for char in color)


def own_colors(run: Run) -> Iterator[str]:
    """Its colors that are not the theme's, as six hexadecimal digits."""
    for color in (run.style[0], run.style[5]):
        if (name := color_class(color)) and is_hex(name[1:]):
            yield name[1:]


def color_class(color: str) -> str:
    """The class of a color; none if it is the text's own."""
    if color in ("default", "white", "brightwhite"):
        return ""
    return f"c{color}" if is_hex(color) else NAMES.get(color, color)


def classes(style: Style) -> str:
    """The style of letters as classes."""
    color, bold, faint, italic, under, _ = style
    named = [name] if (name := color_class(color)) else []
    flags = zip(("bold", "faint", "italic", "under"), (bold, faint, italic, under), strict=True)
    return " ".join([*named, *(name for name, is_set in flags if is_set)])


def elements(together: list[Run]) -> str:
    """Runs that appear and disappear at the same time, as SVG: shapes of one style as one path, letters as text."""
    paths: dict[str, str] = {}
    text = ""
    for run in together:
        if (ground := run.style[5]) != "default":
            x, y, wide = LEFT + run.column * CELL, TOP + run.row * ROW, run.cells * CELL
            kind = color_class(ground)
            paths[kind] = paths.get(kind, "") + f"M{x:.1f} {y}h{wide:.1f}v{ROW}h-{wide:.1f}z"
    for run in together:
        if run.text[0] in SHAPES:
            kind = f"line {classes(run.style)}".strip() if run.text[0] in _LINES else classes(run.style)
            paths[kind] = paths.get(kind, "") + shape(run)
        elif run.text.strip() or run.style[4]:
            text += words(run)
    return "".join(f'<path{named(kind)} d="{data}"/>' for kind, data in paths.items()) + text


def named(kind: str) -> str:
    """The attribute for these classes, if there are any."""
    return f' class="{kind}"' if kind else ""


def words(run: Run) -> str:
    """A run of letters as SVG text; they are in their cells with any font."""
    x, y = LEFT + run.column * CELL, TOP + run.row * ROW + SIZE + 1
    length = f' textLength="{len(run.text) * CELL:.1f}"' if len(run.text) > 1 else ""
    return f'<text{named(classes(run.style))} x="{x:.1f}" y="{y}"{length}>{html.escape(run.text, quote=False)}</text>'


class Shot(Protocol):
    """A terminal that is drawn at one moment."""

    @property
    def name(self) -> str:
        """The file's name, without its suffix."""

    @property
    def columns(self) -> int:
        """The terminal's width."""

    @property
    def lines(self) -> int:
        """Its height."""

    @property
    def kept(self) -> bool:
        """Whether it is part of the documentation."""


S = TypeVar("S", bound=Shot)


def keep(shots: Iterable[S], film: Callable[[S], Film], assets: Path, *, title: str, folder: Path | None) -> None:
    """Draws the shots of the documentation; with a folder all of them, also as PNGs, dark and light."""
    for shot in shots:
        if not (shot.kept or folder):
            continue
        target = (assets if shot.kept else folder or assets) / f"{shot.name}.svg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(draw(film(shot), title=title), encoding="utf-8")
        print(target.name, file=sys.stderr)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            width, height = round(shot.columns * CELL + 2 * LEFT), shot.lines * ROW + 80
            for dark in (True, False):
                png = folder / f"{shot.name}-{'dark' if dark else 'light'}.png"
                photograph(target, png, dark=dark, width=width, height=height)


SHEET = """\
body{margin:24px;background:#010409;color:#8b949e;font:22px sans-serif;display:grid;gap:24px;
grid-template-columns:repeat(COLUMNS,max-content);align-items:start;align-content:start;width:max-content}
figure{margin:0}figcaption{margin:0 0 8px;height:30px}img{display:block;max-width:WIDTHpx}
"""

MOST_WIDE = 1000
"""Pixels of a picture on a sheet."""


def contact_sheet(rows: Sequence[Sequence[tuple[str, Path | None]]], target: Path) -> None:
    """Pictures with a caption each, side by side in rows, as one PNG; None leaves an empty place."""
    told = []
    for row in rows:
        for caption, picture in row:
            image = f'<img src="{picture.resolve().as_uri()}">' if picture is not None else ""
            told.append(f"<figure><figcaption>{html.escape(caption)}</figcaption>{image}</figure>")
    columns = max(map(len, rows))
    style = SHEET.replace("COLUMNS", str(columns)).replace("WIDTH", str(MOST_WIDE))
    height = 24 + sum(62 + max(shown_height(picture) for _, picture in row if picture is not None) for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "sheet.html"
        page.write_text(f"<meta charset=utf-8><style>{style}</style>{''.join(told)}", encoding="utf-8")
        _shoot(page, target, Path(folder), width=48 + (MOST_WIDE + 24) * columns, height=height, more=())


def shown_height(picture: Path) -> int:
    """How high a PNG is on a sheet, in pixels."""
    size = picture.read_bytes()[16:24]
    width, height = int.from_bytes(size[:4]), int.from_bytes(size[4:])
    return round(height * min(1, MOST_WIDE / width))


def photograph(picture: Path, target: Path, *, dark: bool, width: int, height: int) -> None:
    """A browser's view of the picture as a PNG. Raises SystemExit if there is no browser."""
    ground = "#0d1117" if dark else "#ffffff"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        style = f"body{{margin:0;background:{ground}}}svg{{width:{width}px;height:auto;display:block}}"
        page.write_text(f"<style>{style}</style>{picture.read_text('utf-8')}", encoding="utf-8")
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        _shoot(page, target, Path(folder), width=width, height=height, more=("--force-prefers-reduced-motion", scheme))


def _shoot(page: Path, target: Path, folder: Path, *, width: int, height: int, more: Sequence[str]) -> None:
    browser = next((found for name in ("chromium", "google-chrome", "chrome") if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit("There is no browser to look with: install chromium.")
    flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", f"--user-data-dir={folder}/profile"]
    flags += [f"--window-size={width},{height}", f"--screenshot={target.resolve()}", *more]
    subprocess.run([browser, *flags, page.as_uri()], check=True, capture_output=True)

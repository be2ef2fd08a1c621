"""Fills in the table of docs/install.md: what each extra installs, and how large that is.

    python scripts/weights.py           # print it
    python scripts/weights.py --write   # and write it into the page

Each row is an environment of its own, in a temporary folder, with the newest packages that the requirements allow.
"""

import argparse
import re
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from distributions import build, install

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "install.md"
PLACE: Final = re.compile(r"(?<=<!-- weights -->\n).*(?=<!-- /weights -->)", re.DOTALL)

USES: Final = {
    "": "agents, tools, workflows, the terminal, all providers, journals in SQLite and in files",
    "cli": "editing and history at the prompt of [`headwater chat`](cli.md#headwater-chat)",
    "cost": "prices of models, for [costs and budgets](cost.md)",
    "mcp": "tools of [MCP servers](mcp.md); agents as an MCP server",
    "otel": "[traces and metrics](telemetry.md) by OpenTelemetry",
    "postgres": "[durable runs](durable.md) in PostgreSQL, and their workers",
    "temporal": "durable runs that a [Temporal server](durable.md#with-temporal) delivers",
    "uvloop": "a quicker event loop (not on Windows), see below",
    "web": "agents [behind HTTP](web.md), the page, the [gateway](gateway.md)",
    "all": "all of these",
}
"""Each extra that users install, in the order of the table, with what it is for."""


class Weight(NamedTuple):
    """What an environment holds: its packages, and the bytes of their files."""

    packages: int
    size: int


def extras() -> set[str]:
    """The extras of the package, without what only its developers install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"]) - {"dev"}


def weigh(site: Path) -> Weight:
    """What is installed in a site-packages folder, without compiled bytecode."""
    files = [path for path in site.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return Weight(len(list(site.glob("*.dist-info"))), sum(path.stat().st_size for path in files))


def installed(wheel: Path, extra: str, folder: Path) -> Weight:
    """Installs the wheel with an extra into a fresh environment, and weighs that."""
    install(wheel, folder, extra=extra)
    return weigh(Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)})))


def weights() -> Iterator[tuple[str, Weight]]:
    """Builds the wheel and weighs it bare, then with each extra."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        wheel = build(ROOT, folder, "wheel")
        for extra in USES:
            yield extra, installed(wheel, extra, folder / (extra or "bare"))


def table(measured: dict[str, Weight]) -> str:
    """The table as it stands on the page."""
    bare = measured[""]
    lines = ["| install | for | packages | MB |", "|---|---|---:|---:|"]
    for extra, weight in measured.items():
        more = "" if weight is bare else "+"
        packages, size = (weight.packages, weight.size) if weight is bare else _difference(weight, bare)
        name = f"headwater[{extra}]" if extra else "headwater"
        lines.append(f"| `{name}` | {USES[extra]} | {more}{packages} | {more}{size / 1e6:.1f} |")
    version = ".".join(map(str, sys.version_info[:2]))
    lines += ["", f"Measured on {date.today():%Y-%m-%d}: Python {version}, {sysconfig.get_platform()}."]
    return "\n" + "\n".join(lines) + "\n\n"


def _difference(weight: Weight, bare: Weight) -> tuple[int, int]:
    return weight.packages - bare.packages, weight.size - bare.size


def main() -> None:
    """Measures, prints, and with --write writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the table into docs/install.md")
    arguments = parser.parse_args()
    if missing := extras() ^ (set(USES) - {""}):
        parser.error(f"say in USES what these are for, or take them out: {', '.join(sorted(missing))}")
    drawn = table(dict(weights()))
    print(drawn)
    if arguments.write:
        PAGE.write_text(PLACE.sub(lambda _: drawn, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Fills in the tables of docs/reliability.md: the probes, the sweep over all recordings, the bounds.

    python scripts/reliability.py                  # print them: a few minutes
    python scripts/reliability.py --full --write   # the long sweep, and into the page: half an hour

The exit code is 1 if a guarantee of the page is broken.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.system.faults import bounds, peers, probes  # noqa: E402
from tests.system.faults.sweep import sweep, table  # noqa: E402

from headwater import __version__  # noqa: E402

PAGE: Final = ROOT / "docs" / "reliability.md"


def probes_table() -> tuple[str, bool]:
    """Each probe, asked of this library and of others, which are installed in environments of their own."""
    pythons = {library: python for library in peers.LIBRARIES if (python := peers.python_of(library))}
    lines = [
        f"| probe | **headwater {__version__}** | {' | '.join(map(peers.title, pythons))} |",
        f"|---|{'---|' * (len(pythons) + 1)}",
    ]
    good = True
    for probe in probes.PROBES:
        found = probes.ask(probe)
        good = good and found.holds
        others = [peers.ask_library(library, probe.ask.__name__, python) for library, python in pythons.items()]
        lines.append(f"| {probe.question} | {found.said} | {' | '.join(others)} |")
    return "\n".join(lines), good


def sweep_table(full: bool) -> tuple[str, bool]:
    """Every recording with every kind of fault."""
    found = list(sweep(full, lambda api: print(f"sweeping {api}", file=sys.stderr)))
    for api, row in found:
        for breach in row.breaches[:5]:
            print(f"{api}: {breach}", file=sys.stderr)
    return table(found), not any(row.breaches for _, row in found)


def bounds_table() -> tuple[str, bool]:
    """Inputs that are too large, the error for each, and the memory it takes."""
    lines = ["| input | result | peak memory |", "|---|---|---:|"]
    good = True
    for bound in bounds.BOUNDS:
        measured = bounds.measure(bound)
        good = good and bound.promised in measured.said and measured.megabytes <= bound.megabytes
        said = re.sub(r"127\.0\.0\.1:\d+", "the provider", measured.said)
        lines.append(f"| {bound.name} | {said[:160]} | {measured.megabytes:.0f} MB |")
    return "\n".join(lines), good


def main() -> int:
    """Creates the tables, and prints them or writes them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the long sweep")
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    parser.add_argument("--only", choices=("probes", "sweep", "bounds"), help="one of the tables")
    asked = parser.parse_args()
    makers: dict[str, Callable[[], tuple[str, bool]]] = {
        "probes": probes_table,
        "sweep": lambda: sweep_table(asked.full),
        "bounds": bounds_table,
    }
    page, good = PAGE.read_text(encoding="utf-8"), True
    for name, make in makers.items():
        if asked.only not in (None, name):
            continue
        made, holds = make()
        good = good and holds
        print(made, end="\n\n")
        options = " --full" if asked.full and name == "sweep" else ""
        stamp = f"Made by `python scripts/reliability.py{options}`, {date.today()}."
        block = f"<!-- {name} -->\n{made}\n\n{stamp}\n<!-- end -->"
        page = re.sub(rf"<!-- {name} -->.*?<!-- end -->", lambda _, block=block: block, page, flags=re.DOTALL)  # type: ignore[misc]
    if asked.write:
        PAGE.write_text(page, encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

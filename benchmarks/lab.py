"""Starts the measured processes: the server on one core, each client on another, and runs them in alternation."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

from benchmarks.bodies import APIS

__all__ = ("Lab", "Table", "machine", "median")

ROOT = Path(__file__).resolve().parents[1]


class Lab:
    """The server and the clients, for the duration of the `with` block. With `pin=False` each may use every core."""

    def __init__(self, *, pin: bool = True) -> None:
        cores = sorted(os.sched_getaffinity(0)) if pin and hasattr(os, "sched_getaffinity") else []
        self._client_core = [str(cores[0])] if len(cores) > 1 else []
        server_core = [str(cores[-1])] if len(cores) > 1 else []
        self._server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", *server_core],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._server.stdout is not None
        self.port = int(self._server.stdout.readline())
        self._workers: dict[str, subprocess.Popen[str]] = {}
        self.pythons: dict[str, str] = {}
        """The Python of each client that has an environment of its own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dismiss()
        self._server.communicate(timeout=10)  # it ends with its input

    def dismiss(self) -> None:
        """Ends the clients' processes; another order starts new ones."""
        for process in self._workers.values():
            process.communicate(timeout=10)
        self._workers.clear()

    def url(self, pace: str, api: str, tokens: int = 0) -> str:
        """The base URL for `api` at that pace."""
        return f"http://127.0.0.1:{self.port}/{pace}/{api}/{tokens}{APIS[api].root}"

    def server_seconds(self) -> float:
        """The server's own average time per answer since the last call."""
        with urlopen(f"http://127.0.0.1:{self.port}/spent/-/0") as answer:
            return float(answer.read())

    def pinned(self) -> list[str]:
        """The prefix of a command that runs on the clients' core."""
        return ["taskset", "-c", *self._client_core] if self._client_core and shutil.which("taskset") else []

    def order(self, client: str, do: str, **arguments: Any) -> dict[str, Any]:
        """Sends an order to `client`'s process (see `worker`), and returns its answer."""
        if client not in self._workers:
            self._workers[client] = subprocess.Popen(
                [self.pythons.get(client, sys.executable), "-m", "benchmarks.worker", *self._client_core],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        worker = self._workers[client]
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps({"do": do, "client": client, **arguments}) + "\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
        if not line:
            raise RuntimeError(f"The process of {client} ended; its output is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass
class Table:
    """A table of results."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    bars: Sequence[tuple[str, float]] = ()
    """The chart's data: labels and values."""
    unit: str = ""
    readme: Sequence[str] = ()
    """The columns that README.md shows too."""

    def __str__(self) -> str:
        lines = [f"| {' | '.join(self.columns)} |", f"|{'---|' * len(self.columns)}"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])

    def shortened(self) -> Table:
        """The table with the columns of README.md alone."""
        shown = [self.columns.index(name) for name in self.readme]
        rows = [[row[column] for column in shown] for row in self.rows]
        return Table(self.name, self.title, self.readme, rows, self.note)


def median(values: Iterable[float]) -> float:
    """The median."""
    return statistics.median(values)


def machine() -> str:
    """The machine's description."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"

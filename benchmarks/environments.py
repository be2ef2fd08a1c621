"""Virtual environments of the packages that headwater is compared with, as for programs that use nothing else.

Owns where they are and what is installed in them. Each is created once, in build/ of the checkout or in the folder that
HEADWATER_BENCHMARK_ENVIRONMENTS names, and again when its requirements change.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.lab import ROOT

__all__ = ("ready", "requirements")

REQUIREMENTS = ROOT / "benchmarks" / "peers"


def requirements(name: str) -> Path:
    """The file with every package of an environment and its version."""
    return REQUIREMENTS / f"{name}.txt"


def ready(name: str, *, quick: bool = False) -> str | None:
    """The Python of an environment, which is created if needed; None if that is impossible, or too slow (`quick`)."""
    folder = Path(os.environ.get("HEADWATER_BENCHMARK_ENVIRONMENTS") or ROOT / "build" / "environments") / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256(sys.version.encode() + requirements(name).read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return str(python)
    if quick:
        return None
    print(f"Installing {name} into {folder} …", flush=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements(name))],
    ):
        if subprocess.run(command, check=False).returncode:
            return None
    stamp.write_text(wanted)
    return str(python)

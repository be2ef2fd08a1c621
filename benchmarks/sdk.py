"""An environment with only OpenAI's package, as for a program that uses nothing else.

The package imports other clients if they are installed, so in headwater's environment it would be slower than for its
users. The environment is created once, in build/ of the checkout.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys

from benchmarks.lab import ROOT

__all__ = ("sdk_python",)

PLACE = ROOT / "build" / "openai-alone"


def sdk_python(*, quick: bool = False) -> str | None:
    """The environment's Python; None if it does not exist and cannot be created, or that would take too long (`quick`).

    HEADWATER_BENCHMARK_SDK is the path of an existing one.
    """
    if named := os.environ.get("HEADWATER_BENCHMARK_SDK"):
        return named
    python = PLACE / "bin" / "python"
    if _works(str(python)):
        return str(python)
    if quick:
        return None
    try:
        wanted = f"openai=={importlib.metadata.version('openai')}"
    except importlib.metadata.PackageNotFoundError:
        wanted = "openai"
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(PLACE)], check=False)
    if made.returncode == 0:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", wanted], check=False)
    return str(python) if _works(str(python)) else None


def _works(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", "import openai"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False

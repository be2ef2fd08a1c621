"""An environment that holds OpenAI's package and nothing beside it: what a program has that uses that alone.

The package imports other clients where they are installed, so beside ours it would be slower than its users have it.
The environment is made once, in build/ of the checkout.
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
    """The environment's Python; None where there is none and it cannot be made, or would take too long (`quick`).

    HEADWATER_BENCHMARK_SDK names one that is there already.
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

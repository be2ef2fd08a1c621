"""Running a document's program as its reader would: a process of its own, an empty folder, no real key."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support import programs

NOISE = ("Traceback", "Unclosed", "never awaited", "was destroyed", "Warning:")


def run_program(
    source: str, *, base_url: str, folder: Path, name: str = "program.py", leaves_open: bool = False
) -> str:
    """What the program prints. Fails where it does, and where standard error says that something was left open.

    With `leaves_open` another library keeps its connections open until the program ends.
    """
    path = folder / name
    path.write_text(source, encoding="utf-8")
    env = _environment(base_url) | ({"PYTHONWARNINGS": "ignore::ResourceWarning"} if leaves_open else {})
    process = programs.run([str(path)], env=env, cwd=folder, flags=["-X", "dev"], timeout=50)
    assert process.returncode == 0, f"exit {process.returncode}\n{process.stdout}\n{process.stderr}"
    assert not [word for word in NOISE if word in process.stderr], process.stderr
    return process.stdout


def _environment(base_url: str) -> dict[str, str]:
    """This process's own, without anyone's keys and proxies."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_BASE_URL", "_API_BASE")) and not name.lower().endswith("_proxy")
    }
    return {**ours, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": base_url, "PYTHONIOENCODING": "utf-8"}

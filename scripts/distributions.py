"""The distributions of a checkout, and environments that hold nothing but one of them and what it needs."""

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ("build", "install")


def build(root: Path, folder: Path, *targets: str) -> Path:
    """Builds the distributions into a folder: only the `targets`, "wheel" or "sdist", where any are named.

    Returns the wheel. Raises CalledProcessError, and ValueError if none was built.
    """
    chosen = [word for target in targets for word in ("--target", target)]
    command = [sys.executable, "-m", "hatchling", "build", *chosen, "--directory", str(folder)]
    subprocess.run(command, cwd=root, check=True, stdout=sys.stderr)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, *, extra: str = "") -> Path:
    """Installs a wheel, with an extra if one is named, into a new environment without pip. Returns its Python.

    Nothing is compiled. Raises CalledProcessError.
    """
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile"]
    wanted = f"headwater[{extra}]" if extra else "headwater"
    subprocess.run([*pip, f"{wanted} @ {wheel.as_uri()}"], check=True)
    return python

"""npm packages for tests: pinned by a lock file beside the tests, installed once into a cache.

Owns the cache. It never skips a test: the caller reports what is not tested without a package.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ("NoPackage", "installed")

FILES = ("package.json", "package-lock.json")


class NoPackage(Exception):
    """A package is not available; the text says why."""


def installed(folder: Path) -> Path:
    """Returns the `node_modules` for the lock file in `folder`. Raises NoPackage."""
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:12]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = caches / "headwater-tests" / f"{folder.name}-{digest}"
    if not cache.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise NoPackage("npm is not installed")
        cache.parent.mkdir(parents=True, exist_ok=True)
        # Installed in a temporary folder and renamed, so that an incomplete folder is never used.
        with tempfile.TemporaryDirectory(dir=cache.parent) as scratch:
            made = Path(scratch) / "package"
            made.mkdir()
            for name in FILES:
                shutil.copy(folder / name, made)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=170, check=False)
            if done.returncode:
                raise NoPackage(f"npm could not install it: {done.stderr.strip()[-500:]}")
            with contextlib.suppress(OSError):  # another run may have been faster
                made.rename(cache)
    return cache / "node_modules"

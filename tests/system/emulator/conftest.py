"""The emulator, installed once into a cache and started once a session."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.system.emulator.answers import fixtures

HERE = Path(__file__).parent
PACKAGE = "@copilotkit/aimock"


class Emulator:
    """The running emulator: where it listens, and what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.host = url.removeprefix("http://")

    def asked(self, task: str) -> list[dict[str, Any]]:
        """The requests that hold `task`, as the emulator understood them: `path`, `headers`, `body`, `response`."""
        with urllib.request.urlopen(f"{self.url}/v1/_requests", timeout=10) as response:
            entries: list[dict[str, Any]] = json.load(response)
        return [entry for entry in entries if task in json.dumps(entry["body"], ensure_ascii=False)]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The emulator on a free port, loaded with the answers; skips where it cannot be had."""
    node = shutil.which("node")
    if node is None:
        _cannot("node is not installed")
    answers = tmp_path_factory.mktemp("emulator") / "answers.json"
    answers.write_text(json.dumps(fixtures()), encoding="utf-8")
    command = [node, str(_installed() / "dist" / "cli.js"), "--port", "0", "--strict", "--fixtures", str(answers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=HERE) as process:
        try:
            yield Emulator(_address(process))
        finally:
            process.terminate()


def _address(process: subprocess.Popen[str]) -> str:
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if "listening on " in line:
            # It logs every request: a pipe that nobody empties would fill and stop it.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return line.split("listening on ")[1].strip()
    raise RuntimeError(f"The emulator did not start:\n{''.join(said)}")


def _installed() -> Path:
    """The package's folder in the cache, installed by npm where it is not there yet."""
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))
    version = lock["packages"][f"node_modules/{PACKAGE}"]["version"]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = caches / "headwater-tests" / f"aimock-{version}"
    if not cache.exists():
        npm = shutil.which("npm")
        if npm is None:
            _cannot("npm is not installed")
        cache.parent.mkdir(parents=True, exist_ok=True)
        # Installed beside and renamed, so that a half-made folder is never taken for a whole one.
        with tempfile.TemporaryDirectory(dir=cache.parent) as scratch:
            folder = Path(scratch) / "package"
            folder.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
            if done.returncode:
                _cannot(f"npm could not install {PACKAGE} {version}: {done.stderr.strip()[-500:]}")
            with contextlib.suppress(OSError):  # another run may have been faster
                folder.rename(cache)
    return cache / "node_modules" / PACKAGE


def _cannot(why: str) -> NoReturn:
    pytest.skip(f"no emulator: {why}")

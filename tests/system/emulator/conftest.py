"""The emulator, installed once into a cache and started once a session."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.npm import NoPackage, installed
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
    try:
        program = installed(HERE) / PACKAGE / "dist" / "cli.js"
    except NoPackage as problem:
        _cannot(str(problem))
    command = [node, str(program), "--port", "0", "--strict", "--fixtures", str(answers)]
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


def _cannot(why: str) -> NoReturn:
    pytest.skip(f"no emulator: {why}")

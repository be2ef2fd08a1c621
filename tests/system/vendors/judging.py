"""The judge as a running program: started with a Python that has the vendors' packages, asked body by body."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.paths import ROOT

__all__ = ("VARIABLE", "Judge", "start")

VARIABLE = "HEADWATER_VENDORS"
"""Names a Python that has what `requirements.txt` lists. They are large, and nothing else needs them."""


class Judge:
    """The running program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, vendor: str, body: Mapping[str, Any]) -> str:
        """What of a body does not fit the vendor's types; "" where all does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"vendor": vendor, "body": body}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the judge has died; what it said last is above"
        verdict: str = json.loads(line)
        return verdict


@contextlib.contextmanager
def start() -> Iterator[Judge]:
    """The program, ended with the block. Raises KeyError where no Python is named."""
    with subprocess.Popen(
        [os.environ[VARIABLE], "-m", "tests.system.vendors.judge"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        yield Judge(process)
        assert process.stdin is not None
        process.stdin.close()

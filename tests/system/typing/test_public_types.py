"""Every attribute, parameter and result of the package has a type that is written down, as `--verifytypes` counts it.

A type checker of another make infers what is not written, maybe differently. What the types are is tested beside this
file; here only that none is missing.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.support.paths import ROOT


@pytest.mark.long(only=True)
@pytest.mark.timeout(300)  # it reads every package that is imported
def test_no_type_is_left_to_the_checker() -> None:
    command = [sys.executable, "-m", "basedpyright", "--verifytypes", "headwater", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)["typeCompleteness"]
    left = [
        f"{symbol['name']}: {said['message'].splitlines()[0]}"
        for symbol in report["symbols"]
        for said in symbol["diagnostics"]
        if said["severity"] == "error"
    ]
    assert left == [], "write the type where the attribute is first set"
    assert report["exportedSymbolCounts"]["withKnownType"] > 8000
    assert report["completenessScore"] == 1, done.stdout[:2000]

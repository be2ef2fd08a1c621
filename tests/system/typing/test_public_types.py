"""Every attribute, parameter and result of the public classes and functions has a type that is written down.

A type checker of another make infers what is not written, maybe differently. What the types are is tested beside this
file; here only that none is missing.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest
from tests.support.paths import ROOT

import headwater

MODULES = ("adapters", "errors", "events", "journal", "telemetry", "testing", "web")


def public() -> set[str]:
    """The full names of what users import, where it is defined."""
    modules = [headwater, *(importlib.import_module(f"headwater.{name}") for name in MODULES)]
    found = [getattr(module, name) for module in modules for name in module.__all__]
    return {f"{one.__module__}.{one.__qualname__}" for one in found if hasattr(one, "__qualname__")}


@pytest.mark.timeout(300)  # it reads every package that is imported
def test_no_type_of_a_public_name_is_left_to_the_checker() -> None:
    command = [sys.executable, "-m", "basedpyright", "--verifytypes", "headwater", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)["typeCompleteness"]
    assert report["exportedSymbolCounts"]["withUnknownType"] == 0
    names = public()
    symbols = [one for one in report["symbols"] if any(f"{one['name']}.".startswith(f"{name}.") for name in names)]
    assert len(symbols) > 1500
    left = {
        f"{symbol['name']}: {said['message'].splitlines()[0]}"
        for symbol in symbols
        for said in symbol["diagnostics"]
        if "missing type annotation" in said["message"] or "could be inferred differently" in said["message"]
    }
    assert left == set(), "write the type where the attribute is first set"

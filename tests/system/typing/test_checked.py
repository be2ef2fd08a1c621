"""mypy over this folder: its types are as asserted, and its mistakes are seen (an unused ignore is an error)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.paths import ROOT

HERE = Path(__file__).resolve().parent


@pytest.mark.timeout(300)  # without a cache it reads every package that is imported
def test_the_types_are_what_the_files_say() -> None:
    files = sorted(str(path) for path in HERE.glob("*.py") if path.name != Path(__file__).name)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *files]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (checked.stdout, checked.returncode) == ("", 0), checked.stdout + checked.stderr

"""OpenAI's own client against a server of ours; its other major versions, and that for JavaScript, in `.ci/run`.

Only the long counts run it: `tests/web/openai` has the same answers read in the types of that client.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.system.clients import PROGRAMS, serving

pytestmark = pytest.mark.long(only=True)


def test_openais_client_reads_every_response() -> None:
    with serving() as url:
        program = [sys.executable, str(PROGRAMS / "openai_program.py"), url]
        done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reads all of it" in done.stdout


def test_openais_client_reads_every_response_of_a_gateway() -> None:
    with serving("gateway") as url:
        program = [sys.executable, str(PROGRAMS / "gateway_program.py"), url]
        done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reads all of it" in done.stdout

"""The protocol's own conformance suite against this client: `python -m tests.system.mcp.conformance FOLDER`.

FOLDER has the packages of package.json in its `node_modules`; the suite needs their Node. Every scenario for clients
runs. What fails for a known reason is in KNOWN; one that no longer fails there fails here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

KNOWN: Final[Mapping[str, str]] = {
    "auth/2025-03-26-oauth-metadata-backcompat": "its metadata names another issuer than where it is, which RFC 8414"
    " says must be refused; in the suite's version 0.2.0-alpha.12 it names the right one, and the scenario passes",
}

SECONDS: Final = 90
"""How long a scenario may take on a busy machine."""

COMMAND: Final = f"{sys.executable} -m tests.system.mcp.conformance_client"
BROWSER: Final = f"{sys.executable} -m tests.system.mcp.browser %s"


def scenarios(suite: list[str]) -> Iterator[str]:
    listed = subprocess.run([*suite, "list", "--client"], capture_output=True, text=True, check=True, timeout=SECONDS)
    yield from re.findall(r"^\s*- (\S+)", listed.stdout, re.MULTILINE)


def passes(suite: list[str], scenario: str) -> tuple[bool, str]:
    with tempfile.TemporaryDirectory() as state:
        env = {**os.environ, "XDG_STATE_HOME": state, "BROWSER": BROWSER}
        command = [*suite, "client", "--command", COMMAND, "--scenario", scenario]
        ran = subprocess.run(command, capture_output=True, text=True, env=env, timeout=SECONDS, check=False)
    said = ran.stdout + ran.stderr
    return "OVERALL: PASSED" in said, said


def main(folder: Path) -> int:
    modules = folder / "node_modules"
    program = modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    suite = [str(modules / "node" / "bin" / "node"), str(program)]
    wrong = 0
    for scenario in scenarios(suite):
        passed, said = passes(suite, scenario)
        expected = scenario not in KNOWN
        print(f"{'passed' if passed else 'failed'}{'' if expected else ' (known)'}: {scenario}", flush=True)
        if passed is not expected:
            wrong += 1
            print(said if expected else f"It passes now: take {scenario} out of KNOWN.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

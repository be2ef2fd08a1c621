"""The routes under requests made up from their own document: whatever is asked, nothing breaks here.

    python -m tests.system.clients.schemathesis_run PATH/TO/schemathesis

The command is that of an environment of its own; `.ci/run` makes one.
"""

from __future__ import annotations

import subprocess
import sys

import httpx

from tests.system.clients import serving

EXAMPLES = "30"
"""Requests made up for each route, beside those that try the edges of its document and go on from one to the next."""


def main() -> int:
    """Ask, and give the command's exit code."""
    with serving() as url:
        command = [sys.argv[1], "run", f"{url}/openapi.json"]
        checks = ["--checks", "not_a_server_error,content_type_conformance"]
        limits = ["--max-examples", EXAMPLES, "--seed", "1", "--request-timeout", "20", "--max-failures", "20"]
        code = subprocess.run([*command, *checks, *limits], check=False).returncode
        assert httpx.get(f"{url}/health", trust_env=False).json() == {"status": "ok"}
        return code


if __name__ == "__main__":
    sys.exit(main())

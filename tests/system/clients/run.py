"""Run a program against a server of agents of every kind, or a gateway: its address is the program's last argument.

python -m tests.system.clients.run [--gateway] PROGRAM [ARGUMENT ...]
"""

from __future__ import annotations

import subprocess
import sys

from tests.system.clients import serving

SECONDS = 300
"""How long a program may take: all of them together need a minute."""


def main() -> int:
    """Run it, and give its exit code."""
    program = sys.argv[1:]
    what = "gateway" if program[0] == "--gateway" else "agents"
    with serving(what) as url:
        return subprocess.run([*program[what == "gateway" :], url], timeout=SECONDS, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Run a program against a server of agents of every kind: its address is the program's last argument.

python -m tests.system.clients.run PROGRAM [ARGUMENT ...]
"""

from __future__ import annotations

import subprocess
import sys

from tests.system.clients import serving

SECONDS = 300
"""How long a program may take: all of them together need a minute."""


def main() -> int:
    """Run it, and give its exit code."""
    with serving() as url:
        return subprocess.run([*sys.argv[1:], url], timeout=SECONDS, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

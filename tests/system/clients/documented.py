"""The whole programs for Node in docs/web.md, run as they are printed, against a server of agents of every kind.

    python -m tests.system.clients.documented FOLDER

The folder is one in which npm has installed `package.json`. A program that fails, or does not print what the first
agent says, ends it with 1.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT
from tests.system.clients import serving

__all__ = ("main", "whole_programs")

SAID = "Found two."
SECONDS = 60


def whole_programs(page: str) -> Iterator[str]:
    """The fenced JavaScript of a page that imports what it needs."""
    return (code for code in re.findall(r"^```js\n(.*?)^```", page, re.MULTILINE | re.DOTALL) if "import " in code)


def main() -> int:
    """Run them."""
    programs = [*whole_programs((ROOT / "docs" / "web.md").read_text())]
    assert programs, "docs/web.md has no whole program for Node"
    for number, code in enumerate(programs):
        file = Path(sys.argv[1]) / f"documented_{number}.mjs"
        file.write_text(code)
        with serving() as url:
            done = subprocess.run(["node", file, url], capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode or SAID not in done.stdout:
            print(code, done.stdout, done.stderr, sep="\n")
            return 1
    print(f"{len(programs)} programs of docs/web.md run as printed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes each command's --help into docs/cli.md.

python scripts/command_help.py            # rewrite the blocks
python scripts/command_help.py --check    # check that they match --help; exit code 1 if not
"""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
BLOCK = re.compile(r"(?<=^```text\n)\$ headwater(?P<command>[a-z ]*) --help\n.*?(?=^```$)", re.MULTILINE | re.DOTALL)


def help_of(command: str) -> str:
    """The output of `headwater COMMAND --help`."""
    line = [sys.executable, "-m", "headwater", *command.split(), "--help"]
    return subprocess.run(line, capture_output=True, check=True, encoding="utf-8").stdout


def renewed(page: str) -> str:
    """The page with the current help in every block."""

    def block(match: re.Match[str]) -> str:
        return f"$ headwater{match['command']} --help\n{help_of(match['command'])}"

    return BLOCK.sub(block, page)


def main() -> int:
    """Writes or checks the page; returns the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    new = renewed(page)
    if "--check" in sys.argv[1:]:
        if new != page:
            print("docs/cli.md differs from --help: run python scripts/command_help.py")
        return int(new != page)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

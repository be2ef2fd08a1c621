"""Reports how much of each decoder the tests have run, and fails if that is under 95 % for any.

    coverage run -m pytest -n 0 tests/providers && coverage combine && python scripts/decoder_coverage.py

With HEADWATER_SHARED=/nonexistent the tests run without the recorded provider streams, as anybody's copy does.
"""

import io
import sys
from pathlib import Path
from typing import Final

import coverage

ROOT: Final = Path(__file__).resolve().parents[1]
DECODERS: Final = ROOT / "src" / "headwater" / "providers"

LEAST: Final = 95
"""Percent of lines and branches of each decoder. What no stream in the tests contains is not known to work."""


def decoders() -> list[Path]:
    """The modules that turn bytes into events: the framing, the base, and each API's own."""
    own = [path for name in ("response", "output", "items") for path in DECODERS.glob(f"*/{name}.py")]
    return [DECODERS / "decoder.py", *sorted(DECODERS.glob("framing/[a-z]*.py")), *sorted(own)]


def main() -> int:
    """Prints a line for each; returns the exit code."""
    data = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    data.load()
    failed = 0
    for path in decoders():
        covered = data.report(morfs=[str(path)], file=io.StringIO(), skip_covered=False)
        failed += covered < LEAST
        print(f"{covered:6.1f} %  {path.relative_to(DECODERS)}{'' if covered >= LEAST else f'  (under {LEAST} %)'}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

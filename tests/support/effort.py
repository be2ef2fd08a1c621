"""The number of random examples: enough to find common errors, and far more with HEADWATER_LONG=1.

A test that uses it is marked `long`, those of hypothesis by `tests/conftest.py`: `HEADWATER_LONG=1 python -m pytest -m
long` runs only those. A share, such as HEADWATER_LONG=0.2, tries that share of the examples. A test marked
`long(only=True)` is not run without HEADWATER_LONG: it takes many seconds, and fails where another step of `.ci/run`
would too.

Tests marked `interpreters` start programs: with HEADWATER_LONG=1 each has an interpreter of its own.
"""

from __future__ import annotations

import os

__all__ = ("LONG", "WHOLE", "one_in", "tries")

SHARE = float(os.environ.get("HEADWATER_LONG") or 0)
LONG = SHARE > 0
WHOLE = SHARE >= 1


def tries(usual: int, long: int) -> int:
    """Returns `usual`, or the requested share of `long` if that is more."""
    return max(usual, round(long * SHARE))


def one_in(usual: int, long: int) -> int:
    """Of how many one is tried: `usual`, or `long` with HEADWATER_LONG=1. A share tries that share of as many."""
    return min(usual, round(long / SHARE)) if LONG else usual

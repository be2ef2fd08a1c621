"""The number of random examples: enough to find common errors, and far more with HEADWATER_LONG=1.

A test that uses it is marked `long`, those of hypothesis by `tests/conftest.py`: `HEADWATER_LONG=1 python -m pytest -m
long` runs only those.
"""

from __future__ import annotations

import os

__all__ = ("tries",)

LONG = os.environ.get("HEADWATER_LONG", "") == "1"


def tries(usual: int, long: int) -> int:
    """Returns `usual`, or `long` if requested."""
    return long if LONG else usual

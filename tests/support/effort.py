"""How often something is tried at random: enough to notice, and far more where HEADWATER_LONG=1 asks for it.

A test that asks is marked `long`: `HEADWATER_LONG=1 python -m pytest -m long` runs all of those and nothing else.
"""

from __future__ import annotations

import os

__all__ = ("tries",)

LONG = os.environ.get("HEADWATER_LONG", "") == "1"


def tries(usual: int, long: int) -> int:
    """How often: `usual`, or `long` where it is asked for."""
    return long if LONG else usual

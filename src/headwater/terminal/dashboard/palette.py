"""The hues by which agents are told apart, and which agent has which.

Pure. They are six of the 256 colors that terminals agree on: far enough from each other for people who do not see red,
green or blue as others do, and readable on a dark ground and on a light one. `tests/terminal/dashboard/test_palette.py`
measures both.
"""

from __future__ import annotations

from typing import Final

__all__ = ("BASIC_HUES", "HUES", "hue")

HUES: Final = (105, 136, 30, 198, 62, 94)
"""Periwinkle, amber, teal, pink, indigo, brown: colors of a terminal with 256 of them, in the order of their use."""

BASIC_HUES: Final = (6, 5, 3, 4, 2)
"""What stands for them on a terminal with sixteen colors, whose look is the theme's affair."""


def hue(number: int, *, many: bool) -> str:
    """The escape code's parameters for the agent that was the `number`-th to be known; `many`: there are 256 colors."""
    return f"38;5;{HUES[number % len(HUES)]}" if many else f"3{BASIC_HUES[number % len(BASIC_HUES)]}"

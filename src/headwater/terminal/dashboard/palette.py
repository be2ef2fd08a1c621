"""The hues of agents, and their assignment.

Pure. They are six of the 256 standard terminal colors: distinguishable with every kind of color blindness, and readable
on a dark and on a light background. `tests/terminal/dashboard/test_palette.py`
measures both.
"""

from __future__ import annotations

from typing import Final

__all__ = ("BASIC_HUES", "HUES", "hue")

HUES: Final = (105, 136, 30, 198, 62, 94)
"""Periwinkle, amber, teal, pink, indigo, brown: colors of a terminal with 256 of them, in the order of their use."""

BASIC_HUES: Final = (6, 5, 3, 4, 2)
"""Their replacements on a terminal with sixteen colors, which the theme defines."""


def hue(number: int, *, many: bool) -> str:
    """Returns the escape code parameters for agent `number`, in order of appearance; `many`: there are 256 colors."""
    return f"38;5;{HUES[number % len(HUES)]}" if many else f"3{BASIC_HUES[number % len(BASIC_HUES)]}"

"""Text that comes in pieces: a list of them that is joined once, and takes little more memory than the text meanwhile.

Owns how growing text is held. Whoever appends says when there is time to tidy up, which is once a read, not once a
piece.
"""

from __future__ import annotations

from typing import Final

__all__ = ("Pieces",)

MANY_PIECES: Final = 4096
"""Pieces that are kept apart, at most: Python adds fifty bytes to each, ten times what a token itself takes."""


class Pieces(list[str]):
    """The pieces of a text in their order; `"".join` gives the text."""

    __slots__ = ("_whole",)

    def __init__(self) -> None:
        super().__init__()
        self._whole = 0
        """How many at the beginning are joined ones; they are not joined again, so that each is copied once."""

    def tidy(self) -> None:
        """Join the pieces that have come since the last time, where they are many."""
        if len(self) - self._whole > MANY_PIECES:
            self[self._whole :] = ["".join(self[self._whole :])]
            self._whole += 1

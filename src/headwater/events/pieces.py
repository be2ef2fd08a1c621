"""Text that arrives in pieces: a list that is joined once, and until then takes little more memory than the text.

Owns how growing text is stored. The caller decides when to call `tidy`: once per read, not once per piece.
"""

from __future__ import annotations

from typing import Final

__all__ = ("Pieces",)

MANY_PIECES: Final = 4096
"""Maximum number of separate pieces: Python adds fifty bytes to each, ten times the size of a token."""


class Pieces(list[str]):
    """The pieces of a text in order; `"".join` returns the text."""

    __slots__ = ("_whole",)

    def __init__(self) -> None:
        super().__init__()
        self._whole = 0
        """How many pieces at the start are joined already; they are not joined again, so each is copied once."""

    def tidy(self) -> None:
        """Joins the pieces added since the last time, if there are many."""
        if len(self) - self._whole > MANY_PIECES:
            self[self._whole :] = ["".join(self[self._whole :])]
            self._whole += 1

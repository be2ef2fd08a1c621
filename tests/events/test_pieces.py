"""`tidy` keeps the text and reduces the number of pieces."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events.pieces import MANY_PIECES, Pieces
from tests.support.effort import tries


@settings(max_examples=tries(12, 50), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2 * MANY_PIECES), st.booleans()), max_size=6))
def test_the_text_is_what_was_appended(reads: list[tuple[int, bool]]) -> None:
    pieces = Pieces()
    wanted: list[str] = []
    for count, tidied in reads:
        for number in range(count):
            pieces.append(f"{number} ")
            wanted.append(f"{number} ")
        if tidied:
            pieces.tidy()
            assert len(pieces) <= MANY_PIECES + len(reads)
        assert "".join(pieces) == "".join(wanted)


def test_joined_pieces_are_not_joined_again() -> None:
    pieces = Pieces()
    for _ in range(10):
        pieces.extend(["x"] * (MANY_PIECES + 1))
        pieces.tidy()
        pieces.tidy()
    assert [len(piece) for piece in pieces] == [MANY_PIECES + 1] * 10


def test_few_pieces_are_left_as_they_are() -> None:
    pieces = Pieces()
    pieces.extend(["x"] * MANY_PIECES)
    pieces.tidy()
    assert len(pieces) == MANY_PIECES

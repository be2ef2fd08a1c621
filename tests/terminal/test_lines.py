"""Text line by line: the same however it comes."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.terminal.lines import CHARACTERS_A_LINE, Lines
from tests.support.effort import tries


def lines_of(*pieces: str) -> list[str]:
    lines = Lines()
    taken: list[str] = []
    for piece in pieces:
        lines.add(piece)
        taken += lines.take()
    return [*taken, *lines.finish()]


def test_a_line_is_finished_when_it_ends() -> None:
    lines = Lines()
    lines.add("one\r\n\ntw")
    assert (lines.take(), lines.open()) == (["one", ""], ["tw"])
    lines.add("o\n")
    assert (lines.take(), lines.open(), lines.finish()) == (["two"], [], [])


@given(st.text("ab\n \t", max_size=60), st.randoms())
@settings(max_examples=tries(25, 100), deadline=None)
def test_any_split_gives_the_same_lines(text: str, random: Random) -> None:
    at = random.randrange(len(text) + 1)
    assert lines_of(text[:at], text[at:]) == lines_of(*text) == lines_of(text)


def test_a_long_line_is_cut_at_a_space_wherever_its_end_is() -> None:
    text = "word " * CHARACTERS_A_LINE
    expected = lines_of(text + "\nend")
    assert expected == lines_of(*(text[at : at + 700] for at in range(0, len(text), 700)), "\n", "end")
    assert all(len(line) <= CHARACTERS_A_LINE and line.startswith("word") for line in expected[:-1])
    assert all(len(line) == CHARACTERS_A_LINE for line in lines_of("x" * 3 * CHARACTERS_A_LINE))


def test_open_text_can_be_retracted() -> None:
    lines = Lines()
    lines.add("one\ntwo")
    lines.take()
    assert lines.retract("wo")
    assert lines.open() == ["t"]
    assert not lines.retract("e\nt")
    assert lines.open() == []

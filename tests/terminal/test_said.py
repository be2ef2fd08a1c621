"""What a voice says, as rows."""

from __future__ import annotations

from headwater.terminal.said import Drawn, Markdown, Plain
from headwater.terminal.spans import Span, plain


def test_an_answer_is_blocks() -> None:
    said = Markdown(lambda: 20)
    said.add("# One\n\n- *tw")
    assert said.take() == []
    said.add("o*\n")
    (heading,) = said.take()
    assert heading == Drawn([(Span("One", "title"),)], True)
    assert [plain(row) for drawn in said.open() for row in drawn.rows] == [" • two"]
    assert said.retract("o*\n")
    assert [plain(row) for drawn in said.finish() for row in drawn.rows] == [" • *tw"]


def test_signs_that_a_terminal_lacks_are_not_used() -> None:
    said = Markdown(lambda: 20, ascii_signs=True)
    said.add("- one")
    assert [plain(row) for drawn in said.finish() for row in drawn.rows] == [" * one"]


def test_plain_words_are_lines_in_one_style_after_a_label() -> None:
    said = Plain(lambda: 12, style="dim", label="Refused: ")
    said.add("**no**\nand more words")
    assert [plain(row) for drawn in said.take() for row in drawn.rows] == ["Refused:", "**no**"]
    assert said.open() == [Drawn([(Span("and more", "dim"),), (Span("words", "dim"),)], False)]
    assert said.retract("words")
    assert [plain(row) for drawn in said.finish() for row in drawn.rows] == ["and more"]

"""What each kind of block looks like, on wide and narrow terminals."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from headwater.terminal.markdown.blocks import Block
from headwater.terminal.markdown.layout import ASCII_SIGNS, SIGNS, Layout, Signs, document_rows
from headwater.terminal.spans import Span, plain, row_cells
from tests.support.markdown import SAMPLE


def rows(text: str, width: int = 24, signs: Signs = SIGNS) -> list[str]:
    return [plain(row) for row in document_rows(text, width, signs)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three four five", ["one two three four five"]),
        ("one two three four five six", ["one two three four five", "six"]),
        ("one\ntwo  \nthree", ["one", "two", "three"]),
        ("# One\ntext\n## Two", ["One", "", "text", "", "Two"]),
        ("One\n===\n\nTwo\n---", ["One", "", "Two"]),
        ("a\n\n\n\n---\nb", ["a", "", "─" * 24, "", "b"]),
        ("- a\n- b\n\n- c", [" • a", " • b", "", " • c"]),
        ("- a word that is long enough\n  - b\n    - c\n      - d", None),
        ("9. a\n10. b", [" 9. a", " 10. b"]),
        ("3) a\n3) b", [" 3. a", " 4. b"]),
        ("-", [" • "]),
        ("> a\n> - b\n>\n> c", ["▎ a", "▎ ", "▎  • b", "▎ ", "▎ c"]),
        ("```js\nx\n\ny\n```", ["── js " + "─" * 18, "x", "", "y", "─" * 24]),
        ("    x\n    y", ["─" * 24, "x", "y", "─" * 24]),
        ("- a\n  ```\n  x\n  ```", [" • a", "   " + "─" * 21, "   x", "   " + "─" * 21]),
        ("<p>\nx\n</p>", ["<p>", "x", "</p>"]),
        ("", []),
    ],
)
def test_a_block(text: str, expected: list[str] | None) -> None:
    if expected is None:
        expected = [" • a word that is long", "   enough", "   ◦ b", "     ▪ c", "       • d"]
    assert rows(text) == expected


def test_lines_of_code_stay_whole() -> None:
    long = "x" * 100
    assert rows(f"```\n{long}\n```")[1] == long


def test_a_terminal_without_the_signs_gets_plain_ones() -> None:
    ascii_ = SAMPLE.encode("ascii", "ignore").decode()
    told = rows(ascii_, 60, ASCII_SIGNS)
    assert all(line.isascii() for line in told)
    assert " * First item with inline code and a link" in "\n".join(told)


@pytest.mark.parametrize("width", [24, 40, 80, 100])
def test_at_any_width_no_row_is_too_wide_no_word_broken_and_no_mark_left(width: int) -> None:
    prose = re.sub(r"```.*?```", "", SAMPLE, flags=re.DOTALL)
    told = rows(prose, width)
    assert all(row_cells((Span(line),)) <= width for line in told)
    words = set(" ".join(told).replace("\n", " ").split())
    for word in re.findall(r"[A-Za-z]{3,}", re.sub(r"\(http.*?\)", "", prose)):
        assert any(word in one for one in words), word
    assert not re.search(r"\*\*|__|~~|`|^#|\]\(|\|", "\n".join(told))
    assert not any(first == second == "" for first, second in pairwise(told))


def test_a_block_that_is_open_looks_as_it_will() -> None:
    layout = Layout(lambda: 24)
    assert layout.open(Block("one **two**")) == [(Span("one "), Span("two", "strong"))]
    assert [plain(row) for row in layout.open(Block("7. x", "item", 3))] == [" 3. x"]
    assert layout.open(Block("def x", "code")) == [(Span("def x"),)]
    assert plain(layout.open(Block("py", "fence"))[0]).startswith("── py ─")


def test_the_width_is_asked_for_with_every_block() -> None:
    widths = iter((24, 9, 9))
    layout = Layout(lambda: next(widths))
    assert [plain(row) for row in layout.finished(Block("one two three four"))] == ["one two", "three", "four"]
    assert len(layout.finished(Block("one two three"))) == 2

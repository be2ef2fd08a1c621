"""Code line by line: its colors, what they remember of the lines before, and that they cost the same all along."""

from __future__ import annotations

import pytest

from headwater.terminal.markdown.code import CHARACTERS_A_LINE, LINES_AT_MOST, Code
from headwater.terminal.spans import Row, Span, plain


def styles(row: Row) -> dict[str, str]:
    return {span.text: span.style for span in row}


def test_a_line_has_the_colors_of_its_language() -> None:
    code = Code("python title=x")
    assert styles(code.line('x = "a"  # why')) == {"x = ": "", '"a"': "string", "  ": "", "# why": "comment"}
    assert styles(code.line("def f(): return 1"))["def"] == "keyword"


def test_a_string_over_several_lines_is_one() -> None:
    code = Code("py")
    rows = [code.line(line) for line in ('x = """one', "def two", '"""', "def three(): pass")]
    assert rows[1] == (Span("def two", "string"),)
    assert styles(rows[3])["def"] == "keyword"


@pytest.mark.parametrize("language", ["", "nothing-of-the-kind", "{.}", "\x1b"])
def test_an_unknown_language_has_no_colors(language: str) -> None:
    assert Code(language).line("def x") == (Span("def x"),)
    assert Code(language).line("") == ()


def test_no_character_is_lost_whatever_the_code() -> None:
    lines = ["", "  x = 1", "", "", "'unclosed", "\u00e9 潮 ½", "x" * (CHARACTERS_A_LINE + 1), "\ty", ""]
    for language in ("python", "json", "bash", "diff", "html", "rust", "text"):
        code = Code(language)
        assert [plain(code.line(line)) for line in lines] == lines


def test_few_lines_are_read_again_however_long_the_code() -> None:
    code = Code("python")
    for number in range(500):
        assert styles(code.line(f"def f{number}(): pass"))["def"] == "keyword"
        assert len(code._lines) < 40
    code.line('x = """')
    for _ in range(500):
        code.line("def inside")
        assert len(code._lines) <= LINES_AT_MOST


def test_a_long_string_keeps_its_color_across_dropped_lines() -> None:
    code = Code("python")
    code.line('x = """')
    rows = [code.line("def inside") for _ in range(LINES_AT_MOST - 10)]
    assert all(row == (Span("def inside", "string"),) for row in rows)

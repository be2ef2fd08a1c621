"""Tables: aligned, narrower, and told row by row."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.terminal.markdown.layout import document_rows
from headwater.terminal.markdown.table import Align, table_rows
from headwater.terminal.spans import Span, plain, row_cells
from tests.support.effort import tries

TABLE = """\
| way | latency | good for |
|:---|---:|:---:|
| iterate | lowest | user interfaces |
| wait | 10 s | 潮汐 |
"""


def rows(text: str, width: int) -> list[str]:
    return [plain(row) for row in document_rows(text, width)]


def test_columns_are_aligned_as_the_table_says() -> None:
    assert rows(TABLE, 60) == [
        "way      latency     good for",
        "───────  ───────  ───────────────",
        "iterate   lowest  user interfaces",
        "wait        10 s       潮汐",
    ]


def test_a_narrow_terminal_breaks_cells_between_words() -> None:
    assert rows(TABLE, 28) == [
        "way      latency   good for",
        "───────  ───────  ──────────",
        "iterate   lowest     user",
        "                  interfaces",
        "───────  ───────  ──────────",
        "wait        10 s     潮汐",
    ]


def test_a_terminal_too_narrow_for_columns_has_a_line_a_cell() -> None:
    assert rows(TABLE, 20) == [
        *("way: iterate", "latency: lowest", "good for: user", "interfaces", ""),
        *("way: wait", "latency: 10 s", "good for: 潮汐"),
    ]


def test_a_header_alone_is_a_table() -> None:
    assert rows("| a | b |\n|---|---|\n", 20) == ["a  b", "─  ─"]
    assert rows("| a | b | c | d |\n|---|---|---|---|\n", 5) == ["a", "b", "c", "d"]


def test_a_break_in_a_cell_is_one() -> None:
    assert rows("| a | b |\n|---|---|\n| x<br>y | z |\n", 20) == ["a  b", "─  ─", "x  z", "y"]


CELLS = st.text("ab 潮", max_size=12).map(lambda text: [Span(text)])
ALIGNS: st.SearchStrategy[Align] = st.sampled_from(("left", "right", "center"))


@given(st.integers(1, 5), st.integers(10, 60), st.data())
@settings(max_examples=tries(15, 60), deadline=None)
def test_no_row_is_too_wide_and_no_character_lost(columns: int, width: int, data: st.DataObject) -> None:
    row = st.lists(CELLS, min_size=columns, max_size=columns)
    header, body = data.draw(row), data.draw(st.lists(row, max_size=4))
    aligns: list[Align] = data.draw(st.lists(ALIGNS, min_size=columns, max_size=columns))
    told = table_rows(header, body, aligns, width, "-")
    assert all(row_cells(row) <= width for row in told)
    said = "".join(plain(row) for row in told)
    for cell in (cell for line in (header, *body) for cell in line):
        assert all(said.count(sign) >= plain(cell).count(sign) for sign in "ab潮")

"""What the parser is asked: the outline of a text, the tree of a block, what ends a fence."""

from __future__ import annotations

import pytest

from headwater.terminal.markdown.parser import Fence, is_empty, outline, tree


def test_an_outline_has_the_blocks_at_the_top_and_the_items_of_lists() -> None:
    tops = outline("\none\n\n3. a\n   - inner\n4. b\n\n> - quoted\n\n```py\nx\n")
    assert [(top.first, top.items, top.is_list, top.number) for top in tops] == [
        (1, [1], False, None),
        (3, [3, 5], True, 3),
        (7, [7], False, None),
        (9, [9], False, None),
    ]
    assert tops[3].fence == Fence("py", "`", 3, 0)


def test_nothing_has_no_outline() -> None:
    assert outline("\n \n") == []


@pytest.mark.parametrize(
    ("line", "ended"),
    [("```", True), ("   ````  ", True), ("    ```", False), ("``", False), ("```py", False), ("~~~", False)],
)
def test_what_ends_a_fence(line: str, ended: bool) -> None:
    assert Fence("", "`", 3, 0).ended_by(line) is ended


def test_the_indent_of_a_fence_is_taken_off_its_lines() -> None:
    fence = Fence("", "`", 3, 2)
    assert [fence.content(line) for line in ("    x", "  x", " x", "x")] == ["  x", "x", "x", "x"]


def test_references_stay_unchanged() -> None:
    node = tree("[a][1]\n\n[1]: https://example.com\n")
    assert [child.type for child in node.children] == ["paragraph", "paragraph"]


def test_an_empty_line_may_have_the_marks_of_quotes() -> None:
    assert all(map(is_empty, ("", " \t", "> >", "\n")))
    assert not is_empty("> a")

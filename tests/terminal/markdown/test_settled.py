"""What of a paragraph scrolls away while it grows: rows that it still has when it is whole, and no others."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headwater.terminal.markdown.layout import document_rows
from headwater.terminal.markdown.settled import settled_rows
from headwater.terminal.said import Drawn, Markdown
from headwater.terminal.spans import Row, painted, plain
from tests.support.effort import one_in, tries
from tests.support.markdown import NO_ANSWERS, NO_EXAMPLES, answers, commonmark, cut

WIDTH = 40
UNDERLINE = re.compile(r"^ {0,3}(=+|-+)[ \t]*$", re.MULTILINE)


def streamed(pieces: list[str], most: int = 3) -> list[str]:
    """The rows of a text that comes in pieces, as much of it as can be is done with after each."""
    said = Markdown(lambda: WIDTH)
    rows: list[Row] = []

    def keep(finished: list[Drawn]) -> None:
        for drawn in finished:
            rows.extend([(), *drawn.rows] if drawn.apart and rows and drawn.rows else drawn.rows)

    for piece in pieces:
        said.add(piece)
        keep(said.take())
        keep(said.settle(most))
    keep(said.finish())
    return [painted(row) for row in rows]


def whole(text: str) -> list[str]:
    return [painted(row) for row in document_rows(text, WIDTH)]


WORDS = st.sampled_from(
    [
        *("tide", "water", "a", "high", "harbour's", "snake_case_name", "2", "潮汐", "é", "(so", "called)", "—", "C++"),
        *(
            "**bold",
            "bold**",
            "*it",
            "it*",
            "_under",
            "under_",
            "`code",
            "code`",
            "~~gone",
            "gone~~",
            "[link",
            "text](a b)",
        ),
        *(
            "[whole](https://a.example)",
            "`a b`",
            "**two words**",
            "<b>",
            "</b>",
            "<",
            "&amp;",
            "2 * 3",
            "\\*",
            "1.",
            "-",
            "+",
            "#",
        ),
        *("\n", "\\\n", "  \n", "x" * 60),
    ]
)


@given(st.lists(WORDS, min_size=8, max_size=60), st.integers(0, 99), st.integers(1, 9))
@settings(max_examples=tries(10, 40), deadline=None)
def test_scrolled_rows_are_those_of_the_complete_text(words: list[str], seed: int, most: int) -> None:
    text = "Now " + " ".join(words)
    assume(not UNDERLINE.search(text))
    assert streamed(cut(text, seed, 12), most) == whole(text)


@pytest.mark.long
@pytest.mark.skipif(not answers(), reason=NO_ANSWERS)
def test_so_they_are_of_what_models_have_answered() -> None:
    texts = [text for text in answers() if len(text) < 4_000]
    assert len(texts) > 200
    for number, text in list(enumerate(texts))[:: one_in(4, 1)]:
        assert streamed(cut(text, number, 60)) == whole(text), text


@pytest.mark.skipif(not commonmark(), reason=NO_EXAMPLES)
def test_so_they_are_of_all_that_commonmark_has_examples_of() -> None:
    for number, example in enumerate(commonmark()):
        if UNDERLINE.search(example):
            continue  # a heading of what is left
        assert streamed(cut(example, number, 8)) == whole(example), example


def test_text_that_may_still_change_stays() -> None:
    long = "High water comes twice a day, and low water between the two. " * 4
    for begun in ("**Never", "*Never", "`Never", "[Never", "~~Never", "_Never", "<b Never"):
        assert settled_rows(f"{begun} more. {long}", WIDTH, 4) is None, begun
    for closed in ("**Ever**", "`Ever`", "[Ever](a)", "2 * 3", "snake_case", "a < b"):
        found = settled_rows(f"{closed} more. {long}", WIDTH, 4)
        assert found is not None, closed
        assert len(found[0]) == 4


def test_other_blocks_than_paragraphs_stay() -> None:
    for source in ("# " + "high water " * 20, "- " + "high water " * 20, "> " + "high water " * 20, "High water"):
        assert settled_rows(source, WIDTH, 3) is None, source


def test_a_continued_paragraph_never_becomes_a_list() -> None:
    text = "It is the harbour's own number, which is - 1. or # 2, and so on and on and on; see below. " * 3
    found = settled_rows(text, WIDTH, 9)
    assert found is not None
    rows, at = found
    assert text[at] not in "-#1"
    assert [plain(row) for row in rows] == [plain(row) for row in document_rows(text, WIDTH)][: len(rows)]

"""The law of the blocks: one below the other they are the whole, however the text comes; and what each of them is."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.terminal.markdown.blocks import CHARACTERS_A_BLOCK, CHARACTERS_A_LINE, Block, Blocks
from headwater.terminal.markdown.layout import Layout, document_rows
from headwater.terminal.spans import Row, painted, plain
from tests.support.effort import tries
from tests.support.markdown import NO_ANSWERS, NO_EXAMPLES, SAMPLE, answers, commonmark, cut

WIDTH = 60


def streamed(pieces: Iterable[str], *, look: bool = True) -> list[str]:
    """The rows of the blocks of a text that comes in pieces; `look` draws what is open after each."""
    blocks, layout = Blocks(), Layout(lambda: WIDTH)
    rows: list[Row] = []

    def show(finished: list[Block]) -> None:
        for block in finished:
            told = layout.finished(block)
            rows.extend([(), *told] if block.apart and rows and told else told)

    for piece in pieces:
        blocks.add(piece)
        show(blocks.take())
        if look:
            for block in blocks.open():
                layout.open(block)
    show(blocks.finish())
    return [painted(row) for row in rows]


def whole(text: str) -> list[str]:
    return [painted(row) for row in document_rows(text, WIDTH)]


def check(text: str, seed: int, *, look: bool = True) -> None:
    expected = whole(text)
    assert streamed([text], look=look) == expected, text
    assert streamed(cut(text, seed), look=look) == expected, text


MARKS = st.sampled_from(
    [
        *("- ", "* ", "1. ", "2) ", "> ", "# ", "## ", "```", "~~~", "```py\n", "---", "===", "    ", "  ", "\t", " "),
        *("\n", "\n\n", "\r\n", "\r", "|", "|---|", "| a | b |\n", "|-|-|\n", "<div>", "</div>", "<!--", "-->", "\\"),
        *(
            "*",
            "**",
            "_",
            "`",
            "~~",
            "[",
            "]",
            "(",
            ")",
            "[a](b)",
            "![a](b)",
            "<br>",
            "word",
            "a",
            "é",
            "潮",
            "\x1b[2J",
        ),
    ]
)


@given(st.lists(MARKS, max_size=30), st.randoms())
@settings(max_examples=tries(37, 150), deadline=None)
def test_blocks_one_by_one_are_the_whole(marks: list[str], random: object) -> None:
    text = "".join(marks)
    expected = whole(text)
    assert streamed([text]) == expected
    assert streamed(text) == expected
    assert streamed(marks) == expected


@pytest.mark.parametrize("text", ["```py\n    ", "```py\na\n \t", "a\n  ", "    ", "- a\n    "])
def test_so_they_are_of_a_text_that_ends_with_spaces(text: str) -> None:
    assert streamed([text]) == whole(text)
    assert streamed(text) == whole(text)


def test_so_they_are_of_an_answer_with_everything_in_it() -> None:
    expected = whole(SAMPLE)
    assert streamed([SAMPLE]) == expected
    assert streamed(SAMPLE) == expected
    assert streamed(SAMPLE.replace("\n", "\r\n")) == expected


@pytest.mark.skipif(not commonmark(), reason=NO_EXAMPLES)
def test_so_they_are_of_all_that_commonmark_has_examples_of() -> None:
    examples = commonmark()
    assert len(examples) > 600
    for number, example in enumerate(examples):
        expected = whole(example)
        assert streamed([example]) == expected, example
        assert streamed(example, look=False) == expected, example
        assert streamed(cut(example, number, 8)) == expected, example


@pytest.mark.skipif(not answers(), reason=NO_ANSWERS)
def test_so_they_are_of_what_models_have_answered() -> None:
    texts = answers()
    assert len(texts) > 250
    for number, text in enumerate(texts):
        check(text, number, look=False)


def kinds(text: str) -> list[tuple[str, str]]:
    blocks = Blocks()
    blocks.add(text)
    return [(block.kind, block.source) for block in blocks.take()]


def test_a_block_is_finished_when_the_next_starts() -> None:
    assert kinds("one\ntwo\n") == []
    assert kinds("one\ntwo\n\n") == []
    assert kinds("one\ntwo\n\n#") == []
    assert kinds("one\ntwo\n\n# three\n") == [("block", "one\ntwo")]


def test_an_item_is_finished_when_the_next_starts() -> None:
    assert kinds("- one\n  more\n- two\n") == [("item", "- one\n  more")]
    assert kinds("- one\n- two\n\nafter\n") == [("item", "- one"), ("item", "- two")]


def test_items_keep_their_numbers_and_whether_they_stand_apart() -> None:
    blocks = Blocks()
    taken = []
    for piece in ("4. one\n4. two\n\n4. three\n", "4. four\n", "\nafter\n"):
        blocks.add(piece)
        taken += blocks.take()
    assert [(block.number, block.apart) for block in taken] == [(4, True), (5, False), (6, True), (7, False)]


def test_a_line_of_code_is_finished_when_it_ends() -> None:
    assert kinds("```py\nx = 1\ny =") == [("fence", "py"), ("code", "x = 1")]
    assert kinds("```py\nx = 1\n````\nmore\n") == [("fence", "py"), ("code", "x = 1"), ("end", "")]
    assert kinds("  ~~~\n   x\n```\n ~~~\n") == [("fence", ""), ("code", " x"), ("code", "```"), ("end", "")]


def test_what_is_open_is_shown_as_it_looks_now() -> None:
    blocks = Blocks()
    blocks.add("one **tw")
    assert [block.source for block in blocks.open()] == ["one **tw"]
    blocks.add("o**\n\n- ")
    assert [block.source for block in blocks.open()] == ["one **two**"]
    blocks.add("x")
    assert [block.source for block in blocks.open()] == ["one **two**", "- x"]


@pytest.mark.parametrize("begun", ["#", "##", "-", "1", "`", "``", "```", "|", ">", "*"])
def test_marks_alone_are_not_shown_before_it_is_known_what_they_are(begun: str) -> None:
    blocks = Blocks()
    blocks.add(begun)
    assert all(not re.search(r"[`#|>*]", block.source) for block in blocks.open())


def test_the_end_of_a_fence_is_not_shown_as_code() -> None:
    blocks = Blocks()
    blocks.add("```\nx\n``")
    blocks.take()
    assert blocks.open() == []


def test_text_is_retracted_as_far_as_it_is_open() -> None:
    blocks = Blocks()
    blocks.add("one\n\ntwo\n\nthree")
    assert blocks.take() == [Block("one")]
    blocks.add(" thr\tee")
    assert blocks.retract("\n\nthree thr\tee")
    assert blocks.source == "two"
    assert not blocks.retract("e\n\ntwo")
    assert blocks.source == ""
    assert blocks.finish() == []


def test_a_text_after_another_starts_over() -> None:
    blocks = Blocks()
    blocks.add("- one\n- two\n```\ncode")
    blocks.finish()
    blocks.add("1. one")
    assert blocks.finish() == [Block("1. one", "item", 1)]


def test_long_text_is_cut_whatever_its_source() -> None:
    line = "words and " * (CHARACTERS_A_LINE // 4)
    lines = "another line of a long paragraph\n" * (CHARACTERS_A_BLOCK // 10)
    for text in (line, lines, "- item\n  " + lines.replace("\n", "\n  "), "x" * (2 * CHARACTERS_A_LINE)):
        expected = streamed([text])
        assert streamed(cut(text, 1, 3000), look=False) == expected
        assert len(re.sub(r"\x1b\[\d+m|\W", "", "".join(expected))) == len(re.sub(r"\W", "", text))
        blocks = Blocks()
        blocks.add(text)
        taken = blocks.take()
        assert len(blocks.source) <= CHARACTERS_A_BLOCK + CHARACTERS_A_LINE
        assert all(len(block.source) <= CHARACTERS_A_BLOCK + CHARACTERS_A_LINE for block in taken)


def test_no_word_is_lost() -> None:
    told = "".join(plain(row) for row in document_rows(SAMPLE, WIDTH))
    for word in re.findall(r"\w{2,}", SAMPLE):
        assert word in told

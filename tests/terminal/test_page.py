"""A run as lines: what scrolls away, what is drawn again, and the space between two things."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.terminal.look import Look
from headwater.terminal.page import ASCII_SIGNS, MOST_LIVE_LINES, SIGNS, Page, Signs
from headwater.terminal.run_view import (
    Act,
    Began,
    Ended,
    HandedOver,
    Item,
    LoopBegan,
    Noted,
    Said,
    ToolEnded,
    Withdrawn,
    Working,
)
from tests.support.effort import tries
from tests.support.markdown import SAMPLE, cut

HOSTILE = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\be\rf\x00g\x7fh\u202ei\u2066"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Shown:
    """A page that is drawn after everything that happens."""

    def __init__(
        self, *items: Item, columns: int = 40, lines: int = 24, look: Look | None = None, signs: Signs = SIGNS
    ) -> None:
        self.page = Page(look if look is not None else Look(header=False, footer=False), signs=signs, color=False)
        self.size = columns, lines
        self.done: list[str] = []
        self.open: list[str] = []
        self.now = 0.0
        for item in items:
            self.take(item)

    def take(self, *items: Item) -> None:
        self.page.take(items, self.now)
        self.draw()

    def draw(self) -> list[str]:
        above, rows = self.page.draw(*self.size, self.now)
        bare = re.sub(r"\x1b\[[\d;]*m", "", above)
        assert "\x1b" not in bare
        self.done += bare.removesuffix("\n").split("\n") if bare else []
        self.open = [re.sub(r"\x1b\[[\d;]*m", "", row) for row in rows]
        return self.open

    @property
    def rows(self) -> list[str]:
        return [*self.done, *self.open]


def waiting(*acts: Act) -> Working:
    return Working(acts)


MODEL = Act("w", "wait", "gpt-5.4")
BEGUN = (Began("writer", 1), waiting(MODEL), waiting())


def test_the_header_is_first_and_its_line_is_as_wide_as_the_terminal() -> None:
    shown = Shown(*BEGUN, Said("Rivers run."), Ended("finished"), look=Look(footer=False), columns=33)
    assert shown.rows == ["🤖 Agent: writer | Loops: 1", "━" * 33, "", "Rivers run."]


def test_what_is_open_is_drawn_again_and_what_is_done_is_not() -> None:
    shown = Shown(*BEGUN, Said("one **tw"))
    assert (shown.done, shown.open) == ([], ["one **tw"])
    shown.take(Said("o**\n\nthree\n\n# f"))
    assert (shown.done, shown.open) == (["one two"], ["", "three", "", "f"])
    shown.take(Said("our\n"))
    assert (shown.done, shown.open) == (["one two", "", "three"], ["", "four"])
    shown.take(Ended("finished"))
    assert (shown.done, shown.open) == (["one two", "", "three", "", "four"], [])


def test_the_model_is_waited_for_with_a_line_that_moves() -> None:
    shown = Shown(Began("writer", 1), waiting(MODEL))
    first = shown.draw()
    assert first == ["⠋ waiting for gpt-5.4"]
    shown.now = 3.1
    assert shown.draw() == ["⠙ waiting for gpt-5.4 · 3 s"]
    shown.take(waiting(Act("t", "think", "thinking")), Said("hm", "reasoning"))
    shown.now = 15.2
    assert shown.draw() == ["⠹ thinking · 12 s"]
    shown.take(waiting())
    assert shown.rows == ["· thought for 12 s"]


def test_silence_is_waited_through_with_a_line_below_the_words() -> None:
    shown = Shown(*BEGUN, Said("one"))
    shown.now = 0.2
    assert shown.draw() == ["one"]
    shown.now = 0.25
    assert shown.draw()[1:] == ["", "⠹ waiting for gpt-5.4"]
    shown.take(Said(" two"))
    assert shown.open == ["one two"]
    shown.now = 2.0
    shown.take(Ended("finished"))
    shown.now = 9.0
    assert shown.draw() == []


def test_a_retry_counts_down() -> None:
    shown = Shown(Began("writer", 1), waiting(Act("r", "retry", "429", wait=4.0)))
    assert shown.open == ["⠋ reconnecting (429, 4 s)"]
    shown.now = 2.5
    assert shown.draw()[0].endswith("reconnecting (429, 2 s)")
    shown.now = 4.2
    assert shown.draw()[0].endswith("reconnecting (429)")


def test_tools_have_a_line_each_up_to_five() -> None:
    acts = [Act(f"c{n}", "tool", f'weather(city="{n}")', "asked 2 of 3" if n == 1 else "") for n in range(8)]
    shown = Shown(*BEGUN, waiting(*acts))
    shown.now = 1.5
    assert shown.draw() == [
        '⠴ weather(city="0") · 1.5 s',
        '⠴ weather(city="1") · 1.5 s · asked 2 …',
        *(f'⠴ weather(city="{n}") · 1.5 s' for n in range(2, MOST_LIVE_LINES)),
        "⠴ 3 more running",
    ]


def test_a_finished_tool_is_two_lines_and_tools_are_grouped() -> None:
    shown = Shown(
        *BEGUN,
        Said("Let me look."),
        ToolEnded('weather(city="Oslo")', 1.5, result="4 °C, rain\nand more"),
        ToolEnded("nothing()", 0.012),
        Said("Cold."),
        Ended("finished"),
    )
    assert shown.rows == [
        "Let me look.",
        "",
        '● weather(city="Oslo")',
        "  └ 4 °C, rain · 1.5 s",
        "● nothing()",
        "  └ 12 ms",
        "",
        "Cold.",
    ]


def test_output_after_a_question_is_separated_from_it() -> None:
    shown = Shown(*BEGUN, Said("Let me ask."), Ended("waiting"))
    assert shown.rows == ["Let me ask."]
    shown.take(ToolEnded("send()", 1.0), Said("Done."))
    assert shown.rows[1:] == ["", "● send()", "  └ 1.0 s", "", "Done."]


def test_a_result_is_cut_and_an_error_is_not() -> None:
    long = "the booking service said that no rooms are left for the dates"
    shown = Shown(*BEGUN, ToolEnded("hotels()", 1.0, result=long), ToolEnded("hotels()", 1.0, error=long))
    assert shown.rows == [
        "● hotels()",
        "  └ the booking service said th… · 1.0 s",
        "● hotels()",
        "  └ the booking service said that no",
        "    rooms are left for the dates · 1.0 s",
    ]


def test_verbose_shows_ten_lines_of_a_result() -> None:
    result = "\n".join(f"line {n}" for n in range(13))
    shown = Shown(*BEGUN, ToolEnded("x()", 1.0, result=result), look=Look(header=False, footer=False, verbose=True))
    assert shown.rows == [
        "● x()",
        "  └ line 0 · 1.0 s",
        *(f"    line {n}" for n in range(1, 10)),
        "    … 3 more lines",
    ]


def test_reasoning_is_shown_on_request() -> None:
    items = (*BEGUN, Said("Hm,\nyes.", "reasoning"), Said("Rivers."), Ended("finished"))
    assert Shown(*items).rows == ["Rivers."]
    look = Look(header=False, footer=False, reasoning=True)
    assert Shown(*items, look=look).rows == ["Hm,", "yes.", "", "Rivers."]


def test_a_refusal_is_separated() -> None:
    shown = Shown(*BEGUN, Said("Well."), Said("No **way**.", "refusal"), Ended("finished"))
    assert shown.rows == ["Well.", "", "Refused: No **way**."]


def test_unrendered_text() -> None:
    shown = Shown(*BEGUN, look=Look(header=False, footer=False, markdown=False), columns=24)
    shown.take(Said("# One\n\n\n**two** three four fi"))
    assert shown.done == ["# One", "", ""]
    assert shown.open == ["**two** three four fi"]
    shown.take(Said("ve\n"), Ended("finished"))
    assert shown.rows == ["# One", "", "", "**two** three four five"]


def test_loops_and_handoffs_are_shown_between_the_text() -> None:
    shown = Shown(*BEGUN, Said("one"), LoopBegan(2, 3), Said("two"), HandedOver("billing", "a refund"))
    assert shown.rows == ["one", "", "── loop 2 of 3 ──", "", "two", "", "→ billing: a refund"]


def test_notes_wrap_and_are_grouped() -> None:
    shown = Shown(*BEGUN, Noted("A file was made"), Noted("Overloaded: No capacity. Try later, or ask.", "error"))
    assert shown.rows == ["· A file was made", "✗ Overloaded: No capacity. Try later, or", "  ask."]
    silent = Shown(*BEGUN, Noted("x", "error"), look=Look(header=False, footer=False, errors=False))
    assert silent.rows == []


def test_the_footer_says_how_it_ended() -> None:
    look = Look(header=False)
    shown = Shown(*BEGUN, Said("Rivers."), Ended("finished", "stop", tokens=66, duration=3.1), look=look)
    assert shown.rows == ["Rivers.", "", "stop · 66 tokens · 3.1 s"]


def test_a_narrow_footer_is_broken_between_its_parts() -> None:
    ended = Ended("finished", "stop", tokens=66, first_token=0.4, duration=3.1)
    shown = Shown(*BEGUN, Said("Rivers."), ended, look=Look(header=False), columns=36)
    assert shown.rows == ["Rivers.", "", "stop · 66 tokens · first token 0.4 s", "3.1 s"]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_without_a_footer_a_cut_answer_is_reported(reason: str) -> None:
    shown = Shown(*BEGUN, Said("Riv"), Ended("finished", reason), columns=80)
    assert shown.rows[2].startswith("· The answer was cut")


def test_retracted_open_text_is_removed() -> None:
    shown = Shown(*BEGUN, Said("Riv"), Said("ers ru"), Withdrawn(9, "ConnectionFailed", "Rivers ru"))
    assert shown.rows == []
    shown.take(Said("Rivers."))
    assert shown.rows == ["Rivers."]
    shown.take(Withdrawn(3, text="rs."))
    assert shown.rows == ["Rive"]


def test_retracted_finished_text_is_reported() -> None:
    said = "first\n\n## A **bold** heading of some words\n\nand more\n\nand"
    shown = Shown(*BEGUN, Said("kept\n\n"), Said(said), columns=80)
    shown.take(Withdrawn(len(said), text=said))
    assert shown.rows[-2:] == ["", '↩ Retracted: what stands above from "first A bold heading of some…" on']
    shown.take(Said("again"), Ended("finished"))
    assert shown.rows[-2:] == ["", "again"]


def test_a_retracted_block_of_code_is_closed() -> None:
    shown = Shown(*BEGUN, Said("```py\nx = 1\ny"))
    shown.take(Withdrawn(13, text="```py\nx = 1\ny"), Said("again"), Ended("finished"))
    assert [row for row in shown.rows if row.startswith("──")] == ["── py " + "─" * 34, "─" * 40]
    assert shown.rows[-1] == "again"


def test_what_is_open_and_higher_than_the_screen_shows_its_end_and_then_all() -> None:
    text = "\n".join(f"line {n}" for n in range(30))
    shown = Shown(*BEGUN, Said(text), lines=10)
    assert shown.open == [f"line {n}" for n in range(21, 30)]
    shown.now = 5.0
    assert shown.draw()[-3:] == ["line 29", "", "⠋ waiting for gpt-5.4 · 5 s"]
    assert len(shown.open) == 9
    shown.take(Ended("finished"))
    assert shown.rows == text.split("\n")


LONG = " ".join(f"word{n:02} **bold** and" for n in range(40))


def test_the_top_of_a_paragraph_that_is_higher_than_the_screen_can_be_scrolled_to() -> None:
    shown = Shown(*BEGUN, columns=40, lines=8)
    text = LONG.replace("**", "")
    for piece in (text[at : at + 9] for at in range(0, len(text), 9)):
        shown.take(Said(piece))
        assert len(shown.open) <= 7
        assert sum("word00" in row for row in shown.rows) <= 1
    assert shown.done[0].startswith("word00 bold and word01 bold and")
    assert shown.rows == [row for row in shown.rows if row], "one paragraph, without gaps"
    before = shown.rows
    shown.take(Ended("finished"))
    assert shown.rows == before
    assert " ".join(shown.rows) == text


def test_retracted_scrolled_text_is_reported() -> None:
    shown = Shown(*BEGUN, Said(LONG), columns=40, lines=8)
    done = len(shown.done)
    assert done >= 8
    shown.take(Withdrawn(len(LONG), "the connection broke", LONG))
    assert '"word00 bold and word01 bold and…" on' in " ".join(shown.done[done:])
    assert shown.open == []


@pytest.mark.parametrize("voice", ["reasoning", "refusal"])
def test_so_can_that_of_a_plain_line(voice: Any) -> None:
    look = Look(header=False, footer=False, reasoning=True)
    shown = Shown(*BEGUN, Said(LONG, voice), columns=40, lines=8, look=look)
    assert len(shown.open) == 7
    shown.take(Said(" end", voice), Ended("finished"))
    assert " ".join(shown.rows).removeprefix("Refused: ") == f"{LONG} end"


def test_a_warning_waits_for_the_end_of_the_text_that_it_would_split() -> None:
    warning = Noted("The budget is low.", "warning", aside=True)
    shown = Shown(
        *BEGUN, Said("It is **co"), warning, Said("ld**.\n\n```python\nx = 1\n"), warning, Said("y = 2\n```\n")
    )
    assert not any("budget" in row for row in shown.rows)
    shown.take(ToolEnded("look()", 1.0, result="yes"))
    code = [row for row in shown.rows if not row.startswith("──")]
    assert code[:8] == ["It is cold.", "", "x = 1", "y = 2", "", "· The budget is low.", "· The budget is low.", ""]
    shown.take(warning)
    assert shown.rows[-1] == "· The budget is low.", "nothing is open"


def test_text_is_at_most_a_hundred_columns_wide() -> None:
    shown = Shown(*BEGUN, Said("word " * 60), Ended("finished"), columns=200)
    assert max(map(len, shown.rows)) <= 100


@pytest.mark.parametrize(("columns", "wide"), [(60, 60), (100, 100), (200, 100)])
def test_the_headers_rule_is_as_wide_as_the_text_below_it(columns: int, wide: int) -> None:
    shown = Shown(*BEGUN, Said("One."), Ended("finished"), columns=columns, look=Look())
    assert shown.done[1] == "━" * wide


def test_a_resize_counts_from_what_is_open_on() -> None:
    shown = Shown(*BEGUN, Said("one two three four five six\n\nseven eight nine ten eleven twelve\n\n# x"))
    shown.size = 20, 24
    shown.draw()
    assert shown.done == ["one two three four five six"]
    assert shown.open == ["", "seven eight nine ten", "eleven twelve", "", "x"]


def test_a_terminal_without_the_signs_gets_plain_ones() -> None:
    shown = Shown(
        *BEGUN,
        Said("- a\n\n> b\n"),
        waiting(MODEL),
        ToolEnded("x()", 1.0, result="y"),
        LoopBegan(2, 2),
        HandedOver("b"),
        Noted("n"),
        Withdrawn(3),
        waiting(MODEL),
        signs=ASCII_SIGNS,
        look=Look(),
    )
    assert all(row.isascii() for row in shown.rows), shown.rows
    assert shown.rows[-1].startswith("| waiting for gpt-5.4")


@pytest.mark.parametrize(
    "item",
    [
        Began(HOSTILE, 1),
        Said(HOSTILE),
        Said(HOSTILE, "refusal"),
        ToolEnded(HOSTILE, 1.0, result=HOSTILE),
        ToolEnded(HOSTILE, 1.0, HOSTILE),
        Noted(HOSTILE),
        HandedOver(HOSTILE, HOSTILE),
        waiting(Act("1", "wait", HOSTILE), Act("2", "tool", HOSTILE, HOSTILE), Act("3", "retry", HOSTILE)),
    ],
)
def test_no_words_of_anyone_steer_the_terminal(item: Item) -> None:
    for look in (Look(footer=False), Look(footer=False, markdown=False)):
        shown = Shown(*BEGUN, item, columns=200, look=look)
        assert not STEERING.search("".join(shown.rows))


WORDS = st.text("ab\n潮 *`-#|", max_size=12)
ITEMS = st.one_of(
    st.builds(Said, WORDS.filter(bool), st.sampled_from(["answer", "answer", "refusal"])),
    st.builds(lambda phrase: waiting(Act("c", "tool", phrase)), WORDS),
    st.just(waiting()),
    st.builds(ToolEnded, WORDS, st.floats(0, 1000), st.none() | WORDS, WORDS),
    st.builds(Noted, WORDS),
    st.text("ab\n潮 *`-#|", min_size=1, max_size=12).map(lambda text: Withdrawn(len(text), text=text)),
    st.builds(LoopBegan, st.just(2), st.just(3)),
)


@given(st.lists(ITEMS, max_size=12), st.integers(20, 50), st.integers(5, 30))
@settings(max_examples=tries(37, 150), deadline=None)
def test_every_order_of_things_fits_and_has_one_empty_row_between_blocks(
    items: list[Item], columns: int, lines: int
) -> None:
    shown = Shown(*BEGUN, columns=columns, lines=lines)
    for item in items:
        shown.now += 0.1
        shown.take(item)
        assert len(shown.open) < lines
    shown.take(Ended("finished"))
    assert shown.open == []
    rows = shown.rows
    voices = any(isinstance(item, Said) and item.voice == "refusal" for item in items)
    fences = any("`" in item.text for item in items if isinstance(item, Said))
    if not voices and not fences:
        assert not any(first == second == "" for first, second in pairwise(rows)), rows


# --- what must change nothing: how the words come, and when and on which screen they are drawn


def left(text: str, screens: Sequence[tuple[int, int]], look: Look, *, seed: int | None) -> list[str]:
    """All rows of an answer in pieces, after which these screens are drawn or not; without a seed in one go."""
    shown = Shown(*BEGUN, look=look, columns=screens[0][0], lines=screens[0][1])
    dice = Random(seed)
    for number, piece in enumerate([text] if seed is None else cut(text, seed, 40)):
        shown.now += 0.1
        shown.page.take((Said(piece),), shown.now)
        if dice.random() < 0.5:
            shown.size = screens[number % len(screens)]
            shown.draw()
    shown.size = screens[0]
    shown.take(Ended("finished"))
    assert shown.open == []
    return shown.done


TEXT = SAMPLE + "\nAnd **more** of 潮汐 and `words`, " + "for a paragraph that is higher than a low screen. " * 30
LOOKS = st.builds(Look, header=st.just(False), footer=st.just(False), markdown=st.booleans())


@given(st.integers(0, 999), st.lists(st.tuples(st.integers(100, 300), st.integers(1, 60)), min_size=1), LOOKS)
@settings(max_examples=tries(10, 300), deadline=None)
def test_screens_that_are_wide_enough_are_left_with_the_same_rows(
    seed: int, screens: list[tuple[int, int]], look: Look
) -> None:
    assert left(TEXT, screens, look, seed=seed) == left(TEXT, [(100, 200)], look, seed=None)


PROSE = re.sub(r"^(?:\||```|---)[^\n]*$", "", TEXT, flags=re.MULTILINE)


def letters(rows: Sequence[str]) -> str:
    return "".join("".join(rows).replace("▎", "").split())  # the bar of a quote stands on each of its rows


@given(st.integers(0, 999), st.lists(st.tuples(st.integers(1, 130), st.integers(1, 60)), min_size=1), LOOKS)
@settings(max_examples=tries(10, 300), deadline=None)
def test_any_resize_between_any_two_words_loses_and_repeats_none(
    seed: int, screens: list[tuple[int, int]], look: Look
) -> None:
    whole = left(PROSE, [(100, 200)], look, seed=None)
    assert letters(left(PROSE, screens, look, seed=seed)) == letters(whole)


@given(st.integers(0, len(SAMPLE)), st.text("ab *`_~#>|-\n潮[](", min_size=1, max_size=30))
@settings(max_examples=tries(25, 600), deadline=None)
def test_text_that_is_retracted_while_open_leaves_no_trace(at: int, taken: str) -> None:
    look = Look(header=False, footer=False)
    spoken, silent = (Page(look, color=False) for _ in range(2))
    for page in (spoken, silent):
        page.take((*BEGUN, Said(SAMPLE[:at])) if at else BEGUN, 0.0)
    rows = [page.draw(100, 60, 0.0) for page in (spoken, silent)]
    spoken.take((Said(taken),), 0.1)
    spoken.take((Withdrawn(len(taken), text=taken),), 0.2)
    silent.take((waiting(),), 0.2)
    again = [page.draw(100, 60, 0.2) for page in (spoken, silent)]
    assert rows[0] == rows[1]
    assert again[0] == again[1]

"""One agent on a panel: its head, and the last rows of what it said and did."""

from __future__ import annotations

import itertools

from headwater.events import Warned
from headwater.terminal.dashboard.drawing import PLAIN_SIGNS, SIGNS
from headwater.terminal.dashboard.panel import Layout
from tests.terminal import crowds as log
from tests.terminal.panels import at_work, board, drawn


def test_few_rows_have_no_empty_ones_among_them() -> None:
    rows = drawn(board(log.begun("ann"), log.said("ann", "a\n\nb\n\nc\n\nd\n\ne"), members=("ann",)), 40, 8)
    assert [row.strip("│ ") for row in rows[3:-1]] == ["c", "d", "e"]


def test_tools_and_notes_are_between_the_text() -> None:
    shown = board(
        log.begun("ann"),
        log.broke("ann"),
        log.tried_again("ann"),
        log.thought("ann", "Hm."),
        log.said("ann", "I look."),
        log.called("ann", "search", query="tides"),
        log.called("ann", "wind", "c2"),
        log.tool_started("ann", "search"),
        log.tool_started("ann", "wind", "c2"),
        log.tool_progress("ann", "search", "page 2"),
        log.tool_finished("ann", "wind", "c2", error="HTTP 500"),
        members=("ann",),
    )
    assert [row.strip("│ ") for row in drawn(shown, 70)][1:-1] == [
        "🔧 ann          tool search     3 s       ~3 tokens",
        "━" * 65,
        "✚ Healed: ConnectionFailed: The connection broke",
        "Hm.",
        "I look.",
        '◌ search(query="tides")  2 s  page 2',
        "✗ wind()  0.4 s  HTTP 500",
    ]


def test_the_name_of_a_tool_has_the_room_beside_the_agents_name() -> None:
    tool = "lookup_prices_of_the_market"
    shown = board(log.begun("ann"), log.tool_started("ann", tool), members=("ann",))
    assert f"  tool {tool}  " in drawn(shown, 100)[1]
    endless = drawn(board(log.begun("ann"), log.tool_started("ann", tool * 4), members=("ann",)), 100)[1]
    assert endless.startswith(f"│ 🔧 ann  tool {tool}")
    assert "…" in endless


def test_text_of_another_step_is_separate() -> None:
    spoken = [*log.said("ann", "One."), *log.asked("ann", step=2), *log.said("ann", "Two.", step=2)]
    rows = drawn(board(log.begun("ann"), spoken, members=("ann",)), 60, 24)
    assert [row.strip("│ ") for row in rows[3:-1]] == ["One.", "", "Two."]


def test_a_tool_that_was_stopped_says_so() -> None:
    shown = board(log.begun("ann"), log.tool_started("ann", "search"), log.cancelled("ann"), members=("ann",))
    assert drawn(shown)[3].strip("│ ") == "✗ search  stopped"


def test_an_error_is_shown_in_full_up_to_a_limit() -> None:
    shown = board(log.begun("ann"), log.failed("ann"), members=("ann",))
    assert drawn(shown)[3].strip("│ ") == "✗ Overloaded: No capacity. Try later."
    rows = drawn(shown, 26, 12)
    assert [row.strip("│ ") for row in rows[3:-1]] == ["✗ Overloaded: No", "capacity. Try later."]
    crowded = board(log.begun("a"), log.said("a", "Words."), log.failed("a"), at_work(*"bcde"), members=tuple("abcde"))
    assert [row.strip("│ ") for row in drawn(crowded, 40, 14) if "Over" in row] == [
        "✗ Overloaded: No capacity. Try lat…"
    ]


def test_the_rest_of_a_note_is_never_shown_alone() -> None:
    warned = log.at(Warned(code="x", message="A warning that is long enough for two rows."), 1.0, "a")
    told = [log.begun("a"), [warned], log.said("a", "one\n\ntwo\n\nthree")]
    whole = 0
    for lines in range(10, 26):
        rows = [row.strip("│ ") for row in drawn(board(*told, at_work("b", "c"), members=tuple("abc")), 40, lines)]
        for before, row in itertools.pairwise(rows):
            if row == "two rows.":
                assert before == "· A warning that is long enough for"
                whole += 1
    assert 0 < whole < 16


def test_a_wait_is_counted_down() -> None:
    shown = board(log.begun("ann"), log.broke("ann", time=1.0, wait=30.0), members=("ann",))
    assert "retrying in 28 s" in drawn(shown, 80, now=3.0)[1]
    assert "retrying in" not in drawn(shown, 80, now=30.9)[1]
    assert "retrying" in drawn(shown, 80, now=30.9)[1]


def test_a_healed_agent_says_so_at_its_end() -> None:
    parts = [*log.begun("ann"), *log.broke("ann"), *log.tried_again("ann"), *log.said("ann", "x"), *log.ended("ann")]
    assert "done, healed" in drawn(board(parts, members=("ann",)), 80)[1]


def test_a_line_shows_the_last_that_happened() -> None:
    names = tuple("abcdefghijkl")
    shown = board(
        at_work(*names),
        log.tool_started("a", "search"),
        log.failed("b"),
        log.said("c", "one two three four five six seven eight nine ten eleven")[1:],
        members=names,
    )
    rows = [row.strip("│ ") for row in drawn(shown, 80, 24)]
    assert rows[2].endswith("◌ search  2 s")
    assert rows[3].endswith("✗ Overloaded: No capac…")
    assert rows[4].endswith("  eight nine ten eleven")


def test_a_finished_block_is_drawn_once_however_long_the_text() -> None:
    shown = board(log.begun("ann"), log.said("ann", "some words, \n\n" * 2_000), members=("ann",))
    layout = Layout(shown)
    layout.rows(80, 24, 3.0)
    (prose, position), *_ = layout._sheets[shown.agents[0]].drawn.values()
    taken: list[str] = []
    add = prose.add
    prose.add = lambda text: (taken.append(text), add(text))[1]  # type: ignore[method-assign, func-returns-value]
    shown.feed(log.said("ann", "and more")[1])
    layout.rows(80, 24, 3.0)
    assert position == 28_000
    assert taken == ["and more"]


def test_words_are_drawn_as_markdown_and_no_mark_is_left() -> None:
    text = "## Tides\n\nHigh at **06:12**, *slack*, see `tides.csv`:\n\n- one\n- **two"
    for signs in (SIGNS, PLAIN_SIGNS):
        shown = board(log.begun("ann"), log.thought("ann", "**Wondering**"), log.said("ann", text), members=("ann",))
        bullet = "•" if signs is SIGNS else "*"
        assert [row.strip("│| ") for row in drawn(shown, 60, signs=signs)][3:-1] == [
            "Wondering",
            "Tides",
            "",
            "High at 06:12, slack, see tides.csv:",
            "",
            f"{bullet} one",
            f"{bullet} two",
        ]
    rows = Layout(shown).rows(60, 24, 3.0)
    assert any("\x1b[1m06:12\x1b[0m" in row for row in rows)
    assert any("\x1b[2;1mWondering\x1b[0m" in row for row in rows)

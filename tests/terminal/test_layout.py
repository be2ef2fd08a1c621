"""How a board looks: rows for screens of every size."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import Event
from headwater.terminal.board import Board
from headwater.terminal.figures import clock, tally
from headwater.terminal.layout import Layout, shares
from headwater.terminal.pen import PLAIN_SIGNS, SIGNS, Signs
from headwater.terminal.wrap import cells
from tests.terminal import crowds as log
from tests.terminal import logs

NAMES = ("Market-Researcher", "Financial-Analyst", "Technical-Analyst")


def board(*parts: list[Event], members: tuple[str, ...] = NAMES, title: str = "market-analysis") -> Board:
    made = Board(title, members)
    for event in [*log.opened(), *logs.joined(*parts)]:
        made.feed(event)
    return made


def drawn(
    shown: Board, columns: int = 60, lines: int = 24, *, now: float = 3.0, color: bool = False, signs: Signs = SIGNS
) -> list[str]:
    """The rows, as a person reads them."""
    rows = Layout(shown, signs=signs, color=color).rows(columns, lines, now)
    return [log.plain(row) for row in rows]


def at_work(*names: str) -> list[Event]:
    return logs.joined(*([*log.begun(name), *log.said(name, f"Words of {name}.")] for name in names))


def test_each_agent_has_a_section_under_the_workflows_title() -> None:
    shown = board(
        at_work(*NAMES[:2]),
        log.said(NAMES[1], "x" * 40, time=2.0)[1:],
        log.answered(NAMES[1], tokens=30, time=2.0),
        log.ended(NAMES[1], time=2.0),
    )
    assert drawn(shown, 80, now=12.0) == [
        "╭────────────────────────────── market-analysis ──────────────────────────────╮",
        "│ 🔄 Market-Researcher              streaming    12 s       ~7 tokens         │",
        "│ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ │",
        "│ Words of Market-Researcher.                                                 │",
        "│                                                                             │",
        "│ ✅ Financial-Analyst                   done   2.0 s       30 tokens    30/s │",
        "│ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ │",
        "│ Words of Financial-Analyst.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx         │",
        "│                                                                             │",
        "│ ⏳ Technical-Analyst                waiting                                 │",
        "│ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ │",
        "│                                                                             │",
        "│ 3 agents: 1 streaming, 1 done, 1 waiting       12 s      ~37 tokens     3/s │",
        "╰─────────────────────────────────────────────────────────────────────────────╯",
    ]


def test_where_names_leave_no_room_the_figures_have_a_line() -> None:
    rows = drawn(board(at_work(*NAMES)), 50, 24)
    assert rows[1:4] == [
        "│ 🔄 Market-Researcher                          │",
        "│ streaming  3 s  ~7 tokens                     │",
        "│ Words of Market-Researcher.                   │",
    ]


def test_sections_share_the_height_and_show_the_end_of_the_text() -> None:
    long = "\n".join(f"line {number}" for number in range(100))
    shown = board(logs.joined(*([*log.begun(name), *log.said(name, long)] for name in NAMES)))
    rows = drawn(shown, 80, 24)
    assert len(rows) == 23
    assert [row.strip("│ ") for row in rows if "line" in row] == [
        *[f"line {number}" for number in range(96, 100)],
        *[f"line {number}" for number in range(96, 100)],
        *[f"line {number}" for number in range(97, 100)],
    ]


def test_what_one_section_does_not_need_the_others_get() -> None:
    long = "\n".join(f"line {number}" for number in range(100))
    shown = board(at_work(*NAMES[:2]), log.begun(NAMES[2]), log.said(NAMES[2], long))
    rows = drawn(shown, 80, 24)
    assert len(rows) == 23
    assert sum("line" in row for row in rows) == 9


def test_few_rows_have_no_empty_ones_among_them() -> None:
    rows = drawn(board(log.begun("ann"), log.said("ann", "a\n\nb\n\nc\n\nd\n\ne"), members=("ann",)), 40, 8)
    assert [row.strip("│ ") for row in rows[3:-1]] == ["c", "d", "e"]


def test_rules_and_gaps_go_before_words_do() -> None:
    shown = board(at_work("a", "b", "c", "d", "e"), members=("a", "b", "c", "d", "e"))
    assert sum("━" in row for row in drawn(shown, 80, 24)) == 5
    low = drawn(shown, 80, 14)
    assert not any("━" in row for row in low)
    assert [row.strip("│ ") for row in low if "Words" in row] == [f"Words of {name}." for name in "abcde"]


def test_tools_and_notes_stand_among_the_words() -> None:
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
        "🔄 ann          tool search     3 s       ~3 tokens",
        "━" * 65,
        "✓ ConnectionFailed: The connection broke. (healed)",
        "Hm.",
        "I look.",
        '◌ search(query="tides")  2 s  page 2',
        "✗ wind()  0.4 s  HTTP 500",
    ]


def test_what_was_said_in_another_step_stands_apart() -> None:
    spoken = [*log.said("ann", "One."), *log.asked("ann", step=2), *log.said("ann", "Two.", step=2)]
    rows = drawn(board(log.begun("ann"), spoken, members=("ann",)), 60, 24)
    assert [row.strip("│ ") for row in rows[3:-1]] == ["One.", "", "Two."]


def test_a_tool_that_was_stopped_says_so() -> None:
    shown = board(log.begun("ann"), log.tool_started("ann", "search"), log.cancelled("ann"), members=("ann",))
    assert drawn(shown)[3].strip("│ ") == "✗ search  stopped"


def test_an_error_is_told_in_full_but_not_without_end() -> None:
    shown = board(log.begun("ann"), log.failed("ann"), members=("ann",))
    assert drawn(shown)[3].strip("│ ") == "✗ Overloaded: No capacity. Try later."
    rows = drawn(shown, 26, 12)
    assert [row.strip("│ ") for row in rows[3:-1]] == ["✗ Overloaded: No", "capacity. Try later."]
    crowded = board(log.begun("a"), log.said("a", "Words."), log.failed("a"), at_work(*"bcde"), members=tuple("abcde"))
    assert [row.strip("│ ") for row in drawn(crowded, 40, 14) if "Over" in row] == [
        "✗ Overloaded: No capacity. Try lat…"
    ]


def test_the_workflows_own_error_is_told() -> None:
    rows = drawn(board(log.begun("ann"), log.failed(), members=("ann", "bob")))
    assert rows[-3].strip("│ ") == "✗ Overloaded: No capacity."
    assert "Overloaded" not in "".join(drawn(board(log.begun("ann"), log.ended("ann"), log.ended())))


def test_a_wait_is_counted_down() -> None:
    shown = board(log.begun("ann"), log.broke("ann", time=1.0, wait=30.0), members=("ann",))
    assert "retrying in 28 s" in drawn(shown, 80, now=3.0)[1]
    assert "retrying in" not in drawn(shown, 80, now=30.9)[1]
    assert "retrying" in drawn(shown, 80, now=30.9)[1]


def test_a_healed_agent_says_so_at_its_end() -> None:
    parts = [*log.begun("ann"), *log.broke("ann"), *log.tried_again("ann"), *log.said("ann", "x"), *log.ended("ann")]
    assert "done, healed" in drawn(board(parts, members=("ann",)), 80)[1]


def test_an_agents_words_cannot_steer_the_terminal() -> None:
    hostile = "a\x1b[2Jb\x1b]0;t\x07\rc\u202ed\x9b31m"
    shown = board(log.begun(hostile), log.said(hostile, hostile), members=(hostile,), title=hostile)
    for columns in (80, 20):
        for row in Layout(shown).rows(columns, 24, 3.0):
            rest = re.sub("\x1b\\[(?:[0-9]+m|[0-9]+G)", "", row)
            assert rest.isprintable()


# --- many agents


def crowd(count: int, working: int) -> tuple[Board, tuple[str, ...]]:
    names = tuple(f"agent-{number:03}" for number in range(count))
    return board(at_work(*names[:working]), members=names), names


def test_many_agents_have_a_line_each() -> None:
    shown, names = crowd(12, 11)
    rows = drawn(shown, 80, 24)
    assert rows[1].split() == ["│", "agent", "state", "time", "tokens", "tok/s", "│"]
    assert [row.split()[2] for row in rows[2:14]] == list(names)
    assert rows[2].strip("│ ") == "🔄 agent-000  streaming        3 s       ~5         Words of agent-000."
    assert rows[13].strip("│ ") == "⏳ agent-011  waiting"
    assert len(rows) == 16


def test_of_more_than_fit_the_active_are_seen_and_the_rest_is_counted() -> None:
    shown, names = crowd(200, 10)
    rows = drawn(shown, 80, 24)
    assert len(rows) == 23
    assert [row.split()[2] for row in rows[2:12]] == list(names[:10])
    assert rows[-3].strip("│ ") == "… and 182 more: 182 waiting"
    assert rows[-2].strip("│ ").startswith("200 agents: 10 streaming, 190 waiting")


def named(rows: list[str]) -> list[str]:
    return [found[0] for row in rows if (found := re.findall("agent-[0-9]+", row))]


def test_nobody_moves_who_need_not() -> None:
    shown, names = crowd(30, 20)
    layout = Layout(shown, color=False)
    first = named(layout.rows(80, 14, 3.0))
    assert first == list(names[:8])
    for event in [*log.ended(names[2]), *log.ended(names[5])]:
        shown.feed(event)
    second = named(layout.rows(80, 14, 3.0))
    assert [name for name in second if name in first] == [name for name in first if name not in (names[2], names[5])]
    assert (second[2], second[5]) == (names[8], names[9]) or (second[2], second[5]) == (names[9], names[8])
    assert named(layout.rows(80, 14, 4.0)) == second


def test_in_the_end_those_that_failed_are_seen_first() -> None:
    shown, names = crowd(30, 30)
    for name in names:
        for event in log.failed(name) if name in names[-3:] else log.ended(name):
            shown.feed(event)
    for event in log.ended(time=5.0):
        shown.feed(event)
    assert named(drawn(shown, 80, 14))[:3] == list(names[-3:])


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


def test_narrow_lines_keep_name_state_and_time() -> None:
    shown, _ = crowd(12, 12)
    assert drawn(shown, 40, 12)[2].split() == ["│", "🔄", "agent-000", "streaming", "3", "s", "│"]
    assert drawn(shown, 30, 12)[2].split() == ["│", "🔄", "agent-000", "streaming", "│"]


# --- every screen


PARTS = st.sampled_from(
    [
        lambda name: log.begun(name),
        lambda name: log.said(name, "Some words, **bold** and\n\n- a list\n- of 潮汐 ⚠️ e\u0301\t👨‍👩‍👧"),
        lambda name: log.said(name, "x" * 300),
        lambda name: log.thought(name, "Hm " * 20),
        lambda name: log.called(name, "search", query="潮" * 50),
        lambda name: log.tool_started(name, "search"),
        lambda name: log.tool_finished(name, "search", error="no\nway\x1b[2J"),
        lambda name: log.broke(name),
        lambda name: log.tried_again(name),
        lambda name: log.answered(name, tokens=123_456),
        lambda name: log.ended(name, time=4000.0),
        lambda name: log.failed(name),
        lambda name: log.cancelled(name),
    ]
)


@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 29), PARTS), max_size=40),
    st.integers(1, 200),
    st.integers(1, 60),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_rows_fit_the_screen_whatever_happens(
    count: int, happenings: list[tuple[int, object]], columns: int, lines: int, over: bool
) -> None:
    names = tuple(f"an agent with a name {'潮' * (number % 7)} {number}" for number in range(count))
    parts = [part(names[number]) for number, part in happenings if number < count]  # type: ignore[operator]
    shown = board(*parts, *([log.ended()] if over else []), members=names)
    layout = Layout(shown, color=False)
    for _ in range(2):  # the second time from what it remembers
        rows = layout.rows(columns, lines, 10.0)
        assert len(rows) <= max(lines - 1, 1)
        for row in rows:
            assert cells(log.plain(row)) <= max(columns - 1, 1)
            assert log.plain(row).isprintable()


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40), (40, 12), (200, 60)])
@pytest.mark.parametrize("count", [1, 3, 12, 200])
def test_a_frame_is_closed_on_every_row(columns: int, lines: int, count: int) -> None:
    shown, _ = crowd(count, count)
    rows = drawn(shown, columns, lines)
    assert {cells(row) for row in rows} == {columns - 1}
    assert [row[0] + row[-1] for row in rows] == ["╭╮", *["││"] * (len(rows) - 2), "╰╯"]


def test_the_smallest_screens_get_no_frame() -> None:
    shown, _ = crowd(3, 3)
    rows = drawn(shown, 20, 5)
    assert [row.split()[:2] for row in rows] == [["🔄", f"agent-00{number}"] for number in range(3)] + [
        ["3", "agents:"]
    ]
    assert [row.split()[0] for row in drawn(shown, 80, 2)] == ["3"]


def test_plain_signs_are_plain() -> None:
    shown = board(at_work(*NAMES), log.tool_started(NAMES[0], "search"), log.ended(NAMES[1]), log.failed(NAMES[2]))
    for columns in (80, 40, 20):
        assert "".join(drawn(shown, columns, signs=PLAIN_SIGNS)).isascii()


def test_without_color_nothing_is_styled() -> None:
    shown = board(at_work(*NAMES), log.failed(NAMES[2]))
    styled = "".join(Layout(shown).rows(80, 24, 3.0))
    assert re.findall("\x1b\\[[0-9;]+m", styled)
    assert not re.findall("\x1b\\[[0-9;]+m", "".join(Layout(shown, color=False).rows(80, 24, 3.0)))


# --- what it costs


def test_each_character_is_wrapped_once_however_long_the_text() -> None:
    shown = board(log.begun("ann"), log.said("ann", "word " * 10_000), members=("ann",))
    layout = Layout(shown)
    layout.rows(80, 24, 3.0)
    (wrapped, position), *_ = layout._sheets[shown.agents[0]].wrapped.values()
    taken: list[str] = []
    add = wrapped.add
    wrapped.add = lambda text: (taken.append(text), add(text))[1]  # type: ignore[method-assign, func-returns-value]
    shown.feed(log.said("ann", "and more")[1])
    layout.rows(80, 24, 3.0)
    assert position == 50_000
    assert taken == ["and more"]


def test_rows_of_agents_that_did_nothing_are_not_made_again() -> None:
    shown, names = crowd(12, 12)
    layout = Layout(shown)
    before = layout.rows(80, 24, 3.0)
    shown.feed(log.said(names[4], " more")[1])
    after = layout.rows(80, 24, 3.2)
    same = [one is other for one, other in zip(before, after, strict=True)]
    heads = [layout._sheets[view].head for view in shown.agents]
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 2  # its row, and the totals
    assert len(heads) == 12
    assert not all(same)


# --- the parts


@pytest.mark.parametrize(
    ("needs", "room", "given_"),
    [([5, 5, 5], 11, [4, 4, 3]), ([1, 9, 9], 11, [1, 5, 5]), ([2, 2], 10, [2, 2]), ([0, 4], 3, [0, 3]), ([], 3, [])],
)
def test_room_is_shared_evenly(needs: list[int], room: int, given_: list[int]) -> None:
    assert shares(needs, room) == given_


@pytest.mark.parametrize(
    ("duration", "exact", "told"),
    [
        (0.4, False, "0 s"),
        (12.9, False, "12 s"),
        (12.34, True, "12.3 s"),
        (125, True, "2:05"),
        (3725, False, "1:02:05"),
    ],
)
def test_clocks(duration: float, exact: bool, told: str) -> None:
    assert clock(duration, exact) == told


def test_the_tally_says_what_there_is() -> None:
    shown = board(at_work(*NAMES), log.tool_started(NAMES[0], "x"), log.ended(NAMES[1]))
    assert tally(shown.agents) == "1 streaming, 1 in tools, 1 done"
    assert tally(shown.agents, short=True) == "2 at work, 1 done"


def test_totals_say_less_before_they_are_cut() -> None:
    shown = board(at_work(*NAMES), log.tool_started(NAMES[0], "x"), log.ended(NAMES[1]), members=(*NAMES, "zoe"))
    told = {columns: drawn(shown, columns, 30)[-2].strip("│ ") for columns in (90, 64, 50, 40)}
    assert told == {
        90: "4 agents: 1 streaming, 1 in tools, 1 done, 1 waiting      3 s  ~21 tokens  7 tokens/s",
        64: "4 agents: 2 at work, 1 done, 1 waiting      3 s  ~21 tokens",
        50: "4 agents: 2 at work, 1 done, 1 waiting    3 s",
        40: "4 agents: 2 at work, 1 done, …  3 s",
    }

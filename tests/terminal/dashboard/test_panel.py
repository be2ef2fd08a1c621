"""How a board looks: rows for screens of every size."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import ApprovalAsked, Event, UsageReported, WorkflowShape
from headwater.events.messages import Usage
from headwater.terminal.dashboard.panel import Layout, shares
from headwater.terminal.dashboard.state import Board
from headwater.terminal.wrap import cells
from tests.support.effort import tries
from tests.terminal import crowds as log
from tests.terminal import logs
from tests.terminal.panels import NAMES, at_work, board, drawn


def test_each_agent_has_a_section_under_the_workflows_title() -> None:
    shown = board(
        at_work(*NAMES[:2]),
        log.said(NAMES[1], "x" * 40, time=2.0)[1:],
        log.answered(NAMES[1], tokens=30, time=2.0),
        log.ended(NAMES[1], time=2.0),
    )
    assert drawn(shown, 80, now=12.0) == [
        "╭────────────────────────────── Market Analysis ──────────────────────────────╮",
        "│ 🔄 Market-Researcher              streaming    12 s       ~7 tokens         │",
        "│ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ │",
        "│ Words of Market-Researcher.                                                 │",
        "│ ─────────────────────────────────────────────────────────────────────────── │",
        "│ ✅ Financial-Analyst                   done   2.0 s       30 tokens    30/s │",
        "│ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ │",
        "│ Words of Financial-Analyst.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx         │",
        "│ ─────────────────────────────────────────────────────────────────────────── │",
        "│ ⏳ Technical-Analyst                waiting                                 │",
        "│ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ │",
        "│ ─────────────────────────────────────────────────────────────────────────── │",
        "│ 3 agents: 1 streaming, 1 done, 1 waiting       12 s      ~37 tokens     3/s │",
        "╰─────────────────────────────────────────────────────────────────────────────╯",
    ]


def test_without_room_next_to_names_the_figures_have_a_line() -> None:
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
    assert len(rows) == 22
    assert [row.strip("│ ") for row in rows if "line" in row] == [
        *[f"line {number}" for number in range(96, 100)],
        *[f"line {number}" for number in range(97, 100)],
        *[f"line {number}" for number in range(97, 100)],
    ]


def test_what_one_section_does_not_need_the_others_get() -> None:
    long = "\n".join(f"line {number}" for number in range(100))
    shown = board(at_work(*NAMES[:2]), log.begun(NAMES[2]), log.said(NAMES[2], long))
    rows = drawn(shown, 80, 24)
    assert len(rows) == 22
    assert sum("line" in row for row in rows) == 8


def test_rules_and_gaps_go_before_words_do() -> None:
    shown = board(at_work("a", "b", "c", "d", "e"), members=("a", "b", "c", "d", "e"))
    assert sum("━" in row for row in drawn(shown, 80, 24)) == 5
    low = drawn(shown, 80, 14)
    assert not any("━" in row for row in low)
    assert [row.strip("│ ") for row in low if "Words" in row] == [f"Words of {name}." for name in "abcde"]


def test_the_workflows_own_error_is_shown() -> None:
    rows = drawn(board(log.begun("ann"), log.failed(), members=("ann", "bob")))
    assert rows[-3].strip("│ ") == "✗ Overloaded: No capacity."
    assert "Overloaded" not in "".join(drawn(board(log.begun("ann"), log.ended("ann"), log.ended())))


def test_an_agents_words_cannot_steer_the_terminal() -> None:
    hostile = "a\x1b[2Jb\x1b]0;t\x07\rc\u202ed\x9b31m"
    shown = board(log.begun(hostile), log.said(hostile, hostile), members=(hostile,), title=hostile)
    for columns in (80, 20):
        for row in Layout(shown).rows(columns, 24, 3.0):
            rest = re.sub("\x1b\\[(?:[0-9;]+m|[0-9]+G)", "", row)
            assert rest.isprintable()


# --- the tree


def tree() -> Board:
    shape = WorkflowShape(
        kind="graph", members=("plan", "ann", "inner"), edges=(("plan", "ann"), ("plan", "inner"), ("ann", "inner"))
    )
    inside = WorkflowShape(kind="sequential", members=("x", "y"))
    child, started, *_ = log.begun("inner", model="")
    made = Board("workflow")
    for event in [
        msgspec.structs.replace(log.opened()[0], workflow=shape),
        *at_work("plan", "ann"),
        child,
        msgspec.structs.replace(started, workflow=inside),
        *log.begun("inner", "x"),
    ]:
        made.feed(event)
    return made


def test_a_tree_is_indented_and_shows_what_each_waits_for() -> None:
    rows = [re.sub("(?<=\\S) +", " ", row.strip("│")[1:]).rstrip() for row in drawn(tree(), 70, 30)]
    assert [row for row in rows[1:-2] if "─" not in row and "━" not in row] == [
        "🔄 plan streaming 3 s ~4 tokens",
        "Words of plan.",
        "├ 🔄 ann streaming 3 s ~4 tokens",
        "│ Words of ann.",
        "└ inner sequential, 1 thinking, 1 waiting",
        "  ├ 💭 x thinking 3 s",
        "  └ ⏳ y waiting",
        "    waits for x",
    ]


def test_with_one_line_each_the_tree_is_shown_as_far_as_it_fits() -> None:
    shown = tree()
    assert [row.split("  ")[0] for row in (row.strip("│ ") for row in drawn(shown, 60, 10))][2:7] == [
        "🔄 plan",
        "├ 🔄 ann",
        "└ inner",
        "├ 💭 x",
        "└ ⏳ y",
    ]
    assert "waits for x" in drawn(shown, 60, 10)[6]
    low = "\n".join(drawn(shown, 60, 8))
    assert "├" not in low
    assert "inner/x" in low


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
    assert len(rows) == 22
    assert [row.split()[2] for row in rows[2:12]] == list(names[:10])
    assert rows[-3].strip("│ ") == "… and 183 more: 183 waiting"
    assert rows[-2].strip("│ ").startswith("200 agents: 10 streaming, 190 waiting")


def named(rows: list[str]) -> list[str]:
    return [found[0] for row in rows if (found := re.findall("agent-[0-9]+", row))]


def test_rows_move_only_if_necessary() -> None:
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


def test_who_waits_for_a_person_is_seen_first() -> None:
    shown, names = crowd(30, 30)
    layout = Layout(shown, color=False)
    assert named(layout.rows(80, 14, 3.0)) == list(names[:8])
    for name in names[-2:]:
        shown.feed(log.at(ApprovalAsked(approval="p", call="c", name="pay"), 2.0, name))
    rows = layout.rows(80, 14, 3.0)
    assert named(rows) == [*names[:6], names[-1], names[-2]]
    assert sum("needs you" in row for row in rows) == 2
    assert "2 waiting for you" in rows[-2]


def test_low_screens_have_no_air_and_others_do() -> None:
    shown = board(at_work(*NAMES))
    assert log.plain(Layout(shown).rows(80, 24, 3.0)[1]).strip("│ ") == ""
    assert log.plain(Layout(shown).rows(80, 15, 3.0)[1]).strip("│ ") != ""


@pytest.mark.parametrize("lines", range(1, 30))
def test_the_last_rows_leave_the_screen_its_title_and_the_prompt(lines: int) -> None:
    shown, _ = crowd(30, 30)
    last = Layout(shown).rows(80, lines, 3.0, last=True)
    assert len(last) <= max(lines - 1, 1)
    assert (last[-1] == "") == (lines > 2)


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
@settings(max_examples=tries(50, 200), deadline=None)
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


@given(
    st.lists(st.tuples(st.integers(0, 3), PARTS), max_size=30),
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(1, 200), st.integers(12, 60)), min_size=1, max_size=5),
)
@settings(max_examples=tries(15, 600), deadline=None)
def test_how_words_came_and_what_was_drawn_before_changes_nothing(
    happenings: list[tuple[int, object]], longest: int, screens: list[tuple[int, int]]
) -> None:
    """Where all have a row: on a lower screen it is remembered who had one."""
    names = ("ann", "bob", "cid", "dan")
    parts = [part(names[number]) for number, part in happenings]  # type: ignore[operator]
    whole = board(*parts, members=names)
    pieces = Board("market-analysis", names)
    layout = Layout(pieces)
    for number, event in enumerate([*log.opened(), *logs.joined(*parts)]):
        text = getattr(event, "text", "")
        for at in range(0, len(text), longest) or (0,):
            pieces.feed(msgspec.structs.replace(event, text=text[at : at + longest]) if text else event)
            layout.rows(*screens[number % len(screens)], 10.0)
    for columns, lines in screens:
        assert layout.rows(columns, lines, 10.0) == Layout(whole).rows(columns, lines, 10.0)


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


# --- what it costs


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


def test_totals_say_less_before_they_are_cut() -> None:
    shown = board(at_work(*NAMES), log.tool_started(NAMES[0], "x"), log.ended(NAMES[1]), members=(*NAMES, "zoe"))
    told = {columns: drawn(shown, columns, 30)[-2].strip("│ ") for columns in (90, 64, 50, 40)}
    assert told == {
        90: "4 agents: 1 streaming, 1 in tools, 1 done, 1 waiting      3 s  ~21 tokens  7 tokens/s",
        64: "4 agents: 2 at work, 1 done, 1 waiting      3 s  ~21 tokens",
        50: "4 agents: 2 at work, 1 done, 1 waiting    3 s",
        40: "4 agents: 2 at work, 1 done, …  3 s",
    }


def test_costs_have_a_column_where_one_is_known() -> None:
    def reported(name: str, dollars: str | None) -> list[Event]:
        usage = Usage(input_tokens=10, output_tokens=5, cost=None if dollars is None else Decimal(dollars))
        return [log.at(UsageReported(step=1, attempt=1, usage=usage), 2.0, name)]

    shown = board(at_work(*NAMES), reported(NAMES[0], "0.0123"), reported(NAMES[1], "0.2"), reported(NAMES[2], None))
    for lines in (24, 9):  # a section for each, and a line for each
        rows = drawn(shown, 110, lines)
        first, second, third = (next(row for row in rows if name in row) for name in NAMES)
        assert "$0.012" in first
        assert "$0.20" in second
        assert "$" not in third, "unknown is not 0"
        assert first.index("$0.012") + len("$0.012") == second.index("$0.20") + len("$0.20")
        assert any("3 agents" in row and "$0.21" in row for row in rows)
    assert not any("$" in row for row in drawn(board(at_work(*NAMES)), 110))

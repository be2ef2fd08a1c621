"""How it looks: as strings, and on the screen of a terminal emulator."""

from __future__ import annotations

import re

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import Event
from headwater.events.controls import harmless
from headwater.terminal.render import ASCII, UNICODE, Marks, Plain, Terminal, fit, seconds
from headwater.terminal.run_view import Ended, Noted, Running, RunView, Said, ToolEnded, Voice, Withdrawn
from tests.terminal import logs

HOSTILE = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\be\rf\x00g\x7fh\u202ei\u2066"


def written(
    events: list[Event], *, columns: int = 40, color: bool = False, marks: Marks = UNICODE, reasoning: bool = True
) -> str:
    renderer = Terminal(lambda: columns, color=color, marks=marks, reasoning=reasoning)
    view = RunView("writer")
    return "".join(renderer.render(item) for event in events for item in view.feed(event))


def screen(output: str, *, columns: int = 40, lines: int = 24) -> list[str]:
    """What a person sees of `output`: the rows, without the empty ones below."""
    display = pyte.Screen(columns, lines)
    stream = pyte.Stream(display)
    stream.feed(output.replace("\n", "\r\n"))  # as the terminal driver does
    rows = [row.rstrip() for row in display.display]
    while rows and not rows[-1]:
        rows.pop()
    return rows


HEADER = ["🤖 Agent: writer | Loops: 1", "━" * 40, ""]
TOOLS = logs.joined(
    logs.begin(),
    logs.text("Let me look."),
    logs.call("search", "c1", query="tides"),
    logs.call("weather", "c2", city="Brest"),
    logs.step_ended(),
    logs.tool_started("search", "c1"),
    logs.tool_started("weather", "c2"),
    logs.tool_progress("search", "c1", "page 2"),
)


def test_the_header_then_the_words_then_one_newline() -> None:
    log = logs.joined(logs.begin(), logs.text("Rivers ", "run."), logs.finished())
    assert written(log) == "🤖 Agent: writer | Loops: 1\n" + "━" * 40 + "\n\nRivers run.\n"


@pytest.mark.parametrize("text", ["Rivers.", "Rivers.\n"])
def test_the_last_newline_is_written_once(text: str) -> None:
    log = logs.joined(logs.begin(), logs.text(text), logs.finished())
    assert written(log).endswith("\n\nRivers.\n")


def test_an_answer_without_words_leaves_only_the_header() -> None:
    assert written(logs.joined(logs.begin(), logs.finished())) == "\n".join([*HEADER, ""])


def test_a_tool_turns_from_running_to_done_on_its_own_line() -> None:
    running = screen(written(TOOLS[:6]))
    assert running == [*HEADER, "Let me look.", "", "◌ search …"]
    both = screen(written(TOOLS))
    assert both == [*HEADER, "Let me look.", "", '◌ 2 running: search(query="tides"): p…']
    one_done = logs.joined(TOOLS, logs.tool_finished("weather", "c2", 0.05))
    assert screen(written(one_done))[5:] == [
        '✓ weather(city="Brest")  50 ms',
        '◌ search(query="tides"): page 2 …',
    ]
    all_done = logs.joined(one_done, logs.tool_finished("search", "c1", 1.2, "HTTP 500"))
    high = logs.text("High at six.", step=2, lead="\n\n")
    answer = logs.joined(all_done, logs.next_step()[1:], high, logs.finished(step=2))
    assert screen(written(answer)) == [
        *HEADER,
        "Let me look.",
        "",
        '✓ weather(city="Brest")  50 ms',
        '✗ search(query="tides")  1.2 s  HTTP 5…',
        "",
        "High at six.",
    ]


def test_what_a_program_prints_meanwhile_is_never_overwritten() -> None:
    renderer = Terminal(lambda: 40, color=False)
    output = renderer.render(Running(("search()",)))
    output += "printed by the tool\n"
    output += renderer.render(ToolEnded("search()", 0.2)) + renderer.render(Running()) + renderer.render(Ended())
    assert screen(output) == ["◌ search() … printed by the tool", "✓ search()  0.2 s"]


def test_a_line_to_be_rewritten_never_wraps() -> None:
    renderer = Terminal(lambda: 20, color=False)
    output = renderer.render(Running(("潮汐" * 20,))) + renderer.render(Running(("short",)))
    assert screen(output, columns=20) == ["◌ short …"]


def test_a_resize_is_seen_by_the_next_line() -> None:
    columns = 40
    renderer = Terminal(lambda: columns, color=False)
    renderer.render(Running(("x" * 60,)))
    columns = 10
    assert renderer.render(Running(("y" * 60,))) == "\r\x1b[K◌ yyyyy… "


def test_what_stays_under_way_is_not_written_again() -> None:
    renderer = Terminal(lambda: 40)
    assert renderer.render(Running(("search()",)))
    assert renderer.render(Running(("search()",))) == ""


def test_reasoning_is_dimmed_labelled_and_optional() -> None:
    log = logs.joined(logs.begin(), logs.reasoning("Hm, ", "yes."), logs.text("Rivers."), logs.finished())
    assert screen(written(log)) == [*HEADER, "Thinking: Hm, yes.", "", "Rivers."]
    assert "\x1b[2mThinking: Hm, \x1b[0m\x1b[2myes.\x1b[0m\n\nRivers.\n" in written(log, color=True)
    assert screen(written(log, reasoning=False)) == [*HEADER, "Rivers."]


def test_a_refusal_stands_apart() -> None:
    log = logs.joined(logs.begin(), logs.text("Well.\n\n"), logs.text("No.", part=1, kind="refusal"), logs.finished())
    assert screen(written(log)) == [*HEADER, "Well.", "", "Refused: No."]


def test_steps_are_parted_by_their_lead() -> None:
    log = logs.joined(logs.begin(), logs.text("one"), logs.next_step(), logs.text("two", step=2, lead="\n\n"))
    assert screen(written(log)) == [*HEADER, "one", "", "two"]


def test_a_withdrawal_is_said_where_it_happens() -> None:
    log = logs.joined(logs.begin(), logs.text("Riv"), logs.broken_off(3), logs.text("Rivers."), logs.finished())
    assert screen(written(log, columns=90), columns=90)[3:] == [
        "Riv",
        "",
        "· ConnectionFailed: The connection was reset. (starting this answer again in 1.2 s)",
        "↩ The last 3 characters above are withdrawn: ConnectionFailed",
        "",
        "Rivers.",
    ]


@pytest.mark.parametrize(
    ("end", "line"),
    [(logs.failed(), "✗ Overloaded: No capacity. Try later."), (logs.cancelled(), "· Cancelled")],
)
def test_a_bad_end_is_the_last_line(end: list[Event], line: str) -> None:
    output = written(logs.joined(TOOLS, end))
    assert output.endswith("\n")
    assert not output.endswith("\n\n")
    assert screen(output) == [*HEADER, "Let me look.", "", line]


def test_a_conversation_has_no_gap_before_the_next_answer() -> None:
    one = logs.joined(logs.begin(), logs.text("one"), logs.finished())
    two = logs.stamped(logs.joined(logs.begin(), logs.text("two", lead=""), logs.finished()), "r2")
    assert screen(written([*one, *two])) == [*HEADER, "one", "two"]


def test_without_color_no_style_is_set() -> None:
    done = logs.tool_finished("search", "c1")
    log = logs.joined(TOOLS, done, logs.next_step()[1:], logs.reasoning("Hm."), logs.failed())
    assert re.findall(r"\x1b\[[\d;]*m", written(log, color=True))
    assert set(re.findall(r"\x1b.[^a-zA-Z]*[a-zA-Z]", written(log))) == {"\x1b[K"}


def test_a_terminal_without_the_signs_gets_plain_ones() -> None:
    log = logs.joined(TOOLS, logs.tool_finished("weather", "c2"), logs.failed())
    assert written(log, marks=ASCII).isascii()
    assert screen(written(log, marks=ASCII))[:2] == ["Agent: writer | Loops: 1", "-" * 40]


# --- what a model's words may not do


@given(st.text(max_size=60), st.data())
@settings(max_examples=200, deadline=None)
def test_no_text_steers_the_terminal_however_it_is_cut(text: str, data: st.DataObject) -> None:
    text = HOSTILE + text
    cut = data.draw(st.integers(0, len(text)))
    assert harmless(text[:cut]) + harmless(text[cut:]) == harmless(text)
    renderer = Terminal(lambda: 80, color=False)
    output = "".join(renderer.render(Said(piece)) for piece in (text[:cut], text[cut:]))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", output)


@pytest.mark.parametrize(
    "item", [Running((HOSTILE,)), ToolEnded(HOSTILE, 1.0, HOSTILE), Noted(HOSTILE), Withdrawn(1, HOSTILE)]
)
def test_no_name_argument_or_message_steers_it_either(item: Running | ToolEnded | Noted | Withdrawn) -> None:
    output = Terminal(lambda: 200, color=False).render(item)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", output)


VOICES: list[Voice] = ["answer", "refusal", "reasoning"]
ITEMS = st.one_of(
    st.builds(Said, st.text("ab\n潮", max_size=5), st.sampled_from(VOICES), st.sampled_from(["", "\n\n"])),
    st.builds(Running, st.lists(st.text("ab潮 ", max_size=30), max_size=3).map(tuple)),
    st.builds(ToolEnded, st.text("ab潮", max_size=30), st.floats(0, 1000)),
    st.builds(Noted, st.text("ab潮", max_size=60)),
    st.builds(Withdrawn, st.integers(0, 99)),
)


@given(st.lists(ITEMS, max_size=20))
@settings(max_examples=150, deadline=None)
def test_every_order_of_things_keeps_all_words_and_ends_on_a_fresh_line(
    items: list[Said | Running | ToolEnded | Noted | Withdrawn],
) -> None:
    renderer = Terminal(lambda: 30, color=False)
    output = "".join(map(renderer.render, [*items, Ended()]))
    left = re.sub(r"[^\n]*\r\x1b\[K", "", output)  # without the lines that were rewritten
    assert "\x1b" not in left
    assert not left or left.endswith("\n")
    rest = iter(left)
    words = "".join(item.text for item in items if isinstance(item, Said))
    assert all(character in rest for character in words), "words are lost or out of order"


# --- plain


def plain(events: list[Event], *, live: bool = True, screen: bool = False) -> str:
    renderer, view = Plain(screen=screen), RunView("writer", live=live)
    return "".join(renderer.render(item) for event in events for item in view.feed(event))


def test_plain_is_the_answer_and_one_newline() -> None:
    tools = logs.joined(TOOLS, logs.tool_finished("weather", "c2"), logs.next_step()[1:], logs.reasoning("Hm."))
    log = logs.joined(tools, logs.text("High at six.", step=2, lead="\n\n"), logs.finished(step=2))
    assert plain(log) == "Let me look.\n\nHigh at six.\n"


def test_plain_whole_is_the_last_answer() -> None:
    tools = logs.joined(TOOLS, logs.tool_finished("weather", "c2"), logs.next_step()[1:])
    log = logs.joined(tools, logs.text("High at six.\n", step=2, lead="\n\n"), logs.finished(step=2))
    assert plain(log, live=False) == "High at six.\n"


def test_plain_without_words_is_nothing() -> None:
    assert plain(logs.joined(logs.begin(), logs.finished())) == ""


def test_plain_never_joins_two_attempts() -> None:
    log = logs.joined(logs.begin(), logs.text("Riv"), logs.broken_off(3), logs.text("Rivers."), logs.finished())
    assert plain(log) == "Riv\n[The last 3 characters above are withdrawn: ConnectionFailed]\nRivers.\n"


def test_plain_shows_a_refusal_on_a_line_of_its_own() -> None:
    log = logs.joined(logs.begin(), logs.text("Well."), logs.text("No.", part=1, kind="refusal"), logs.finished())
    assert plain(log) == "Well.\nNo.\n"


def test_a_pipe_gets_the_very_text_and_a_dumb_screen_a_harmless_one() -> None:
    log = logs.joined(logs.begin(), logs.text(HOSTILE), logs.finished())
    assert plain(log) == HOSTILE + "\n"
    assert plain(log, screen=True) == harmless(HOSTILE) + "\n"


# --- widths and durations


@pytest.mark.parametrize(
    ("line", "cells", "shown"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("潮汐潮汐", 8, "潮汐潮汐"),
        ("潮汐潮汐", 7, "潮汐潮…"),
        ("é́x", 2, "é́x"),
        ("anything", 1, "…"),
        ("anything", 0, ""),
        ("anything", -1, ""),
    ],
)
def test_fit(line: str, cells: int, shown: str) -> None:
    assert fit(line, cells) == shown


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (0.0, "0 ms"),
        (0.0123, "12 ms"),
        (0.0999, "0.1 s"),
        (0.44, "0.4 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min 0 s"),
        (65.2, "1 min 5 s"),
    ],
)
def test_seconds(duration: float, words: str) -> None:
    assert seconds(duration) == words

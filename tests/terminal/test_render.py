"""An answer as plain text, and widths and durations in words."""

from __future__ import annotations

import pytest

from headwater.events import Event
from headwater.events.controls import harmless
from headwater.terminal.render import Plain, fit, seconds
from headwater.terminal.run_view import RunView
from tests.terminal import logs

HOSTILE = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\be\rf\x00g\x7fh\u202ei\u2066"


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


def test_plain_of_an_answer_that_is_gone_on_with_begins_with_words() -> None:
    past = logs.joined(TOOLS, logs.tool_finished("weather", "c2"), logs.next_step()[1:])
    renderer, view = Plain(), RunView("writer", past=past)
    rest = logs.joined(logs.text("High at", step=2, lead="\n\n"), logs.text(" six.", step=2, part=1, lead="\n\n"))
    told = "".join(renderer.render(item) for event in rest for item in view.feed(event))
    assert told == "High at\n\n six."


def test_plain_without_words_is_nothing() -> None:
    assert plain(logs.joined(logs.begin(), logs.finished())) == ""


def test_plain_never_joins_two_attempts() -> None:
    log = logs.joined(logs.begin(), logs.text("Riv"), logs.broken_off(3), logs.text("Rivers."), logs.finished())
    assert plain(log) == "Riv\n[The last 3 characters above are retracted: ConnectionFailed]\nRivers.\n"


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


def test_seconds_in_tenths() -> None:
    assert [seconds(duration, tenths=True) for duration in (0.0, 0.04, 1.26, 65.0)] == [
        *("0.0 s", "0.0 s", "1.3 s", "1 min 5 s")
    ]

"""Progress in plain lines: each says whose it is, and nothing is said twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import Event, Retracted
from headwater.terminal.dashboard.state import Board
from headwater.terminal.progress_printer import CHARACTERS_A_LINE, Progress
from headwater.terminal.render import ASCII, UNICODE
from tests.support.effort import tries
from tests.terminal import crowds as log
from tests.terminal import logs

BEGUN = ["workflow: 2 agents", "ann: started"]


def told(*parts: list[Event], members: tuple[str, ...] = ("ann", "bob"), plain: bool = False) -> list[str]:
    progress = Progress(Board("workflow", members), ASCII if plain else UNICODE)
    return "".join(progress.feed(event) for event in [*log.opened(), *logs.joined(*parts)]).splitlines()


def test_the_start_is_printed_at_once() -> None:
    assert told() == ["workflow: 2 agents"]
    assert told(log.begun("ann")) == BEGUN
    assert told(members=("ann",)) == []


def test_text_is_printed_line_by_line_under_a_name() -> None:
    lines = told(
        log.begun("ann"), log.begun("bob"), log.said("ann", "One ", "line.\nAnd"), log.said("bob", "Two\n\nthree\n")
    )
    assert lines[3:] == ["ann | One line.", "bob | Two", "bob | three"]


def test_a_long_line_comes_in_pieces_between_words() -> None:
    lines = told(log.begun("ann"), log.said("ann", *["word "] * 50))
    assert lines[2:] == [f"ann | {' '.join(['word'] * 20)}"] * 2
    unbroken = told(log.begun("ann"), log.said("ann", "x" * (CHARACTERS_A_LINE + 1)))
    assert unbroken[2:] == [f"ann | {'x' * CHARACTERS_A_LINE}"]


def test_the_rest_of_a_line_comes_with_the_end_of_its_step() -> None:
    lines = told(
        log.begun("ann"),
        log.said("ann", "One two"),
        log.answered("ann", tokens=2),
        log.ended("ann"),
        log.ended(time=2.5),
    )
    assert lines[2:] == ["ann | One two", "ann: done, 2.0 s, 2 tokens", "workflow: done, 2.5 s, 2 tokens"]


def test_an_estimate_says_that_it_is_one() -> None:
    lines = told(log.begun("ann"), log.said("ann", "12345678"), log.ended("ann"), members=("ann",))
    assert lines[-1] == "ann: done, 2.0 s, ~2 tokens"


def test_an_agent_without_text_says_so() -> None:
    assert told(log.begun("ann"), log.ended("ann"))[2:] == ["ann: done, 2.0 s"]


@pytest.mark.parametrize(("plain", "marks"), [(False, "◌✓✗"), (True, "*+x")])
def test_tools_start_and_end_on_separate_lines(plain: bool, marks: str) -> None:
    lines = told(
        log.begun("ann"),
        log.said("ann", "I look."),
        log.called("ann", "search", query="tides"),
        log.tool_started("ann", "search"),
        log.tool_progress("ann", "search", "page 2"),
        log.tool_finished("ann", "search"),
        log.tool_started("ann", "wind", "c2"),
        log.tool_finished("ann", "wind", "c2", error="HTTP 500"),
        plain=plain,
    )
    running, done, failed = tuple(marks)
    assert lines[2:] == [
        "ann | I look.",
        f'ann: {running} search(query="tides")',
        f'ann: {done} search(query="tides") 0.4 s',
        f"ann: {running} wind",
        f"ann: {failed} wind 0.4 s HTTP 500",
    ]


def test_a_dropped_connection_and_its_recovery_are_printed() -> None:
    lines = told(log.begun("ann"), log.broke("ann"), log.tried_again("ann"), log.said("ann", "Yes.\n"))
    assert lines[2:] == [
        "ann: · ConnectionFailed: The connection broke (trying again in 2.0 s)",
        "ann: ✓ healed, goes on",
        "ann | Yes.",
    ]


def test_unprinted_text_is_retracted_silently() -> None:
    retracted = log.at(Retracted(step=1, attempt=1, chars=4), 1.0, "ann")
    lines = told(log.begun("ann"), log.said("ann", "Half"), [retracted], log.said("ann", "Whole.\n"))
    assert lines[2:] == ["ann: · 4 characters are retracted", "ann | Whole."]


@pytest.mark.parametrize(
    ("end", "line"),
    [
        (log.failed("ann"), ["ann: ✗ Overloaded: No capacity. Try later.", "ann: failed, 2.0 s"]),
        (log.cancelled("ann"), ["ann: cancelled, 2.0 s"]),
    ],
)
def test_bad_ends_say_why(end: list[Event], line: list[str]) -> None:
    assert told(log.begun("ann"), end)[2:] == line


def test_the_workflow_says_what_no_agent_did() -> None:
    lines = told(log.begun("ann"), log.failed())
    assert lines[2:] == ["workflow: ✗ Overloaded: No capacity.", "workflow: failed, 2.0 s"]
    own = told(log.begun("ann"), log.failed("ann"), log.failed())
    assert own[-1] == "workflow: failed, 2.0 s"
    assert told(log.begun("ann"), log.cancelled())[-1] == "workflow: cancelled, 2.0 s"


def test_rounds_are_printed() -> None:
    again = [event for event in log.begun("ann", time=5.0) if type(event).__name__ == "RunStarted"]
    lines = told(log.begun("ann"), log.ended("ann"), again)
    assert lines[-1] == "ann: started, round 2"


@given(st.lists(st.text(max_size=30), max_size=20))
@settings(max_examples=tries(25, 100), deadline=None)
def test_every_line_names_its_agent_and_none_has_control_characters(pieces: list[str]) -> None:
    spoken = log.said("ann", *(piece for piece in pieces if piece))
    for line in "".join(
        map(Progress(Board("workflow", ["ann", "bob"]), UNICODE).feed, [*log.opened(), *log.begun("ann"), *spoken])
    ).split("\n")[1:-1]:
        assert line.startswith(("ann | ", "ann: "))
        assert "\x1b" not in line


def test_a_long_piece_is_as_many_lines_as_it_needs() -> None:
    from headwater.terminal.progress_printer import CHARACTERS_A_LINE, _broken

    words = "word " * 1000
    *lines, rest = _broken(words)
    assert "".join([*lines, rest]) == words
    assert all(0 < len(line) <= CHARACTERS_A_LINE for line in lines)
    assert len(rest) <= CHARACTERS_A_LINE
    assert _broken("x" * (CHARACTERS_A_LINE + 1)) == ["x" * CHARACTERS_A_LINE, "x"]
    assert _broken("") == [""]

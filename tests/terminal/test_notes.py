"""The words of every note, and of a call."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from headwater.events import AttemptFailed, ErrorInfo, FileMade, Handoff, RunFailed, Warned
from headwater.events.messages import Image, Text
from headwater.terminal import notes
from headwater.terminal.notes import brief, call_phrase
from tests.support.values import any_json


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("short", '"short"'),
        ("x" * 60, f'"{"x" * 39}…"'),
        (3, "3"),
        (2.5, "2.5"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        ([1, 2], "[…]"),
        ([], "[]"),
        ({"a": 1}, "{…}"),
        ({}, "{}"),
    ],
)
def test_values_are_shortened(value: Any, words: str) -> None:
    assert brief(value) == words


def test_phrases() -> None:
    assert call_phrase("search", {"query": "tides", "limit": 3}) == 'search(query="tides", limit=3)'
    assert call_phrase("shell", "ls -l") == 'shell("ls -l")'
    assert brief({"page": 2, "of": 10}, bare=True) == "page 2, of 10"
    assert brief("page 2", bare=True) == "page 2"


def broke(then: Any, wait: float = 0.0) -> str:
    error = ErrorInfo(type="ServerError", message="No.")
    return notes.attempt_failed(AttemptFailed(step=1, attempt=1, error=error, then=then, wait=wait))


def test_the_next_attempt_is_shown_after_a_broken_one() -> None:
    assert broke("retry", 1.23) == "ServerError: No (trying again in 1.2 s)"
    assert broke("restart", 0.01) == "ServerError: No (starting this answer again)"
    assert broke("fallback") == "ServerError: No (asking another model)"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (notes.failed(RunFailed(error=ErrorInfo(type="Overloaded", message="Busy."))), "Overloaded: Busy."),
        (
            notes.failed(RunFailed(error=ErrorInfo(type="Overloaded", message="Busy.", hint="Wait."))),
            "Overloaded: Busy. Wait.",
        ),
        (notes.warned(Warned(code="x", message="Old model.")), "Old model."),
        (notes.cancelled("caller"), "Cancelled"),
        (notes.cancelled("parent"), "Cancelled with the run it belongs to"),
        (notes.handed_over(Handoff(to="eve")), "Handed to eve"),
        (notes.handed_over(Handoff(to="eve", note="billing")), "Handed to eve: billing"),
        (notes.file_made(FileMade(step=1, url="https://example.org/a")), "https://example.org/a (unknown type)"),
        (notes.tried("search()", 1), "search()"),
        (notes.tried("search()", 3), "search() (try 3)"),
        (notes.run_by("search()", "client"), "search(), run by the client"),
    ],
)
def test_notes_in_words(said: str, told: str) -> None:
    assert said.removeprefix("A file was made: ") == told


def test_the_panel_says_the_same_in_fewer_words() -> None:
    assert set(notes.CUT_SHORT) < set(notes.CUT_SHORT_IN_PANEL)
    for reason, told in notes.CUT_SHORT.items():
        assert len(notes.CUT_SHORT_IN_PANEL[reason]) < len(told)


@given(any_json())
def test_any_value_can_be_shortened(value: Any) -> None:
    assert len(brief(value)) <= max(notes.PHRASE_VALUE + 2, len(str(value)))
    assert call_phrase("f", {"a": value}) == f"f(a={brief(value)})"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ErrorInfo(type="RateLimited", message="x", status=429), "429"),
        (ErrorInfo(type="IncompleteStream", message="x"), "connection lost"),
        (ErrorInfo(type="SomethingElse", message="x"), "SomethingElse"),
    ],
)
def test_why_a_retry_in_the_fewest_words(error: ErrorInfo, words: str) -> None:
    assert notes.retry_reason(error) == words


def test_a_result_as_text() -> None:
    assert notes.result_text("4 °C") == "4 °C"
    assert notes.result_text((Text(text="a chart"), Image(url="https://a.b/c.png"))) == "a chart\n[image]"

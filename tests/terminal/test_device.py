"""What a file can do, asked of real ones."""

from __future__ import annotations

import io
import os
import sys

import pytest

from headwater.terminal.device import (
    can_say,
    is_screen,
    knows_many_colors,
    put,
    size_of,
    takes_escape_codes,
    wants_color,
)
from tests.terminal import crowds

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")


@posix
def test_a_terminal_is_a_screen_with_a_size() -> None:
    with crowds.terminal(50, 11) as (file, _):
        assert is_screen(file)
        assert size_of(file) == (50, 11)


def test_other_files_are_not_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    assert not is_screen(None)
    assert not is_screen(closed)
    assert not is_screen(object())  # type: ignore[arg-type]  # less than a file, as programs do
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    assert size_of(io.StringIO()) == (80, 24)
    monkeypatch.setenv("COLUMNS", "33")
    monkeypatch.setenv("LINES", "many")
    assert size_of(io.StringIO()) == (33, 24)


@pytest.mark.skipif(os.name == "nt", reason="the console names itself otherwise there")
@pytest.mark.parametrize(("term", "able"), [("xterm-256color", True), ("dumb", False), ("unknown", False), ("", False)])
def test_which_terminals_understand_escape_codes(term: str, able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    assert takes_escape_codes() is able


@pytest.mark.parametrize(
    ("variables", "many"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, True),
        ({"TERM": "xterm", "WT_SESSION": "x"}, True),
        ({"TERM": "xterm"}, False),
        ({"TERM": "linux"}, False),
        ({}, False),
    ],
)
def test_which_terminals_have_many_colors(
    variables: dict[str, str], many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "COLORTERM", "WT_SESSION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert knows_many_colors() is many


def test_color_is_wanted_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert wants_color()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color()


def test_what_an_encoding_cannot_say_is_replaced() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="latin-1")
    assert can_say("é", file)
    assert not can_say("潮", file)
    put(file, "é潮\n")
    assert raw.getvalue() == "é?\n".encode("latin-1")

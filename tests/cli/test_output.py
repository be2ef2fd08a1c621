"""Standard output whose reader may leave, and what is told beside it."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

import pytest

from headwater.cli.output import JSONLines, Outlet, OutputFailed, Printer, columns, is_terminal, takes_color, tell
from headwater.errors import InvalidRecord
from headwater.events import Custom, Event, RunFailed
from headwater.events.codec import decode
from tests.terminal import logs


class Full(io.StringIO):
    """A file that takes nothing."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    @property
    def buffer(self) -> Any:
        return self

    def write(self, text: object, /) -> int:
        raise OSError(self.number, os.strerror(self.number))


def test_it_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    out = Outlet()
    assert out.write("high ") == 5
    out.write("water\n")
    out.flush()
    out.check()
    assert (out.encoding.lower(), out.isatty()) == ("utf-8", False)
    assert capsys.readouterr().out == "high water\n"


@pytest.mark.parametrize(("number", "kind"), [(errno.EPIPE, BrokenPipeError), (errno.ENOSPC, OutputFailed)])
@pytest.mark.parametrize("way", ["write", "write_line"])
def test_an_output_error_is_reported_once_and_raised_on_request(
    number: int, kind: type[Exception], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Full(number))
    out = Outlet()
    told: list[str] = []
    out.on_problem = lambda: told.append("once")
    for _ in range(3):
        out.write("x") if way == "write" else out.write_line(b"x")
        out.flush()
    assert told == ["once"]
    with pytest.raises(kind):
        out.check()


def test_a_message_is_one_safe_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell("first\nsecond \x1b[2J")
    assert capsys.readouterr().err == "headwater: first second ␛[2J\n"


def test_nothing_is_written_to_a_closed_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full(errno.EPIPE))
    tell("hello")


def test_a_note_on_a_terminal_is_remembered_and_one_in_a_file_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for shown in (False, True):
        file = io.StringIO()
        monkeypatch.setattr(file, "isatty", lambda shown=shown: shown)
        monkeypatch.setattr(sys, "stderr", file)
        out = Outlet()
        assert not out.noted
        out.note("no key")
        assert file.getvalue() == "headwater: no key\n"
        assert out.noted is shown


def show(events: list[Event]) -> None:
    out = Outlet()
    printer = Printer("writer", out)
    for event in events:
        printer(event)
    printer.close()


def test_a_printer_leaves_the_failure_to_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    show(logs.joined(logs.begin(), logs.text("High "), logs.failed("No capacity.")))
    assert capsys.readouterr() == ("High \n", "")


def test_a_printer_continues_after_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    failed = logs.stamped(logs.failed(), "r1")
    assert isinstance(failed[0], RunFailed)
    again = logs.stamped(logs.joined(logs.begin(), logs.text("tide."), logs.finished()), "r2")
    show(logs.joined(logs.begin(), logs.text("High"), failed, again))
    assert capsys.readouterr().out == "High\ntide.\n"


def test_json_lines_are_the_log(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    events = logs.joined(logs.begin(), logs.text("潮", "\n"), logs.finished())
    out = Outlet()
    lines = JSONLines(out)
    for event in events:
        lines(event)
    lines.close()
    assert [decode(line) for line in capfdbinary.readouterr().out.splitlines()] == events


def test_a_log_never_has_a_hole(capsys: pytest.CaptureFixture[str]) -> None:
    out = Outlet()
    lines = JSONLines(out)
    lines(Custom(name="odd", data=object()))
    lines(Custom(name="fine"))
    assert capsys.readouterr().out == ""
    with pytest.raises(InvalidRecord):
        out.check()


def test_rows_stand_in_columns_without_control_characters() -> None:
    assert [*columns([("RUN", "TASK"), ("run_1", "two\nlines"), ("r\x1b[2J", "")])] == [
        "RUN    TASK",
        "run_1  two lines",
        "r␛[2J",
    ]


def test_a_closed_stream_is_not_a_terminal() -> None:
    file = io.StringIO()
    file.close()
    assert not is_terminal(file)
    assert not is_terminal(None)


def test_no_color_on_a_pipe(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert not takes_color()

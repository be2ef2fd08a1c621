"""The line printer on real files: pipes, pseudo-terminals, closed and broken ones."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

import pytest

from headwater.events import Event
from headwater.terminal.line_printer import LinePrinter
from tests.support.paths import ROOT
from tests.terminal import logs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

ANSWER = logs.joined(logs.begin(), logs.text("Rivers ", "run."), logs.finished())
TOOL = logs.joined(logs.begin(), logs.call("search", "c1"), logs.tool_started("search", "c1"))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def terminal(*, columns: int = 40, encoding: str = "utf-8") -> Iterator[tuple[TextIO, int]]:
    """A file that is a terminal, and the descriptor from which to read what a person would see."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w", encoding=encoding) as file:
        yield file, ours
    os.close(ours)


def show(events: list[Event], file: TextIO, *, live: bool = True) -> None:
    printer = LinePrinter("writer", file=file, live=live)
    for event in events:
        printer(event)
    printer.close()


def seen(file: TextIO, ours: int) -> str:
    """All that was written to the terminal. It is closed first, so that the driver hands out all it has."""
    file.close()
    output = b""
    with suppress(OSError):  # how Linux says that the other side is closed
        while piece := os.read(ours, 65536):
            output += piece
    return output.decode().replace("\r\n", "\n")


def test_a_pipe_gets_plain_text_as_it_is_generated() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        printer = LinePrinter("writer", file=file)
        for event in ANSWER[:4]:
            printer(event)
        assert os.read(reading, 100) == b"Rivers "
        for event in ANSWER[4:]:
            printer(event)
        printer.close()
        assert os.read(reading, 100) == b"run.\n"
    os.close(reading)


@pytest.mark.parametrize("live", [True, False])
def test_closing_twice_or_in_the_middle_ends_the_line_once(live: bool) -> None:
    file = io.StringIO()
    show(ANSWER, file, live=live)
    assert file.getvalue() == "Rivers run.\n"
    cut = io.StringIO()
    printer = LinePrinter("writer", file=cut)
    for event in ANSWER[:4]:
        printer(event)
    printer.close()
    printer.close()
    assert cut.getvalue() == "Rivers \n"


def test_standard_output_is_the_file_unless_one_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    printer = LinePrinter("writer")
    for event in ANSWER:
        printer(event)
    assert capsys.readouterr().out == "Rivers run.\n"


def test_without_standard_output_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    printer = LinePrinter("writer")
    for event in ANSWER:
        printer(event)
    printer.close()


def test_a_terminal_gets_a_header_of_its_width() -> None:
    with terminal(columns=33) as (file, ours):
        show(ANSWER, file)
        bold, dim, off = "\x1b[1m", "\x1b[2m", "\x1b[0m"
        output = re.sub(r"\x1b\[[^m]*?[A-Zhl]", "", seen(file, ours))
        header = f"{bold}🤖 Agent: writer | Loops: 1{off}\n{dim}{'━' * 33}{off}\n"
        assert header in output
        assert f"Rivers run.\n\n{dim}stop" in output


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with terminal() as (file, ours):
        show(logs.joined(logs.begin(), logs.text("`Rivers` run."), logs.finished("length")), file)
        codes = re.findall(r"\x1b\[([\d;]*)m", seen(file, ours))
        assert {"1", "2"} <= {code for found in codes for code in found.split(";")} <= {"", "0", "1", "2"}


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_dumb_terminal_gets_plain_harmless_text(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    with terminal() as (file, ours):
        show(logs.joined(TOOL, logs.text("a\x1b[2Jb"), logs.finished()), file)
        assert seen(file, ours) == "a␛[2Jb\n"


def test_a_terminal_that_tells_no_width_is_asked_for_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(columns=0) as (file, ours):
        show(ANSWER[:1], file)
        monkeypatch.setenv("COLUMNS", "25")
        show(ANSWER[:1], file)
        rules = [line.count("━") for line in seen(file, ours).splitlines() if "━" in line]
    assert rules == [80, 25]


def test_what_an_encoding_cannot_say_is_replaced() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="latin-1") as file:
        show(logs.joined(logs.begin(), logs.text("café ", "潮 ", "\ud800."), logs.finished()), file)
    assert os.read(reading, 100) == "café ? ?.\n".encode("latin-1")
    os.close(reading)


def test_a_terminal_without_the_signs_gets_plain_ones() -> None:
    with terminal(encoding="ascii") as (file, ours):
        show(logs.joined(TOOL, logs.tool_finished("search", "c1"), logs.finished()), file)
        output = seen(file, ours)
    assert output.isascii()
    assert "Agent: writer | Loops: 1" in output
    assert "* \x1b[0msearch()\n" in output


class Refusing(io.StringIO):
    """A file of someone's own that fails."""

    def write(self, text: str, /) -> int:
        raise RuntimeError("no")


@pytest.mark.parametrize("kind", ["closed", "refusing"])
def test_a_file_that_fails_is_reported_once_and_ends_nothing(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    file: TextIO = Refusing()
    if kind == "closed":
        file = io.StringIO()
        file.close()
    with caplog.at_level(logging.WARNING, logger="headwater"):
        show(ANSWER, file)
    assert len(caplog.records) == 1
    assert caplog.records[0].message.startswith("The run is no longer shown: ")


def test_a_bare_file_of_someones_own_will_do() -> None:
    class Bare:
        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None:
            pass

    file = Bare()
    show(ANSWER, file)  # type: ignore[arg-type]  # less than a TextIO, as programs do
    assert file.text == "Rivers run.\n"


READER_GONE = """
import os, sys
from headwater.terminal.line_printer import LinePrinter
from tests.terminal import logs

reading, writing = os.pipe()
os.dup2(writing, 1)
os.close(writing)
os.close(reading)
printer = LinePrinter("writer")
for event in logs.joined(logs.begin(), logs.text(*["word "] * 5000), logs.finished()):
    printer(event)
printer.close()
print("went on", file=sys.stderr)
if sys.argv[1] == "print":
    print("mine", flush=True)
"""


def gone(what: str) -> subprocess.CompletedProcess[str]:
    root = str(ROOT)
    command = [sys.executable, "-c", READER_GONE, what]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)


def test_a_closed_pipe_ends_only_the_output() -> None:
    process = gone("nothing")
    assert (process.returncode, process.stderr) == (0, "went on\n")


def test_a_programs_own_print_still_meets_the_broken_pipe() -> None:
    process = gone("print")
    assert process.returncode != 0
    assert "BrokenPipeError" in process.stderr


def test_a_full_pipe_that_does_not_block_loses_only_the_showing() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    file = os.fdopen(writing, "w")
    show(logs.joined(logs.begin(), logs.text("x" * 300_000, "y"), logs.finished()), file)
    os.set_blocking(reading, False)
    assert os.read(reading, 1_000_000).startswith(b"xxx")
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        file.close()

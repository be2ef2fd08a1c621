"""Rows redrawn in place, and what the program prints above them, on an emulated terminal."""

from __future__ import annotations

import inspect
import io
import logging
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TextIO, TypeAlias

import pytest

from headwater.terminal.redraw import Screen
from tests.terminal import crowds

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

ROWS = ["╭───╮", "│ a │", "│ b │", "╰───╯"]


class Panel:
    """A screen on a terminal of its own, with the standard streams that lead there."""

    def __init__(self, file: TextIO, watched: crowds.Watched) -> None:
        self.file = file
        self.watched = watched
        self.woken = 0
        self.screen = Screen(file, self.wake)

    def wake(self) -> None:
        self.woken += 1

    def show(self, rows: list[str]) -> list[str]:
        shown = self.watched.screen
        self.screen.show(rows, shown.columns, shown.lines)
        return self.look()

    def look(self) -> list[str]:
        return self.watched.look()

    def resize(self, columns: int, lines: int) -> None:
        crowds.resize(self.file.fileno(), columns, lines)
        self.watched.resize(columns, lines)


@contextmanager
def panel(columns: int = 20, lines: int = 10) -> Iterator[Panel]:
    with crowds.terminal(columns, lines) as (file, watched):
        shown = Panel(file, watched)
        before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = file
        try:
            assert shown.screen.open()
            yield shown
            shown.screen.close()
            assert sys.stdout is file
            assert sys.stderr is file
        finally:
            shown.screen.close()
            sys.stdout, sys.stderr = before


Test: TypeAlias = Callable[..., None]


def on_a_terminal(test: Test) -> Test:
    """Carry out a test with a panel open. No fixture: pytest puts its own streams in place after those."""

    @wraps(test)
    def carried_out(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
        monkeypatch.setenv("TERM", "linux")  # which, like the emulator here, does not break rows anew
        with panel() as shown:
            test(shown, **values)

    names = inspect.signature(test).parameters
    wanted = [inspect.Parameter("monkeypatch", inspect.Parameter.KEYWORD_ONLY)]
    wanted += [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, parameter in names.items() if name != "shown"
    ]
    carried_out.__signature__ = inspect.Signature(wanted)  # type: ignore[attr-defined]
    return carried_out


def at_rest(shown: Panel) -> bool:
    """Whether the terminal is as one finds it: a cursor at the beginning of a line, wrapping, no style."""
    screen = shown.watched.screen
    return not screen.cursor.hidden and screen.cursor.x == 0 and 7 << 5 in screen.mode and not screen.cursor.attrs.bold


@on_a_terminal
def test_rows_are_above_the_cursor(shown: Panel) -> None:
    assert shown.show(ROWS) == ROWS
    assert shown.watched.screen.cursor.y == 4
    assert at_rest(shown)


@on_a_terminal
def test_only_rows_that_changed_are_written(shown: Panel) -> None:
    shown.show(ROWS)
    changed = ["╭───╮", "│ a │", "│ c │", "╰───╯"]
    assert shown.show(changed) == changed
    assert "c" in shown.watched.last
    assert "a" not in shown.watched.last
    assert at_rest(shown)
    shown.show(changed)
    assert shown.watched.last == ""


@pytest.mark.parametrize(
    "rows",
    [["a"], ["a", "b", "c", "d", "e", "f"], ["x", "b", "c", "y"], [], ["a", "x", "c", "y", "e", "f", "g"], ["c", "d"]],
)
@on_a_terminal
def test_more_and_fewer_rows(shown: Panel, rows: list[str]) -> None:
    shown.show(["a", "b", "c", "d"])
    assert shown.show(rows) == rows
    assert shown.watched.screen.cursor.y == len(rows)
    assert at_rest(shown)


@on_a_terminal
def test_rows_grow_past_the_bottom_of_the_screen(shown: Panel) -> None:
    shown.file.write("before\r\n" * 8)
    shown.show(["a"])
    assert shown.show(["a", "b", "c"]) == ["before"] * 6 + ["a", "b", "c"]
    assert shown.show(["a", "b", "d"]) == ["before"] * 6 + ["a", "b", "d"]


@on_a_terminal
def test_each_draw_is_one_write_that_shows_all_at_once(shown: Panel) -> None:
    shown.show(ROWS)
    assert shown.watched.last.startswith("\x1b[?2026h\x1b[?25l")
    assert shown.watched.last.endswith("\x1b[?25h\x1b[?2026l")


@on_a_terminal
def test_a_line_that_the_program_has_started_stays(shown: Panel) -> None:
    shown.file.write("Working ...")
    assert shown.show(ROWS) == ["Working ...", *ROWS]


# --- what the program prints


@on_a_terminal
def test_what_is_printed_appears_above(shown: Panel) -> None:
    shown.show(ROWS)
    print("one")
    assert shown.look() == ["one", *ROWS]
    print("two", file=sys.stderr)
    shown.show(ROWS)
    assert shown.look() == ["one", "two", *ROWS]
    assert at_rest(shown)


@on_a_terminal
def test_what_is_printed_in_quick_succession_waits_for_the_next_draw(shown: Panel) -> None:
    shown.show(ROWS)
    for number in range(5):
        sys.stdout.write(f"{number}\n")
    assert shown.woken == 1
    assert shown.show(ROWS) == ["0", "1", "2", "3", "4", *ROWS]


@on_a_terminal
def test_what_is_printed_before_the_first_draw_comes_before_it(shown: Panel) -> None:
    print("early")
    assert shown.look() == []
    assert shown.show(ROWS) == ["early", *ROWS]


@on_a_terminal
def test_long_lines_wrap_as_they_would_without_rows(shown: Panel) -> None:
    shown.show(ROWS)
    print("x" * 50)
    assert shown.look() == ["x" * 20, "x" * 20, "x" * 10, *ROWS]
    print("y" * 20)
    assert shown.show(ROWS)[3:] == ["y" * 20, *ROWS]


@on_a_terminal
def test_of_a_full_screen_only_the_programs_lines_scroll_off(shown: Panel) -> None:
    rows = [f"row {number}" for number in range(9)]
    shown.show(rows)
    for number in range(30):
        print(f"line {number}")
        shown.show(rows)
    assert shown.look() == rows
    assert shown.watched.scrolled == [f"line {number}" for number in range(30)]


@on_a_terminal
def test_a_style_that_a_line_leaves_on_does_not_reach_the_rows(shown: Panel) -> None:
    shown.show(ROWS)
    print("\x1b[1mbold")
    shown.look()
    assert shown.watched.screen.buffer[0][0].bold
    assert not shown.watched.screen.buffer[1][0].bold


@on_a_terminal
def test_an_unfinished_line_shows_until_it_is_finished(shown: Panel) -> None:
    shown.show(ROWS)
    print("loading", end="", flush=True)
    assert shown.woken == 1
    assert shown.show(ROWS) == ["loading", *ROWS]
    print(" ...", end="")
    assert shown.show(ROWS) == ["loading ...", *ROWS]
    print(" done")
    assert shown.show(ROWS) == ["loading ... done", *ROWS]
    assert shown.show(ROWS) == ["loading ... done", *ROWS]


@on_a_terminal
def test_of_an_unfinished_line_that_is_too_long_the_end_shows(shown: Panel) -> None:
    shown.show(ROWS)
    print("x" * 30 + "the end", end="")
    assert shown.show(ROWS) == ["x" * 12 + "the end", *ROWS]
    print()
    assert shown.show(ROWS) == ["x" * 20, "x" * 10 + "the end", *ROWS]


@on_a_terminal
def test_a_progress_bar_that_rewrites_its_line_does(shown: Panel) -> None:
    shown.show(ROWS)
    for percent in (10, 20):
        print(f"\r\x1b[2K{percent} %", end="", file=sys.stderr)
        assert shown.show(ROWS) == [f"{percent} %", *ROWS]


@on_a_terminal
def test_threads_may_print_all_at_once(shown: Panel) -> None:
    shown.show(ROWS)
    threads = [threading.Thread(target=lambda: [print("word") for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown.show(ROWS)
    printed = [*shown.watched.scrolled, *shown.look()]
    assert "".join(printed).count("word") == 200
    assert printed[-4:] == ROWS


def test_log_handlers_that_hold_the_stream_write_above_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with crowds.terminal(20, 10) as (file, watched):
        monkeypatch.setattr(sys, "stderr", file)
        handler = logging.StreamHandler()
        logger = logging.getLogger("tests.terminal.above")
        logger.addHandler(handler)
        shown = Panel(file, watched)
        shown.screen.open()
        try:
            shown.show(ROWS)
            logger.warning("logged")
            assert shown.look() == ["logged", *ROWS]
        finally:
            shown.screen.close()
            logger.removeHandler(handler)
        assert handler.stream is file


def test_streams_that_lead_elsewhere_are_left_alone() -> None:
    with crowds.terminal() as (file, watched), crowds.terminal() as (other, _):
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = elsewhere, other = io.StringIO(), other
        shown = Panel(file, watched)
        try:
            shown.screen.open()
            assert sys.stdout is elsewhere
            assert sys.stderr is other
        finally:
            shown.screen.close()
            sys.stdout, sys.stderr = before


@on_a_terminal
def test_in_everything_else_the_stream_is_the_stream(shown: Panel) -> None:
    assert sys.stdout.isatty()
    assert sys.stdout.encoding == shown.file.encoding
    assert sys.stdout.fileno() == shown.file.fileno()
    with pytest.raises(TypeError, match="must be str, not bytes"):
        sys.stdout.write(b"x")  # type: ignore[arg-type]
    sys.stdout.writelines(["a\n", "b\n"])
    assert shown.show(ROWS) == ["a", "b", *ROWS]


def test_code_that_kept_the_stream_can_write_after_the_end() -> None:
    with panel() as shown:
        kept = sys.stdout
        shown.show(ROWS)
        shown.screen.close()
        print("after", file=kept, flush=True)
        assert shown.look() == [*ROWS, "after"]


def test_what_was_printed_last_is_not_lost() -> None:
    with panel() as shown:
        print("never drawn")
        shown.screen.close()
        assert shown.look() == ["never drawn"]
        shown.screen.close()


@on_a_terminal
def test_what_was_typed_meanwhile_goes(shown: Panel) -> None:
    shown.show(ROWS)
    shown.file.write("^C")
    shown.screen.close()
    assert shown.look() == ROWS
    assert at_rest(shown)


@on_a_terminal
def test_one_screen_at_a_time(shown: Panel) -> None:
    other = Screen(shown.file, shown.wake)
    assert not other.open()
    other.close()
    assert not Screen(shown.file, shown.wake).open()
    shown.screen.close()
    assert other.open()
    other.close()


# --- sizes


@on_a_terminal
def test_another_size_is_drawn_over(shown: Panel) -> None:
    shown.show(ROWS)
    shown.resize(30, 12)
    assert shown.show(["wider than before, much wider"]) == ["wider than before, much wider"]
    assert at_rest(shown)


@on_a_terminal
def test_a_lower_screen_keeps_no_more_than_it_can_hold(shown: Panel) -> None:
    shown.show([f"row {number}" for number in range(9)])
    shown.resize(20, 5)
    assert shown.show(["a", "b", "c", "d"]) == ["a", "b", "c", "d"]


@on_a_terminal
def test_printing_on_a_screen_of_another_size_waits_for_rows_that_fit(shown: Panel) -> None:
    shown.show(ROWS)
    shown.resize(30, 12)
    print("printed")
    assert shown.look() == ROWS
    assert shown.show(["new"]) == ["printed", "new"]


@pytest.mark.parametrize(
    ("before", "rows", "after", "up"),
    [
        ((20, 10), ["x" * 19] * 3, (10, 10), 6),  # each row has become two
        ((20, 10), ["x" * 19, "\x1b[1mshort\x1b[0m", "潮" * 8], (10, 10), 5),
        ((20, 10), ["x" * 19] * 6, (10, 10), 9),  # no further than the top
        ((20, 10), ["x" * 19] * 3, (30, 10), 3),
    ],
)
def test_where_rows_are_broken_anew_all_their_pieces_go(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], rows: list[str], after: tuple[int, int], up: int
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("XTERM_VERSION", raising=False)
    with panel(*before) as shown:
        shown.show(rows)
        shown.screen.show(["new"], *after)
        shown.look()
        assert re.findall("\x1b\\[([0-9]+)A", shown.watched.last)[0] == str(up)


def test_rows_that_went_off_the_top_are_taken_along_when_they_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    with panel(20, 10) as shown:
        shown.show(["row"] * 9)
        shown.screen.show(["row"] * 4, 20, 5)  # five of the nine are gone
        shown.look()
        shown.screen.show(["row"] * 4, 20, 8)  # three come back
        shown.look()
        assert re.findall("\x1b\\[([0-9]+)A", shown.watched.last)[0] == "7"


# --- Ctrl-Z and fg


@on_a_terminal
def test_after_a_stop_the_rows_are_drawn_below_what_the_shell_wrote(shown: Panel) -> None:
    shown.show(ROWS)
    shown.file.write("[1]+  Stopped\r\n$ fg\r\n")
    shown.file.flush()
    signal.raise_signal(signal.SIGCONT)
    assert shown.woken == 1
    assert shown.show(["│ a │", "│ c │"]) == [*ROWS, "[1]+  Stopped", "$ fg", "│ a │", "│ c │"]
    assert at_rest(shown)
    assert shown.show(["│ a │", "│ d │"])[-2:] == ["│ a │", "│ d │"]


@on_a_terminal
def test_a_handler_of_the_programs_own_stays(shown: Panel) -> None:
    assert signal.getsignal(signal.SIGCONT) == shown.screen._continued
    shown.screen.close()
    assert signal.getsignal(signal.SIGCONT) is signal.SIG_DFL
    called: list[int] = []
    signal.signal(signal.SIGCONT, lambda number, _: called.append(number))
    try:
        assert shown.screen.open()
        signal.raise_signal(signal.SIGCONT)
        shown.screen.close()
        signal.raise_signal(signal.SIGCONT)
    finally:
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
    assert called == [signal.SIGCONT] * 2


def test_in_another_thread_no_handler_is_installed() -> None:
    def show() -> None:
        with panel() as shown:
            shown.show(ROWS)
            assert signal.getsignal(signal.SIGCONT) is signal.SIG_DFL

    failed: list[BaseException] = []

    def run() -> None:
        try:
            show()
        except BaseException as problem:
            failed.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failed

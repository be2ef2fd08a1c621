"""Reading a message: lines, several of them, and who reads where. How a terminal looks is in test_chat.py."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from headwater.cli.output import Outlet
from headwater.cli.prompt import Editor, Lines, Plain, joined, reader_for


def reading(*lines: str) -> Callable[[bool], str | None]:
    rest = iter(lines)
    return lambda first: next(rest, None)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["one", "two"], "one"),
        (["one \\", "two\\", "", "three"], "one \ntwo\n"),
        (["one\\"], "one"),
        ([], None),
        ([""], ""),
    ],
)
def test_a_backslash_at_the_end_of_a_line_continues_it(lines: list[str], message: str | None) -> None:
    assert joined(reading(*lines)) == message


def test_without_a_terminal_lines_are_read_without_a_prompt(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.setattr(sys, "stdin", io.StringIO("one\ntwo"))
    reader = reader_for(Outlet(), at_terminal=False, words=())
    assert [reader.read(), reader.read(), reader.read()] == ["one", "two", None]
    assert capsys.readouterr() == ("", "")


def test_where_answers_go_elsewhere_the_prompt_does_not(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.setattr(sys, "stdin", io.StringIO("one\\\ntwo\n"))
    reader = reader_for(Outlet(), at_terminal=True, words=())
    assert isinstance(reader, Lines)
    assert reader.read() == "one\ntwo"
    assert capsys.readouterr() == ("", ">   ")


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("missing", "kind"), [(False, Editor), (True, Plain)])
def test_on_a_terminal_it_is_the_editor_where_there_is_one(
    missing: bool, kind: type[Any], bare: pytest.MonkeyPatch
) -> None:
    bare.setattr(sys, "stdout", Screen())
    if missing:
        bare.setitem(sys.modules, "prompt_toolkit", None)
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        assert isinstance(reader_for(Outlet(), at_terminal=True, words=()), kind)
    bare.setenv("TERM", "dumb")
    assert isinstance(reader_for(Outlet(), at_terminal=True, words=()), Plain)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("one\r", "one"),
        ("one\x1b\rtwo\r", "one\ntwo"),  # Alt-Enter
        ("one\\\rtwo\r", "one\ntwo"),
        ("one\\two\r", "one\\two"),
        ("\x1b[200~one\ntwo\x1b[201~\r", "one\ntwo"),  # pasted
        ("/mo\t\r", "/model "),
        ("one\x03", ""),  # thrown away
        ("\x04", None),
    ],
)
def test_keys_write_a_message(keys: str, message: str | None, bare: pytest.MonkeyPatch) -> None:
    with create_pipe_input() as source, create_app_session(input=source, output=DummyOutput()):
        editor = Editor("> ", ["/model ", "/help"])
        source.send_text(keys)
        assert editor.read() == message


def test_ctrl_c_without_input_is_left_to_the_chat(bare: pytest.MonkeyPatch) -> None:
    with create_pipe_input() as source, create_app_session(input=source, output=DummyOutput()):
        editor = Editor("> ", [])
        source.send_text("\x03")
        with pytest.raises(KeyboardInterrupt):
            editor.read()

"""`headwater chat`: on a terminal, and line by line from a pipe."""

from __future__ import annotations

import io
import sys

import pytest

from headwater.agents.agent import Agent
from headwater.backends.offline import Fail, ScriptedModel
from headwater.cli.chat import Conversation
from headwater.cli.output import Outlet, Printer
from headwater.errors import UnsupportedSetting
from tests.cli.commands import headwater, terminal
from tests.cli.test_options import STAND_IN
from tests.system.docs.fake_openai import ANSWER, fake_openai

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

SHORT = ("--model", "offline", "--max-tokens", "3")


def test_each_line_of_a_pipe_is_a_message() -> None:
    with fake_openai() as url:
        done = headwater("chat", "--model", "m", "--base-url", url, stdin="one\n\n  two  \nexit\nthree\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ANSWER}\n" * 2, "")


def test_the_conversation_goes_on_and_begins_again(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.setattr(sys, "stdin", io.StringIO("one\ntwo\n/new\nthree\n"))
    model = ScriptedModel(["1", "2", "3"])
    out = Outlet()
    conversation = Conversation(Agent(model=model), out, Printer("agent", out), at_terminal=False)
    assert conversation.hold() == 0
    asked = [[message.text for message in request.messages] for request in model.requests]
    assert asked == [["one"], ["one", "1", "two"], ["three"]]
    assert capsys.readouterr() == ("1\n2\n3\n", "headwater: what was said is forgotten.\n")


def test_a_failed_answer_is_told_and_the_next_one_comes(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
    out = Outlet()
    agent = Agent(model=ScriptedModel([Fail(401, "no such key"), "2"]))
    assert Conversation(agent, out, Printer("agent", out), at_terminal=False).hold() == 1
    shown = capsys.readouterr()
    assert shown.out == "2\n"
    assert shown.err.startswith("headwater: ")
    assert "no such key" in shown.err


def test_what_no_further_message_would_mend_ends_it(bare: pytest.MonkeyPatch) -> None:
    bare.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
    out = Outlet()
    agent = Agent(model=ScriptedModel([Fail(UnsupportedSetting("It takes no seed."))]))
    with pytest.raises(UnsupportedSetting):
        Conversation(agent, out, Printer("agent", out), at_terminal=False).hold()


def test_commands_are_told_beside_the_answers() -> None:
    done = headwater("chat", *SHORT, stdin="/help\n/nonsense now\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert "  /new    forget what was said, and begin again\n" in done.stderr
    assert done.stderr.endswith(
        "headwater: there is no command /nonsense; /help lists them, and a space before it makes it a message.\n"
    )


def test_a_line_that_begins_with_a_space_is_a_message() -> None:
    assert headwater("chat", *SHORT, stdin=" /help\n").stdout == "I am headwater\n"


def test_the_stand_in_says_so_first() -> None:
    assert headwater("chat", stdin="").stderr == STAND_IN


def test_what_cannot_work_ends_it_before_the_first_message() -> None:
    done = headwater("chat", "--model", "openai/gpt-5.4", stdin="hello\n")
    assert done.returncode == 2
    assert done.stderr.startswith("headwater: No key for openai.")


def test_from_a_pipe_a_failed_answer_shows_in_the_exit_code() -> None:
    done = headwater("chat", "--model", "offline", "--timeout", "0.1", stdin="one\ntwo\n")
    assert done.returncode == 1
    assert done.stderr.count("headwater: ") == 2


@posix
def test_a_conversation_on_a_terminal() -> None:
    with terminal("chat", "--name", "pilot", *SHORT) as shown:
        opened = shown.wait_for("\n> ".rstrip())
        assert "Agent: pilot | Loops: 1" in opened
        assert "offline listens. /help lists commands, Ctrl-D leaves." in opened
        shown.type("Explain tides\r")
        shown.wait_for(lambda text: "I am headwater" in text and text.endswith(">"))
        shown.type("\x1b[A\r")  # the line before, again
        shown.wait_for(lambda text: text.count("I am headwater") == 2 and text.endswith(">"))
        assert shown.text.count("> Explain tides") == 2
        assert shown.text.count("Agent: pilot") == 1
        shown.type("\x04")
        assert shown.end() == 0


@posix
def test_ctrl_c_stops_the_answer_and_a_second_one_leaves() -> None:
    with terminal("chat", "--model", "offline") as shown:
        shown.wait_for("Ctrl-D leaves.")
        shown.type("Explain tides\r")
        shown.wait_for("I am headwater's offline")
        shown.type("\x03")
        shown.wait_for(lambda text: "· Cancelled" in text and text.endswith(">"))
        shown.type("And the moon?\r")
        shown.wait_for(lambda text: "one token after the other." in text)
        shown.type("\x03")
        shown.wait_for(lambda text: text.count("· Cancelled") == 2 and text.endswith(">"))
        shown.type("\x03")
        assert shown.end() == 130


@posix
def test_an_error_ends_an_answer_and_not_the_conversation() -> None:
    with terminal("chat", "--model", "offline", "--timeout", "0.3") as shown:
        shown.wait_for("Ctrl-D leaves.")
        shown.type("one\r")
        shown.wait_for(lambda text: "\nheadwater: " in text and text.endswith(">"))
        shown.type("quit\r")
        assert shown.end() == 0

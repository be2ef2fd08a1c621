"""`headwater chat`: on a terminal, and line by line from a pipe."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.asking import MAIL
from tests.cli.commands import command, headwater, terminal, without
from tests.cli.test_options import STAND_IN
from tests.system.docs.fake_openai import ANSWER, fake_openai

pytestmark = pytest.mark.interpreters

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

PROMPT = "\u276f"
SHORT = ("--model", "offline", "--max-tokens", "3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_each_line_of_a_pipe_is_a_message() -> None:
    with fake_openai() as url:
        done = headwater("chat", "--model", "m", "--base-url", url, stdin="one\n\n  two  \nexit\nthree\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ANSWER}\n" * 2, "")


def test_a_message_may_have_several_lines() -> None:
    done = headwater("chat", *SHORT, stdin="one \\\ntwo\n/usage\n")
    assert done.stdout == "I am headwater\n"
    assert "all answers: 2 tokens in, 3 tokens out" in done.stderr


def test_lines_may_end_as_on_windows() -> None:
    done = headwater("chat", *SHORT, stdin="one \\\r\ntwo\r\n/usage\r\n")
    assert done.stdout == "I am headwater\n"
    assert "all answers: 2 tokens in, 3 tokens out" in done.stderr


@posix
@pytest.mark.skipif(shutil.which("bash") is None, reason="job control is a shell's: install bash")
def test_ctrl_z_stops_it_and_fg_continues_with_the_input() -> None:
    shell = ["bash", "--noprofile", "--norc", "-i"]
    with terminal(program=shell, env={"PS1": "$ "}) as shown:
        shown.type(f"{shlex.join(command('chat', *SHORT))}\n")
        shown.wait_for(f"\n{PROMPT}")
        shown.type("half")
        shown.wait_for("half")
        shown.type("\x1a")
        shown.wait_for("Stopped")
        shown.type("fg\n")
        shown.wait_for(lambda text: text.rstrip().endswith(f"{PROMPT} half"))
        shown.type(" and half\n")
        shown.wait_for(lambda text: "I am headwater\n" in text and text.rstrip().endswith(f"\n{PROMPT}"))
        assert f"{PROMPT} half and half" in shown.text
        shown.type("\x04")
        shown.wait_for(lambda text: text.endswith("\n$"))
        shown.type("exit\n")
        assert shown.end() == 0


def test_an_error_that_no_message_can_fix_ends_it(folder: Path) -> None:
    (folder / "cli_chatting.py").write_text("from headwater import Agent\nbob = Agent(name='bob', model='x/y/z')")
    done = headwater("chat", "--agent", "cli_chatting:bob", stdin="one\ntwo\n", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr.count("headwater: ")) == (2, "", 1)


def test_the_output_of_commands_is_separate_from_the_answers() -> None:
    done = headwater("chat", *SHORT, stdin="/help\n/nonsense now\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert "  /clear          forget the conversation, and start again\n" in done.stderr
    assert done.stderr.endswith(
        "there is no command /nonsense; /help lists them. A space before it makes it a message.\n"
    )


def test_a_line_that_starts_with_a_space_is_a_message() -> None:
    assert headwater("chat", *SHORT, stdin=" /help\n").stdout == "I am headwater\n"


def test_the_offline_model_says_so_first() -> None:
    assert headwater("chat", stdin="").stderr == STAND_IN


def test_what_cannot_work_ends_it_before_the_first_message() -> None:
    done = headwater("chat", "--model", "openai/gpt-5.4", stdin="hello\n")
    assert done.returncode == 2
    assert done.stderr.startswith("headwater: No key for openai.")


def test_from_a_pipe_a_failed_answer_shows_in_the_exit_code() -> None:
    done = headwater("chat", "--model", "offline", "--timeout", "0.1", stdin="one\ntwo\n")
    assert done.returncode == 1
    assert done.stderr.count("headwater: ") == 2


CREW = """
from headwater import Agent, SequentialWorkflow

crew = SequentialWorkflow([Agent(name="ann", model="offline"), Agent(name="bob", model="offline")], name="crew")
"""


def test_a_workflow_gets_the_conversation(folder: Path, state: dict[str, str]) -> None:
    (folder / "cli_crew.py").write_text(CREW, encoding="utf-8")
    done = headwater("chat", "--agent", "cli_crew:crew", stdin="one\ntwo\n", cwd=folder, env=state)
    assert (done.returncode, done.stderr) == (0, "")
    kept = json.loads((folder / "state/headwater/last.json").read_text())["thread"]["messages"]
    assert [(one["role"], one["content"][0]["text"][:7]) for one in kept] == [
        ("user", "one"),
        ("assistant", "I am he"),
        ("user", "two"),
        ("assistant", "I am he"),
    ]


def ready(text: str) -> bool:
    """Whether the last line is an empty prompt."""
    return text.rpartition("\n")[2] == PROMPT


@posix
@pytest.mark.parametrize("editor", [True, False], ids=["prompt_toolkit", "plain"])
def test_a_conversation_on_a_terminal_over_two_sessions(editor: bool, folder: Path, state: dict[str, str]) -> None:
    env = state if editor else {**state, **without(folder, "prompt_toolkit")}
    with terminal("chat", "--name", "pilot", *SHORT, env=env) as shown:
        assert "offline is ready. /help lists commands, Ctrl-D quits." in shown.wait_for(ready)
        shown.type("Explain tides\\\rto me\r")
        shown.wait_for(lambda text: "I am headwater" in text and ready(text))
        assert f"{PROMPT} Explain tides" in shown.text
        shown.type("\x04")
        assert shown.end() == 0
    with terminal("chat", "--continue", *SHORT, env=env) as shown:
        assert "continuing after “Explain tides to me”, just now." in shown.wait_for(ready)
        shown.type("/usage\r")
        shown.wait_for(lambda text: "there are no answers yet." in text and ready(text))
        shown.type("\x1b[A\x1b[A")  # what was typed in the session before
        shown.wait_for(lambda text: text.count("Explain tides") == 2)
        shown.type("\r")
        shown.wait_for(lambda text: "I am headwater" in text and ready(text))
        shown.type("/exit\r")
        assert shown.end() == 0
    kept = json.loads((folder / "state/headwater/last.json").read_text())
    assert kept["asked"] == {"model": "offline", "name": "pilot"}
    assert [one["role"] for one in kept["thread"]["messages"]] == ["user", "assistant"] * 2
    if editor:
        assert kept["thread"]["messages"][2]["content"][0]["text"] == "Explain tides\nto me"


@posix
def test_ctrl_c_stops_the_answer_and_twice_at_the_prompt_quits() -> None:
    with terminal("chat", "--model", "offline") as shown:
        shown.wait_for(ready)
        shown.type("Explain tides\r")
        shown.wait_for("I am headwater's offline")
        shown.type("\x03")
        shown.wait_for(lambda text: "cancelled · " in text and ready(text))
        shown.type("And the moon?\x03")  # thrown away
        shown.wait_for(lambda text: "And the moon?" in text and ready(text))
        shown.type("\x03")
        shown.wait_for(lambda text: "(Ctrl-D quits; so does Ctrl-C once more.)" in text and ready(text))
        shown.type("\x03")
        assert shown.end() == 130


@posix
def test_an_error_ends_an_answer_and_not_the_conversation() -> None:
    with terminal("chat", "--model", "offline", "--timeout", "0.3") as shown:
        shown.wait_for(ready)
        shown.type("one\r")
        shown.wait_for(lambda text: "\nheadwater: " in text and ready(text))
        shown.type("quit\r")
        assert shown.end() == 0


@posix
def test_a_person_is_asked_within_the_chat(folder: Path) -> None:
    (folder / "cli_mail.py").write_text(MAIL, encoding="utf-8")
    with terminal("chat", "--agent", "cli_mail:pilot", cwd=folder) as shown:
        shown.wait_for(ready)
        shown.type("Write.\r")
        assert "l(ater)" not in shown.wait_for("Allow it?")
        shown.type("y\r")
        shown.wait_for("How many nights?")
        shown.type("3\r")
        shown.wait_for(lambda text: "Done: 3 nights." in text and ready(text))
        shown.type("\x04")
        assert shown.end() == 0


def test_from_a_pipe_what_is_asked_is_refused(folder: Path) -> None:
    (folder / "cli_mail.py").write_text(MAIL, encoding="utf-8")
    done = headwater("chat", "--agent", "cli_mail:pilot", stdin="Write.\n", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "was declined" in done.stdout, "the model reads that nobody answers, and goes on"
    assert not (folder / "sent").exists()

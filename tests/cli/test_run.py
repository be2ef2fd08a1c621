"""`headwater run` on pipes, on a terminal, and against a server."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from headwater.cli import main
from headwater.events.codec import decode
from headwater.events.fold import Fold
from tests.cli.commands import headwater, terminal
from tests.cli.test_options import STAND_IN
from tests.system.docs.fake_openai import ANSWER, fake_openai

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

TIDES = '''
def high_water(port: str) -> str:
    """When the tide is highest at a port."""
    return "06:12"
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tides.py").write_text(TIDES, encoding="utf-8")
    return tmp_path


def test_a_pipe_gets_the_text_alone() -> None:
    done = headwater("run", "Explain tides", "--max-tokens", "6")
    assert (done.returncode, done.stdout) == (0, "I am headwater's offline\n")
    assert done.stderr == f"{STAND_IN}headwater: the answer was cut: the token limit was reached.\n"


def test_a_whole_answer_in_a_pipe_has_nothing_to_add() -> None:
    assert headwater("run", "Explain tides").stderr == STAND_IN


def test_a_model_at_a_provider_answers() -> None:
    with fake_openai() as url:
        env = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": url}
        done = headwater("run", "Explain tides", "--model", "openai/gpt-5.4", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ANSWER}\n", "")


@posix
def test_a_task_in_no_encoding_is_asked_and_not_a_traceback() -> None:
    with fake_openai() as url:
        done = headwater("run", "caf\udce9", "--model", "tide-model", "--base-url", url)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ANSWER}\n", "")


def test_a_server_of_ones_own_answers(folder: Path) -> None:
    with fake_openai() as url:
        line = ("run", "When?", "--model", "tide-model", "--base-url", url, "--tool", "tides:high_water")
        done = headwater(*line, cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ANSWER}\n", "")


def test_json_is_the_log_of_the_run(folder: Path) -> None:
    done = headwater("run", "When is high water?", "--json", "--tool", "tides:high_water", cwd=folder)
    events = [decode(line) for line in done.stdout.splitlines()]
    fold = Fold()
    for event in events:
        fold.add(event)
    response = fold.response()
    assert "`high_water` gave back: 06:12" in response.text
    assert [call.name for call in response.tool_calls] == ["high_water"]
    assert (done.returncode, done.stderr) == (0, STAND_IN)


@pytest.mark.parametrize(
    ("words", "stdin", "task"),
    [
        (["Explain", "tides"], "", "Explain tides"),
        ([], "Explain\ntides\n", "Explain\ntides"),
        (["-"], "Explain tides\n", "Explain tides"),
        (["Summarise:", "-"], "The sea.\n", "Summarise:\n\nThe sea."),
        (["Is", "this", "-", "a", "poem?"], "The sea.", "Is this\n\nThe sea.\n\na poem?"),
        (["Explain tides"], "not read", "Explain tides"),
    ],
)
def test_the_task_is_words_and_standard_input(
    words: list[str],
    stdin: str,
    task: str,
    bare: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bare.setattr(sys, "stdin", io.StringIO(stdin))
    assert main(["run", *words, "--json", "--model", "offline", "--max-tokens", "1"]) == 0
    started = json.loads(capfd.readouterr().out.splitlines()[0])
    assert [part["text"] for message in started["input"] for part in message["content"]] == [task]


@pytest.mark.parametrize("stdin", ["", " \n"])
def test_nothing_to_do_is_a_mistake(stdin: str, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bare.setattr(sys, "stdin", io.StringIO(stdin))
    assert main(["run"]) == 2
    assert capsys.readouterr().err == 'headwater: The task is empty. Write it: headwater run "Explain tides".\n'


def test_a_run_that_takes_too_long_fails() -> None:
    done = headwater("run", "Explain tides", "--model", "offline", "--timeout", "0.2")
    assert done.returncode == 1
    assert done.stdout.startswith("I am")
    assert done.stderr.startswith("headwater: ")
    assert done.stderr.count("\n") == 1


@posix
def test_on_a_terminal_there_is_a_header_and_tools_turn_from_running_to_done(folder: Path) -> None:
    with terminal("run", "High water in Brest?", "--tool", "tides:high_water", "--name", "pilot", cwd=folder) as shown:
        assert shown.end() == 0
        lines = shown.text.splitlines()
    assert f"{lines[0]}\n" == STAND_IN
    assert lines[1:3] == ["🤖  Agent: pilot | Loops: 1", "━" * 80] or lines[1:3] == [
        "🤖 Agent: pilot | Loops: 1",
        "━" * 80,
    ]
    assert [line for line in lines if line.startswith('✓ high_water(port="Brest")')]
    assert not [line for line in lines if "◌" in line]
    assert "".join(lines).count("`high_water` gave back: 06:12") == 1


@posix
def test_without_a_task_a_terminal_is_told_what_to_write() -> None:
    with terminal("run") as shown:
        assert shown.end() == 2
        assert shown.text.startswith("headwater: There is no task. Write it: headwater run")


@posix
def test_ctrl_c_on_a_terminal_says_so() -> None:
    with terminal("run", "Explain tides") as shown:
        shown.wait_for("I am headwater's offline")
        shown.type("\x03")
        assert shown.end() == 130
        assert shown.text.endswith("· Cancelled")


@posix
def test_a_dumb_terminal_gets_plain_text() -> None:
    with terminal("run", "Explain tides", "--max-tokens", "3", env={"TERM": "dumb"}) as shown:
        assert shown.end() == 0
        assert b"\x1b" not in shown.output
        assert shown.text.endswith("I am headwater")


@posix
def test_a_tool_that_goes_on_does_not_hold_up_ctrl_c(folder: Path) -> None:
    slow = "import time\ndef slow() -> str:\n    time.sleep(60)\n    return ''"
    (folder / "cli_slow.py").write_text(slow, encoding="utf-8")
    with terminal("run", "Wait", "--tool", "cli_slow:slow", cwd=folder) as shown:
        shown.wait_for("◌ slow()")
        shown.type("\x03")
        assert shown.end() == 130

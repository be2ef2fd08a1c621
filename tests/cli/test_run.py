"""`headwater run` on pipes, on a terminal, and against a server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from headwater.events.codec import decode
from headwater.events.fold import Fold
from tests.cli.asking import MAIL
from tests.cli.commands import headwater, terminal
from tests.cli.test_options import STAND_IN
from tests.system.docs.fake_openai import ANSWER, fake_openai

pytestmark = pytest.mark.interpreters

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


def test_a_complete_answer_on_a_pipe_has_no_notes() -> None:
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
    assert "`high_water` returned: 06:12" in response.text
    assert [call.name for call in response.tool_calls] == ["high_water"]
    assert (done.returncode, done.stderr) == (0, STAND_IN)


def test_a_run_that_takes_too_long_fails() -> None:
    done = headwater("run", "Explain tides", "--model", "offline", "--timeout", "0.2")
    assert done.returncode == 1
    assert done.stdout.startswith("I am")
    assert done.stderr.startswith("headwater: ")
    assert done.stderr.count("\n") == 1


@posix
def test_on_a_terminal_tools_are_shown_and_how_it_ended(folder: Path) -> None:
    with terminal("run", "High water in Brest?", "--tool", "tides:high_water", "--name", "pilot", cwd=folder) as shown:
        assert shown.end() == 0
        lines = shown.text.splitlines()
    assert f"{lines[0]}\n" == STAND_IN
    assert lines[1] == "" != lines[2], "one empty line is between the note and the answer"
    assert [line for line in lines if line.endswith('high_water(port="Brest")')]
    assert [line for line in lines if line.startswith("  └ 06:12 · ")]
    assert "".join(lines).count("high_water returned: 06:12") == 1
    assert lines[-1].startswith("stop · ")


@posix
def test_without_a_task_the_error_says_what_to_write() -> None:
    with terminal("run") as shown:
        assert shown.end() == 2
        assert shown.text.startswith("headwater: There is no task. Write it: headwater run")


@posix
def test_ctrl_c_on_a_terminal_says_so() -> None:
    with terminal("run", "Explain tides") as shown:
        shown.wait_for("I am headwater's offline")
        shown.type("\x03")
        assert shown.end() == 130
        assert shown.text.splitlines()[-1].startswith("cancelled · ")


@posix
def test_a_dumb_terminal_gets_plain_text() -> None:
    with terminal("run", "Explain tides", "--max-tokens", "3", env={"TERM": "dumb"}) as shown:
        assert shown.end() == 0
        assert b"\x1b" not in shown.output
        assert shown.text.endswith("I am headwater")


@posix
def test_a_running_tool_does_not_delay_ctrl_c(folder: Path) -> None:
    slow = "import time\ndef slow() -> str:\n    time.sleep(60)\n    return ''"
    (folder / "cli_slow.py").write_text(slow, encoding="utf-8")
    with terminal("run", "Wait", "--tool", "cli_slow:slow", cwd=folder) as shown:
        shown.wait_for("slow() · ")
        shown.type("\x03")
        assert shown.end() == 130


HARBOUR = """
from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow

pilot = Agent(name="pilot", model="offline")
crew = SequentialWorkflow([Agent(name="ann", model="offline"), Agent(name="bob", model="offline/poem")])
all_hands = ConcurrentWorkflow([Agent(name="ann", model="offline"), Agent(name="bob", model="offline")])
broken = SequentialWorkflow([Agent(name="ann", model="offline"), Agent(name="bob", model="openai/gpt-5.4")])
"""
SCHEMA = '{"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}'


@pytest.fixture
def harbour(folder: Path) -> Path:
    (folder / "cli_harbour.py").write_text(HARBOUR, encoding="utf-8")
    return folder


def test_piped_input_follows_the_task() -> None:
    done = headwater("run", "Summarize:", "--json", "--model", "offline", stdin="The sea rises.\n")
    assert json.loads(done.stdout.splitlines()[0])["input"][0]["content"][0]["text"] == "Summarize:\n\nThe sea rises."


def test_each_event_of_json_has_its_stamps_also_where_they_are_the_defaults() -> None:
    done = headwater("run", "Hi", "--json", "--model", "offline", "--max-tokens", "3")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert all(event["time"] > 0 and event["run"] and event["path"] == ["agent"] for event in events)


def test_an_agent_of_ones_own_answers_with_the_options_laid_over_it(harbour: Path) -> None:
    done = headwater("run", "Hi", "--agent", "cli_harbour:pilot", "--max-tokens", "3", cwd=harbour)
    assert (done.returncode, done.stdout) == (0, "I am headwater\n")


def test_a_workflow_on_a_pipe_is_its_answer_alone(harbour: Path) -> None:
    done = headwater("run", "Hi", "--agent", "cli_harbour:crew", cwd=harbour)
    assert done.stdout.startswith("I'm not a language model,\nno weights"), "the last one's, and not what came before"
    both = headwater("run", "Hi", "--agent", "cli_harbour:all_hands", cwd=harbour).stdout
    assert [line for line in both.splitlines() if line.startswith("## ")] == ["## ann", "## bob"]


def test_of_a_workflow_that_fails_a_pipe_gets_what_there_is(harbour: Path) -> None:
    done = headwater("run", "Hi", "--agent", "cli_harbour:broken", cwd=harbour)
    assert (done.returncode, done.stdout) == (2, "")
    assert "No key for openai" in done.stderr


@posix
def test_a_workflow_on_a_terminal_is_a_section_each(harbour: Path) -> None:
    with terminal("run", "Hi", "--agent", "cli_harbour:crew", cwd=harbour) as shown:
        assert shown.end() == 0
    assert [shown.text.count(f"Agent: {name} ") for name in ("ann", "bob")] == [1, 1]


def test_files_are_sent_along(harbour: Path) -> None:
    (harbour / "port.png").write_bytes(b"\x89PNG\r\n\x1a\n0123")
    line = ("run", "Look:", "--image", "port.png", "--file", "tides.py", "--json", "--model", "offline")
    done = headwater(*line, cwd=harbour)
    parts = json.loads(done.stdout.splitlines()[0])["input"][0]["content"]
    assert [(part["type"], part.get("name"), part.get("media_type")) for part in parts] == [
        ("text", None, None),
        ("image", None, "image/png"),
        ("file", "tides.py", "text/plain"),
    ]


def test_with_a_schema_the_answer_is_only_json() -> None:
    with fake_openai() as url:
        done = headwater("run", "Name a port.", "--schema", SCHEMA, "--model", "m", "--base-url", url)
    assert (done.returncode, json.loads(done.stdout), done.stdout.count("\n")) == (0, {"port": "Brest"}, 1)


def test_an_invalid_answer_is_not_printed(bare: pytest.MonkeyPatch) -> None:
    done = headwater("run", "Name a port.", "--schema", SCHEMA, "--model", "offline", "--max-tokens", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "headwater: the answer: " in done.stderr


def test_a_model_that_is_recorded_is_one_agents(harbour: Path) -> None:
    done = headwater("run", "Hi", "--agent", "cli_harbour:crew", "--record", "x.jsonl", cwd=harbour)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--record is for one agent" in done.stderr


def test_a_conversation_continues_with_the_same_model(harbour: Path, state: dict[str, str]) -> None:
    first = headwater("run", "Explain tides", "--agent", "cli_harbour:pilot", cwd=harbour, env=state)
    done = headwater("run", "--continue", "Why?", "--json", cwd=harbour, env=state)
    assert (first.returncode, done.returncode, done.stderr) == (0, 0, "")
    started = json.loads(done.stdout.splitlines()[0])
    assert started["path"] == ["pilot"]
    said = [part["text"] for message in started["history"] for part in message["content"]]
    assert said == ["Explain tides", first.stdout.rstrip("\n")]
    assert started["input"][0]["content"][0]["text"] == "Why?"


def test_a_conversation_with_a_workflow_is_its_next_task(harbour: Path, state: dict[str, str]) -> None:
    first = headwater("run", "Explain tides", "--agent", "cli_harbour:crew", cwd=harbour, env=state)
    done = headwater("run", "-c", "Why?", "--json", cwd=harbour, env=state)
    started = json.loads(done.stdout.splitlines()[0])
    said = [(message["role"], message["content"][0]["text"]) for message in started["input"]]
    assert said == [("user", "Explain tides"), ("assistant", first.stdout.rstrip("\n")), ("user", "Why?")]


def test_continue_requires_a_conversation(state: dict[str, str]) -> None:
    done = headwater("run", "--continue", "Why?", env=state)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("headwater: There is no conversation to continue. Start one:")


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    (tmp_path / "cli_mail.py").write_text(MAIL, encoding="utf-8")
    return tmp_path


@posix
def test_the_person_at_the_terminal_is_asked_and_nothing_is_drawn_over_the_question(mail: Path) -> None:
    with terminal("run", "Write.", "--agent", "cli_mail:pilot", cwd=mail) as shown:
        shown.wait_for("Allow it?")
        shown.type("n not Ann\r")
        shown.wait_for(lambda text: text.endswith("(a whole number):"))
        shown.type("x\r")
        shown.wait_for(lambda text: "Expected a whole number." in text and text.endswith("(a whole number):"))
        shown.type("3\r")
        assert shown.end() == 0
        asked = [line for line in shown.text.splitlines() if line.startswith(("?", "  ")) and "└" not in line]
    assert asked == [
        "? pilot wants to run send",
        "  to: ann",
        "  Allow it? y(es), n(o), a(lways in this run), c(hange it), l(ater): n not Ann",
        "? book asks: How many nights?",
        "  (a whole number): x",
        "  Expected a whole number.",
        "  (a whole number): 3",
    ]
    assert "Done: 3 nights." in shown.text


@posix
def test_a_person_may_decide_later_or_stop_it(mail: Path) -> None:
    with terminal("run", "Write.", "--agent", "cli_mail:pilot", "--save", "run.jsonl", cwd=mail) as shown:
        shown.wait_for("Allow it?")
        shown.type("l\r")
        assert shown.end() == 3
        assert "headwater runs resume run.jsonl --agent cli_mail:pilot" in shown.text.replace("\n", "")
    with terminal("run", "Write.", "--agent", "cli_mail:pilot", cwd=mail) as shown:
        shown.wait_for("Allow it?")
        shown.type("\x03")
        assert shown.end() == 130
    assert not (mail / "sent").exists()


@posix
def test_a_workflow_that_may_ask_has_no_dashboard(mail: Path) -> None:
    with terminal("run", "Write.", "--agent", "cli_mail:crew", cwd=mail) as shown:
        shown.wait_for("Allow it?")
        shown.type("y\r")
        shown.wait_for("How many nights?")
        shown.type("2\r")
        assert shown.end() == 0
        assert "Done: 2 nights." in shown.text


def test_an_approver_of_the_agents_own_answers(mail: Path) -> None:
    done = headwater("run", "Write.", "--agent", "cli_mail:trusting", cwd=mail)
    assert (done.returncode, done.stdout) == (0, "One moment. \n\nDone: 2 nights.\n")


@posix
def test_on_a_terminal_markdown_is_drawn_unless_it_is_asked_for_raw(folder: Path) -> None:
    asked = ("run", "Write markdown", "--model", "offline")
    with terminal(*asked, cwd=folder) as shown:
        assert shown.end() == 0
        assert "**" not in shown.text
    with terminal(*asked, "--raw", cwd=folder) as shown:
        assert shown.end() == 0
        assert "#" in shown.text or "**" in shown.text


@posix
def test_a_tools_error_is_printed_once(folder: Path) -> None:
    (folder / "broken.py").write_text("def broken() -> str:\n    raise ValueError('out of order')\n")
    with terminal("run", "Use it", "--model", "offline", "--tool", "broken:broken", cwd=folder) as shown:
        assert shown.end() == 0
        assert "Traceback" not in shown.text
        assert [line for line in shown.text.splitlines() if "└" in line and "out of order" in line]

"""`headwater runs resume`: from a parked run to its end, by commands alone."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from headwater.events.checker import check_log
from headwater.readers.run_file import RunFile
from tests.cli.asking import MAIL
from tests.cli.commands import headwater, terminal

pytestmark = pytest.mark.interpreters


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cli_mail.py").write_text(MAIL, encoding="utf-8")
    return tmp_path


def test_a_waiting_run_is_parked_and_resumed(folder: Path, state: dict[str, str]) -> None:
    first = headwater("run", "Write.", "--agent", "cli_mail:pilot", cwd=folder, env=state)
    assert (first.returncode, first.stdout) == (3, "One moment. \n")
    assert first.stderr.startswith('headwater: the run waits for approval to run send(to="ann").\n')
    told = shlex.split(first.stderr.splitlines()[1].partition("without a terminal): ")[2])
    assert told[:3] == ["headwater", "runs", "resume"]
    again = headwater(*told[1:], "--yes", cwd=folder, env=state)
    assert again.returncode == 3
    assert again.stderr.startswith("headwater: the run waits for an answer to book: How many nights?\n")
    wrong = headwater(*told[1:], "--answer", "many", cwd=folder, env=state)
    assert wrong.returncode == 2
    assert "The answer does not fit" in wrong.stderr
    copy = folder / "copy.jsonl.gz"
    last = headwater(*told[1:], "--answer", "3", "--save", str(copy), cwd=folder, env=state)
    assert (last.returncode, last.stdout.strip(), last.stderr) == (0, "Done: 3 nights.", "")
    assert (folder / "sent").read_text() == "ann", "it was sent once"
    check_log(RunFile(copy).events)
    kept = json.loads((folder / "state/headwater/last.json").read_text())["thread"]["messages"]
    assert [one["role"] for one in kept] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    listed = headwater("runs", "list", "--parked", cwd=folder, env=state).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["FILE", told[3]]
    assert "waits" in listed[1]
    (folder / "empty").mkdir()
    assert "1 parked: headwater runs list --parked." in headwater("runs", "list", "empty", cwd=folder, env=state).stderr
    done = headwater(*told[1:], "--answer", "3", cwd=folder, env=state)
    assert done.returncode == 0
    none = headwater("runs", "list", "--parked", cwd=folder, env=state)
    assert (none.stdout, none.stderr) == ("", "headwater: no run is waiting for people.\n"), (
        "nobody had chosen to have it"
    )
    gone = headwater(*told[1:], cwd=folder, env=state)
    assert gone.returncode == 2
    assert "Name a file of a saved run, or the id of a parked one" in gone.stderr
    over = headwater("runs", "resume", str(copy), *told[4:], cwd=folder, env=state)
    assert over.returncode == 2
    assert "has ended." in over.stderr


def test_what_waits_is_refused_by_a_word(folder: Path) -> None:
    line = ("--agent", "cli_mail:pilot")
    first = headwater("run", "Write.", *line, "--save", "run.jsonl", cwd=folder)
    assert first.returncode == 3
    assert "headwater runs resume run.jsonl --agent cli_mail:pilot\n" in first.stderr
    headwater("runs", "resume", "run.jsonl", *line, "--no", "--note", "nights are short", cwd=folder)
    events = RunFile(folder / "run.jsonl").events
    assert [(one.allowed, one.by, one.note) for one in events if one.type == "approval.answered"] == [  # type: ignore[attr-defined]
        (False, "the user", "nights are short")
    ]
    assert not (folder / "sent").exists()


def test_another_agent_is_rejected_unless_forced(folder: Path) -> None:
    assert headwater("run", "Write.", "--agent", "cli_mail:pilot", "--save", "run.jsonl", cwd=folder).returncode == 3
    line = ("runs", "resume", "run.jsonl", "--agent", "cli_mail:pilot", "--yes")
    other = headwater(*line, "--instructions", "Be brief.", cwd=folder)
    assert other.returncode == 2
    assert "with --anyway the current declaration applies" in other.stderr
    assert "Give the options that it was run with, as --agent" in other.stderr
    assert headwater(*line, "--instructions", "Be brief.", "--anyway", cwd=folder).returncode == 3
    many = headwater(*line, "--answer", "1", "--answer", "2", cwd=folder)
    assert "headwater: There are 2 answers and 1 questions." in many.stderr


def test_a_missing_agent_is_the_only_error(folder: Path) -> None:
    assert headwater("run", "Write.", "--agent", "cli_mail:pilot", "--save", "run.jsonl", cwd=folder).returncode == 3
    forgot = headwater("runs", "resume", "run.jsonl", "--yes", cwd=folder)
    assert (forgot.returncode, forgot.stdout) == (2, "")
    (line,) = forgot.stderr.splitlines()
    assert "Give the options that it was run with, as --agent" in line


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_at_a_terminal_the_person_is_asked(folder: Path) -> None:
    line = ("--agent", "cli_mail:pilot")
    assert headwater("run", "Write.", *line, "--save", "run.jsonl", cwd=folder).returncode == 3
    with terminal("runs", "resume", "run.jsonl", *line, cwd=folder) as shown:
        shown.wait_for("Allow it?")
        shown.type("y\r")
        shown.wait_for("? book asks: How many nights?")
        shown.type("3\r")
        assert shown.end() == 0
        assert "Done: 3 nights." in shown.text

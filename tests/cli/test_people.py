"""Who answers what a run asks: whoever sits at the terminal, the agent's own approver, or nobody for now."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from headwater import Agent, RunFile, SequentialWorkflow, tool
from headwater.backends.offline import Call, ScriptedModel
from headwater.cli import main
from headwater.cli import people as module
from headwater.cli.options import add_agent_options, add_schema_option
from headwater.cli.people import (
    asker_for,
    has_approver,
    nobody_here,
    parked_beginning,
    parked_runs,
    parked_under,
    tell_of_parked,
    tell_what_is_asked,
    tell_who_is_waited_for,
)
from headwater.errors import ApprovalNeeded
from headwater.events import InputAsked, RunWaiting
from headwater.events.questions import Question
from tests.support.typing_person import at_terminal


@tool(approval=True)
def send(to: str) -> str:
    """Send a letter."""
    return f"sent to {to}"


def pilot(**more: Any) -> Agent[Any, Any]:
    return Agent(name="pilot", model=ScriptedModel([Call("send", {"to": "ann"}), "Done."]), tools=[send], **more)


def parked() -> ApprovalNeeded:
    with pytest.raises(ApprovalNeeded) as caught:
        pilot().run("Write.")
    return caught.value


def asked(*line: str) -> Any:
    parser = argparse.ArgumentParser()
    add_agent_options(parser)
    add_schema_option(parser)
    return parser.parse_args(line)


@pytest.fixture
def folder(tmp_path: Path, bare: pytest.MonkeyPatch) -> Path:
    bare.setenv("HEADWATER_HISTORY", "")
    bare.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "headwater/parked"


class _Own:
    name = "own"


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_at_a_terminal_the_person_is_asked_unless_the_agent_has_an_approver(monkeypatch: pytest.MonkeyPatch) -> None:
    with at_terminal(monkeypatch):
        assert asker_for(pilot()) is not None
        assert asker_for(SequentialWorkflow([pilot()])) is not None
        assert asker_for(pilot(approver=lambda _: True)) is None
        assert asker_for(_Own()) is None, "it takes no approver"
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert asker_for(pilot()) is None
    assert not has_approver(pilot())


def test_without_a_person_a_conversation_continues() -> None:
    assert pilot(approver=nobody_here).run("Write.") == "Done."
    refused = nobody_here(Question(id="q", kind="approval"))
    assert (refused.allowed, refused.note) == (False, "There is no terminal to answer at.")
    assert nobody_here(Question(id="q", kind="input")).action == "decline"


def test_a_run_is_saved_and_the_command_to_resume_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--agent", "mail box:pilot", "--stop", "a", "--stop", "b c", "--reasoning", "on", "--max-tokens", "3")
    needed = parked()
    tell_of_parked(needed, asked(*line), None)
    (file,) = folder.glob("*.jsonl.gz")
    first, second = capsys.readouterr().err.splitlines()
    assert first == 'headwater: the run waits for approval to run send(to="ann").'
    assert second == (
        "headwater: to continue (with --yes or --no to decide without a terminal): "
        f"headwater runs resume {needed.log[0].run} "
        "--agent 'mail box:pilot' --max-tokens 3 --stop a --stop 'b c' --reasoning on"
    )
    assert RunFile(file).events == needed.log
    assert parked_under(needed.log[0].run) == file
    assert parked_under("run_other") is None
    assert parked_runs() == [file]


def test_the_beginning_of_an_id_names_a_parked_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needed = parked()
    tell_of_parked(needed, asked(), None)
    (file,) = folder.glob("*.jsonl.gz")
    run = needed.log[0].run
    assert parked_under(run[:-2]) is None
    assert parked_beginning(run[:-2]) == file
    assert parked_beginning("run_other") is None
    assert parked_beginning("r") is None
    assert main(["runs", "show", run[:-2]]) == 0
    assert f" · {run} · waits" in capsys.readouterr().out
    (folder / f"{run}0.jsonl.gz").write_bytes(file.read_bytes())
    assert main(["runs", "show", run[:-2]]) == 2
    assert "Several runs begin with" in capsys.readouterr().err
    assert main(["runs", "show", run]) == 0  # one whose whole id it is comes before those that begin with it


def test_a_run_that_is_in_a_file_is_not_saved_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_of_parked(parked(), asked(), "run.jsonl")
    assert "runs resume run.jsonl\n" in capsys.readouterr().err
    needed = parked()
    tell_of_parked(needed, asked(), str(tmp_path))
    assert f"runs resume {tmp_path}/{needed.log[0].run}.jsonl.gz\n" in capsys.readouterr().err
    assert not folder.exists()


def test_an_unsaved_run_is_reported(folder: Path, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder.parent.mkdir()
    folder.touch()
    tell_of_parked(parked(), asked(), None)
    assert "the run could not be saved: " in capsys.readouterr().err
    bare.setenv("HEADWATER_HISTORY", "off")
    tell_of_parked(parked(), asked(), None)
    assert capsys.readouterr().err.endswith(
        "the run is not saved: HEADWATER_HISTORY is off. Save it with --save FILE.\n"
    )


def test_parked_runs_are_bounded(folder: Path, bare: pytest.MonkeyPatch) -> None:
    bare.setattr(module, "MAX_PARKED", 2)
    kept: list[Path] = []
    for age in (30, 20, 10):
        tell_of_parked(parked(), asked(), None)
        (new,) = set(folder.iterdir()) - set(kept)
        os.utime(new, (new.stat().st_mtime - age,) * 2)
        kept = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)
        assert kept[-1] == new
    assert len(kept) == 2


def test_what_is_asked_is_told_with_the_command_that_answers_in_a_journal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (approval,) = parked().pending
    tell_who_is_waited_for([approval])
    tell_who_is_waited_for([approval], "run_1")
    for run in (None, "run_1"):
        tell_what_is_asked(InputAsked(input="ask-1", call="c", name="book", message="How many?"), run)
        tell_what_is_asked(RunWaiting(), run)
    assert capsys.readouterr().err.splitlines() == [
        f"headwater: the run waits for {one}"
        for one in (
            'approval to run send(to="ann").',
            f'approval to run send(to="ann"): headwater runs approve run_1 {approval.id}',
            "an answer to book: How many?",
            "an answer to book: How many?: headwater runs answer run_1 VALUE",
        )
    ]

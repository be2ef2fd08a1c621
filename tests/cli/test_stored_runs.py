"""`headwater runs` and `headwater attach` on the runs of a journal, in a file and in PostgreSQL."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater import Agent, RunFile
from headwater.cli import main
from headwater.durable import home
from headwater.durable.drive import drive
from headwater.events import ApprovalAnswered, decode, encode
from headwater.journal.run_log import Batch, RunLog
from headwater.testing import check_log
from tests.cli.commands import terminal
from tests.cli.test_said_to_runs import in_journal
from tests.journal.postgres.databases import shared
from tests.support.crew import cashier, talker
from tests.support.effort import LONG
from tests.support.places import Place, stored, submitted

pytestmark = pytest.mark.xdist_group("postgres")

CASHIER = "tests.support.crew:cashier"


@pytest.fixture(params=["sqlite", *([pytest.param("postgresql", marks=pytest.mark.long)] if LONG else [])])
def url(request: pytest.FixtureRequest, tmp_path: Path, bare: pytest.MonkeyPatch) -> str:
    """A journal that the environment names."""
    url = f"sqlite:///{tmp_path}/runs.db" if request.param == "sqlite" else shared()
    bare.setenv("HEADWATER_JOURNAL", url)
    bare.setenv("HEADWATER_MODEL", "offline")
    return url


def begun(url: str, agent: Any, task: str, *, driven: bool = True, **labels: str) -> str:
    """The id of a run that was driven as far as it goes, and that no process drives any more."""
    run = f"run_{secrets.token_hex(6)}"

    async def ask(log: RunLog) -> None:
        await submitted(log, agent, run, task=task, labels=labels)
        if driven:
            await drive(Place(log, agent), run)

    in_journal(url, ask)
    return run


def said(capsys: pytest.CaptureFixture[str], *line: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main([*line]) == code
    written = capsys.readouterr()
    return written.out if code == 0 else written.err


def test_the_runs_are_listed_and_narrowed_down(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    mark = secrets.token_hex(4)
    ended, waits = begun(url, talker, "2", team=mark), begun(url, cashier, "pay 5", team=mark)
    queued = begun(url, talker, "3", driven=False, team=mark)
    head, *rows = said(capsys, "runs", "list", "--label", f"team={mark}").splitlines()
    assert head.split() == ["RUN", "CREATED", "STATE", "AGENT", "EVENTS", "DRIVES", "TASK"]
    assert [(row.split()[0], row.split()[3], row.split()[-1]) for row in rows] == [
        (queued, "queued", "3"),
        (waits, "waiting", "5"),
        (ended, "finished", "2"),
    ]
    narrow: dict[tuple[str, ...], list[str]] = {
        ("--parked",): [waits],
        ("--state", "finished"): [ended],
        ("--of", "talker"): [queued, ended],
        ("--limit", "1"): [queued],
        ("--thread", "none"): [],
    }
    for options, found in narrow.items():
        listed = said(capsys, "runs", "list", "--label", f"team={mark}", "--json", *options)
        assert [json.loads(line)["run"] for line in listed.splitlines()] == found
    assert "--label x is not a label" in said(capsys, "runs", "list", "--label", "x", code=2)


def test_a_run_is_shown_like_a_saved_one(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, waits, queued = begun(url, talker, "2"), begun(url, cashier, "pay"), begun(url, talker, "1", driven=False)
    shown = said(capsys, "runs", "show", run)
    assert f"talker · {run} · finished\nfinished\n> 2\n" in shown
    assert "word0 word1" in shown
    assert "waits for approval to run pay(euros=5)" in said(capsys, "runs", "show", waits)
    assert said(capsys, "runs", "play", run, "--speed", "0") == "word0 word1 \n"
    lines = said(capsys, "runs", "show", run, "--json").splitlines()
    check_log([decode(line.encode()) for line in lines])
    assert "has not begun: it is queued" in said(capsys, "runs", "show", queued, code=2)
    assert "no run 'nothing'" in said(capsys, "runs", "show", "nothing", code=2)
    other = begun(url, talker, "3")
    assert "+ text: word0 word1 word2" in said(capsys, "runs", "diff", run, other)
    assert "<html" in said(capsys, "runs", "html", run, "--out", str(tmp_path / "a.html")) + (
        tmp_path / "a.html"
    ).read_text(encoding="utf-8")


def test_a_run_says_how_often_it_was_taken_up(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = begun(url, cashier, "pay 5")
    said(capsys, "runs", "approve", run)

    async def go_on(log: RunLog) -> None:
        await drive(Place(log, cashier), run)

    in_journal(url, go_on)
    assert f"{run} · finished\nfinished · taken up once\n" in said(capsys, "runs", "show", run)


def test_an_exported_run_is_a_saved_run(
    url: str, tmp_path: Path, bare: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    run = begun(url, talker, "2")
    assert main(["runs", "export", run]) == 0
    (tmp_path / "out.jsonl").write_bytes(capsysbinary.readouterr().out)
    for name in ("a.jsonl", "a.jsonl.gz"):
        assert main(["runs", "export", run, "--out", str(tmp_path / name)]) == 0
        assert main(["runs", "export", run, "--out", str(tmp_path / name)]) == 2
        assert RunFile(tmp_path / name).events == RunFile(tmp_path / "out.jsonl").events
    assert main(["runs", "export", run, "--out", str(tmp_path / "a.jsonl"), "--overwrite"]) == 0
    assert main(["runs", "export", run, "--out", str(tmp_path / "a.txt")]) == 2
    assert RunFile(tmp_path / "a.jsonl").response.text == "word0 word1 "
    capsysbinary.readouterr()
    bare.delenv("HEADWATER_JOURNAL")
    assert main(["runs", "show", run]) == 2
    assert b"with --journal URL the id of a run" in capsysbinary.readouterr().err
    assert main(["runs", "show", run, "--journal", url]) == 0


@pytest.mark.parametrize("command", [("runs", "follow"), ("attach",)])
def test_a_run_is_followed_to_its_end(url: str, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    run = begun(url, talker, "3")
    assert said(capsys, *command, run) == "word0 word1 word2 \n"
    events = [decode(line.encode()) for line in said(capsys, *command, run, "--json").splitlines()]
    assert events == in_journal(url, lambda log: stored(log, run))
    assert "no run 'run_none'" in said(capsys, *command, "run_none", code=2)
    if command == ("attach",):
        assert "--token is for runs on a server" in said(capsys, *command, run, "--token", "t", code=2)


@pytest.mark.parametrize("command", [("runs", "follow"), ("attach",)])
def test_at_a_terminal_what_a_followed_run_asks_is_asked_here(url: str, command: tuple[str, ...]) -> None:
    crew = home.home_of(url)
    crew.members.add(cashier)
    run = begun(url, cashier, "pay", driven=False)
    crew.submit(run, cashier.name)  # this process drives it, another one asks
    with terminal(*command, run, env={"HEADWATER_JOURNAL": url}) as shown:
        shown.wait_for("Allow it?")
        shown.type("c\n")
        shown.wait_for("Enter for")
        shown.type("7\n")
        assert shown.end() == 0
        assert "Paid." in shown.text
        assert "headwater runs approve" not in shown.text
    events = in_journal(url, lambda log: stored(log, run))
    (answer,) = [event for event in events if isinstance(event, ApprovalAnswered)]
    assert (answer.arguments, answer.by) == ({"euros": 7}, "the user")


def test_a_waiting_run_is_answered_and_driven_here(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = begun(url, cashier, "pay")
    line = ("runs", "resume", run, "--agent", CASHIER)
    assert f"headwater runs approve {run} {run}/" in said(capsys, *line, code=3)
    wrong = said(capsys, "runs", "resume", run, "--agent", "tests.support.crew:talker", "--yes", code=2)
    assert "is one of 'cashier', and the agent here is 'talker'" in wrong
    assert said(capsys, *line, "--yes") == "Paid.\n"
    assert f"The run {run} is finished" in said(capsys, *line, code=2)
    events = in_journal(url, lambda log: stored(log, run))
    check_log(events)
    assert [event.seq for event in events] == [*range(len(events))]


def test_a_run_is_not_driven_by_an_agent_that_is_made_up_for_it(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would end the run, without the tools that the run waits for."""
    run = begun(url, cashier, "pay")
    for more in ((), ("--yes",), ("--name", "cashier"), ("--model", "offline")):
        refused = said(capsys, "runs", "resume", run, *more, code=2)
        assert f"The run {run} is one of 'cashier'. Name it: --agent module:name." in refused
    assert "waits for approval to run pay(euros=5)" in said(capsys, "runs", "show", run)


def test_a_run_of_options_is_driven_with_the_same_options(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--model", "offline", "--instructions", "Be brief.")
    run = begun(url, Agent(name="agent", model="offline", instructions="Be brief."), "Hello", driven=False)
    began = begun(url, Agent(name="agent", model="offline", instructions="Be brief."), "Hello")

    async def begin(log: RunLog) -> None:
        lines = tuple(
            encode(msgspec.structs.replace(event, run=run), stamps=True) for event in (await stored(log, began))[:2]
        )
        await log.append(Batch(run=run, first=0, lines=lines, by="dead#1", owner="dead"))

    in_journal(url, begin)
    assert "is one of 'agent'" in said(capsys, "runs", "resume", run, "--model", "offline", code=2)
    assert "Hello" in said(capsys, "runs", "resume", run, *options)


def test_a_run_that_was_answered_while_nobody_drove_it_is_driven_here(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begun(url, cashier, "pay")
    said(capsys, "runs", "deny", run)
    assert said(capsys, "runs", "resume", run, "--agent", CASHIER) == "Paid.\n"


def test_an_interrupted_run_is_driven_here(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its process died in the middle of the answer."""
    run, whole = begun(url, talker, "2", driven=False), begun(url, talker, "2")

    async def begin(log: RunLog) -> None:
        events = (await stored(log, whole))[:7]
        assert events[-1].type == "text.delta"
        lines = tuple(encode(msgspec.structs.replace(event, run=run), stamps=True) for event in events)
        await log.append(Batch(run=run, first=0, lines=lines, by="dead#1", owner="dead"))

    in_journal(url, begin)
    assert said(capsys, "runs", "resume", run, "--agent", "tests.support.crew:talker").endswith("word0 word1 \n")
    events = in_journal(url, lambda log: stored(log, run))
    check_log(events)
    assert [event.type for event in events if event.type in ("run.resumed", "run.finished")] == [
        "run.resumed",
        "run.finished",
    ]


def test_runs_are_deleted_when_they_have_ended(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended, waits = begun(url, talker, "1"), begun(url, cashier, "pay")
    assert f"The run {waits} is waiting. Cancel it first" in said(capsys, "runs", "delete", ended, waits, code=2)
    assert "word0" in said(capsys, "runs", "show", ended)  # of several, none was deleted
    said(capsys, "runs", "delete", ended)
    said(capsys, "runs", "delete", waits, "--force")
    for run in (ended, waits):
        assert "no run" in said(capsys, "runs", "show", run, code=2)


def test_a_run_is_named_by_the_beginning_of_its_id(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, waits, other = begun(url, talker, "2"), begun(url, cashier, "pay"), begun(url, cashier, "pay")
    for run in (ended, waits):
        assert f" · {run} · " in said(capsys, "runs", "show", run[:-2])
    for command in (("runs", "follow"), ("attach",)):
        assert said(capsys, *command, ended[:-2]) == "word0 word1 \n"
    assert main(["runs", "export", ended[:-2], "--out", str(tmp_path / "a.jsonl")]) == 0
    assert f"the log of {ended}." in capsys.readouterr().err
    assert f"headwater runs approve {waits} {waits}/" in said(
        capsys, "runs", "resume", waits[:-2], "--agent", CASHIER, code=3
    )
    assert main(["runs", "approve", waits[:-2]]) == 0
    assert f" of {waits}." in capsys.readouterr().err
    assert main(["runs", "cancel", other[:-2]]) == 0
    assert capsys.readouterr().err.endswith(f"cancelled {other}.\n")
    several = said(capsys, "runs", "show", "run_", code=2)
    assert "Several runs begin with run_: run_" in several
    assert several.endswith("Write more of the id.\n")
    assert "no run 'run_%'" in said(capsys, "runs", "show", "run_%", code=2)
    assert main(["runs", "delete", ended[:-2]]) == 0
    assert f"deleted {ended}." in capsys.readouterr().err


def test_places_are_files_although_a_journal_is_named(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begun(url, talker, "1")
    assert main(["runs", "export", run, "--out", str(tmp_path / "a.jsonl")]) == 0
    assert f"{tmp_path}/a.jsonl" in said(capsys, "runs", "list", str(tmp_path))

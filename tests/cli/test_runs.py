"""`headwater runs`: what was saved, listed, shown, played, compared and forked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headwater import Agent, ConcurrentWorkflow, Price, RunFile, SequentialWorkflow, tool
from headwater.backends.offline import Call, Cut, ScriptedModel
from headwater.cli import main
from headwater.errors import ApprovalNeeded, HeadwaterError
from headwater.terminal.summary import dollars
from tests.cli.commands import headwater, terminal

pytestmark = pytest.mark.interpreters


@tool
async def look(what: str) -> str:
    """Look."""
    return f"saw {what}"


@tool(approval=True)
async def pay(euros: int) -> str:
    """Pay."""
    return f"paid {euros}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADWATER_MODEL", "offline")
    save("good.jsonl.gz", ["Let me look. ", Call("look", {"what": "sea"})], "It is \x1b[31mblue.")
    save("other.jsonl", ["Let me look. ", Call("look", {"what": "sky"})], "It is gray.")
    save("failed.jsonl", ["Half", Cut()])
    return tmp_path


def save(name: str, *turns: object) -> None:
    agent: Agent = Agent(name="guide", model=ScriptedModel(list(turns)), tools=[look])  # type: ignore[arg-type]
    try:
        agent.run("What color is the sea?", save=name)
    except HeadwaterError:
        assert isinstance(turns[-1], list)


def said(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert main(["runs", *line]) == 0
    return capsys.readouterr().out


def test_the_runs_of_a_folder_a_line_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, *rows = said(capsys, "list").splitlines()
    assert head.split()[:3] == ["FILE", "BEGAN", "END"]
    assert {tuple(row.split()[i] for i in (0, 3, 4, 5)) for row in rows} == {
        ("good.jsonl.gz", "finished", "guide", "2"),
        ("other.jsonl", "finished", "guide", "2"),
        ("failed.jsonl", "failed", "guide", "1"),
    }


def test_a_folder_without_runs_says_how_to_save_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "list", str(tmp_path)]) == 0
    assert "--save FILE" in capsys.readouterr().err


def test_a_broken_file_is_listed_with_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.jsonl").write_text("nonsense\n")
    assert main(["runs", "list"]) == 1
    told = capsys.readouterr()
    assert "bad.jsonl is not a saved run" in told.err
    assert "good.jsonl.gz" in told.out


def test_a_run_step_by_step(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "show", "good.jsonl.gz")
    for words in ("guide", "> What color is the sea?", 'look({"what":"sea"})', "→ look: saw sea", "It is", "finished"):
        assert words in shown
    assert "\x1b" not in shown
    assert "failed: IncompleteStream" in said(capsys, "show", "failed.jsonl")


def test_a_tool_that_was_started_again_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its process had died in the middle of it."""
    assert "was started" not in said(capsys, "show", "other.jsonl")
    lines = (folder / "other.jsonl").read_text().splitlines(keepends=True)
    cut = 1 + next(at for at, line in enumerate(lines) if '"tool.started"' in line)
    (folder / "cut.jsonl").write_text("".join(lines[:cut]))
    agent: Agent = Agent(name="guide", model=ScriptedModel(["It is gray."]), tools=[look])
    RunFile("cut.jsonl").resume(agent).result_sync()
    shown = said(capsys, "show", "cut.jsonl")
    assert "\n  look was started 2 times: its process ended in the middle of it\n  → look: saw sky\n" in shown


def test_a_waiting_run_says_for_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    agent = Agent(name="guide", model=ScriptedModel([[Call("pay", {"euros": 20})]]), tools=[pay])
    with pytest.raises(ApprovalNeeded):
        agent.run("Pay.", save="waits.jsonl")
    assert said(capsys, "list").splitlines()[1].split()[3] == "waits"
    shown = said(capsys, "show", "waits.jsonl")
    assert shown.splitlines()[0].endswith(" · waits")
    assert "waits for approval to run pay(euros=20)" in shown

    lines = (tmp_path / "waits.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "open.jsonl").write_text("".join(lines[:4]))
    shown = said(capsys, "show", "open.jsonl")
    assert shown.splitlines()[0].endswith(" · open")
    assert "waits for" not in shown


def test_no_line_that_is_shown_ends_with_spaces(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save("long.jsonl", "One.\n\nTwo.\n\nThree.\n\nFour.")
    for line in ("show", "long.jsonl"), ("diff", "long.jsonl", "other.jsonl"):
        shown = said(capsys, *line)
        assert "Two. … (25 characters)" in shown
        assert all(row == row.rstrip() for row in shown.splitlines())


@pytest.mark.parametrize("action", ["show", "html", "resume"])
def test_a_mistake_names_help_that_can_be_called(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", action]) == 2
    assert f"See headwater runs {action} --help." in capsys.readouterr().err


def test_a_run_as_its_events(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in said(capsys, "show", "other.jsonl", "--json").splitlines()]
    assert [line["seq"] for line in lines] == list(range(len(RunFile("other.jsonl").events)))


def test_a_run_is_played(folder: Path) -> None:
    done = headwater("runs", "play", "other.jsonl", "--speed", "0", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "It is gray." in done.stdout
    done = headwater("runs", "play", "failed.jsonl", "--speed", "0", cwd=folder)
    assert "the run failed: IncompleteStream" in done.stderr


@pytest.mark.parametrize("kind", [SequentialWorkflow, ConcurrentWorkflow])
def test_a_workflow_is_played(kind: type[SequentialWorkflow] | type[ConcurrentWorkflow], folder: Path) -> None:
    agents: list[Agent] = [Agent(name=name, model=ScriptedModel([f"I am {name}."])) for name in ("north", "south")]
    kind(agents, print_on=False).run("Who are you?", save="team.jsonl")
    piped = headwater("runs", "play", "team.jsonl", "--speed", "0", cwd=folder)
    assert piped.returncode == 0
    assert piped.stdout == f"{RunFile('team.jsonl').response.text}\n"

    with terminal("runs", "play", "team.jsonl", "--speed", "0", cwd=folder) as shown:
        assert shown.end() == 0
    assert [shown.text.count(f"Agent: {agent.name} ") for agent in agents] == [1, 1]
    assert [shown.text.count(f"I am {agent.name}.") for agent in agents] == [1, 1]


def test_a_run_as_a_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "html", "good.jsonl.gz"]) == 0
    assert "good.html: " in capsys.readouterr().err
    page = (folder / "good.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "What color is the sea?" in page
    assert main(["runs", "html", "good.jsonl.gz", "--out", "other.html"]) == 0
    assert (folder / "other.html").read_text(encoding="utf-8") == page
    assert headwater("runs", "html", "good.jsonl.gz", "--out", "-").stdout == page
    assert main(["runs", "html", "good.jsonl.gz", "--out", "no/such/folder.html"]) == 2
    assert "--out FILE" in capsys.readouterr().err


def test_two_runs_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "diff", "good.jsonl.gz", "other.jsonl")
    assert "guide · step 1: calls, results" in shown
    assert '+ calls: look({"what":"sky"})' in shown
    assert "- results: look: saw sea" in shown
    assert "no step differs" in said(capsys, "diff", "other.jsonl", "other.jsonl")
    assert "only in the first" in said(capsys, "diff", "good.jsonl.gz", "failed.jsonl")


def test_a_fork_continues_and_is_saved(folder: Path) -> None:
    line = ("--step", "1", "--message", "Say more.", "--save", "fork.jsonl.gz", "--model", "offline")
    done = headwater("runs", "fork", "other.jsonl", *line, cwd=folder)
    assert done.returncode == 0
    assert "I am headwater's offline model" in done.stdout
    assert done.stdout == done.stdout.lstrip()
    fork = RunFile(folder / "fork.jsonl.gz")
    assert fork.started.forked_from is not None
    assert fork.started.forked_from.run == RunFile(folder / "other.jsonl").run_id


CASHIER = """
from headwater import Agent, tool
from headwater.backends.offline import Call, ScriptedModel

@tool(approval=True)
def pay(euros: int) -> str:
    "Pay."
    return "paid"

agent = Agent(name="cashier", model=ScriptedModel([[Call("pay", {"euros": 5})], "Paid."]), tools=[pay])
"""


def test_a_fork_that_waits_for_people_is_parked(folder: Path) -> None:
    (folder / "cashier.py").write_text(CASHIER)
    agent = ("--agent", "cashier:agent")
    assert headwater("run", "Pay.", *agent, "--save", "asks.jsonl", cwd=folder).returncode == 3
    done = headwater("runs", "fork", "asks.jsonl", *agent, "--save", "fork.jsonl", cwd=folder)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the run waits for approval to run pay(euros=5)." in done.stderr
    assert "headwater runs resume fork.jsonl --agent cashier:agent" in done.stderr
    assert len(RunFile(folder / "fork.jsonl").pending) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (("show", "nowhere.jsonl"), "cannot be read: No such file"),
        (("fork", "other.jsonl", "--step", "9"), "has no finished step 9"),
        (("play", "other.jsonl", "--speed", "-1"), "speed must be from 0 to 1e+09"),
    ],
)
def test_a_mistake_is_reported_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], line: tuple[str, ...], says: str
) -> None:
    assert main(["runs", *line]) == 2
    assert says in capsys.readouterr().err


def test_run_saves(folder: Path) -> None:
    done = headwater("run", "Hi", "--save", "hi.jsonl", cwd=folder, env={"HEADWATER_MODEL": "offline"})
    assert done.returncode == 0
    first = RunFile(folder / "hi.jsonl")
    assert first.events[-1].type == "run.finished"
    again = headwater("run", "Hi", "--save", "hi.jsonl", cwd=folder, env={"HEADWATER_MODEL": "offline"})
    assert (again.returncode, again.stdout) == (2, "")
    assert "hi.jsonl exists and holds a saved run." in again.stderr
    line = ("--save", "hi.jsonl", "--overwrite")
    assert headwater("run", "Hi", *line, cwd=folder, env={"HEADWATER_MODEL": "offline"}).returncode == 0
    assert RunFile(folder / "hi.jsonl").run_id != first.run_id


def test_a_run_with_a_price_shows_its_cost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = {"offline": Price(input=1000, output=1000)}
    Agent(name="guide", model=ScriptedModel(["Blue."]), prices=prices).run("What color?", save="priced.jsonl")
    cost = RunFile("priced.jsonl").response.usage.cost
    assert cost is not None
    rows = {row.split()[0]: row for row in said(capsys, "list").splitlines()}
    assert f" {dollars(cost)} " in rows["priced.jsonl"]
    assert " ? " in rows["good.jsonl.gz"], "unknown is not 0"
    assert said(capsys, "show", "priced.jsonl").rstrip().endswith(f"s · {dollars(cost)}")
    assert "$" not in said(capsys, "show", "good.jsonl.gz")

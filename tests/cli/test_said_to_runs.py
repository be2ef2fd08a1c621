"""`headwater runs approve`, `deny` and `cancel`: what reaches the inbox of a run, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from headwater.cli import main
from headwater.durable.drive import drive
from headwater.errors import ApprovalNeeded
from headwater.journal import open_journal
from headwater.journal.opening import upgrade
from headwater.journal.run_log import RunLog
from tests.support.journals import journal, payer
from tests.support.places import Place, submitted

__all__ = ("journal",)

T = TypeVar("T")


def in_journal(url: str, ask: Callable[[RunLog], Awaitable[T]]) -> T:
    async def main() -> T:
        log = await open_journal(url)
        try:
            return await ask(log)
        finally:
            await log.close()

    return asyncio.run(main())


@pytest.fixture
def waiting(journal: str) -> str:
    """A run that waits for an approval."""

    async def ask(log: RunLog) -> str:
        agent = payer(journal)
        run = await submitted(log, agent)
        await drive(Place(log, agent), run)
        return (await log.info(run)).state

    assert in_journal(journal, ask) == "waiting"
    return "run_1"


def inbox(url: str) -> list[tuple[str, dict[str, object]]]:
    async def ask(log: RunLog) -> list[tuple[str, dict[str, object]]]:
        return [(one.kind, msgspec.json.decode(one.body)) for one in await log.inbox("run_1")]

    return in_journal(url, ask)


@pytest.mark.parametrize(
    ("said", "how"), [(["approve"], "--yes"), (["deny"], "--no"), (["answer", "in two days"], "--answer 'in two days'")]
)
def test_a_run_in_a_file_is_answered_by_resuming_it(
    tmp_path: Path, said: list[str], how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "page.jsonl"
    with pytest.raises(ApprovalNeeded):
        payer(None).run("Pay", save=file)
    action, *value = said
    assert main(["runs", action, str(file), *value]) == 2
    assert f"headwater runs resume {file} {how}, with the options" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["runs list", "runs approve run_1", "runs cancel run_1", "journal tidy"])
def test_a_journal_that_does_not_exist_is_not_made(
    tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rnus.db"
    monkeypatch.setenv("HEADWATER_JOURNAL", f"sqlite:///{file.as_posix()}")
    assert main(line.split()) == 2
    assert f"The journal's file {file.as_posix()} does not exist. Check --journal" in capsys.readouterr().err
    assert not file.exists()


@pytest.mark.parametrize(("action", "allowed"), [("approve", True), ("deny", False)])
def test_the_one_open_question_is_answered(journal: str, waiting: str, action: str, allowed: bool) -> None:
    assert main(["runs", action, waiting, "--journal", journal, "--by", "ann", "--note", "why"]) == 0
    ((kind, body),) = inbox(journal)
    assert kind == "answer"
    answer = body["answer"]
    assert isinstance(answer, dict)
    assert (answer.get("allowed", True), answer["by"], answer["note"]) == (allowed, "ann", "why")


def test_a_second_answer_and_another_question_are_refused(
    journal: str, waiting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["runs", "approve", waiting, "--journal", journal, "--by", "ann"]
    assert main(["runs", "approve", waiting, "other", "--journal", journal]) == 2
    assert "No open approval of run_1 has the id other. Open: " in capsys.readouterr().err
    assert main(line) == 0
    assert main(line) == 0  # the same answer again
    capsys.readouterr()
    assert main([*line[:-1], "bob"]) == 2
    assert "already answered, by ann" in capsys.readouterr().err


def test_a_cancel_reaches_the_inbox(journal: str, waiting: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "cancel", waiting, "--journal", journal]) == 0
    assert capsys.readouterr().err == "headwater: cancelled run_1.\n"

    async def ask(log: RunLog) -> list[str]:
        return [one.kind for one in await log.inbox(waiting)]

    assert in_journal(journal, ask) == ["cancel"]


def test_an_unknown_run_is_said(journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(upgrade(journal))
    for action in ("approve", "cancel"):
        assert main(["runs", action, "nobody", "--journal", journal]) in (1, 2)
        assert "no run 'nobody'" in capsys.readouterr().err

"""The file of a run is continued by one process at a time, and by whoever has read all of it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from headwater import RunFile
from headwater.errors import ApprovalNeeded, ConfigurationError, RunBusy
from headwater.events import ToolStarted
from headwater.testing import check_log
from tests.support.paths import ROOT
from tests.support.programs import Forked, fork
from tests.support.streams import scripted
from tests.system.resume.one_writer import allowed, paid, payer


@pytest.fixture(params=["run.jsonl", "run.jsonl.gz"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / str(request.param)
    with pytest.raises(ApprovalNeeded):
        payer().run("Go.", save=path)
    paid.clear()
    return path


@contextlib.contextmanager
def another(how: str, path: Path) -> Iterator[tuple[Forked, IO[str]]]:
    """Another process, and what it says; see `one_writer`."""
    (into, given), (out, said) = os.pipe(), os.pipe()
    command = ["-m", "tests.system.resume.one_writer", how, str(path)]
    process = fork(command, env=os.environ, cwd=ROOT, streams=[into, said, 2])
    os.close(into)
    os.close(said)
    with os.fdopen(given, "w"), os.fdopen(out) as heard:
        try:
            yield process, heard
        finally:
            process.kill()


def test_a_second_process_is_refused_and_takes_over_once_the_first_is_dead(path: Path) -> None:
    with another("pays", path) as (first, heard):
        assert heard.readline() == "paying\n"
        file = RunFile(path)  # anyone may look at it
        for again in (file, RunFile(path)):
            with pytest.raises(RunBusy, match="is being written by a run"):
                again.resume(payer(), approvals=allowed(again))
        with pytest.raises(RunBusy):
            scripted("Another run.").run("Go.", save=path)
        first.kill()
    file = RunFile(path)
    assert file.resume(payer()).result_sync() == "It is done."
    log = RunFile(path).events
    check_log(log)
    begun = [event for event in log if isinstance(event, ToolStarted)]
    assert [event.try_ for event in begun] == [1, 2]
    assert {event.idempotency_key for event in begun} == {*paid}


def test_whoever_has_read_less_than_there_is_now_is_refused(path: Path) -> None:
    """Its log does not know that the tool has run."""
    first, second = RunFile(path), RunFile(path)
    assert first.resume(payer(), approvals=allowed(first)).result_sync() == "It is done."
    with pytest.raises(RunBusy, match="somebody else has continued it"):
        second.resume(payer(), approvals=allowed(second))
    assert len(paid) == 1
    assert RunFile(path).resume(payer()).result_sync() == "It is done."  # it is over, and says so
    assert len(paid) == 1
    elsewhere = path.with_name("elsewhere.jsonl")
    assert second.resume(payer(), approvals=allowed(second), save=elsewhere).result_sync() == "It is done."


@pytest.mark.parametrize("how", ["dies before it replaces", "dies once it has replaced"])
def test_a_process_killed_while_it_replaces_the_file_loses_nothing(path: Path, how: str) -> None:
    before = RunFile(path).events
    with another(how, path) as (process, _):
        assert process.wait() == -signal.SIGKILL
    file = RunFile(path)
    assert file.events == before
    assert file.resume(payer(), approvals=allowed(file)).result_sync() == "It is done."
    check_log(RunFile(path))
    assert len(paid) == 1


def test_a_stream_that_is_dropped_lets_the_file_go(path: Path) -> None:
    file = RunFile(path)
    stream = file.resume(payer(), approvals=allowed(file))
    with pytest.raises(RunBusy):
        file.resume(payer())
    stream.close()
    assert file.resume(payer(), approvals=allowed(file)).result_sync() == "It is done."


def test_of_two_runs_that_begin_the_same_file_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, link = tmp_path / "new.jsonl", os.link
    others: list[Any] = []

    def second(*names: Any) -> None:
        if not others:
            others.append(None)
            others[0] = scripted("The other.").run_stream("Go.", save=path)
            others[0]._begun()
        link(*names)

    monkeypatch.setattr(os, "link", second)
    with pytest.raises(RunBusy):
        scripted("One.").run("Go.", save=path)
    assert others[0].result_sync() == "The other."
    assert str(RunFile(path).response) == "The other."
    assert [one.name for one in tmp_path.iterdir()] == ["new.jsonl"]


def test_without_links_a_new_file_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*names: Any) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", none)
    path = tmp_path / "new.jsonl"
    scripted("One.").run("Go.", save=path)
    assert str(RunFile(path).response) == "One."


def test_a_file_in_the_place_of_its_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="Cannot save the run"):
        scripted("One.").run("Go.", save=tmp_path / "file" / "run.jsonl")

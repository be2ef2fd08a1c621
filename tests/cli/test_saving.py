from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from headwater import Agent
from headwater.backends.offline import ScriptedModel
from headwater.cli.saving import add_save_options, place_to_save
from headwater.errors import UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    Agent(model=ScriptedModel(["Hi."])).run("Hello", save=path)
    return path


def asked(*line: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_save_options(parser)
    return parser.parse_args([str(word) for word in line])


def test_a_new_file_and_a_folder_are_taken(tmp_path: Path) -> None:
    new = tmp_path / "new.jsonl"
    assert place_to_save(asked()) is None
    assert place_to_save(asked("--save", new)) == str(new)
    assert place_to_save(asked("--save", tmp_path)) == str(tmp_path)


def test_an_existing_file_is_kept(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(UsageError, match=r"run.jsonl exists and holds a saved run\. Name .*--overwrite"):
        place_to_save(asked("--save", file))
    assert file.read_bytes() == before


def test_a_run_that_can_be_resumed_is_named_as_such(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(UsageError, match="holds a run that can be resumed"):
        place_to_save(asked("--save", file))


def test_any_other_file_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("notes")
    with pytest.raises(UsageError, match=r"notes.jsonl exists\."):
        place_to_save(asked("--save", tmp_path / "notes.jsonl"))


def test_overwrite_removes_it(file: Path) -> None:
    assert place_to_save(asked("--save", file, "--overwrite")) == str(file)
    assert not file.exists()


def test_overwrite_alone_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="--overwrite"):
        place_to_save(asked("--overwrite"))

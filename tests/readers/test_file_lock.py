"""The lock of a run's file: one holder at a time, whatever becomes of it and of the file."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from headwater.readers.file_lock import Locked, held, lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"one")
    return path


def test_one_at_a_time_until_it_is_closed(path: Path) -> None:
    with path.open("rb") as first, path.open("rb") as second:
        lock(first)
        with pytest.raises(Locked):
            lock(second)
        with pytest.raises(Locked), held(path):
            pass
        assert path.read_bytes() == b"one"  # anyone may read it
        first.close()
        lock(second)


def test_it_is_held_meanwhile_and_no_longer(path: Path) -> None:
    with held(path) as there:
        assert there
        with pytest.raises(Locked), held(path):
            pass
    with held(path) as there:
        assert there


def test_without_a_regular_file_there_is_nothing_to_hold(path: Path) -> None:
    link = path.with_name("link.jsonl")
    link.symlink_to(path)
    for place in (link, path.parent, path.with_name("none.jsonl")):
        with held(place) as there, held(place):
            assert not there


def test_a_file_that_was_replaced_meanwhile_is_looked_at_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking: the lock of the file that is no longer there says nothing."""
    new = path.with_name("new.jsonl")
    new.write_bytes(b"two")
    writer = new.open("rb")
    lock(writer)
    flock = fcntl.flock

    def replaced_first(file: Any, how: int) -> None:
        if new.exists():
            os.replace(new, path)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", replaced_first)
    with pytest.raises(Locked), held(path):
        pass
    writer.close()
    with held(path) as there:
        assert there


def test_a_file_that_was_removed_meanwhile_is_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda file, how: path.unlink())
    with held(path) as there:
        assert not there


def test_where_there_are_no_locks_nothing_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(file: Any, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with held(path), held(path):
        pass
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with held(path), held(path):
        pass

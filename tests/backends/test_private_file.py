"""Private files: complete or absent, and readable only by the owner."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.backends.private_file import new_private, write_private
from headwater.errors import ConfigurationError


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_read_it_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    write_private(path, b"one")
    assert (path.read_bytes(), _mode(path)) == (b"one", 0o600)
    path.chmod(0o644)
    write_private(str(path), b"two")
    assert (path.read_bytes(), _mode(path)) == (b"two", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["said.json"]


def test_readers_of_the_old_file_can_continue(tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    write_private(path, b"one")
    with path.open("rb") as reader:
        write_private(path, b"two")
        assert reader.read() == b"one"


def test_a_failed_replacement_leaves_no_temporary_file(tmp_path: Path) -> None:
    folder = tmp_path / "said.json"
    folder.mkdir()
    with pytest.raises(OSError):  # noqa: PT011  # which one differs between systems
        write_private(folder, b"one")
    assert folder.is_dir()
    assert [one.name for one in tmp_path.iterdir()] == ["said.json"]


def test_a_failed_write_leaves_only_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    write_private(path, b"one")
    program = (
        "import resource, signal, sys; from headwater.backends.private_file import write_private;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4));"
        "write_private(sys.argv[1], b'far too much')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert path.read_bytes() == b"one"
    assert [one.name for one in tmp_path.iterdir()] == ["said.json"]


@pytest.mark.parametrize("write", [write_private, lambda path, data: new_private(path).close()])
def test_a_link_is_replaced_and_not_followed(write: Callable[[Path, bytes], None], tmp_path: Path) -> None:
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "link"
    elsewhere.write_bytes(b"theirs")
    elsewhere.chmod(0o644)
    link.symlink_to(elsewhere)
    write(link, b"mine")
    assert (link.is_symlink(), _mode(link)) == (False, 0o600)
    assert (elsewhere.read_bytes(), _mode(elsewhere)) == (b"theirs", 0o644)


def test_a_missing_folder_raises_pythons_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "none" / "said.json", b"one")


def test_a_growing_file_is_private_and_does_not_touch_the_old_one(tmp_path: Path) -> None:
    path, other = tmp_path / "said.jsonl", tmp_path / "other name"
    path.write_bytes(b"old")
    path.chmod(0o644)
    other.hardlink_to(path)
    with new_private(path) as file:
        file.write(b"new")
        file.flush()
        assert (path.read_bytes(), _mode(path)) == (b"new", 0o600)
        file.write(b"er")
    assert (path.read_bytes(), other.read_bytes()) == (b"newer", b"old")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["other name", "said.jsonl"]


def test_a_growing_file_takes_the_place_once_it_has_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "said.jsonl", list[bytes]()
    path.write_bytes(b"old")
    replace = os.replace

    def looking(*names: str) -> None:
        seen.append(path.read_bytes())
        replace(*names)
        seen.append(path.read_bytes())

    monkeypatch.setattr(os, "replace", looking)
    with new_private(path, b"beginning, ") as file:
        file.write(b"end")
    assert seen == [b"old", b"beginning, "]
    assert path.read_bytes() == b"beginning, end"


def test_anything_but_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for write in (new_private, lambda path: write_private(path, b"one")):
        with pytest.raises(ConfigurationError, match="it is not a regular file"):
            write(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_failed_growing_file_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "said.jsonl").mkdir()
    with pytest.raises(OSError):  # noqa: PT011  # which one differs between systems
        new_private(tmp_path / "said.jsonl")
    assert [one.name for one in tmp_path.iterdir()] == ["said.jsonl"]

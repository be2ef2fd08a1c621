"""A file of one's own: whole or not there, and nobody else's to read."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.errors import UsageError
from headwater.runtime.private_file import write_private


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_its_owner_alone_can_read_it_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    write_private(path, b"one")
    assert (path.read_bytes(), _mode(path)) == (b"one", 0o600)
    path.chmod(0o644)
    write_private(str(path), b"two")
    assert (path.read_bytes(), _mode(path)) == (b"two", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["said.json"]


def test_who_has_the_old_file_open_goes_on_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    write_private(path, b"one")
    with path.open("rb") as reader:
        write_private(path, b"two")
        assert reader.read() == b"one"


def test_what_cannot_be_put_in_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "said.json"
    folder.mkdir()
    with pytest.raises(OSError):  # noqa: PT011  # which one differs between systems
        write_private(folder, b"one")
    assert folder.is_dir()
    assert [one.name for one in tmp_path.iterdir()] == ["said.json"]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    write_private(path, b"one")
    program = (
        "import resource, signal, sys; from headwater.runtime.private_file import write_private;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4));"
        "write_private(sys.argv[1], b'far too much')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert path.read_bytes() == b"one"
    assert [one.name for one in tmp_path.iterdir()] == ["said.json"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "link"
    elsewhere.write_bytes(b"theirs")
    link.symlink_to(elsewhere)
    with pytest.raises(UsageError, match=r"is a symbolic link\. Name what it leads to"):
        write_private(link, b"mine")
    assert elsewhere.read_bytes() == b"theirs"
    assert link.is_symlink()


def test_a_folder_that_is_not_there_is_pythons_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "none" / "said.json", b"one")

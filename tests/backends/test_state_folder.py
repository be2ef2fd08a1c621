from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from headwater.backends.state_folder import state_folder, state_path


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has a folder of its own for it")
def test_the_folder_is_where_the_xdg_specification_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder({"XDG_STATE_HOME": "/var/me"}) == Path("/var/me/headwater")
    for ignored in ("", "relative"):
        assert state_folder({"XDG_STATE_HOME": ignored}) == tmp_path / ".local/state/headwater"


def test_it_is_created_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = state_path("last.json")
    assert path == tmp_path / "state/headwater/last.json"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

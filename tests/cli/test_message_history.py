"""What was typed: kept over sessions, bounded, for its owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from headwater.cli import message_history as module
from headwater.cli.message_history import Typed


@pytest.fixture
def file(tmp_path: Path, bare: pytest.MonkeyPatch) -> Path:
    bare.setenv("HEADWATER_HISTORY", "")
    bare.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "headwater/typed.jsonl"


def test_the_next_session_has_it_and_concurrent_sessions_lose_nothing(file: Path) -> None:
    one, other = Typed(), Typed()
    assert one.add("Explain\ntides")
    assert other.add("潮")
    assert not one.add("Explain\ntides"), "the one before again"
    assert not one.add("  ")
    assert Typed().entries == ["Explain\ntides", "潮"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 10)
    monkeypatch.setattr(module, "MAX_CHARS", 5)
    typed = Typed()
    for number in range(11):
        typed.add(str(number))
    typed.add("too long")
    assert typed.entries[-1] == "too long", "it is there in this session"
    assert Typed().entries == ["6", "7", "8", "9", "10"]
    assert len(file.read_text().splitlines()) == 5
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_lines_that_are_none_are_passed_over(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(b'"one"\n{\xff\n3\n"two"\n"cu')
    assert Typed().entries == ["one", "two"]


def test_without_a_place_for_it_the_session_has_it_alone(file: Path, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("HEADWATER_HISTORY", "off")
    typed = Typed()
    typed.add("one")
    assert (typed.entries, file.exists()) == (["one"], False)
    bare.setenv("HEADWATER_HISTORY", "")
    file.parent.write_text("no folder")
    typed = Typed()
    typed.add("one")
    assert typed.entries == ["one"]

"""--journal: what names the journal, and what is said where nothing does."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import pytest

from headwater.cli.named_journal import add_journal, ask_journal, cancel_stored, journal_of
from headwater.errors import ConfigurationError, UnknownRun, UsageError
from headwater.journal import Request
from headwater.journal.opening import upgrade


def named(*line: str) -> str:
    parser = argparse.ArgumentParser()
    add_journal(parser)
    return journal_of(parser.parse_args(line))


def new(folder: Path) -> str:
    """The URL of a journal without a run."""
    url = f"sqlite:///{folder}/runs.db"
    asyncio.run(upgrade(url))
    return url


def test_the_option_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_JOURNAL", "sqlite:///a.db")
    assert named() == "sqlite:///a.db"
    assert named("--journal", "sqlite:///b.db") == "sqlite:///b.db"


def test_none_and_a_wrong_one_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWATER_JOURNAL", raising=False)
    with pytest.raises(UsageError, match="Add --journal sqlite:///runs"):
        named()
    with pytest.raises(ConfigurationError, match="unknown scheme"):
        named("--journal", "redis://h")


def test_a_journal_is_open_for_one_question(tmp_path: Path) -> None:
    url = new(tmp_path)
    ask_journal(url, lambda log: log.create("r", Request(agent="pilot")))
    assert ask_journal(url, lambda log: log.info("r")).state == "queued"
    with pytest.raises(UnknownRun):
        ask_journal(url, lambda log: log.info("other"))


def test_a_stored_run_is_cancelled_by_a_letter(tmp_path: Path) -> None:
    url = new(tmp_path)
    ask_journal(url, lambda log: log.create("r", Request(agent="pilot")))
    cancel_stored(url, "r")
    cancel_stored(url, "r")  # once more changes nothing
    assert [one.kind for one in ask_journal(url, lambda log: log.inbox("r"))] == ["cancel"]
    with pytest.raises(UnknownRun):
        cancel_stored(url, "other")

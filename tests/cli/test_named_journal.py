"""--journal: what names the journal, and what is said where nothing does."""

from __future__ import annotations

import argparse

import pytest

from headwater.cli.named_journal import add_journal, journal_of
from headwater.errors import ConfigurationError, UsageError


def named(*line: str) -> str:
    parser = argparse.ArgumentParser()
    add_journal(parser)
    return journal_of(parser.parse_args(line))


def test_the_option_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_JOURNAL", "sqlite:///a.db")
    assert named() == "sqlite:///a.db"
    assert named("--journal", "sqlite:///b.db") == "sqlite:///b.db"


def test_none_and_a_wrong_one_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWATER_JOURNAL", raising=False)
    with pytest.raises(UsageError, match="Add --journal postgresql://"):
        named()
    with pytest.raises(ConfigurationError, match="unknown scheme"):
        named("--journal", "redis://h")

"""The option --journal, which names the store of durable runs."""

from __future__ import annotations

import argparse
import os

from headwater.errors import UsageError

__all__ = ("VARIABLE", "add_journal", "journal_of", "named_journal")

VARIABLE = "HEADWATER_JOURNAL"


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Adds --journal."""
    parser.add_argument("--journal", metavar="URL", help=f"the store of durable runs (default: {VARIABLE})")


def named_journal(asked: argparse.Namespace) -> str | None:
    """Returns the named journal; None without one. Raises ConfigurationError for an invalid URL."""
    from headwater.journal.opening import check_url

    url: str = asked.journal or os.environ.get(VARIABLE, "")
    if not url:
        return None
    check_url(url)
    return url


def journal_of(asked: argparse.Namespace) -> str:
    """Returns the named journal. Raises UsageError without one, ConfigurationError for an invalid URL."""
    if (url := named_journal(asked)) is None:
        raise UsageError(
            "No journal was named.", hint=f"Add --journal postgresql://user@host/database, or set {VARIABLE}."
        )
    return url

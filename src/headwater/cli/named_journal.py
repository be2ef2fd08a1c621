"""The option --journal, which names the store of durable runs."""

from __future__ import annotations

import argparse
import os

from headwater.errors import UsageError

__all__ = ("VARIABLE", "add_journal", "journal_of")

VARIABLE = "HEADWATER_JOURNAL"


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Adds --journal."""
    parser.add_argument("--journal", metavar="URL", help=f"the store of durable runs (default: {VARIABLE})")


def journal_of(asked: argparse.Namespace) -> str:
    """Returns the named journal. Raises UsageError without one, ConfigurationError for an invalid URL."""
    from headwater.journal.opening import check_url

    url = asked.journal or os.environ.get(VARIABLE, "")
    if not url:
        raise UsageError(
            "No journal was named.", hint=f"Add --journal postgresql://user@host/database, or set {VARIABLE}."
        )
    check_url(url)
    return str(url)

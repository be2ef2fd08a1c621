"""The options --journal, which names the store of durable runs, and --engine, and how a command asks that store."""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from headwater.errors import UsageError

if TYPE_CHECKING:
    from headwater.journal.run_log import RunLog

__all__ = ("VARIABLE", "add_engine", "add_journal", "ask_journal", "cancel_stored", "journal_of", "named_journal")

T = TypeVar("T")

VARIABLE = "HEADWATER_JOURNAL"


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Adds --journal."""
    parser.add_argument("--journal", metavar="URL", help=f"the store of durable runs (default: {VARIABLE})")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Adds --engine."""
    parser.add_argument(
        "--engine",
        metavar="URL",
        help="what delivers runs to workers, temporal://host:7233/namespace (default: the journal, in PostgreSQL)",
    )


def named_journal(asked: argparse.Namespace) -> str | None:
    """Returns the named journal; None without one. Raises ConfigurationError for an invalid URL."""
    from headwater.journal.opening import check_url

    url: str = asked.journal or os.environ.get(VARIABLE, "")
    if not url:
        return None
    check_url(url)
    return url


def journal_of(asked: argparse.Namespace, such_as: str = "sqlite:///runs.db") -> str:
    """Returns the named journal. Raises UsageError without one, ConfigurationError for an invalid URL."""
    if (url := named_journal(asked)) is None:
        raise UsageError("No journal was named.", hint=f"Add --journal {such_as}, or set {VARIABLE}.")
    return url


def ask_journal(url: str, job: Callable[[RunLog], Awaitable[T]]) -> T:
    """Returns the result of the job on the journal, which is opened for it. Raises what either raises.

    Raises UsageError for a file that does not exist: a question about what is stored makes no store.
    """
    import asyncio

    from headwater.journal.opening import missing_file, open_journal

    if (path := missing_file(url)) is not None:
        hint = f"Check --journal or {VARIABLE}. The first run under a journal makes its file."
        raise UsageError(f"The journal's file {path} does not exist.", hint=hint)

    async def main() -> T:
        log = await open_journal(url)
        try:
            return await job(log)
        finally:
            await log.close()

    return asyncio.run(main())


def cancel_stored(url: str, run: str) -> None:
    """Cancels the run of the journal, wherever it is driven. Raises UnknownRun, RunEnded."""
    ask_journal(url, lambda log: log.post(run, "cancel", f"{run}/cancel", b"null"))

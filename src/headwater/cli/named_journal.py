"""The options --journal, which names the store of durable runs, and --engine, and how a command asks that store."""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from headwater.errors import UnknownRun, UsageError

if TYPE_CHECKING:
    from headwater.journal.run_log import RunLog

__all__ = (
    "VARIABLE",
    "add_engine",
    "add_journal",
    "ask_journal",
    "cancel_stored",
    "journal_of",
    "named_journal",
    "several",
    "stored_id",
)

T = TypeVar("T")

VARIABLE = "HEADWATER_JOURNAL"

SHOWN: Final = 5
"""How many ids are shown where several begin with what was given."""


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


async def stored_id(log: RunLog, given: str) -> str:
    """Returns the id of the run that was meant: of that one, or of the only one whose id begins so.

    Raises UnknownRun, and UsageError if several do.
    """
    try:
        return (await log.info(given)).run
    except UnknownRun:
        found = [info.run for info in await log.runs(begins=given, limit=SHOWN + 1)] if given else []
        if not found:
            raise
    if len(found) > 1:
        raise several(given, found)
    return found[0]


def several(given: str, found: Sequence[str]) -> UsageError:
    """Returns the error for the beginning of several runs' ids."""
    more = " and others" if len(found) > SHOWN else ""
    shown = ", ".join(found[:SHOWN])
    return UsageError(f"Several runs begin with {given}: {shown}{more}.", hint="Write more of the id.")


def cancel_stored(url: str, run: str) -> str:
    """Cancels the run of the journal, wherever it is driven. Returns its id.

    Raises UnknownRun, RunEnded, and UsageError.
    """

    async def cancel(log: RunLog) -> str:
        meant = await stored_id(log, run)
        await log.post(meant, "cancel", f"{meant}/cancel", b"null")
        return meant

    return ask_journal(url, cancel)

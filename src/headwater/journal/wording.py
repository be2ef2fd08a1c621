"""Checks of names for all stores, and the errors of all stores.

Owns these checks and messages; it must never touch a store.
"""

from __future__ import annotations

from typing import Final

from headwater.errors import (
    ConfigurationError,
    InvalidRecord,
    JournalMismatch,
    JournalUnavailable,
    RunEnded,
    ThreadBusy,
    UnknownRun,
)
from headwater.journal.addresses import shown, without_address
from headwater.journal.run_log import Request
from headwater.schema.well_formed import well_formed

__all__ = (
    "LAST_TIME",
    "LONGEST_KEEP",
    "busy",
    "check_known",
    "check_name",
    "check_request",
    "ended",
    "is_keep",
    "is_name",
    "newer_schema",
    "older_schema",
    "plain",
    "reason",
    "refused",
    "unavailable",
    "unknown",
)

LONGEST_NAME: Final = 500
"""Characters of an id, a key or a label: an index entry of PostgreSQL holds them, whatever they are."""


LONGEST_QUEUE: Final = 40
"""Bytes of a queue's name: PostgreSQL's notifications of new jobs go by it, under a name of at most 63."""

HIGHEST_PRIORITY: Final = 2**31 - 1
"""PostgreSQL stores a priority as a four-byte integer."""

FIRST_TIME: Final = -62135596800.0
"""The year 1, in Unix seconds: PostgreSQL does not know the earliest times that a float can be."""

LAST_TIME: Final = 253402300800.0
"""The year 10000, in Unix seconds: no later time can be shown as a date."""

LONGEST_KEEP: Final = 1000 * 365.25 * 86_400
"""A thousand years, in seconds. PostgreSQL has no time so much later, and would refuse the end of the run."""


def check_name(what: str, name: str | None) -> None:
    """Check an id, key or name before it is stored; None passes. Raises ConfigurationError."""
    if name is not None:
        _check_text(what, name)


def _check_text(what: str, name: object) -> None:
    if not isinstance(name, str):
        raise ConfigurationError(f"The {what} is {name!r}.", hint="Pass a string.")
    if not is_name(name):
        raise ConfigurationError(
            f"The {what} {name[:60]!r} cannot be stored.",
            hint=f"Use 1 to {LONGEST_NAME} characters, without NUL and unpaired surrogates.",
        )


def is_name(text: str) -> bool:
    """Whether an id, a key or a name can be so: what cannot is never stored, and so is never found."""
    return 0 < len(text) <= LONGEST_NAME and "\0" not in text and well_formed(text) == text


def check_known(run: str) -> None:
    """Checks the id of a run before a database is asked for it. Raises UnknownRun for one that no run can have."""
    if not is_name(run):
        raise unknown(run)


def check_request(run: str, request: Request, key: str | None) -> None:
    """Check every name of a run before it is created. Raises ConfigurationError."""
    check_name("run id", run)
    check_name("key", key)
    check_name("agent's name", request.agent)
    check_name("thread id", request.thread)
    check_name("queue", request.queue)
    if len(request.queue.encode()) > LONGEST_QUEUE:
        raise ConfigurationError(
            f"The queue {request.queue[:60]!r} has too long a name.", hint=f"Use at most {LONGEST_QUEUE} bytes."
        )
    for name, value in request.labels.items():
        _check_text("label", name)
        if value != "":
            _check_text(f"label {name!r} with the value", value)
    priority, not_before = request.priority, request.not_before
    if not isinstance(priority, int) or isinstance(priority, bool) or abs(priority) > HIGHEST_PRIORITY:
        raise ConfigurationError(
            f"The priority of a run is {priority!r}.",
            hint=f"Use an integer from {-HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}: higher ones run first.",
        )
    if not_before is not None and (
        not isinstance(not_before, (int, float))
        or isinstance(not_before, bool)
        or not FIRST_TIME <= not_before < LAST_TIME
    ):
        raise ConfigurationError(
            f"not_before is {not_before!r}.", hint="Pass Unix seconds, as time.time() and datetime.timestamp() return."
        )
    if request.keep is not None and not is_keep(request.keep):
        raise ConfigurationError(
            f"keep is {request.keep!r}.", hint="Pass seconds, at most a thousand years of them, or None forever."
        )


def is_keep(seconds: object) -> bool:
    """Whether a store can keep a run for so many seconds."""
    return isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds <= LONGEST_KEEP


def plain(text: str) -> str:
    """`text` as every store can hold it: NUL and unpaired surrogates become U+FFFD."""
    return well_formed(text).replace("\0", "\ufffd")


def unknown(run: str) -> UnknownRun:
    """The journal has no such run."""
    return UnknownRun(
        f"The journal has no run {run!r}.",
        hint="Check the id and the journal's URL. The run may have been deleted, or its retention time has passed.",
    )


def ended(run: str, state: str) -> RunEnded:
    """A letter was posted to a run that has ended."""
    return RunEnded(f"The run {run} is {state}, so it accepts no more messages.", hint="Start another run.")


def busy(thread: str, ahead: str) -> ThreadBusy:
    """The thread has an open run."""
    return ThreadBusy(
        f"The thread {thread!r} is busy with the run {ahead}: a thread runs one at a time.",
        hint='Wait until that run ends, or pass when_busy="queue".',
    )


def unavailable(url: str, error: Exception) -> JournalUnavailable:
    """The store did not do what it was asked to."""
    return JournalUnavailable(
        f"The journal {shown(url)} does not answer: {reason(url, error)}.",
        hint="Check that it can be reached, is not full and is not locked, then try again.",
    )


def refused(url: str, error: Exception) -> InvalidRecord:
    """The store does not accept a value, now or later."""
    return InvalidRecord(
        f"The journal {shown(url)} refuses what it is to store or find: {reason(url, error)}.",
        hint="Change that value.",
    )


def reason(url: str, error: Exception) -> str:
    """What the error says of the store, in one line without a full stop and without the secrets of the URL."""
    return " ".join(without_address(str(error), url).split()).rstrip(".?") or type(error).__name__


def newer_schema(url: str, found: int, known: int) -> JournalMismatch:
    """A newer library has set the journal up."""
    return JournalMismatch(
        f"The journal {shown(url)} has schema version {found}, and this headwater knows versions up to {known}.",
        hint="Upgrade headwater on this machine.",
    )


def older_schema(url: str, found: int, known: int) -> JournalMismatch:
    """An older library has set the journal up."""
    return JournalMismatch(
        f"The journal {shown(url)} has schema version {found}, and this headwater needs version {known}.",
        hint=f"Stop the older workers and run: headwater journal upgrade {shown(url)}",
    )

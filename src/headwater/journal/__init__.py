"""Stores of runs that outlive their process: one log per tree of runs, and one process that drives it.

This package's own name is the public home of `open_journal`, of `upgrade`, `export` and `Retention`, and of everything
that your own store needs: the protocol `RunLog` and its values. `headwater.testing.check_journal` tests a store.

Owns the protocol that every store keeps (`run_log`), the stores (`memory`, `sqlite`, `postgres`), and how one is opened
by its URL (`opening`). It must never decide what a run does next, and it reads an event only where it packs a log.
"""

from headwater.journal.export import export
from headwater.journal.memory import MemoryLog
from headwater.journal.opening import open_journal, upgrade
from headwater.journal.retention import Retention
from headwater.journal.run_log import (
    Appended,
    Batch,
    Closed,
    Conflict,
    Created,
    Due,
    Letter,
    Page,
    Posted,
    Request,
    RunInfo,
    RunLog,
    Span,
    Standing,
    Worker,
)

__all__ = (
    "Appended",
    "Batch",
    "Closed",
    "Conflict",
    "Created",
    "Due",
    "Letter",
    "MemoryLog",
    "Page",
    "Posted",
    "Request",
    "Retention",
    "RunInfo",
    "RunLog",
    "Standing",
    "Span",
    "Worker",
    "export",
    "open_journal",
    "upgrade",
)

"""An engine of many machines by its address.

    (none)                          procrastinate, in the journal's own PostgreSQL
    temporal://host:7233/namespace  a Temporal server; the namespace is `default` unless named

An engine's module is imported when it is first opened.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Final

from headwater.errors import ConfigurationError
from headwater.journal.addresses import shown
from headwater.journal.engines.engine import Engine, temporal_address
from headwater.journal.opening import check_url, need

__all__ = ("check_engine", "open_engine")

_FOR_WORKERS: Final = {
    "sqlite": "name an engine, temporal://host:7233/namespace, or a journal in postgresql://user@host/database",
    "memory": "name a journal in postgresql://user@host/database",
}
"""What has a queue, by the kind of the journal."""


def check_engine(journal: str, engine: str | None = None) -> None:
    """Raises ConfigurationError if runs of the journal cannot be submitted to that engine, by default its own queue."""
    store = check_url(journal)
    if engine is None:
        if store != "postgresql":
            raise ConfigurationError(
                f"The journal {shown(journal)} has no queue for workers: that needs PostgreSQL, or an engine.",
                hint="The process that starts its runs drives them: your program, or headwater serve. For workers "
                f"{_FOR_WORKERS[store]}.",
            )
        need(journal, "psycopg", "procrastinate")
        return
    temporal_address(engine)
    if store == "memory":
        raise ConfigurationError(
            f"The engine {shown(engine)} delivers runs to other processes, which cannot read the journal memory:.",
            hint="Write postgresql://user@host/database, or sqlite:///runs.db for workers on one machine.",
        )
    try:
        importlib.import_module("temporalio.worker")  # all of it, which takes a second, and not later on an event loop
    except ImportError as error:
        raise ConfigurationError(
            f"The engine {shown(engine)} needs temporalio: {error}.", hint='Run: pip install "headwater[temporal]"'
        ) from None


def open_engine(journal: str, engine: str | None = None, *, now: Callable[[], float] = time.time) -> Engine:
    """Returns the engine, which connects on first use. `now` is the store's clock. Raises ConfigurationError."""
    check_engine(journal, engine)
    if engine is None:
        from headwater.journal.engines.procrastinate import Procrastinate

        return Procrastinate(journal, now=now)
    from headwater.journal.engines.temporal import Temporal

    return Temporal(engine, journal=journal, now=now)

"""Stores that break one rule each, made of the one in memory: what `check_journal` has to find."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import ModuleType

import pytest

from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import RunLog
from headwater.testing import JournalBreach, check_journal

__all__ = ("breaks", "holds")


def opener(log: MemoryLog) -> Callable[[], Awaitable[RunLog]]:
    async def open_store() -> RunLog:
        return log

    return open_store


def holds(module: ModuleType) -> None:
    """Every rule of the module holds in memory."""
    for rule in module.RULES:
        asyncio.run(check_journal(opener(MemoryLog()), rules=[rule.__name__]))


def breaks(store: MemoryLog, *rules: str) -> None:
    """Each of these rules finds that the store is broken, and says so under its own name."""
    for rule in rules:
        with pytest.raises(JournalBreach, match=rf"^{rule}: "):
            asyncio.run(check_journal(opener(store), rules=[rule]))

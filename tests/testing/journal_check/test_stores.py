"""What the rules stand on: names of their own, what is deleted at the end, and how a breach is worded."""

from __future__ import annotations

import asyncio

import pytest

from headwater.events.checker import check_log
from headwater.events.codec import decode
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import RunLog
from headwater.testing import JOURNAL_RULES, JournalBreach, check_journal
from headwater.testing.journal_check.stores import Stores, lines, sample


def test_it_leaves_nothing_behind() -> None:
    async def main() -> None:
        log = MemoryLog()

        async def open_store() -> RunLog:
            return log

        await check_journal(open_store)
        assert await log.runs() == []
        assert await log.workers() == []

    asyncio.run(main())


def test_every_rule_has_a_name_and_says_what_it_wants() -> None:
    assert len(JOURNAL_RULES) >= 40
    assert all((rule.__doc__ or "").endswith(".") or "\n" in (rule.__doc__ or "") for rule in JOURNAL_RULES.values())
    with pytest.raises(KeyError):
        asyncio.run(check_journal(lambda: asyncio.sleep(0, MemoryLog()), rules=["none"]))


def test_a_breach_names_its_rule_and_what_happened() -> None:
    async def main() -> None:
        stores = Stores("rule", lambda: asyncio.sleep(0, MemoryLog()))
        with pytest.raises(JournalBreach, match=r"^rule: the end is 1, not 2"):
            stores.same("the end", 1, 2)
        with pytest.raises(JournalBreach, match=r"^rule: it does not raise KeyError"):
            await stores.refuses(KeyError, asyncio.sleep(0), "it")

        async def raising() -> None:
            raise IndexError

        with pytest.raises(JournalBreach, match=r"^rule: it raises IndexError"):
            await stores.refuses(KeyError, raising(), "it")

    asyncio.run(main())


def test_the_sample_is_a_whole_log() -> None:
    check_log([decode(line) for line in sample("r", ["one ", "two"])])
    assert [decode(line).seq for line in lines("r", 3, 2)] == [3, 4]

"""The rules of packing and deletion: they hold in memory, and find a store that loses or keeps too much."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

import msgspec

from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Page
from headwater.testing.journal_check import keeping_rules
from tests.testing.journal_check.broken import breaks, holds


class PacksAtOnce(MemoryLog):
    async def pack(self, *, after: float = 3600.0, limit: int = 100) -> int:
        return await super().pack(after=0.0, limit=limit)


class NeverPacks(MemoryLog):
    async def pack(self, *, after: float = 3600.0, limit: int = 100) -> int:
        return 0


class KeepsTheKey(MemoryLog):
    async def delete(self, run: str) -> bool:
        keys = dict(self._keys)
        gone = await super().delete(run)
        self._keys = keys
        return gone


class Splices(MemoryLog):
    """A tail goes on where it was, whatever was dropped."""

    async def tail_many(self, runs: Mapping[str, int]) -> AsyncGenerator[Page, None]:
        async for page in super().tail_many(runs):
            yield msgspec.structs.replace(page, reset=False)


class NeverExpires(MemoryLog):
    async def expire(self, *, limit: int = 100) -> int:
        return 0


def test_they_hold_in_memory() -> None:
    holds(keeping_rules)


def test_each_finds_the_store_that_breaks_it() -> None:
    breaks(PacksAtOnce(), "a_packed_log_reads_as_before")
    breaks(NeverPacks(), "a_packed_log_reads_as_before", "two_may_pack_and_expire_at_once")
    breaks(KeepsTheKey(), "a_deleted_run_is_gone")
    breaks(Splices(), "a_tail_inside_a_gap_begins_anew")
    breaks(NeverExpires(), "what_was_kept_for_long_enough_goes")

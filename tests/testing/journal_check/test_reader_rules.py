"""The rules of readers: they hold in memory, and find a store that repeats, misses or hides something."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

import msgspec

from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Page
from headwater.testing.journal_check import reader_rules
from tests.testing.journal_check.broken import breaks, holds


class NeverResets(MemoryLog):
    async def read(self, run: str, after: int = -1, *, limit: int = 1000) -> Page:
        page = await super().read(run, after, limit=limit)
        return msgspec.structs.replace(page, reset=False, spans=() if page.reset else page.spans)


class FromTheBatch(MemoryLog):
    """A reader inside a batch is given the whole batch again."""

    async def read(self, run: str, after: int = -1, *, limit: int = 1000) -> Page:
        begins = [row.first for row in self._runs[run].rows if row.first <= after + 1] if run in self._runs else []
        return await super().read(run, max(begins, default=0) - 1, limit=limit)


class MissesTheLast(MemoryLog):
    async def tail_many(self, runs: Mapping[str, int]) -> AsyncGenerator[Page, None]:
        async for page in super().tail_many(runs):
            if not page.done:
                yield page


class Splices(MemoryLog):
    """A tail goes on where it was, whatever the log has become."""

    async def tail_many(self, runs: Mapping[str, int]) -> AsyncGenerator[Page, None]:
        async for page in super().tail_many(runs):
            yield msgspec.structs.replace(page, reset=False)


class Unlimited(MemoryLog):
    async def read(self, run: str, after: int = -1, *, limit: int = 1000) -> Page:
        return await super().read(run, after, limit=1_000_000)


def test_they_hold_in_memory() -> None:
    holds(reader_rules)


def test_each_finds_the_store_that_breaks_it() -> None:
    breaks(NeverResets(), "a_number_past_the_end_resets")
    breaks(Splices(), "a_tail_of_a_restored_log_begins_anew", "a_number_past_the_end_resets")
    breaks(FromTheBatch(), "a_log_is_read_from_every_number")
    breaks(MissesTheLast(), "a_tail_goes_on_from_every_number_to_the_end", "many_logs_are_followed_at_once")
    breaks(Unlimited(), "a_log_is_read_in_pages")

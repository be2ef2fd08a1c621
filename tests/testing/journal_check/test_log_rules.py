"""The rules of the append: they hold in memory, and find a store that takes what it must refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Appended, Batch, Closed, Conflict
from headwater.testing.journal_check import log_rules
from tests.testing.journal_check.broken import breaks, holds


class Broken(MemoryLog):
    """Each batch goes through `one`."""

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        done: list[Appended] = []
        for batch in batches:
            done.extend(await self.one(batch))
        return done

    async def one(self, batch: Batch) -> list[Appended]:
        return await super().append_many([batch])


class AtAnyPlace(Broken):
    async def one(self, batch: Batch) -> list[Appended]:
        end = (await self.info(batch.run)).end
        return await super().one(msgspec.structs.replace(batch, first=end))


class SilentAboutWho(Broken):
    async def one(self, batch: Batch) -> list[Appended]:
        done = await super().one(batch)
        return [Conflict(one.run, one.end, "") if isinstance(one, Conflict) else one for one in done]


class ForgetsWhoWrote(Broken):
    async def one(self, batch: Batch) -> list[Appended]:
        return await super().one(msgspec.structs.replace(batch, by="anyone"))


class HalfABatch(Broken):
    async def one(self, batch: Batch) -> list[Appended]:
        middle = len(batch.lines) // 2
        if middle:
            half = msgspec.structs.replace(batch, lines=batch.lines[:middle])
            done = await super().one(half)
            await asyncio.sleep(0)
            if isinstance(done[0], int):
                rest = msgspec.structs.replace(batch, first=half.end, lines=batch.lines[middle:])
                return await super().one(rest)
            return done
        return await super().one(batch)


class NeverCloses(Broken):
    async def one(self, batch: Batch) -> list[Appended]:
        return await super().one(msgspec.structs.replace(batch, state=None))


class NeverRepeats(Broken):
    async def one(self, batch: Batch) -> list[Appended]:
        info = await self.info(batch.run)
        if batch.first < info.end:
            return [Closed(batch.run, info.state) if info.over else Conflict(batch.run, info.end, "w#1")]
        return await super().one(batch)


class DropsNul(Broken):
    async def one(self, batch: Batch) -> list[Appended]:
        lines = tuple(line.replace(rb"\u0000", b"") for line in batch.lines)
        return await super().one(msgspec.structs.replace(batch, lines=lines))


def test_they_hold_in_memory() -> None:
    holds(log_rules)


def test_each_finds_the_store_that_breaks_it() -> None:
    found: list[tuple[MemoryLog, tuple[Any, ...]]] = [
        (AtAnyPlace(), ("an_append_takes_place_only_at_the_end", "of_two_drivers_one_wins_each_place")),
        (SilentAboutWho(), ("an_append_takes_place_only_at_the_end", "of_two_drivers_one_wins_each_place")),
        (ForgetsWhoWrote(), ("a_repeated_append_is_the_same_append",)),
        (HalfABatch(), ("no_reader_sees_half_a_batch",)),
        (NeverCloses(), ("a_run_that_is_over_takes_nothing",)),
        (NeverRepeats(), ("a_repeated_append_is_the_same_append", "a_claim_that_is_repeated_counts_once")),
        (DropsNul(), ("any_event_comes_back_as_it_was",)),
    ]
    for store, rules in found:
        breaks(store, *rules)

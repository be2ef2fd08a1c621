"""The rules of the inbox: they hold in memory, and find a store where a letter is lost or replaced."""

from __future__ import annotations

from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Letter, LetterKind, Posted
from headwater.testing.journal_check import inbox_rules
from tests.testing.journal_check.broken import breaks, holds


class TheLastStands(MemoryLog):
    async def post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
        found = self._runs.get(run)
        if found is not None:
            found.letters = [letter for letter in found.letters if letter.key != key]
        return await super().post(run, kind, key, body)


class FromAPosition(MemoryLog):
    """Letters with a lower id than one that was there are not seen."""

    async def inbox(self, run: str) -> list[Letter]:
        return (await super().inbox(run))[-1:]


def test_they_hold_in_memory() -> None:
    holds(inbox_rules)


def test_each_finds_the_store_that_breaks_it() -> None:
    breaks(TheLastStands(), "the_first_letter_under_a_key_stands", "of_two_answers_at_once_one_stands")
    breaks(FromAPosition(), "the_first_letter_under_a_key_stands", "no_letter_is_missed")

"""`check_journal`: whether a store of durable runs keeps the rules of `headwater.journal.run_log`.

    from headwater.testing import JOURNAL_RULES, check_journal

    @pytest.mark.parametrize("rule", JOURNAL_RULES)
    def test_my_store(rule: str) -> None:
        asyncio.run(check_journal(lambda: MyStore.open(url), rules=[rule]))

Each rule is a function with a name and a docstring in one of the modules of this package. It opens two stores on the
same data, as two processes do, and cleans up the runs that it makes: the store may hold other runs, but nothing else
may pack or expire runs at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable

from headwater.testing.journal_check import inbox_rules, keeping_rules, log_rules, reader_rules, run_rules
from headwater.testing.journal_check.stores import JournalBreach, OpenStore, Stores

__all__ = ("JOURNAL_RULES", "JournalBreach", "check_journal")

JOURNAL_RULES = {
    rule.__name__: rule
    for module in (run_rules, log_rules, reader_rules, inbox_rules, keeping_rules)
    for rule in module.RULES
}
"""Every rule by its name."""


async def check_journal(open_store: OpenStore, *, rules: Iterable[str] | None = None) -> None:
    """Check a store against the rules, or against those named; `open_store` opens one more store on the same data.

    Raises JournalBreach, whose message begins with the rule's name, and KeyError for a rule that does not exist.
    """
    for name in JOURNAL_RULES if rules is None else rules:
        rule = JOURNAL_RULES[name]
        async with Stores(name, open_store) as stores:
            try:
                await rule(stores)
            except JournalBreach:
                raise
            except Exception as error:
                raise JournalBreach(f"{name}: the store raises {error!r}") from error

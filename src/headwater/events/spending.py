"""The usage of a run: the last report of each of its attempts, and the usage of child runs.

Owns the sums and how certain they are. An attempt that did not end counts as the larger of the reported and the
generated amount: some providers report one token at the start and nothing more before the end, others nothing at all.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from headwater.events.messages import Usage
from headwater.events.types import ChildFinished, UsageReported

__all__ = ("Origin", "Spending", "at_least")

Origin: TypeAlias = Literal["measured", "estimated", "unknown"]


def at_least(reported: Usage | None, said: int) -> Usage:
    """Returns the usage of an attempt that did not end: the larger of its report and the estimate for its bytes."""
    estimate = Usage.of_bytes(said)
    if reported is None or not reported:
        return estimate
    if (estimate.output_tokens or 0) <= (reported.output_tokens or 0):
        return reported
    return msgspec.structs.replace(reported, output_tokens=estimate.output_tokens, raw=None, cost=None)


class Spending:
    """Usage by attempt and child, with its origin."""

    __slots__ = ("_below", "_below_origins", "_origins", "_usages")

    def __init__(self) -> None:
        self._usages: dict[tuple[int, int], Usage] = {}
        self._origins: dict[tuple[int, int], Origin] = {}
        self._below = Usage()
        self._below_origins: set[Origin] = set()

    def report(self, event: UsageReported) -> None:
        """Records an attempt's usage so far: the last report counts."""
        self._usages[event.step, event.attempt] = event.usage
        self._origins[event.step, event.attempt] = event.origin

    def has_report(self, event: UsageReported) -> bool:
        """Whether exactly this was the last report of its attempt."""
        key = event.step, event.attempt
        return self._usages.get(key) == event.usage and self._origins[key] == event.origin

    def with_report(self, event: UsageReported) -> Spending:
        """Returns a copy that includes this report."""
        spent = Spending()
        spent._usages, spent._origins = {**self._usages}, {**self._origins}
        spent._below, spent._below_origins = self._below, self._below_origins
        spent.report(event)
        return spent

    def end_attempt(self, step: int, attempt: int) -> None:
        """Ends the attempt: unreported usage becomes unknown."""
        if (step, attempt) not in self._usages:
            self._origins[step, attempt] = "unknown"

    def add_child(self, event: ChildFinished) -> None:
        """Adds the usage of a child run that has ended."""
        self._below = self._below + event.usage
        self._below_origins.add(event.origin)

    def of_attempt(self, step: int, attempt: int) -> Usage | None:
        """The last report of an attempt."""
        return self._usages.get((step, attempt))

    def last_of_step(self, step: int) -> Usage | None:
        """The last report of the step's last attempt that has one."""
        for (number, _), usage in reversed(self._usages.items()):
            if number <= step:
                return usage if number == step else None
        return None

    def of_step(self, step: int) -> Usage:
        """The reports of all attempts of a step, added up; a single one keeps its provider's own report."""
        usages = [usage for (number, _), usage in self._usages.items() if number == step]
        return usages[0] if len(usages) == 1 else sum(usages, start=Usage())

    @property
    def own(self) -> Usage:
        """All attempts together, without child runs."""
        return sum(self._usages.values(), start=Usage())

    @property
    def sums(self) -> tuple[Usage, Usage]:
        """`own` and `total`, added up once."""
        own = self.own
        return own, self._below + own if self._below_origins else own

    @property
    def total(self) -> Usage:
        """All attempts and children together."""
        return self.sums[1]

    @property
    def origin(self) -> Origin:
        """The least certain origin of all attempts and children."""
        origins = {*self._origins.values(), *self._below_origins}
        return "unknown" if "unknown" in origins else "estimated" if "estimated" in origins else "measured"

"""What a run has cost: the last report of each of its attempts, and what the runs below came to.

Owns the sums and how certain they are. An attempt that did not end costs the larger of what was reported and what was
said: some providers report the first token at the beginning and no more before the end, others nothing at all.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from headwater.events.messages import Usage
from headwater.events.types import ChildFinished, UsageReported

__all__ = ("Origin", "Spending", "at_least")

Origin: TypeAlias = Literal["measured", "estimated", "unknown"]


def at_least(reported: Usage | None, said: int) -> Usage:
    """Returns what an attempt that did not end has cost: what was reported, or where that is more, what saying so many
    bytes costs."""
    estimate = Usage.of_bytes(said)
    if reported is None or not reported:
        return estimate
    if (estimate.output_tokens or 0) <= (reported.output_tokens or 0):
        return reported
    return msgspec.structs.replace(reported, output_tokens=estimate.output_tokens, raw=None, cost=None)


class Spending:
    """Usage by attempt and of children, with its origin."""

    __slots__ = ("_below", "_below_origins", "_origins", "_usages")

    def __init__(self) -> None:
        self._usages: dict[tuple[int, int], Usage] = {}
        self._origins: dict[tuple[int, int], Origin] = {}
        self._below = Usage()
        self._below_origins: set[Origin] = set()

    def report(self, event: UsageReported) -> None:
        """An attempt has cost so much by now: the last report counts."""
        self._usages[event.step, event.attempt] = event.usage
        self._origins[event.step, event.attempt] = event.origin

    def has_report(self, event: UsageReported) -> bool:
        """Whether just this was reported last of its attempt."""
        key = event.step, event.attempt
        return self._usages.get(key) == event.usage and self._origins[key] == event.origin

    def with_report(self, event: UsageReported) -> Spending:
        """The same once this was reported too."""
        spent = Spending()
        spent._usages, spent._origins = {**self._usages}, {**self._origins}
        spent._below, spent._below_origins = self._below, self._below_origins
        spent.report(event)
        return spent

    def end_attempt(self, step: int, attempt: int) -> None:
        """The attempt is over: what nobody has reported is unknown."""
        if (step, attempt) not in self._usages:
            self._origins[step, attempt] = "unknown"

    def add_child(self, event: ChildFinished) -> None:
        """A run below is over."""
        self._below = self._below + event.usage
        self._below_origins.add(event.origin)

    def of_attempt(self, step: int, attempt: int) -> Usage | None:
        """What an attempt has reported last."""
        return self._usages.get((step, attempt))

    def of_step(self, step: int) -> Usage:
        """What all attempts of a step have reported; one alone keeps its provider's own report."""
        usages = [usage for (number, _), usage in self._usages.items() if number == step]
        return usages[0] if len(usages) == 1 else sum(usages, start=Usage())

    @property
    def own(self) -> Usage:
        """All attempts together, without the runs below."""
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
        """The least certain of all attempts and children."""
        origins = {*self._origins.values(), *self._below_origins}
        return "unknown" if "unknown" in origins else "estimated" if "estimated" in origins else "measured"

"""What a run has cost: the last report of each of its attempts, and what the runs below came to.

Owns the sums and how certain they are. It must never estimate: it is told what something rests on.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from headwater.events.messages import Usage
from headwater.events.types import ChildFinished, UsageReported

__all__ = ("Origin", "Spending")

Origin: TypeAlias = Literal["measured", "estimated", "unknown"]


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
    def total(self) -> Usage:
        """All attempts and children together."""
        total = self._below
        for usage in self._usages.values():
            total = total + usage
        return total

    @property
    def origin(self) -> Origin:
        """The least certain of all attempts and children."""
        origins = {*self._origins.values(), *self._below_origins}
        return "unknown" if "unknown" in origins else "estimated" if "estimated" in origins else "measured"

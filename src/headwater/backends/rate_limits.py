"""The pauses that providers ask for, kept for all who ask the same provider with the same key.

When one of three hundred runs is told to wait, the others need not find out one by one. What is kept is a time for
each quota, in seconds of the monotonic clock, and nothing else: no lock, no task, nothing that belongs to an event
loop. This is the only state of the whole process beside the connections of each loop. It must never wait, read a clock
or roll dice: the time and the die are handed in.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, NamedTuple

__all__ = ("pause", "wait")

SPREAD: Final = 0.5
"""Those who wait go on over half as long again as was asked for: together they would only be refused together."""

TIMER_SECONDS: Final = 0.001
"""Timers may go off that much too soon; what is left of a pause then is none."""

MAX_QUOTAS: Final = 1_000
"""Quotas whose pause is kept: more than any program has keys; past it the one that ends first is forgotten."""


class _Pause(NamedTuple):
    until: float
    seconds: float


_pauses: dict[Hashable, _Pause] = {}


def pause(quota: Hashable, seconds: float, *, now: float) -> None:
    """The provider asked for so many seconds. A pause that ends later stays as it is."""
    until = now + seconds
    known = _pauses.get(quota)
    if known is not None and known.until >= until:
        return
    if known is None and len(_pauses) >= MAX_QUOTAS:
        _pauses.pop(min(_pauses.copy(), key=lambda one: _pauses[one].until), None)
    _pauses[quota] = _Pause(until, seconds)


def wait(quota: Hashable, *, now: float, die: float) -> float:
    """Seconds to wait before asking; 0 where nothing is asked for. `die`, from 0 to 1, parts those who wait."""
    known = _pauses.get(quota)
    if known is None:
        return 0.0
    if known.until <= now + TIMER_SECONDS:
        _pauses.pop(quota, None)
        return 0.0
    return known.until - now + spread(known.seconds, die)


def spread(seconds: float, die: float) -> float:
    """What comes on top of a pause, by the fall of the die."""
    return die * SPREAD * seconds

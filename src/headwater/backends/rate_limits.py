"""The pauses that providers ask for, shared by all requests to the same provider with the same key.

When one of three hundred runs is asked to wait, the others need not find out one by one. For each quota one time is
kept, in seconds of the monotonic clock: no lock, no task, nothing that belongs to an event loop. Besides the
connections of each loop, this is the only state of the process. It must never wait, read a clock or use randomness:
the time and a random number are passed in.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, NamedTuple

__all__ = ("pause", "wait")

SPREAD: Final = 0.5
"""Random jitter on a pause, as a fraction of it: requests that all resume at once would all be refused again."""

TIMER_SECONDS: Final = 0.001
"""Timers may fire this much early; a pause with less than that left is over."""

MAX_QUOTAS: Final = 1_000
"""Maximum number of pauses, more than any program has keys; beyond it the one that ends first is dropped."""


class _Pause(NamedTuple):
    until: float
    seconds: float


_pauses: dict[Hashable, _Pause] = {}


def pause(quota: Hashable, seconds: float, *, now: float) -> None:
    """Records that the provider asked for a pause, in seconds. A pause that ends later is kept."""
    until = now + seconds
    known = _pauses.get(quota)
    if known is not None and known.until >= until:
        return
    if known is None and len(_pauses) >= MAX_QUOTAS:
        _pauses.pop(min(_pauses.copy(), key=lambda one: _pauses[one].until), None)
    _pauses[quota] = _Pause(until, seconds)


def wait(quota: Hashable, *, now: float, jitter: float) -> float:
    """Returns the seconds to wait before a request; 0 for none. `jitter`, from 0 to 1, is random."""
    known = _pauses.get(quota)
    if known is None:
        return 0.0
    if known.until <= now + TIMER_SECONDS:
        _pauses.pop(quota, None)
        return 0.0
    return known.until - now + spread(known.seconds, jitter)


def spread(seconds: float, jitter: float) -> float:
    """Returns the seconds of random jitter to add to a pause; `jitter` is from 0 to 1."""
    return jitter * SPREAD * seconds

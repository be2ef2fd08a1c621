"""The random part of a delay, from a source of its own.

A program's `random.seed(0)` must not make all its processes wait the same time, and waiting must not change what the
program draws from `random`. `seed` makes the delays of a test repeatable.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ("jitter", "seed")


def jitter() -> float:
    """Returns a number from 0 up to 1."""
    return _source().random()


def seed(number: int) -> None:
    """Determines the numbers that follow."""
    _source().seed(number)


@cache
def _source() -> Random:
    from random import Random  # imported when first used: it takes milliseconds

    source = Random()
    if hasattr(os, "register_at_fork"):  # a forked process would draw the same numbers as its parent and its siblings
        os.register_at_fork(after_in_child=source.seed)
    return source

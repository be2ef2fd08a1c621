"""Delays draw from a source of their own."""

from __future__ import annotations

import random

from headwater.backends.jitter import jitter, seed


def test_it_is_a_number_from_0_up_to_1() -> None:
    drawn = [jitter() for _ in range(1000)]
    assert all(0 <= number < 1 for number in drawn)
    assert len({*drawn}) > 900


def test_a_seed_makes_it_repeatable() -> None:
    seed(7)
    first = [jitter() for _ in range(5)]
    seed(7)
    assert [jitter() for _ in range(5)] == first


def test_it_neither_follows_nor_disturbs_the_programs_random_numbers() -> None:
    random.seed(0)
    first = jitter()
    state = random.getstate()
    jitter()
    assert random.getstate() == state
    random.seed(0)
    assert jitter() != first

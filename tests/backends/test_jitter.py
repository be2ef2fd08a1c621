"""Delays draw from a source of their own."""

from __future__ import annotations

import os
import random
import struct
import sys

import pytest

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


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not forked there")
def test_forked_processes_draw_other_numbers() -> None:
    jitter()
    drawn = []
    for _ in range(3):
        reads, writes = os.pipe()
        if (child := os.fork()) == 0:
            os.write(writes, struct.pack("d", jitter()))
            os._exit(0)
        os.waitpid(child, 0)
        drawn.append(struct.unpack("d", os.read(reads, 8))[0])
        os.close(reads)
        os.close(writes)
    assert len({*drawn}) == 3

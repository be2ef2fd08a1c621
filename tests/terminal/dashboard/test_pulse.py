"""How much was written in each of the last seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.terminal.dashboard.pulse import BARS, SECONDS_KEPT, Pulse, bars


def test_counts_are_kept_by_the_second() -> None:
    pulse = Pulse()
    assert pulse.last(9.0) == []
    for count, time in ((3, 10.1), (4, 10.9), (5, 11.0), (6, 13.5)):
        pulse.wrote(count, time)
    assert pulse.last(13.9) == [7, 5, 0, 6]
    assert pulse.last(15.0) == [7, 5, 0, 6, 0, 0]
    assert pulse.last(12.0) == [7, 5, 0, 6], "what is asked of the past is what is known"
    assert pulse.last(1000.0) == [0] * SECONDS_KEPT


def test_a_clock_that_goes_back_counts_where_it_was() -> None:
    pulse = Pulse()
    pulse.wrote(1, 10.0)
    pulse.wrote(2, 9.0)
    pulse.wrote(3, 10.5)
    assert pulse.last(10.0) == [6]


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 100)), max_size=50), st.floats(0, 200))
def test_no_more_is_kept_than_the_last_seconds_and_nothing_is_made_up(
    wrote: list[tuple[int, float]], until: float
) -> None:
    pulse = Pulse()
    wrote.sort(key=lambda one: one[1])
    for count, time in wrote:
        pulse.wrote(count, time)
    last = pulse.last(until)
    end = max([int(until), *(int(time) for _, time in wrote)])
    assert len(last) <= SECONDS_KEPT
    if wrote:
        assert sum(last) == sum(count for count, time in wrote if int(time) > end - SECONDS_KEPT)


@pytest.mark.parametrize(
    ("counts", "drawn"), [([0, 1, 50, 100], "▁▂▄▇"), ([0, 0], "▁▁"), ([], ""), ([7], "▇"), ([1, 1000], "▂▇")]
)
def test_bars_are_as_high_as_their_counts(counts: list[int], drawn: str) -> None:
    assert bars(counts) == drawn


@given(st.lists(st.integers(0, 10_000), min_size=1))
def test_higher_counts_have_no_lower_bars(counts: list[int]) -> None:
    drawn = bars(counts)
    for one, sign in zip(counts, drawn, strict=True):
        for other, beside in zip(counts, drawn, strict=True):
            assert (one <= other) <= (BARS.index(sign) <= BARS.index(beside))
        assert (one > 0) == (sign != BARS[0])

"""How many tokens an agent has written, and how fast."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from headwater.events.messages import Usage
from headwater.terminal.dashboard.token_count import TokenCount
from tests.terminal import crowds as log
from tests.terminal.boards import ann, fed


def test_tokens_are_an_estimate_until_they_are_reported() -> None:
    spoken = [log.begun("ann"), log.said("ann", "twelve bytes", time=1.0)]
    assert fed(*spoken).agents[0].tokens == (3, True)
    assert fed(*spoken, log.reported("ann", 2)).agents[0].tokens == (3, True)
    view = fed(*spoken, log.answered("ann", tokens=2)).agents[0]
    assert (view.tokens, view.input_tokens) == ((2, False), 10)
    unreported = fed(*spoken, log.answered("ann")).agents[0]
    assert unreported.tokens == (3, True)


def test_a_three_byte_character_is_more_than_a_quarter_of_a_token() -> None:
    assert ann(log.said("ann", "潮汐" * 10)).tokens == (15, True)
    assert ann(log.said("ann", "\ud800")).tokens == (1, True)


def test_the_rate_is_that_of_the_time_in_which_it_spoke() -> None:
    spoken = [*log.said("ann", "x" * 40, time=10.0), log.said("ann", "x" * 40, time=11.0)[1]]
    view = ann(spoken, log.answered("ann", time=50.0, tokens=30))
    assert view.rate == 30.0
    assert ann(log.said("ann", "all at once")).rate is None


def test_a_report_is_of_its_attempt_alone() -> None:
    count = TokenCount()
    count.wrote("12345678", 1.0)
    count.report(Usage(input_tokens=10, output_tokens=5))
    assert count.tokens == (5, True), "more may have come since the report"
    count.settle()
    assert (count.tokens, count.input_tokens) == ((5, False), 10)
    count.wrote("1234", 2.0)
    count.settle()
    assert count.tokens == (6, True)
    count.spend(Usage(input_tokens=1, output_tokens=2))
    assert (count.tokens, count.input_tokens) == ((8, True), 11)
    count.spend(Usage())
    assert count.tokens == (8, True)


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1), st.integers(0, 1000))
def test_an_estimate_never_falls_and_a_report_ends_it(pieces: list[str], reported: int) -> None:
    count, before = TokenCount(), 0
    for at, piece in enumerate(pieces):
        count.wrote(piece, float(at))
        assert before <= count.tokens[0]
        before, estimated = count.tokens
        assert estimated
    count.report(Usage(output_tokens=reported))
    count.settle()
    assert count.tokens == (reported, False)


def test_the_cost_is_the_sum_of_what_is_known() -> None:
    count = TokenCount()
    assert count.cost is None, "unknown is not 0"
    count.report(Usage(output_tokens=5, cost=Decimal("0.01")))
    count.report(Usage(output_tokens=9, cost=Decimal("0.02")))
    assert count.cost == Decimal("0.02"), "the last report of an attempt counts"
    count.settle()
    count.report(Usage(output_tokens=1))
    count.settle()
    count.spend(Usage(cost=Decimal("0.1")))
    assert count.cost == Decimal("0.12")

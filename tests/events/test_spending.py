"""The usage of a run, and how certain it is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from headwater.events import ChildFinished, UsageReported
from headwater.events.fold import fold
from headwater.events.messages import Usage
from headwater.events.spending import Origin, Spending, at_least
from headwater.testing.handmade_logs import handmade_logs


def report(step: int, attempt: int, **fields: object) -> UsageReported:
    return UsageReported(step=step, attempt=attempt, usage=Usage(**fields))  # type: ignore[arg-type]


def test_dollars_add_up_over_attempts_and_children() -> None:
    spending = Spending()
    spending.report(report(1, 1, input_tokens=1, cost=Decimal("0.01")))
    spending.report(report(1, 1, input_tokens=2, cost=Decimal("0.02")))
    spending.report(report(1, 2, input_tokens=4))
    spending.report(report(2, 1, cost=Decimal("0.10")))
    assert spending.of_step(1) == Usage(input_tokens=6, cost=Decimal("0.02")), "what has no price adds nothing"
    assert spending.of_step(2) == Usage(cost=Decimal("0.10"))
    assert spending.of_step(3) == Usage()
    spending.add_child(ChildFinished(child="c", name="c", usage=Usage(cost=Decimal(1)), origin="estimated"))
    assert spending.total == Usage(input_tokens=6, cost=Decimal("1.12"))
    assert spending.origin == "estimated"


def test_the_last_report_of_a_step() -> None:
    spending = Spending()
    spending.report(report(1, 1, input_tokens=1))
    spending.report(report(2, 1, input_tokens=2))
    spending.report(report(2, 2, input_tokens=3))
    assert spending.last_of_step(1) == Usage(input_tokens=1)
    assert spending.last_of_step(2) == Usage(input_tokens=3)
    assert spending.last_of_step(3) is spending.last_of_step(0) is None


def test_an_unknown_price_is_not_zero() -> None:
    spending = Spending()
    spending.report(report(1, 1, input_tokens=1))
    assert spending.total.cost is None


def test_an_attempt_without_a_report_is_unknown_once_it_is_over() -> None:
    spending = Spending()
    spending.report(report(1, 1))
    spending.end_attempt(1, 1)
    reported: Origin = spending.origin
    spending.end_attempt(1, 2)
    silent: Origin = spending.origin
    assert (Spending().origin, reported, silent) == ("measured", "measured", "unknown")


@pytest.mark.parametrize(
    ("reported", "said", "cost"),
    [
        (None, 0, Usage()),
        (None, 802, Usage(output_tokens=201)),
        (Usage(), 802, Usage(output_tokens=201)),
        (Usage(input_tokens=9, output_tokens=1), 802, Usage(input_tokens=9, output_tokens=201)),
        (Usage(input_tokens=9), 0, Usage(input_tokens=9)),
        (Usage(output_tokens=300, raw={"n": 1}), 802, Usage(output_tokens=300, raw={"n": 1})),
        (Usage(output_tokens=1, raw={"n": 1}, cost=Decimal(1)), 5, Usage(output_tokens=2)),
    ],
)
def test_an_attempt_that_did_not_end_costs_the_larger_of_report_and_estimate(
    reported: Usage | None, said: int, cost: Usage
) -> None:
    assert at_least(reported, said) == cost


def test_with_report_changes_nothing() -> None:
    spending = Spending()
    spending.report(report(1, 1, output_tokens=1))
    supposed = UsageReported(step=1, attempt=2, usage=Usage(output_tokens=4), origin="estimated")
    spent = spending.with_report(supposed)
    assert (spent.total, spent.origin) == (Usage(output_tokens=5), "estimated")
    assert (spending.total, spending.origin) == (Usage(output_tokens=1), "measured")
    assert (spent.has_report(supposed), spending.has_report(supposed)) == (True, False)


def test_a_helper_costs_like_any_other_child() -> None:
    known = fold(handmade_logs()["a helper"])
    assert known.usage == Usage(input_tokens=19, output_tokens=9, cost=Decimal("0.0001"))
    assert known.response().text == "It is sunny.", "and its text is nobody's"


def test_output_after_the_last_report_is_estimated() -> None:
    log = handmade_logs()["resumed in an answer"]
    begun = next(at for at, event in enumerate(log) if event.type == "run.resumed")
    known = fold(log[:begun])
    known.add(report(1, 1, input_tokens=9, output_tokens=1, cost=Decimal(1), raw={"n": 1}))
    estimate = known.estimate()
    assert estimate is not None
    assert (estimate.usage, estimate.origin) == (Usage(input_tokens=9, output_tokens=4), "estimated")
    assert (known.usage, known.usage_origin) == (estimate.usage, "estimated"), "whoever asks while it goes on"
    known.add(report(1, 1, input_tokens=9, output_tokens=40, raw={"n": 2}))
    reported = Usage(input_tokens=9, output_tokens=40, raw={"n": 2})
    assert known.estimate() == UsageReported(step=1, attempt=1, usage=reported, origin="estimated")
    newer = known.estimate(Usage(input_tokens=9, output_tokens=50))
    assert newer is not None
    assert newer.usage.output_tokens == 50, "what has not come here yet"

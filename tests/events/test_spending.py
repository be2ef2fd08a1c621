"""What a run has cost, and how certain that is."""

from __future__ import annotations

from decimal import Decimal

from headwater.events import ChildFinished, UsageReported
from headwater.events.fold import fold
from headwater.events.messages import Usage
from headwater.events.spending import Origin, Spending
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


def test_a_price_that_nobody_knows_is_not_nothing() -> None:
    spending = Spending()
    spending.report(report(1, 1, input_tokens=1))
    assert spending.total.cost is None


def test_an_attempt_that_reported_nothing_is_unknown_once_it_is_over() -> None:
    spending = Spending()
    spending.report(report(1, 1))
    spending.end_attempt(1, 1)
    reported: Origin = spending.origin
    spending.end_attempt(1, 2)
    silent: Origin = spending.origin
    assert (Spending().origin, reported, silent) == ("measured", "measured", "unknown")


def test_a_helper_costs_like_any_other_child() -> None:
    known = fold(handmade_logs()["a helper"])
    assert known.usage == Usage(input_tokens=19, output_tokens=9, cost=Decimal("0.0001"))
    assert known.response().text == "It is sunny.", "and its text is nobody's"


def test_what_was_said_beyond_the_last_report_is_estimated() -> None:
    log = handmade_logs()["resumed in an answer"]
    begun = next(at for at, event in enumerate(log) if event.type == "run.resumed")
    known = fold(log[:begun])
    known.add(report(1, 1, input_tokens=9, output_tokens=1, cost=Decimal(1), raw={"n": 1}))
    estimate = known.estimate()
    assert estimate is not None
    assert (estimate.usage, estimate.origin) == (Usage(input_tokens=9, output_tokens=4), "estimated")
    known.add(report(1, 1, input_tokens=9, output_tokens=4))
    assert known.estimate() is None, "where as much was reported"

"""How a run ends: each cause has a meaning, the first one counts, and every stage leads to the end."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ServerError
from headwater.events import Custom, Event, RunCancelled, RunFailed
from headwater.events.messages import Usage
from headwater.runtime.ending import MANNERS, CancelledBy, Cause, Ending, Stage


def test_every_cause_has_a_meaning() -> None:
    assert set(MANNERS) == set(Cause)
    assert {cause.value for cause in Cause if MANNERS[cause].outcome == "cancelled"} == set(get_args(CancelledBy))


@given(st.lists(st.sampled_from(Cause), min_size=1))
def test_the_first_cause_counts(causes: list[Cause]) -> None:
    ending = Ending()
    assert ending.going
    assert [ending.stop(cause) for cause in causes] == [True] + [False] * (len(causes) - 1)
    assert ending.cause is causes[0]
    assert ending.stage is Stage.STOPPING
    assert ending.manner is MANNERS[causes[0]]


def test_a_run_that_completes_was_not_stopped() -> None:
    ending = Ending()
    ending.begin(iter(()))
    assert (ending.stage, ending.cause) == (Stage.ENDING, Cause.ANSWERED)
    assert not ending.stop(Cause.DEADLINE), "its clock runs out too late"
    ending.finish()
    assert ending.over
    assert not ending.going
    assert Ending().cause is None


@given(st.lists(st.lists(st.just(Custom(name="x")), max_size=2)))
def test_the_end_events_are_returned_in_order_without_gaps(batches: list[list[Event]]) -> None:
    ending = Ending()
    ending.stop(Cause.LEFT)
    ending.begin(iter(batches))
    given_: list[list[Event]] = []
    while events := ending.next_events():
        given_.append(events)
    assert given_ == [batch for batch in batches if batch]
    assert ending.next_events() == []


def test_a_run_that_ended_without_a_stop_has_answered() -> None:
    ending = Ending()
    ending.finish()
    assert ending.cause is Cause.ANSWERED


@pytest.mark.parametrize("cause", [cause for cause in Cause if MANNERS[cause].outcome == "cancelled"])
def test_a_cancelled_run_says_by_whom(cause: Cause) -> None:
    ending = Ending()
    ending.stop(cause)
    event = ending.end_event(None, Usage(output_tokens=3))
    assert event == RunCancelled(by=cause.value, usage=Usage(output_tokens=3))  # type: ignore[arg-type]
    assert MANNERS[cause].finish_reason == "cancelled"


def test_a_failed_run_says_of_what() -> None:
    ending = Ending()
    ending.stop(Cause.FAILED)
    event = ending.end_event(ServerError("It broke."), Usage())
    assert isinstance(event, RunFailed)
    assert (event.error.type, event.error.message) == ("ServerError", "It broke.")
    assert ending.manner.finish_reason is None, "why the step ended, its provider has said or nobody"
    assert ending.manner.open_work != MANNERS[Cause.CALLER].open_work

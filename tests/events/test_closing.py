"""Everything open can be ended in order, at any moment of any log."""

from __future__ import annotations

import pytest

from headwater.events import (
    CallDelta,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    ReasoningEnded,
    ReasoningStarted,
    RunFailed,
    RunStarted,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolStarted,
)
from headwater.events.checker import check_log
from headwater.events.fold import Fold, fold
from headwater.testing.handmade_logs import handmade_logs
from tests.events.test_fold import begun, call, finished
from tests.support.logs import closed, full_log, of, stamped

BUSY = ErrorInfo(type="Overloaded", message="busy", retryable=True)


def test_what_is_open_is_ended_innermost_first() -> None:
    log = stamped(
        [
            *finished(begun(*call("a"), *call("b")), reason="tool_calls"),
            ToolStarted(step=1, call="a", name="look"),
            ToolStarted(step=1, call="b", name="look"),
            ChildStarted(child="c", name="c", call="b"),
            *of("c", RunStarted(parent="top", call="b")),
        ]
    )
    child = fold([event for event in log if event.run == "c"])
    child.add(RunFailed(error=BUSY))
    since = [event.time for event in log if isinstance(event, ToolStarted)]
    assert fold(log).closing("It was stopped.", {"c": child}, now=since[-1] + 1) == [
        ChildFinished(child="c", name="c", call="b", outcome="failed"),
        *(
            ToolFinished(
                step=1, call=key, name="look", result="It was stopped.", error="It was stopped.", duration=seconds
            )
            for key, seconds in (("a", since[-1] + 1 - since[0]), ("b", 1.0))
        ),
    ]


def test_an_open_step_is_ended_part_by_part() -> None:
    log = begun(
        TextStarted(step=1, part=0),
        ReasoningStarted(step=1, part=1),
        CallStarted(step=1, call="a", name="look", by="provider"),
        CallDelta(step=1, call="a", json='{"n'),
    )
    assert fold(log).closing("It was stopped.") == [
        TextEnded(step=1, part=0),
        ReasoningEnded(step=1, part=1),
        CallRejected(step=1, call="a", name="look", raw='{"n', error="It was stopped.", cut=True, by="provider"),
    ]


def test_without_anything_open_nothing_is_ended() -> None:
    assert fold(full_log()).closing("It was stopped.") == []
    assert Fold().closing("It was stopped.") == []


def test_a_log_that_stops_anywhere_can_be_closed() -> None:
    log = full_log()
    for end in range(1, len(log) + 1):
        check_log(closed(log[:end]))


def test_a_tool_start_without_a_stamp_counts_as_now() -> None:
    log = finished(begun(*call("a")), reason="tool_calls")
    known = fold(log)
    known.add(ToolStarted(step=1, call="a", name="look"))
    (end,) = known.closing("It was stopped.", now=log[-1].time)
    assert isinstance(end, ToolFinished)
    assert end.duration == 0


@pytest.mark.parametrize("name", handmade_logs())
def test_a_log_of_0_2_that_stops_anywhere_can_be_closed(name: str) -> None:
    log = handmade_logs()[name]
    for end in range(1, len(log) + 1):
        check_log(closed(log[:end]))

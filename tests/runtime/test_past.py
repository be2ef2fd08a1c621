"""The state of each run from its log, wherever the log stops."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.errors import InvalidRecord
from headwater.events import (
    AttemptFailed,
    AttemptStarted,
    CallReady,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    MessageAdded,
    Retracted,
    RunResumed,
    RunStarted,
    RunWaiting,
    StepFinished,
    StepStarted,
    TextDelta,
    TextStarted,
    ToolFinished,
    ToolStarted,
    UsageReported,
)
from headwater.events.messages import Message
from headwater.runtime.past import Past, Standing, past_of
from headwater.testing.handmade_logs import handmade_logs
from tests.support.logs import stamped

LOGS = {name: log for name, log in handmade_logs().items() if log[0].grammar > 1}  # type: ignore[attr-defined]
BUSY = ErrorInfo(type="Overloaded", message="busy", retryable=True)


def _begun(*events: Event) -> list[Event]:
    return stamped([RunStarted(agent_name="top", grammar=2), *events])


@pytest.mark.parametrize("name", LOGS)
def test_every_prefix_of_every_log_can_be_read(name: str) -> None:
    log = LOGS[name]
    for size in range(1, len(log) + 1):
        record = past_of(log[:size])
        assert record.last is log[size - 1]
        assert record.root.node.id == log[0].run
        own = [event for event in log[:size] if event.run == log[0].run]
        assert record.root.events == own
        assert set(record.questions()) >= set(record.root.fold.asked.open)


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ([], "does not start with run.started"),
        ([StepStarted(step=1)], "does not start with run.started"),
        ([RunStarted()], "headwater 0.1"),
        ([RunStarted(grammar=2), StepStarted(step=1, seq=2)], "Event 1 of this log has the number 2"),
    ],
)
def test_logs_that_cannot_be_resumed_are_refused(log: list[Event], says: str) -> None:
    with pytest.raises(InvalidRecord, match=says):
        past_of(log)


def test_runs_below_are_taken_up_once_each_in_the_order_in_which_they_began() -> None:
    log = LOGS["parked below"]
    past = past_of(log).root
    (child,) = past.children
    node = child.node
    assert past.child("member", node.name, None) is None
    assert past.child(node.role, node.name, node.call) is child
    assert past.child(node.role, node.name, node.call) is None
    assert list(past.abandoned()) == []


def test_children_that_are_not_resumed_are_abandoned() -> None:
    log = LOGS["parked below"]
    past = past_of(log).root
    (child,) = past.children
    assert list(past.abandoned("another")) == []
    assert list(past.abandoned(child.node.call)) == [child]
    assert list(past.abandoned()) == []
    log = next(one for one in LOGS.values() if any(isinstance(event, ChildFinished) for event in one))
    ended = next(at for at, event in enumerate(log) if isinstance(event, ChildFinished))
    over = past_of(log[: ended + 1]).root
    assert over.children[0].over
    assert list(over.abandoned()) == []


# --- time


def test_a_helper_answers_from_the_log_until_its_summary_is_a_message() -> None:
    log = LOGS["compacted"]
    added = next(at for at, event in enumerate(log) if isinstance(event, MessageAdded) and event.cause == "compact")
    ended = next(at for at, event in enumerate(log) if isinstance(event, ChildFinished))
    begun = next(at for at, event in enumerate(log) if isinstance(event, ChildStarted))
    for stop, open_, answers in ((begun, 1, False), (ended - 1, 1, False), (ended, 0, True), (added, 0, False)):
        root = past_of(log[: stop + 1]).root
        assert len([*root.helpers()]) == open_, stop
        assert (root.child("helper", "compaction", None) is not None) is answers, stop


def test_a_shortened_conversation_has_not_failed() -> None:
    refused = ErrorInfo(type="ContextTooLong", message="too long")
    events: list[Event] = [StepStarted(step=1), AttemptStarted(step=1, attempt=1)]
    events += [AttemptFailed(step=1, attempt=1, error=refused), StepFinished(step=1)]
    assert Standing(_begun(*events)).failure == refused
    shorter = MessageAdded(message=Message(role="user", replaces=1), cause="compact")
    assert Standing(_begun(*events, shorter)).failure is None


def test_waiting_time_is_summed_and_the_timeout_is_paused() -> None:
    waits = RunWaiting(on="time", until=1.0)
    past = past_of(_begun(waits, RunResumed(), StepStarted(step=1))).root
    assert past.waited == pytest.approx(0.5), "half a second an event"
    assert past.stands_since is None
    log = _begun(waits)
    past = past_of(log).root
    assert past.stands_since == log[-1].time
    assert past.stood(log[-1].time + 100.0) == pytest.approx(100.0)


def test_with_nothing_running_it_was_parked() -> None:
    """Between two steps, and not in the middle of one."""
    at_rest = past_of(_begun(StepStarted(step=1), StepFinished(step=1))).root
    assert at_rest.stands_since is not None
    assert not at_rest.at_work
    at_work = past_of(_begun(StepStarted(step=1))).root
    assert at_work.at_work
    assert at_work.stood(1e12) == 0.0


@pytest.mark.parametrize("name", [name for name in LOGS if "parked" in name])
def test_parked_runs_are_paused(name: str) -> None:
    log = LOGS[name]
    waits = [at for at, event in enumerate(log) if isinstance(event, RunWaiting)]
    for at in waits:
        past = past_of(log[: at + 1])
        known = next(one for one in _all(past.root) if one.node.id == log[at].run)
        assert known.stands_since == log[at].time


def _all(past: Past) -> list[Past]:
    return [past, *(one for child in past.children for one in _all(child))]


# --- in a step


def _standing(*events: Event) -> tuple[Standing, Any]:
    past = past_of(_begun(*events)).root
    return Standing(past.events), past.fold


def test_an_interrupted_answer_is_retracted() -> None:
    standing, fold = _standing(
        StepStarted(step=1), AttemptStarted(step=1), TextStarted(step=1, part=0), TextDelta(step=1, part=0, text="Half")
    )
    events = standing.taken_back(fold, 1)
    assert [event.type for event in events] == ["text.ended", "usage.reported", "attempt.failed", "retracted"]
    failed = next(event for event in events if isinstance(event, AttemptFailed))
    assert failed.then == "resume"
    assert failed.usage.output_tokens
    assert next(event for event in events if isinstance(event, UsageReported)).origin == "estimated"
    assert next(event for event in events if isinstance(event, Retracted)).chars == 4
    assert (standing.cause, standing.attempt, standing.part, standing.failure) == ("resume", 1, 1, None)


def test_a_failure_is_not_reported_again() -> None:
    failed = AttemptFailed(step=1, attempt=1, error=BUSY, then="restart")
    said = (
        StepStarted(step=1),
        AttemptStarted(step=1),
        TextStarted(step=1, part=0),
        TextDelta(step=1, part=0, text="Hm"),
    )
    standing, fold = _standing(*said, failed)
    (taken,) = standing.taken_back(fold, 1)
    assert isinstance(taken, Retracted)
    assert taken.cause == "Overloaded"
    standing, fold = _standing(*said, failed, msgspec.structs.replace(taken, seq=0, time=0.0))
    assert standing.taken_back(fold, 1) == []


@pytest.mark.parametrize("name", ["resumed in a tool", "resumed in an answer"])
def test_calls_started_before_the_resume_are_not_running(name: str) -> None:
    log = LOGS[name]
    at = next(event.seq for event in log if isinstance(event, RunResumed))
    assert past_of(log[:at]).root.at_work
    late = [*log[:at], msgspec.structs.replace(log[at], time=log[at].time + 100.0)]
    root = past_of(late).root
    assert not root.at_work
    assert root.stood(late[-1].time + 50.0) == pytest.approx(50.0)
    again = next(n for n, event in enumerate(log) if n > at and isinstance(event, (AttemptStarted, ToolStarted)))
    assert past_of(log[: again + 1]).root.at_work


def test_retries_and_fallbacks_are_counted_on() -> None:
    def failed(attempt: int, then: Any) -> list[Event]:
        error = AttemptFailed(step=1, attempt=attempt, error=BUSY, then=then)
        return [AttemptStarted(step=1, attempt=attempt), error]

    standing, _ = _standing(StepStarted(step=1), *failed(1, "retry"), *failed(2, "retry"))
    assert (standing.tries, standing.retries, standing.backend, standing.cause) == (2, 2, 0, "retry")
    standing, _ = _standing(StepStarted(step=1), *failed(1, "retry"), *failed(2, "fallback"))
    assert (standing.tries, standing.retries, standing.backend, standing.cause) == (0, 1, 1, "fallback")
    standing, _ = _standing(StepStarted(step=1), *failed(1, "raise"))
    assert standing.failure == BUSY
    assert standing.cause == "first"


def test_calls_and_their_results_are_known() -> None:
    calls = CallStarted(step=1, call="c", name="t"), CallReady(step=1, call="c", name="t", arguments={})
    step = StepStarted(step=1), AttemptStarted(step=1), *calls, StepFinished(step=1, finish_reason="tool_calls")
    standing, _ = _standing(*step)
    assert standing.call_keys == {"c"}
    assert not standing.decided
    started = ToolStarted(step=1, call="c", name="t")
    standing, _ = _standing(*step, started)
    assert standing.decided
    wrong = ToolFinished(step=1, call="c", name="t", error="no", invalid=True)
    standing, _ = _standing(*step, started, wrong)
    assert standing.bad_calls == {"t": 1}
    assert [end.call for end in standing.finished] == ["c"]
    standing, _ = _standing(*step, started, msgspec.structs.replace(wrong, invalid=False))
    assert standing.bad_calls == {"t": 0}

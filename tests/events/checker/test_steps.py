"""Attempts in grammar 2: accepted, interrupted and repeated, and what is retracted."""

from __future__ import annotations

import msgspec
import pytest

from headwater.events import (
    AttemptAccepted,
    AttemptFailed,
    AttemptStarted,
    CallRejected,
    ErrorInfo,
    Event,
    GuardTripped,
    MessageAdded,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunResumed,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    UsageReported,
)
from headwater.events.checker import check_log
from headwater.events.messages import Usage
from headwater.testing.log_writer import LogWriter
from tests.events.checker.edits import Breach, after, both, change, check_breach, drop, move, names, twice
from tests.support.logs import full_log

ANSWER = "resumed in an answer"
GUARD = "asked again for a guard"

BREACHES: list[Breach] = [
    ("accepted", "twice", ANSWER, twice(AttemptAccepted)),
    ("accepted", "after the first part", ANSWER, move(AttemptAccepted, 0, TextDelta)),
    ("accepted", "after a source", ANSWER, after(AttemptStarted, 0, SourceFound(step=1, url="x"))),
    ("accepted", "of another attempt", ANSWER, change(AttemptAccepted, 1, attempt=1)),
    ("place", "accepted before it was asked", ANSWER, move(AttemptAccepted, 0, AttemptStarted)),
    ("place", "accepted in another step", ANSWER, change(AttemptAccepted, 0, step=2)),
    ("attempt", "another cause than was announced", ANSWER, change(AttemptStarted, 1, cause="restart")),
    ("attempt", "a guard's word where it was the log", ANSWER, change(AttemptStarted, 1, cause="guard")),
    ("attempt", "the log's word where it was a guard", GUARD, change(AttemptStarted, 1, cause="resume")),
    (
        "attempt",
        "a further step after one that is final",
        "compacted",
        drop(MessageAdded),
    ),
    ("attempt", "a final step whose tools ran", "approved for the run", change(AttemptStarted, 1, final=True)),
    (
        "attempt",
        "a final step, and what follows is a compaction",
        "compacted",
        drop(MessageAdded, 2),
    ),
    ("retracted", "text that is not retracted", ANSWER, drop(Retracted)),
    ("retracted", "text that a guard would have back", GUARD, drop(Retracted)),
    (
        "retracted",
        "though the attempt did not say that it might",
        GUARD,
        both(change(AttemptFailed, 0, then="restart"), change(AttemptStarted, 1, cause="restart")),
    ),
    ("guard", "an attempt that no guard asked for", GUARD, drop(GuardTripped)),
    ("guard", "an attempt after a block", GUARD, change(GuardTripped, 0, action="block")),
    ("guard", "an attempt for a tool's result", GUARD, change(GuardTripped, 0, on="result")),
    ("text", "too little of it", ANSWER, change(Retracted, 0, chars=8)),
    ("resumed", "text goes on", ANSWER, after(RunResumed, 0, TextDelta(step=1, part=0, text="ning."))),
    ("resumed", "another part starts", ANSWER, after(RunResumed, 0, TextStarted(step=1, part=7))),
    ("resumed", "it is accepted", ANSWER, after(RunResumed, 0, AttemptAccepted(step=1, attempt=1))),
    ("resumed", "tried again, as if nothing had been", ANSWER, change(AttemptFailed, 0, then="retry")),
    ("resumed", "without a resume", ANSWER, drop(RunResumed)),
    ("resumed", "before a resume", ANSWER, move(RunResumed, 0, Retracted)),
    ("resumed", "reported as complete", "resumed to be cancelled", change(StepFinished, 0, finish_reason="stop")),
    ("part", "not ended", ANSWER, drop(TextEnded)),
    ("call", "neither ready nor rejected", ANSWER, drop(CallRejected)),
]


@pytest.mark.parametrize("breach", BREACHES, ids=names(BREACHES))
def test_a_violation_is_refused_for_its_rule(breach: Breach) -> None:
    check_breach(breach)


def test_an_attempt_may_announce_a_retraction() -> None:
    log = LogWriter()
    top = log.begin("writer")
    top.ask_model(may_retract=True)
    top.say("Hel")
    busy = ErrorInfo(type="Overloaded", message="busy")
    top.add(
        AttemptFailed(step=1, attempt=1, error=busy, then="restart"),
        Retracted(step=1, attempt=1, chars=3),
    )
    top.ask_model(cause="restart")
    top.say("Hello.")
    top.end_step()
    top.finish()
    check_log(log.log)


def test_a_final_step_may_be_followed_by_one_after_invalid_calls() -> None:
    log = LogWriter()
    top = log.begin("writer")
    top.ask_model(final=True)
    top.call("c1", "weather", {})
    top.end_step("tool_calls")
    top.start_tool("c1", "weather")
    top.end_tool("c1", "weather", "There is no tool named 'weather'.", failed=True)
    top.answer("I cannot tell.")
    top.finish()
    check_log(log.log)


def _reasoning_then_resumed(*events: Event) -> list[Event]:
    log = LogWriter()
    top = log.begin("writer")
    top.ask_model()
    top.add(
        ReasoningStarted(step=1, part=9),
        ReasoningDelta(step=1, part=9, text="Hm."),
        RunResumed(),
        ReasoningEnded(step=1, part=9),
        UsageReported(step=1, attempt=1, usage=Usage(), origin="unknown"),
        AttemptFailed(step=1, attempt=1, error=ErrorInfo(type="Interrupted", message="gone"), then="resume"),
        *events,
    )
    top.ask_model(cause="resume")
    top.say("Hello.")
    top.end_step()
    top.finish()
    return log.log


def test_reasoning_alone_may_be_retracted_or_not_on_resume() -> None:
    check_log(_reasoning_then_resumed())
    check_log(_reasoning_then_resumed(Retracted(step=1, attempt=1, chars=0)))


def test_a_failed_attempt_continues_as_announced() -> None:
    log = LogWriter()
    top = log.begin("writer")
    top.ask_model()
    top.add(
        AttemptFailed(step=1, attempt=1, error=ErrorInfo(type="Overloaded", message="busy"), then="retry", wait=5.0),
        RunResumed(),
        RunResumed(),
    )
    top.ask_model(cause="retry")
    top.say("Hello.")
    top.end_step()
    top.finish()
    check_log(log.log)


def test_a_run_may_fail_when_it_is_resumed() -> None:
    log = LogWriter()
    top = log.begin("writer")
    top.ask_model()
    top.say("Hel", whole=False)
    loop = ErrorInfo(type="CrashLoop", message="Five processes in a row came no further.")
    top.add(RunResumed(), TextEnded(step=1, part=0), AttemptFailed(step=1, attempt=1, error=loop))
    top.end_step(None)
    top.fail(loop)
    check_log(log.log)


def test_new_rules_do_not_apply_to_grammar_1() -> None:
    log = full_log()
    assert any(isinstance(event, Retracted) for event in log), "of an attempt that did not say so"
    assert not any(isinstance(event, AttemptAccepted) for event in log)
    check_log(log)
    as_of_0_2 = [msgspec.structs.replace(event, grammar=2) if event is log[0] else event for event in log]
    with pytest.raises(AssertionError, match="retracted"):
        check_log(as_of_0_2)
    assert isinstance(log[1], StepStarted)

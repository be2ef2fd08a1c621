"""Each rule has logs that violate only it; a change that violates no rule does not alter a log's meaning."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import headwater.testing
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    FileMade,
    Handoff,
    MessageAdded,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    Unknown,
    UsageReported,
)
from headwater.events.checker import NEW_IN_GRAMMAR_2, RULES, LogChecker, LogError, check_log
from headwater.events.messages import Message, Usage
from tests.events.checker.edits import Edit, Log, after, both, change, cut, drop, move, nth, twice
from tests.support.effort import tries
from tests.support.logs import BEGUN, folds, full_log, of, said, stamped
from tests.system.invariants.runs import Play, carried_out, plays


def shown_nothing(log: Log) -> None:
    """The first attempt fails before any output."""
    for kind, count in ((TextStarted, 1), (TextDelta, 2), (TextEnded, 1)):
        for _ in range(count):
            drop(kind)(log)


def without_next_attempt(log: Log) -> None:
    """The first attempt fails before any output, and no other is announced."""
    shown_nothing(log)
    change(AttemptFailed, 0, then="raise")(log)


def alone(log: Log) -> None:
    """The run ends after its second step, without a handoff."""
    cut(StepFinished, 2)(log)
    log.append(
        RunFinished(run="top", path=("top",), finish_reason="stop", usage=Usage(input_tokens=9, output_tokens=9))
    )


CANCELLED = RunCancelled(usage=Usage(input_tokens=8, output_tokens=8))

# Edits to `full_log`, and the rule that each violates. The log is renumbered afterwards.
BREACHES: list[tuple[str, str, Edit]] = [
    ("begin", "nothing at all", lambda log: log.clear()),
    ("begin", "it starts without run.started", drop(RunStarted)),
    ("begin", "a child run starts without it", drop(RunStarted, 1)),
    ("begin", "run.started twice", twice(RunStarted)),
    ("end", "no end", drop(RunFinished, -1)),
    ("end", "two ends", twice(RunFinished, -1)),
    ("end", "two ends that differ", after(RunFinished, -1, RunCancelled())),
    ("end", "a word after the end", after(RunFinished, -1, Handoff(to="nobody"))),
    ("end", "a run below goes on after its end", after(RunFinished, 0, *of("below", StepStarted(step=2)))),
    ("end", "the log stops", cut(StepFinished, 1)),
    ("path", "an event of another path", change(TextDelta, 0, path=("other",))),
    ("path", "a path that does not extend the parent's", change(RunStarted, 1, path=("below",))),
    ("path", "a path with another name", change(RunStarted, 1, path=("top", "other"))),
    ("path", "a path too deep", change(RunStarted, 1, path=("top", "x", "below"))),
    ("child", "a run that was not announced", drop(ChildStarted)),
    ("child", "a second outermost run", after(RunFinished, -1, RunStarted(run="other", path=("top",)))),
    ("child", "a run started twice", twice(ChildStarted)),
    ("child", "a run started before it is announced", move(RunStarted, 1, ChildStarted)),
    ("child", "another parent", change(RunStarted, 1, parent="other")),
    ("child", "another call", change(RunStarted, 1, call="c1")),
    ("child", "for a call without a running tool", change(ChildStarted, 0, call="c4")),
    ("child", "for a call that there is not", change(ChildStarted, 0, call="x")),
    ("child", "never finished", drop(ChildFinished, 1)),
    ("child", "never finished, though its tool is", drop(ChildFinished)),
    ("child", "finished after its tool", move(ToolFinished, 1, ChildFinished)),
    ("child", "finished twice", twice(ChildFinished)),
    ("child", "finished before its end", move(ChildFinished, 0, RunFinished)),
    ("child", "finished as another", change(ChildFinished, 0, name="other")),
    ("child", "finished for another call", change(ChildFinished, 0, call=None)),
    ("child", "another outcome", change(ChildFinished, 0, outcome="failed")),
    (
        "child",
        "finished, and never begun",
        after(Handoff, 0, ChildStarted(child="c", name="c"), ChildFinished(child="c", name="c")),
    ),
    ("step", "not from 1", change(StepStarted, 0, step=2)),
    ("step", "a gap", change(StepStarted, 2, step=3)),
    ("step", "the same again", change(StepStarted, 2, step=1)),
    ("step", "not finished", both(drop(MessageAdded), drop(StepFinished, 2))),
    ("step", "not finished before the end", both(alone, drop(StepFinished, -1))),
    ("attempt", "not from 1", change(AttemptStarted, 0, attempt=2)),
    ("attempt", "a gap", change(AttemptStarted, 1, attempt=3)),
    ("attempt", "another before one failed", both(drop(Retracted), drop(AttemptFailed))),
    ("attempt", "an unannounced one", change(AttemptStarted, 1, cause="fallback")),
    ("attempt", "a first one with a cause", change(AttemptStarted, 0, cause="retry")),
    ("attempt", "one after a final failure", both(without_next_attempt, drop(Retracted))),
    ("attempt", "another one failed", change(AttemptFailed, 0, attempt=2)),
    ("place", "the end of a step that is not open", change(StepFinished, 0, step=2)),
    ("place", "a step finished twice", twice(StepFinished)),
    ("place", "an attempt in no step", move(AttemptStarted, 0, StepStarted)),
    ("place", "an attempt in another step", change(AttemptStarted, 0, step=2)),
    ("place", "text in another step", change(TextStarted, 0, step=2)),
    ("place", "text before an attempt", move(TextStarted, 0, AttemptStarted)),
    ("place", "text after an attempt has failed", after(AttemptFailed, 0, *said(1, 9, "More."))),
    ("place", "a delta between steps", after(StepFinished, 0, TextDelta(step=1, part=2, text="x"))),
    ("place", "reasoning in another step", change(ReasoningDelta, 0, step=2)),
    ("place", "a source in another step", change(SourceFound, 0, step=1)),
    ("place", "a file before its attempt", move(FileMade, 0, AttemptStarted, 4)),
    ("place", "a call in another step", change(CallStarted, 0, step=3)),
    ("place", "arguments in another step", change(CallDelta, 0, step=3)),
    ("place", "a call ready in another step", change(CallReady, 0, step=3)),
    ("place", "usage of another attempt", change(UsageReported, 0, attempt=2)),
    ("place", "usage after its attempt has failed", move(UsageReported, 0, Retracted)),
    ("part", "a number used twice", change(TextStarted, 1, part=1)),
    ("part", "a number of the attempt before", change(TextStarted, 1, part=0)),
    ("part", "not ended before the attempt failed", drop(TextEnded)),
    ("part", "not ended before the step is", drop(TextEnded, 1)),
    ("part", "reasoning not ended", drop(ReasoningEnded)),
    ("part", "ended twice", twice(TextEnded)),
    ("part", "ended as what it is not", after(ReasoningDelta, 0, TextEnded(step=1, part=1))),
    ("part", "text ended as reasoning", after(TextDelta, 0, ReasoningEnded(step=1, part=0))),
    ("part", "an end of none", change(TextEnded, 0, part=7)),
    ("delta", "empty text", after(TextStarted, 0, TextDelta(step=1, part=0, text=""))),
    ("delta", "empty reasoning", after(ReasoningStarted, 0, ReasoningDelta(step=1, part=1, text=""))),
    ("delta", "empty arguments", after(CallStarted, 0, CallDelta(step=1, call="c1", json=""))),
    ("delta", "text of no part", change(TextDelta, 0, part=7)),
    ("delta", "text before its part", move(TextDelta, 0, TextStarted)),
    ("delta", "text after its part", after(TextEnded, 0, TextDelta(step=1, part=0, text="x"))),
    ("delta", "text of reasoning", after(ReasoningStarted, 0, TextDelta(step=1, part=1, text="x"))),
    ("delta", "reasoning of text", after(TextStarted, 0, ReasoningDelta(step=1, part=0, text="x"))),
    ("delta", "reasoning after its part", after(ReasoningEnded, 0, ReasoningDelta(step=1, part=1, text="x"))),
    ("delta", "arguments of no call", change(CallDelta, 0, call="x")),
    ("delta", "arguments after the call", move(CallDelta, 0, CallStarted, 2)),
    ("call", "a key used twice", after(CallReady, 0, CallStarted(step=1, call="c1", name="look"))),
    ("call", "a key of a step before", change(CallStarted, 4, call="c1")),
    ("call", "neither ready nor rejected", drop(CallReady)),
    ("call", "ready twice", twice(CallReady)),
    ("call", "ready, and never started", drop(CallStarted, 1)),
    ("call", "ready for someone else", change(CallReady, 0, by="client")),
    ("retracted", "not retracted", drop(Retracted)),
    ("retracted", "retracted twice", twice(Retracted)),
    ("retracted", "before its attempt has failed", move(Retracted, 0, AttemptFailed)),
    ("retracted", "after the next attempt has started", both(shown_nothing, move(Retracted, 0, ReasoningStarted))),
    ("retracted", "of another attempt", change(Retracted, 0, attempt=2)),
    ("retracted", "though nothing was shown", shown_nothing),
    ("retracted", "though no attempt follows", change(AttemptFailed, 0, then="raise")),
    ("text", "too little is retracted", change(Retracted, 0, chars=10)),
    ("text", "too much is retracted", change(Retracted, 0, chars=12)),
    ("text", "a lead before the first text", change(TextStarted, 1, lead="\n\n")),
    ("text", "a lead inside a step", change(TextStarted, 4, lead="\n\n")),
    ("message", "other words", change(TextDelta, 2, text="We ")),
    ("message", "words lost", drop(TextDelta, 2)),
    ("message", "words twice", twice(TextDelta, 2)),
    ("message", "words in another order", move(TextDelta, 3, TextDelta, 2)),
    ("message", "thoughts lost", drop(ReasoningDelta)),
    ("message", "another signature", change(ReasoningEnded, 0, signature="other")),
    ("message", "other arguments", change(CallReady, 1, arguments={})),
    ("message", "another id", change(CallStarted, 0, id="x")),
    ("message", "a source lost", drop(SourceFound)),
    ("message", "a file lost", drop(FileMade)),
    ("message", "none", change(StepFinished, 0, message=None)),
    ("message", "someone else's", change(StepFinished, 0, message=Message.user("I look."))),
    ("usage", "of a step", change(StepFinished, 0, usage=Usage(input_tokens=5, output_tokens=7))),
    ("usage", "of a report", change(UsageReported, 1, usage=Usage(input_tokens=50))),
    ("usage", "a report lost", drop(UsageReported)),
    ("usage", "of a child", change(ChildFinished, 0, usage=Usage())),
    ("usage", "of a run below", change(RunFinished, 0, usage=Usage(input_tokens=2))),
    ("usage", "of the run", change(RunFinished, -1, usage=Usage())),
    ("tool", "before its step is finished", move(ToolStarted, 0, StepFinished)),
    ("tool", "for no call", change(ToolStarted, 0, call="x")),
    ("tool", "for a call that was rejected", change(ToolStarted, 0, call="c3")),
    ("tool", "for a call that the provider runs", change(ToolStarted, 0, call="c4", name="search")),
    ("tool", "for a call of an earlier step", after(StepFinished, -2, ToolStarted(step=1, call="c1", name="look"))),
    ("tool", "under another name", change(ToolStarted, 0, name="other")),
    ("tool", "in another step", change(ToolStarted, 0, step=2)),
    ("tool", "again, without saying so", twice(ToolStarted)),
    ("tool", "the second try first", change(ToolStarted, 0, try_=2)),
    ("tool", "again after it has finished", after(ToolFinished, 0, ToolStarted(step=1, call="c1", name="look"))),
    ("tool", "though leave was refused", change(ApprovalAnswered, 0, allowed=False)),
    ("tool", "finished twice", twice(ToolFinished)),
    ("tool", "finished, and never started", after(ApprovalAnswered, 0, ToolFinished(step=1, call="c2", name="ask"))),
    ("tool", "finished for a call that was rejected", change(ToolFinished, 0, call="c3")),
    ("tool", "finished under another name", change(ToolFinished, 0, name="other")),
    ("tool", "finished in another step", change(ToolFinished, 0, step=0)),
    ("tool", "progress before it has started", move(ToolProgress, 0, ToolStarted)),
    ("tool", "progress after it has finished", move(ToolProgress, 0, StepStarted, 2)),
    ("settled", "a tool running in the next step", drop(ToolFinished)),
    ("settled", "a tool running at the end", both(cut(ToolStarted, 0), after(ToolStarted, 0, CANCELLED))),
    ("settled", "a message while a tool is running", move(MessageAdded, 0, ToolFinished)),
    ("settled", "a message inside a step", move(MessageAdded, 0, StepFinished, 2)),
    ("settled", "a handoff while a tool is running", move(Handoff, 0, ToolFinished, 2)),
    ("settled", "handed on inside a step", move(Handoff, 0, StepFinished)),
    ("approval", "asked twice under one name", twice(ApprovalAsked)),
    ("approval", "asked for no call", change(ApprovalAsked, 0, call="x")),
    ("approval", "asked while its tool is running", both(drop(ApprovalAnswered), move(ApprovalAsked, 0, ToolProgress))),
    ("approval", "not waited for", drop(ApprovalAnswered)),
    ("approval", "answered twice", twice(ApprovalAnswered)),
    ("approval", "answered, and never asked", drop(ApprovalAsked)),
    ("outcome", "another reason", both(alone, change(RunFinished, -1, finish_reason="length"))),
    ("outcome", "no reason", both(alone, change(RunFinished, -1, finish_reason=None))),
]


# --- one rule at a time


def test_the_full_log_is_valid() -> None:
    check_log(full_log())
    short = full_log()
    alone(short)
    check_log(stamped(short))


@pytest.mark.parametrize(("rule", "what", "edit"), BREACHES, ids=[f"{rule}: {what}" for rule, what, _ in BREACHES])
def test_a_violation_is_refused_for_its_rule(rule: str, what: str, edit: Edit) -> None:
    log = full_log()
    edit(log)
    with pytest.raises(LogError) as refused:
        check_log(stamped(log))
    assert refused.value.rule == rule, str(refused.value)


def test_every_rule_of_grammar_1_is_tested() -> None:
    assert {rule for rule, _, _ in BREACHES} | {"seq", "time"} == set(RULES) - NEW_IN_GRAMMAR_2


@pytest.mark.parametrize("at", [0, 1, 40])
@pytest.mark.parametrize("by", [-1, 1])
def test_numbers_have_no_gaps(at: int, by: int) -> None:
    log = full_log()
    log[at] = msgspec.structs.replace(log[at], seq=at + by)
    with pytest.raises(LogError) as refused:
        check_log(log)
    assert (refused.value.rule, refused.value.seq) == ("seq", at + by)


@pytest.mark.parametrize("to", [BEGUN, float("nan")])
def test_time_never_decreases(to: float) -> None:
    log = full_log()
    log[7] = msgspec.structs.replace(log[7], time=to)
    with pytest.raises(LogError) as refused:
        check_log(log)
    assert (refused.value.rule, refused.value.seq) == ("time", 7)


def test_time_may_stand_still() -> None:
    check_log([msgspec.structs.replace(event, time=BEGUN) for event in full_log()])


# --- other laws


def test_an_error_names_the_number_the_event_and_the_rule() -> None:
    log = full_log()
    log[4] = msgspec.structs.replace(log[4], text="")
    with pytest.raises(AssertionError, match=r"seq 4, text\.delta: it is empty\. Rule 'delta': deltas belong to open"):
        check_log(log)


def test_a_log_that_stops_is_refused_only_at_its_end() -> None:
    checker = LogChecker()
    for event in full_log()[:-1]:
        checker.add(event)
    with pytest.raises(LogError, match=r"at the end of the log: run 'top' has no end"):
        checker.finish()


def test_an_event_is_refused_immediately() -> None:
    log = full_log()
    at = nth(log, ToolFinished)
    log.insert(at, log[at])
    checker = LogChecker()
    for event in stamped(log)[: at + 1]:
        checker.add(event)
    with pytest.raises(LogError) as refused:
        checker.add(stamped(log)[at + 1])
    assert refused.value.seq == at + 1


def test_a_log_may_start_with_a_nested_run() -> None:
    started = RunStarted(parent="a run of another log", call="c")
    check_log(stamped([started, RunFinished()]))


def test_a_failed_run_is_valid() -> None:
    failed = ErrorInfo(type="Overloaded", message="busy")
    events = [
        RunStarted(),
        StepStarted(step=1),
        AttemptStarted(step=1),
        *said(1, 0, "Hel"),
        AttemptFailed(step=1, attempt=1, error=failed),
        StepFinished(step=1, message=Message.assistant("Hel")),
        RunFailed(error=failed),
    ]
    check_log(stamped(events))


def test_a_child_may_be_cancelled_before_it_starts() -> None:
    child = [ChildStarted(child="c", name="c"), ChildFinished(child="c", name="c", outcome="cancelled")]
    check_log(stamped([RunStarted(), *child, RunCancelled()]))


def test_a_tool_may_be_retried_before_it_is_finished() -> None:
    log = full_log()
    after(ToolProgress, 0, ToolStarted(step=1, call="c1", name="look", try_=2))(log)
    check_log(stamped(log))


def test_a_provider_may_stream_a_name_in_pieces() -> None:
    log = full_log()
    change(CallStarted, 0, name="lo")(log)
    check_log(stamped(log))


def test_newer_events_may_appear_anywhere_in_their_run() -> None:
    log = full_log()
    for at in range(len(log) - 1, 0, -1):
        log.insert(at, Unknown(name="newer", body={}, run=log[at - 1].run, path=log[at - 1].path))
        if isinstance(log[at - 1], RunFinished):
            del log[at]
    check_log(stamped(log))


def test_it_is_exported_by_the_testing_module() -> None:
    assert headwater.testing.check_log is check_log
    assert headwater.testing.LogChecker is LogChecker
    assert headwater.testing.LogError is LogError


# --- random: a log changed in one place is refused, or means the same


MEANT = ("transcript", "reasoning", "refusal", "tool_calls", "sources", "files", "finish_reason", "messages", "partial")

# Facts that a log has only once: without them, or with others, it is another valid log.
TOLD_ONCE = (MessageAdded, RunStarted)

NUMBERS = st.integers(0, 4)
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "run": st.sampled_from(["top", "other"]),
    "path": st.sampled_from([(), ("top",), ("top", "below"), ("top", "below", "below")]),
    "step": NUMBERS,
    "attempt": NUMBERS,
    "part": NUMBERS,
    "text": st.sampled_from(["", "x"]),
    "json": st.sampled_from(["", "x"]),
    "chars": st.integers(0, 20),
    "call": st.sampled_from([None, "a", "a#2", "b", "x"]),
    "child": st.just("x"),
    "outcome": st.sampled_from(["finished", "failed", "cancelled"]),
    "usage": st.builds(Usage, input_tokens=NUMBERS, output_tokens=NUMBERS),
    "cause": st.sampled_from(["first", "retry", "fallback", "restart"]),
    "by": st.sampled_from(["agent", "provider"]),
    "message": st.sampled_from([None, Message.assistant("x")]),
}


def _meaning(log: Log) -> dict[str, list[Any]]:
    meaning: dict[str, list[Any]] = {}
    for run, fold in folds(log).items():
        response = fold.response()
        meaning[run] = [response.text, response.usage.to_dict(), *(getattr(response, name) for name in MEANT)]
    return meaning


def _changed(log: Log, data: st.DataObject) -> tuple[str, Log]:
    at = data.draw(st.integers(0, len(log) - 1))
    how: str = data.draw(st.sampled_from(["drop", "duplicate", "swap", "change", "change"]))
    event, changed = log[at], list(log)
    assume(not isinstance(event, TOLD_ONCE))
    if how == "drop":
        del changed[at]
    elif how == "duplicate":
        changed.insert(at, event)
    elif how == "swap":
        assume(at > 0 and not isinstance(log[at - 1], TOLD_ONCE))
        changed[at - 1], changed[at] = event, log[at - 1]
    else:
        field = data.draw(st.sampled_from(sorted(CHANGES.keys() & set(event.__struct_fields__))))
        changed[at] = msgspec.structs.replace(event, **{field: data.draw(CHANGES[field])})
        how = f"change {event.type} {field}"
    # Numbers and times are corrected, so only the edit itself can be wrong.
    times = [one.time for one in log] + [log[-1].time]
    return how, [msgspec.structs.replace(one, seq=seq, time=times[seq]) for seq, one in enumerate(changed)]


@pytest.mark.long
@settings(max_examples=tries(15, 150), deadline=None)
@given(plays(), st.data())
def test_a_change_that_is_accepted_keeps_the_meaning(play: Play, data: st.DataObject) -> None:
    log = carried_out(play).log
    how, changed = _changed(log, data)
    try:
        check_log(changed)
    except LogError:
        return
    assert _meaning(changed) == _meaning(log), how

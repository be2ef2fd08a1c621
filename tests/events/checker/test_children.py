"""Children in grammar 2: their roles, what led to them, and whose answer is the run's."""

from __future__ import annotations

import pytest

from headwater.events import (
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Handoff,
    MessageAdded,
    RunFinished,
    RunStarted,
    StepStarted,
    TextStarted,
    ToolFinished,
    WorkflowShape,
)
from headwater.events.checker import check_log
from headwater.events.messages import Message
from headwater.testing.log_writer import LogWriter, RunWriter
from tests.events.checker.edits import Breach, after, both, change, check_breach, drop, names, twice

BESIDE = "a helper beside members"
TEAM = "a workflow with roles"
SIDE = "side by side, with roles"
HEIR = "handed over"
HELPER = "a helper"
BELOW = "resumed in a child"
UNBEGUN = "a member that cannot begin"

BREACHES: list[Breach] = [
    ("role", "a member of an agent", HELPER, change(ChildStarted, 0, role="member")),
    ("role", "a tool that answers no call", HELPER, change(ChildStarted, 0, role="tool")),
    ("role", "without a handoff", HELPER, change(ChildStarted, 0, role="handoff")),
    ("role", "a member that answers a call", BELOW, change(ChildStarted, 0, role="member")),
    ("role", "a helper that answers a call", BELOW, change(ChildStarted, 0, role="helper")),
    ("role", "a workflow hands over", TEAM, change(ChildStarted, 1, role="handoff", after=())),
    ("role", "without the handoff", HEIR, drop(Handoff)),
    ("role", "its run is not a workflow", TEAM, change(RunStarted, 0, workflow=None)),
    ("after", "a run that there is not", TEAM, change(ChildStarted, 1, after=("run_9",))),
    ("after", "itself", TEAM, change(ChildStarted, 1, after=("run_3",))),
    ("after", "an open one", SIDE, change(ChildStarted, 1, after=("run_2",))),
    ("after", "its parent", TEAM, change(ChildStarted, 1, after=("run_1",))),
    ("answer", "without a speaker", TEAM, change(RunFinished, -1, answer=())),
    ("answer", "without the successor", HEIR, change(RunFinished, -1, answer=())),
    ("answer", "its own", HEIR, change(RunFinished, -1, answer=("run_1",))),
    ("answer", "a run's that there is not", TEAM, change(RunFinished, -1, answer=("run_3", "run_9"))),
    ("answer", "a helper's", HELPER, change(RunFinished, -1, answer=("run_2",))),
    ("answer", "a helper's beside members", BESIDE, change(RunFinished, -1, answer=("run_4",))),
    ("answer", "a run's twice", SIDE, change(RunFinished, -1, answer=("run_2", "run_3", "run_2"))),
    ("answer", "one's that was ruled out", SIDE, change(ChildStarted, 0, final=False)),
    (
        "answer",
        "one's that is in another's task",
        TEAM,
        both(change(ChildStarted, 0, final=None), change(RunFinished, -1, answer=("run_2", "run_3"))),
    ),
    ("handoff", "twice", HEIR, twice(Handoff)),
    ("handoff", "a step before the successor", HEIR, after(Handoff, 0, StepStarted(step=2))),
    ("handoff", "a step after the successor", HEIR, after(ChildFinished, 0, StepStarted(step=2))),
    ("handoff", "another handoff after the successor", HEIR, after(ChildFinished, 0, Handoff(to="heir"))),
    (
        "handoff",
        "a message, and nobody is left to hear it",
        HEIR,
        after(ChildFinished, 0, MessageAdded(message=Message.user("Hurry."))),
    ),
    (
        "handoff",
        "two successors",
        HEIR,
        after(ChildFinished, 0, ChildStarted(child="run_3", name="next", role="handoff")),
    ),
    ("handoff", "without a successor", "calls for the client", after(ToolFinished, 0, Handoff(to="heir"))),
    (
        "handoff",
        "the successor cannot begin",
        "calls for the client",
        after(
            ToolFinished,
            0,
            Handoff(to="heir"),
            ChildStarted(child="run_2", name="heir", role="handoff"),
            ChildFinished(
                child="run_2", name="heir", outcome="failed", error=ErrorInfo(type="KeyMissing", message="No key.")
            ),
        ),
    ),
    ("outcome", "another than the successor's", HEIR, change(RunFinished, -1, finish_reason="length")),
    ("outcome", "that of the step before the successor", HEIR, change(RunFinished, -1, finish_reason="tool_calls")),
    ("answer", "a tool's", BELOW, change(RunFinished, -1, answer=("run_2",))),
    ("child", "an error of one that began", TEAM, change(ChildFinished, 0, error=ErrorInfo(type="E", message="m"))),
    ("child", "an error of one that was stopped", UNBEGUN, change(ChildFinished, 0, outcome="cancelled")),
    ("child", "one that never began has finished", UNBEGUN, change(ChildFinished, 0, outcome="finished", error=None)),
]


@pytest.mark.parametrize("breach", BREACHES, ids=names(BREACHES))
def test_a_violation_is_refused_for_its_rule(breach: Breach) -> None:
    check_breach(breach)


def test_only_members_that_finished_are_in_a_task() -> None:
    for end in ("finish", "cancel"):
        log = LogWriter()
        top = log.begin("team", workflow=WorkflowShape(kind="sequential", members=("ann", "bob")))
        ann = top.child("ann", role="member")
        ann.answer("Hi.")
        getattr(ann, end)()
        bob = top.child("bob", role="member", after=(ann,))
        bob.answer("Ho.")
        bob.finish()
        top.finish(bob, reason="stop")
        if end == "finish":
            check_log(log.log)
        else:
            with pytest.raises(AssertionError, match="'after'"):
                check_log(log.log)


def test_a_repeated_member_may_answer() -> None:
    log = LogWriter()
    top = log.begin("team", workflow=WorkflowShape(kind="graph", members=("ann", "bob")))
    before: tuple[RunWriter, ...] = ()
    for name in ("ann", "bob", "ann"):
        member = top.child(name, role="member", after=before)
        member.answer("Hi.")
        member.finish()
        before = (member,)
    top.finish(*before, reason="stop")
    check_log(log.log)


def test_a_successor_may_be_stopped_or_fail() -> None:
    for end, above in (("cancel", "cancel"), ("cancel", "finish"), ("fail", "fail")):
        log = LogWriter()
        top = log.begin("front")
        top.answer("One moment.")
        top.add(Handoff(to="heir"))
        heir = top.child("heir", role="handoff")
        error = ErrorInfo(type="Overloaded", message="busy")
        getattr(heir, end)(*[error] * (end == "fail"))
        if above == "finish":
            top.finish(heir, reason="cancelled")
        else:
            getattr(top, above)(*[error] * (above == "fail"))
        check_log(log.log)


def test_a_helper_may_start_after_the_handoff() -> None:
    log = LogWriter()
    top = log.begin("front")
    top.answer("One moment.")
    top.add(Handoff(to="heir"))
    helper = top.child("title", role="helper")
    heir = top.child("heir", role="handoff")
    heir.answer("Booked.")
    heir.finish()
    helper.answer("A hotel")
    helper.finish()
    top.finish(heir, reason="stop")
    check_log(log.log)


def test_a_successor_may_hand_over_too() -> None:
    log = LogWriter()
    runs = [log.begin("first")]
    for name in ("second", "third"):
        runs[-1].answer("One moment.")
        runs[-1].add(Handoff(to=name))
        runs.append(runs[-1].child(name, role="handoff"))
    runs[-1].ask_model()
    runs[-1].say("Booked, and")
    runs[-1].end_step("length")
    runs[-1].finish()
    runs[-2].finish(runs[-1], reason="length")
    runs[-3].finish(runs[-2], reason="length")
    check_log(log.log)


def test_a_helper_may_run_anywhere_and_is_not_a_speaker() -> None:
    log = LogWriter()
    top = log.begin("team", workflow=WorkflowShape(kind="sequential"))
    helper = top.child("title", role="helper")
    helper.answer("A title.")
    helper.finish()
    top.finish()
    check_log(log.log)


def test_a_helpers_text_has_no_lead() -> None:
    log = LogWriter()
    top = log.begin("writer")
    top.answer("Hello.")
    helper = top.child("title", role="helper")
    helper.ask_model()
    helper.add(TextStarted(step=1, part=0, lead="\n\n"))
    with pytest.raises(AssertionError, match="it has a lead"):
        check_log(log.log)

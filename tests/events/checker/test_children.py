"""Children of grammar 2: what they are to their run, what led to them, and whose answer is the run's."""

from __future__ import annotations

import pytest

from headwater.events import (
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Handoff,
    RunFinished,
    RunStarted,
    TextStarted,
    WorkflowShape,
)
from headwater.events.checker import check_log
from headwater.testing.log_writer import LogWriter
from tests.events.checker.edits import Breach, change, check_breach, drop, names

TEAM = "a workflow with roles"
SIDE = "side by side, with roles"
HEIR = "handed over"
HELPER = "a helper"
BELOW = "resumed in a child"
UNBEGUN = "a member that cannot begin"

BREACHES: list[Breach] = [
    ("role", "a member of an agent", HELPER, change(ChildStarted, 0, role="member")),
    ("role", "a tool that answers no call", HELPER, change(ChildStarted, 0, role="tool")),
    ("role", "a handoff that nobody made", HELPER, change(ChildStarted, 0, role="handoff")),
    ("role", "a member that answers a call", BELOW, change(ChildStarted, 0, role="member")),
    ("role", "a helper that answers a call", BELOW, change(ChildStarted, 0, role="helper")),
    ("role", "a workflow hands over", TEAM, change(ChildStarted, 1, role="handoff", after=())),
    ("role", "without the handoff", HEIR, drop(Handoff)),
    ("role", "its run is no workflow", TEAM, change(RunStarted, 0, workflow=None)),
    ("after", "a run that there is not", TEAM, change(ChildStarted, 1, after=("run_9",))),
    ("after", "itself", TEAM, change(ChildStarted, 1, after=("run_3",))),
    ("after", "one that is going on", SIDE, change(ChildStarted, 1, after=("run_2",))),
    ("after", "its parent", TEAM, change(ChildStarted, 1, after=("run_1",))),
    ("answer", "nobody's", TEAM, change(RunFinished, -1, answer=())),
    ("answer", "nobody's, though it was handed over", HEIR, change(RunFinished, -1, answer=())),
    ("answer", "its own", HEIR, change(RunFinished, -1, answer=("run_1",))),
    ("answer", "a run's that there is not", TEAM, change(RunFinished, -1, answer=("run_3", "run_9"))),
    ("answer", "a helper's", HELPER, change(RunFinished, -1, answer=("run_2",))),
    ("answer", "a tool's", BELOW, change(RunFinished, -1, answer=("run_2",))),
    ("child", "an error of one that began", TEAM, change(ChildFinished, 0, error=ErrorInfo(type="E", message="m"))),
    ("child", "an error of one that was stopped", UNBEGUN, change(ChildFinished, 0, outcome="cancelled")),
    ("child", "one that never began has finished", UNBEGUN, change(ChildFinished, 0, outcome="finished", error=None)),
]


@pytest.mark.parametrize("breach", BREACHES, ids=names(BREACHES))
def test_a_log_that_breaks_a_rule_is_refused_for_that_rule(breach: Breach) -> None:
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


def test_a_helper_stands_anywhere_and_speaks_for_nobody() -> None:
    log = LogWriter()
    top = log.begin("team", workflow=WorkflowShape(kind="sequential"))
    helper = top.child("title", role="helper")
    helper.answer("A title.")
    helper.finish()
    top.finish()
    check_log(log.log)


def test_a_helper_goes_on_from_nobodys_words() -> None:
    log = LogWriter()
    top = log.begin("writer")
    top.answer("Hello.")
    helper = top.child("title", role="helper")
    helper.ask_model()
    helper.add(TextStarted(step=1, part=0, lead="\n\n"))
    with pytest.raises(AssertionError, match="it has a lead"):
        check_log(log.log)

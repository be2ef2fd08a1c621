"""Tools in grammar 2: their keys, resuming, approvals, and questions to people."""

from __future__ import annotations

import pytest

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    ErrorInfo,
    InputAnswered,
    InputAsked,
    MessageAdded,
    RunResumed,
    RunWaiting,
    StepStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from headwater.events.checker import check_log
from headwater.events.messages import Message
from headwater.testing.log_writer import LogWriter, RunWriter
from tests.events.checker.edits import Breach, after, both, change, check_breach, drop, move, names, twice

YES = "approved"
NO = "refused by a person"
TOOL = "resumed in a tool"
ASKED = "resumed in a tool that is asked about"
UNKNOWN = "resumed with an unknown outcome"
CUSTOM = "a custom tool approved"
INPUT = "input asked and answered"

AGAIN = ToolStarted(step=1, call="c2", name="send_mail", try_=2, idempotency_key="run_1/c2")

BREACHES: list[Breach] = [
    ("idempotency", "none", YES, change(ToolStarted, 0, idempotency_key="")),
    ("idempotency", "of another call", YES, change(ToolStarted, 0, idempotency_key="run_1/c2")),
    ("idempotency", "another on the second try", TOOL, change(ToolStarted, 2, idempotency_key="run_1/c2#2")),
    ("tool", "started again while it is running", TOOL, drop(RunResumed)),
    ("tool", "started again without counting", TOOL, change(ToolStarted, 2, try_=1)),
    ("tool", "started again after it has finished", TOOL, after(ToolFinished, 1, AGAIN)),
    ("tool", "progress of an interrupted one", TOOL, move(ToolProgress, 0, ToolStarted, 2)),
    ("resumed", "a result of an interrupted one", UNKNOWN, change(ToolFinished, 0, error=None)),
    ("settled", "without an outcome", UNKNOWN, drop(ToolFinished)),
    ("approval", "asked twice under one name", YES, twice(ApprovalAsked)),
    (
        "approval",
        "asked twice for one call",
        YES,
        after(ApprovalAsked, 0, ApprovalAsked(approval="other", call="c2", name="send_mail")),
    ),
    (
        "approval",
        "asked again once it was allowed",
        YES,
        after(ApprovalAnswered, 0, ApprovalAsked(approval="other", call="c2", name="send_mail")),
    ),
    ("approval", "requested for a running one", YES, both(drop(RunWaiting), move(ApprovalAsked, 0, ToolFinished, 1))),
    (
        "approval",
        "asked for the client's call",
        "calls for the client",
        after(ToolFinished, 0, ApprovalAsked(approval="x", call="c2", name="locate")),
    ),
    ("approval", "answered twice", YES, twice(ApprovalAnswered)),
    ("approval", "answered, and never asked", NO, drop(ApprovalAsked)),
    ("approval", "not waited for", YES, drop(ApprovalAnswered)),
    ("approval", "allowed, and never started", YES, both(drop(ToolFinished, 1), drop(ToolStarted, 1))),
    ("tool", "refused, and started", YES, change(ApprovalAnswered, 0, allowed=False)),
    (
        "tool",
        "refused, and finished",
        NO,
        after(ApprovalAnswered, 0, ToolFinished(step=1, call="c2", name="send_mail", error="x")),
    ),
    ("tool", "refused, and started again", ASKED, after(ApprovalAnswered, 1, AGAIN)),
    ("settled", "refused without an end", ASKED, drop(ToolFinished, -1)),
    (
        "approval",
        "asked about twice since the run goes on",
        ASKED,
        after(ApprovalAsked, 1, ApprovalAsked(approval="third", call="c2", name="send_mail")),
    ),
    ("settled", "unanswered, and the run goes on", NO, drop(ApprovalAnswered)),
    ("settled", "a call that is neither run nor refused", YES, both(drop(ToolFinished), drop(ToolStarted))),
    (
        "settled",
        "one of two calls, and then a message",
        YES,
        both(
            drop(ToolFinished),
            drop(ToolStarted),
            after(ToolFinished, -1, MessageAdded(message=Message.user("Hurry."), cause="steer")),
        ),
    ),
    ("approval", "a custom tool's text bare", CUSTOM, change(ApprovalAsked, 0, arguments={"text": "rm"})),
    ("approval", "a custom tool's text with more", CUSTOM, change(ApprovalAsked, 0, arguments={"input": "rm", "x": 1})),
    ("approval", "a custom tool's input without text", CUSTOM, change(ApprovalAnswered, 0, arguments={"input": 3})),
    ("input", "asked twice under one name", INPUT, change(InputAsked, 1, input="in-1")),
    ("input", "asked before its tool is running", INPUT, both(drop(RunWaiting), move(InputAsked, 0, ToolStarted))),
    ("input", "asked after it has finished", INPUT, both(move(InputAsked, 1, StepStarted, 1), drop(InputAnswered, 1))),
    ("input", "asked by no call", INPUT, change(InputAsked, 0, call="x")),
    ("input", "asked under another name", INPUT, change(InputAsked, 0, name="other")),
    ("input", "answered twice", INPUT, twice(InputAnswered)),
    ("input", "answered, and never asked", INPUT, change(InputAnswered, 1, input="x")),
    ("input", "answered too late", INPUT, move(InputAnswered, 1, StepStarted, 1)),
]


@pytest.mark.parametrize("breach", BREACHES, ids=names(BREACHES))
def test_a_violation_is_refused_for_its_rule(breach: Breach) -> None:
    check_breach(breach)


def _mailing(log: LogWriter) -> RunWriter:
    top = log.begin("mailer")
    top.ask_model()
    top.call("c1", "send_mail", {})
    top.end_step("tool_calls")
    return top


def _done(log: LogWriter, top: RunWriter) -> None:
    top.answer("Done.")
    top.finish()
    check_log(log.log)


def test_a_call_approved_before_the_log_stopped_needs_no_other_approval() -> None:
    log = LogWriter()
    top = _mailing(log)
    top.ask_approval("c1", "send_mail", {})
    top.add(RunResumed())
    top.approve("c1")
    top.add(RunResumed())
    top.start_tool("c1", "send_mail")
    top.add(RunResumed(), RunResumed())
    top.start_tool("c1", "send_mail", 2)
    top.end_tool("c1", "send_mail", "Sent.")
    _done(log, top)


def test_an_interrupted_call_may_need_approval_each_time() -> None:
    log = LogWriter()
    top = _mailing(log)
    top.start_tool("c1", "send_mail")
    for number in (2, 3):
        top.add(RunResumed())
        top.ask_approval("c1", "send_mail", {}, f"ask-{number}")
        top.add(RunResumed(), RunWaiting(on="approval", ids=(f"ask-{number}",)))
        top.approve("c1", question=f"ask-{number}")
        top.start_tool("c1", "send_mail", number)
    top.end_tool("c1", "send_mail", "Sent.")
    _done(log, top)


def test_a_question_may_stay_open_while_its_tool_runs_again() -> None:
    log = LogWriter()
    top = _mailing(log)
    top.start_tool("c1", "send_mail")
    top.add(
        InputAsked(input="in-1", call="c1", name="send_mail"),
        RunResumed(),
        RunWaiting(on="input", ids=("in-1",)),
    )
    top.start_tool("c1", "send_mail", 2)
    top.add(RunWaiting(on="input", ids=("in-1",)), InputAnswered(input="in-1", action="accept", content=1))
    top.end_tool("c1", "send_mail", "Sent.")
    _done(log, top)


@pytest.mark.parametrize("answered", [False, True])
def test_an_interrupted_tool_may_end_with_open_questions(answered: bool) -> None:
    log = LogWriter()
    top = _mailing(log)
    top.start_tool("c1", "send_mail")
    top.add(RunResumed())
    top.ask_approval("c1", "send_mail", {})
    if answered:
        top.approve("c1")
    top.end_tool("c1", "send_mail", "It was stopped.", failed=True)
    top.cancel()
    check_log(log.log)


def test_open_questions_are_void_when_their_run_ends() -> None:
    for ended in (RunWriter.cancel, lambda top: top.fail(ErrorInfo(type="ToolFailed", message="A sibling failed it."))):
        log = LogWriter()
        top = _mailing(log)
        top.ask_approval("c1", "send_mail", {})
        assert top.fold.asked.open.keys() == {"ask-c1"}
        ended(top)
        check_log(log.log)
        assert top.fold.asked.open == {}


def _calling(log: LogWriter, *keys: str, reason: str | None = "tool_calls") -> RunWriter:
    top = log.begin("mailer")
    top.ask_model()
    for key in keys:
        top.call(key, "send_mail", {})
    top.end_step(reason)
    return top


@pytest.mark.parametrize("reason", ["tool_calls", "stop", None])
def test_a_request_without_an_agent_runs_no_tools(reason: str | None) -> None:
    log = LogWriter()
    _calling(log, "c1", "c2", reason=reason).finish()
    check_log(log.log)


@pytest.mark.parametrize("reason", ["tool_calls", "stop", None])
def test_a_run_that_ran_one_call_runs_them_all(reason: str | None) -> None:
    log = LogWriter()
    top = _calling(log, "c1", "c2", reason=reason)
    top.start_tool("c2", "send_mail")
    top.end_tool("c2", "send_mail", "Sent.")
    top.finish()
    with pytest.raises(AssertionError, match="'settled'"):
        check_log(log.log)


def test_a_run_that_continues_runs_the_calls_of_its_last_step() -> None:
    log = LogWriter()
    top = _mailing(log)
    top.start_tool("c1", "send_mail")
    top.end_tool("c1", "send_mail", "Sent.")
    top.ask_model()
    top.call("c2", "send_mail", {})
    top.end_step("tool_calls")
    top.finish()
    with pytest.raises(AssertionError, match="'settled'"):
        check_log(log.log)


@pytest.mark.parametrize("reason", ["length", "cancelled", "content_filter"])
def test_calls_of_a_cut_off_answer_are_not_run(reason: str) -> None:
    log = LogWriter()
    top = _calling(log, "c1", reason=reason)
    top.add(MessageAdded(message=Message.user("Hurry."), cause="steer"))
    _done(log, top)


def test_a_run_may_end_before_its_tools_start() -> None:
    for ended in (RunWriter.cancel, lambda top: top.fail(ErrorInfo(type="MaxStepsReached", message="25 steps."))):
        log = LogWriter()
        top = _mailing(log)
        top.start_tool("c1", "send_mail")
        top.end_tool("c1", "send_mail", "Sent.")
        top.ask_model()
        top.call("c2", "send_mail", {})
        top.end_step("tool_calls")
        ended(top)
        check_log(log.log)


def test_no_message_is_added_while_a_question_is_open() -> None:
    log = LogWriter()
    top = _mailing(log)
    top.ask_approval("c1", "send_mail", {})
    top.add(MessageAdded(message=Message.user("Hurry."), cause="steer"))
    with pytest.raises(AssertionError, match="'settled'"):
        check_log(log.log, parked=True)


def test_client_calls_may_be_in_a_step_that_finished_with_stop() -> None:
    log = LogWriter()
    top = log.begin("helper")
    top.ask_model()
    top.call("c1", "locate", {}, by="client")
    top.end_step("stop")
    top.finish(reason="tool_calls")
    check_log(log.log)

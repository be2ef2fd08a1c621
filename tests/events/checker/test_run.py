"""Runs in grammar 2: waiting, resuming, messages from people, and stopping where nothing is running."""

from __future__ import annotations

import msgspec
import pytest

from headwater.events import (
    AttemptStarted,
    Event,
    GuardTripped,
    InputAsked,
    MessageAdded,
    MessageReceived,
    RunFinished,
    RunResumed,
    RunWaiting,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
    Unknown,
    Warned,
    WorkflowShape,
)
from headwater.events.checker import check_log
from headwater.events.messages import Message
from headwater.testing import LogError
from headwater.testing.handmade_logs import handmade_logs
from headwater.testing.log_writer import LogWriter
from tests.events.checker.edits import Breach, after, both, change, check_breach, drop, move, names, numbered, twice

YES = "approved"
COMPACTED = "compacted"
REPLACED = "replaced by a guard"
BELOW = "parked below"
HEARD = "steered"
HEIR = "steered over a handoff"
LATE = "steered too late"
SAID = MessageReceived(key="m1", message=Message.user("Hurry."))

BREACHES: list[Breach] = [
    ("waiting", "in a step", YES, move(RunWaiting, 0, StepFinished)),
    ("waiting", "while a tool is running", YES, move(RunWaiting, 0, ToolFinished)),
    ("waiting", "without an open question", YES, change(RunWaiting, 0, ids=())),
    ("waiting", "for someone else", YES, change(RunWaiting, 0, ids=("ask-c1",))),
    ("waiting", "for someone too", YES, change(RunWaiting, 0, ids=("ask-c2", "x"))),
    ("waiting", "for one twice", YES, change(RunWaiting, 0, ids=("ask-c2", "ask-c2"))),
    ("waiting", "on something else", YES, change(RunWaiting, 0, on="input")),
    ("waiting", "on the time, though someone is asked", YES, change(RunWaiting, 0, on="time")),
    (
        "waiting",
        "on the time, and not until when",
        "compacted",
        after(StepFinished, 0, RunWaiting(on="time")),
    ),
    ("waiting", "before its child does", BELOW, move(RunWaiting, 1, RunWaiting)),
    ("waiting", "for a child that does not", BELOW, drop(RunWaiting)),
    ("waiting", "for what its child asked", BELOW, change(RunWaiting, 1, ids=("in-1",))),
    (
        "resumed",
        "in a run below",
        "parked below, and taken up",
        change(RunResumed, 0, run="run_2", path=("boss", "clerk")),
    ),
    (
        "heard",
        "without a key",
        LATE,
        change(MessageReceived, 0, key=""),
    ),
    ("heard", "received twice", HEARD, twice(MessageReceived)),
    ("heard", "added twice", HEARD, twice(MessageAdded)),
    ("heard", "never received", HEARD, drop(MessageReceived)),
    ("heard", "added before it was received", HEARD, move(MessageReceived, 0, StepStarted, 1)),
    ("heard", "under another key", HEARD, change(MessageAdded, 0, key="m2")),
    ("heard", "added there, and in the successor", HEIR, twice(MessageAdded)),
    (
        "heard",
        "by a run that nothing was handed to",
        "compacted",
        both(after(StepFinished, 0, SAID), change(MessageAdded, -1, key="m2")),
    ),
    (
        "compact",
        "for more messages than there are",
        COMPACTED,
        change(MessageAdded, -1, message=Message(role="user", replaces=8)),
    ),
    ("compact", "for less than none", COMPACTED, change(MessageAdded, -1, message=Message(role="user", replaces=-1))),
    (
        "compact",
        "a message of another kind",
        HEARD,
        change(MessageAdded, 0, message=Message(role="user", replaces=1)),
    ),
    ("guard", "a future step", REPLACED, change(GuardTripped, 1, step=2)),
    ("guard", "a step that never is", REPLACED, change(GuardTripped, 1, step=0)),
    ("guard", "a step before the first", REPLACED, change(GuardTripped, 0, step=1)),
    ("guard", "a call that there is not", REPLACED, change(GuardTripped, 1, call="c1")),
    (
        "guard",
        "a call of another step",
        "approved for the run",
        after(ToolFinished, -1, GuardTripped(guard="g", on="result", step=2, call="c1")),
    ),
    ("end", "received after the end", LATE, after(RunFinished, -1, SAID)),
]


@pytest.mark.parametrize("breach", BREACHES, ids=names(BREACHES))
def test_a_violation_is_refused_for_its_rule(breach: Breach) -> None:
    check_breach(breach)


def test_a_message_to_a_waiting_child_does_not_end_the_waiting() -> None:
    log = list(handmade_logs()[BELOW])
    waiting, above = log[-2], log[-1]
    assert isinstance(waiting, RunWaiting)
    quiet: list[Event] = [SAID, Warned(code="w", message="w"), Unknown(name="newer", body={})]
    told = [_in(waiting, event) for event in quiet]
    check_log(numbered([*log[:-1], *told, above]), parked=True)
    woken = _in(waiting, InputAsked(input="in-2", call="c1", name="book"))
    with pytest.raises(LogError, match="'waiting'"):
        check_log(numbered([*log[:-1], woken, above]), parked=True)


def _in(other: Event, event: Event) -> Event:
    return msgspec.structs.replace(event, run=other.run, path=other.path)


def test_a_run_with_nothing_to_do_waits_for_a_time() -> None:
    log = LogWriter()
    top = log.begin("writer")
    top.add(RunWaiting(on="time", until=2e9))
    top.answer("Good morning.")
    top.finish()
    check_log(log.log)


def test_a_workflow_waits_while_all_its_members_do() -> None:
    log = LogWriter()
    top = log.begin("team", workflow=WorkflowShape(kind="concurrent", members=("ann", "bob")))
    for name in ("ann", "bob"):
        member = top.child(name, role="member")
        member.ask_model()
        member.call("c1", "book", {})
        member.end_step("tool_calls")
        member.ask_approval("c1", "book", {}, f"ask-{name}")
        if name == "ann":
            member.add(RunWaiting(on="approval", ids=("ask-ann",)))
            with pytest.raises(LogError, match="'waiting'"):
                check_log(numbered([*log.log, _in(log.log[0], RunWaiting(on="children", ids=("run_9",)))]), parked=True)
        else:
            member.add(RunWaiting(on="approval", ids=("ask-bob",)))
    top.add(RunWaiting(on="children", ids=("run_2", "run_3")))
    check_log(log.log, parked=True)


def test_a_compaction_may_replace_everything() -> None:
    log = list(handmade_logs()[COMPACTED])
    change(MessageAdded, -1, message=Message(role="user", replaces=7))(log)
    check_log(log)


def test_a_guard_may_name_a_call_of_any_step() -> None:
    log = list(handmade_logs()["approved for the run"])
    after(ToolFinished, -1, *(_in(log[0], GuardTripped(guard="g", on="result", call=call)) for call in ("c1", "c3")))(
        log
    )
    after(ToolFinished, -1, _in(log[0], GuardTripped(guard="g", on="result", step=2, call="c3")))(log)
    check_log(numbered(log))


PARKED = [name for name in handmade_logs() if name.startswith("parked") and name != "parked below, and taken up"]


@pytest.mark.parametrize("name", PARKED)
def test_a_log_may_stop_where_nothing_is_running(name: str) -> None:
    log = handmade_logs()[name]
    check_log(log, parked=True)
    with pytest.raises(LogError, match="has no end"):
        check_log(log)


@pytest.mark.parametrize("kind", [StepStarted, ToolStarted])
def test_a_parked_log_may_not_stop_elsewhere(kind: type[Event]) -> None:
    for name in PARKED:
        log = handmade_logs()[name]
        at = next(at for at, event in enumerate(log) if isinstance(event, kind))
        with pytest.raises(LogError, match="something in it is running"):
            check_log(log[: at + 1], parked=True)


def test_an_empty_log_is_not_parked() -> None:
    with pytest.raises(LogError, match="it is empty"):
        check_log([], parked=True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("resumed in a tool", ToolStarted),
        ("resumed in an answer", AttemptStarted),
        ("resumed in a child", AttemptStarted),
    ],
)
def test_a_resumed_run_may_stop_again_at_once(name: str, kind: type[Event]) -> None:
    log = handmade_logs()[name]
    at = next(at for at, event in enumerate(log) if isinstance(event, RunResumed))
    check_log(log[: at + 1], parked=True)
    with pytest.raises(LogError, match="something in it is running"):
        check_log(log[:at], parked=True)
    again = next(n for n, one in enumerate(log) if n > at and isinstance(one, kind))
    with pytest.raises(LogError, match="something in it is running"):
        check_log(log[: again + 1], parked=True)

"""What there is to show of one agent, as of the last event."""

from __future__ import annotations

import msgspec
import pytest

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Custom,
    Event,
    FileMade,
    GuardTripped,
    InputAnswered,
    InputAsked,
    Retracted,
    RunWaiting,
    Warned,
)
from headwater.terminal.dashboard.agent_state import BLOCKS_KEPT
from headwater.terminal.dashboard.blocks import Note, ToolLine
from tests.terminal import crowds as log
from tests.terminal.boards import ann, fed, texts


def test_thinking_and_refusing_are_other_voices() -> None:
    view = ann(log.thought("ann", "Hm, ", "so."), log.said("ann", "Yes."), log.refused("ann", "No."))
    assert texts(view) == ["reasoning: Hm, so.", "answer: Yes.", "refusal: No."]
    assert ann(log.thought("ann", "Hm")).state == "thinking"


@pytest.mark.parametrize(
    ("end", "state", "last"),
    [
        (log.ended("ann"), "done", "answer: Yes."),
        (log.ended("ann", finish_reason="length"), "done", "warning: Cut: the token limit was reached."),
        (log.failed("ann"), "failed", "error: Overloaded: No capacity. Try later."),
        (log.cancelled("ann"), "cancelled", "answer: Yes."),
        (log.cancelled("ann", by="deadline"), "cancelled", "cancelled: Out of time."),
    ],
)
def test_each_end_is_a_state(end: list[Event], state: str, last: str) -> None:
    view = ann(log.said("ann", "Yes."), end)
    assert view.state == state
    assert texts(view)[-1] == last
    assert not view.active
    assert view.elapsed(100.0) == 2.0


def test_a_tool_is_a_state_and_a_line_with_its_time() -> None:
    view = ann(log.called("ann", "search", query="tides"))
    assert view.doing == "calling"
    view = ann(log.called("ann", "search", query="tides"), log.tool_started("ann", "search"))
    assert view.doing == "tool search"
    assert texts(view) == ['tool: search(query="tides")']
    assert view.phrase("c1") == 'search(query="tides")'
    view = ann(
        log.tool_started("ann", "search"),
        log.tool_started("ann", "wind", "c2"),
        log.tool_progress("ann", "search", {"page": 2}),
    )
    assert view.doing == "2 tools"
    assert view.tools["c1"].progress == "page 2"
    view = ann(log.tool_started("ann", "search"), log.tool_finished("ann", "search", error="HTTP 500"))
    tool = view.blocks[0]
    assert isinstance(tool, ToolLine)
    assert (tool.duration, tool.error, tool.running) == (0.4, "HTTP 500", False)
    assert view.state == "thinking"


def test_a_call_being_written_is_named() -> None:
    started = log.at(CallStarted(step=1, call="c1", name="search"), 1.0, "ann")
    delta = log.at(CallDelta(step=1, call="c1", json="12345678"), 1.0, "ann")
    view = ann([started, delta])
    assert view.doing == "calling search"
    assert view.tokens == (2, True)


def test_a_call_is_shown_as_it_was_approved() -> None:
    asked = ApprovalAsked(approval="a", call="c1", name="send", arguments={"to": "ann"})
    answered = ApprovalAnswered(approval="a", allowed=True, arguments={"to": "bob"})
    view = ann(
        log.called("ann", "send", to="ann"),
        [log.at(asked, 1.0, "ann"), log.at(answered, 1.0, "ann")],
        log.tool_started("ann", "send"),
    )
    assert texts(view)[-2:] == ['note: Approved as send(to="bob")', 'tool: send(to="bob")']


def test_a_retried_tool_keeps_its_line() -> None:
    view = ann(log.tool_started("ann", "search"), log.tool_started("ann", "search", try_=2))
    assert texts(view) == ["tool: search (try 2)"]


def test_a_tool_whose_run_ended_is_stopped() -> None:
    view = ann(log.tool_started("ann", "search"), log.cancelled("ann"))
    tool = view.blocks[0]
    assert isinstance(tool, ToolLine)
    assert (tool.stopped, tool.running, view.tools) == (True, False, {})


def test_what_the_provider_runs_itself_is_a_note() -> None:
    ready = CallReady(step=1, call="c1", name="web_search", arguments={"q": "x"}, by="provider")
    view = ann([log.at(ready, 1.0, "ann")])
    assert texts(view) == ['note: web_search(q="x"), run by the provider']


@pytest.mark.parametrize(("cut", "told"), [(False, ["warning: f was not run: no JSON"]), (True, [])])
def test_a_call_that_is_not_run_is_shown(cut: bool, told: list[str]) -> None:
    rejected = CallRejected(step=1, call="c1", name="f", raw="{", error="no JSON", cut=cut)
    assert texts(ann([log.at(rejected, 1.0, "ann")])) == told


def test_a_dropped_connection_is_shown_and_then_healed() -> None:
    broken = [log.begun("ann"), log.broke("ann")]
    view = fed(*broken).agents[0]
    assert (view.state, view.retry_at, view.healed) == ("retrying", 3.0, 0)
    assert texts(view) == ["warning: ConnectionFailed: The connection broke (trying again in 2.0 s)"]
    asked = fed(*broken, log.tried_again("ann")).agents[0]
    assert (asked.state, asked.retry_at, asked.healed) == ("thinking", None, 0)
    speaks = fed(*broken, log.tried_again("ann"), log.said("ann", "Yes.")).agents[0]
    assert speaks.healed == 1
    assert texts(speaks) == ["healed: Healed: ConnectionFailed: The connection broke", "answer: Yes."]


def test_a_final_failed_attempt_is_shown_once() -> None:
    view = ann(log.broke("ann", then="raise"), log.failed("ann"))
    assert texts(view) == ["error: Overloaded: No capacity. Try later."]


def test_retracted_text_is_removed() -> None:
    retracted = log.at(Retracted(step=1, attempt=1, chars=8, cause="ConnectionFailed"), 1.0, "ann")
    view = ann(
        log.said("ann", "Kept."),
        log.asked("ann", step=2),
        log.thought("ann", "Hm."),
        log.said("ann", "Half an", step=2),
        log.broke("ann"),
        [retracted],
        log.tried_again("ann"),
        log.said("ann", "Whole."),
    )
    assert texts(view) == [
        "answer: Kept.",
        "healed: Healed: ConnectionFailed: The connection broke",
        "warning: 8 characters are retracted",
        "answer: Whole.",
    ]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (Warned(code="x", message="Old model.", hint="Change."), "warning: Old model. Change."),
        (FileMade(step=1, name="a.png", media_type="image/png"), "note: A file was made: a.png (image/png)"),
        (FileMade(step=1), "note: A file was made: (unknown type)"),
        (RunWaiting(on="input"), None),
        (RunWaiting(on="time"), "note: Waiting for time"),
        (
            ApprovalAsked(approval="p", call="c", name="pay", arguments={"sum": 3}),
            "question: Waiting for approval to run pay(sum=3)",
        ),
        (
            ApprovalAsked(approval="p", call="c", name="pay", reason="It is much."),
            "question: Waiting for approval to run pay(): It is much.",
        ),
        (ApprovalAnswered(approval="p", allowed=True), "note: Approved"),
        (ApprovalAnswered(approval="p", allowed=False, note="too much"), "note: Denied: too much"),
        (InputAsked(input="i", call="c", name="book", message="Which berth?"), "question: book asks: Which berth?"),
        (
            InputAsked(input="i", call="c", name="book", url="https://x.example"),
            "question: book asks: https://x.example",
        ),
        (InputAnswered(input="i", action="accept", content={"berth": 7}), "note: Answered: berth 7"),
        (InputAnswered(input="i", action="accept"), "note: Answered"),
        (InputAnswered(input="i", action="decline"), "note: Not answered (declined)"),
        (InputAnswered(input="i", action="cancel"), "note: Not answered"),
        (Custom(name="mine"), None),
    ],
)
def test_what_else_happens_is_a_note(event: Event, told: str | None) -> None:
    view = ann([log.at(event, 1.0, "ann")])
    assert texts(view) == ([told] if told else [])
    assert (view.last_note.text if view.last_note else None) == (told.partition(": ")[2] if told else None)


def test_what_guards_replaced_is_told_at_the_end() -> None:
    trip = log.at(GuardTripped(guard="g", action="replace"), 1.0, "ann")
    view = ann(log.said("ann", "One "), [trip], log.said("ann", "two."))
    assert [block for block in texts(view) if not block.startswith("answer")] == []
    view = ann(log.said("ann", "One"), [trip], log.ended("ann"))
    assert texts(view)[-1] == "note: A guard replaced a text."
    view = ann(log.said("ann", "One"), [trip, trip], log.ended("ann"))
    assert texts(view)[-1] == "note: Guards replaced 2 texts."


def test_an_agent_waits_for_a_person_until_all_is_answered() -> None:
    asked = log.at(ApprovalAsked(approval="p", call="c1", name="pay"), 1.0, "ann")
    wanted = log.at(InputAsked(input="i", call="c2", name="book", message="Which?"), 1.0, "ann")
    allowed = log.at(ApprovalAnswered(approval="p", allowed=True), 2.0, "ann")
    told = log.at(InputAnswered(input="i", action="accept"), 2.0, "ann")
    view = ann([asked])
    assert (view.state, view.doing) == ("asking", "needs approval")
    assert ann(log.tool_started("ann", "book", "c2"), [wanted]).doing == "asks you"
    both = ann(log.tool_started("ann", "book", "c2"), [wanted, asked])
    assert both.doing == "needs approval"
    assert ann(log.tool_started("ann", "book", "c2"), [wanted, asked, allowed]).doing == "asks you"
    assert ann(log.tool_started("ann", "book", "c2"), [wanted, asked, allowed, told]).state == "tool"
    assert ann([asked, allowed]).state == "thinking"
    other = log.tool_started("ann", "wind", "c3")
    assert ann([asked], other, log.tool_finished("ann", "wind", "c3")).state == "asking"
    assert ann([asked], log.cancelled("ann")).state == "cancelled"


def test_a_resting_run_does_not_ask_a_person() -> None:
    assert ann([log.at(RunWaiting(on="children"), 1.0, "ann")]).state == "resting"
    assert ann([log.at(RunWaiting(on="approval"), 1.0, "ann")]).state == "asking"


def test_healed_is_not_the_same_as_done() -> None:
    broken = [*log.broke("ann"), *log.tried_again("ann")]
    assert ann(broken, log.said("ann", "x")).standing == "streaming"
    assert ann(broken, log.said("ann", "x"), log.ended("ann")).standing == "healed"
    assert ann(log.said("ann", "x"), log.ended("ann")).standing == "done"
    assert ann(broken, log.said("ann", "x"), log.failed("ann")).standing == "failed"


def test_an_agent_that_restarts_keeps_its_place() -> None:
    first = [*log.said("ann", "One."), *log.answered("ann", tokens=3), *log.ended("ann", time=2.0)]
    second = [
        msgspec.structs.replace(event, run=f"{event.run}-2")
        for event in [*log.begun("ann", time=10.0)[1:], *log.said("ann", "Two.")]
    ]
    view = ann(first, second)
    assert (view.state, view.rounds) == ("streaming", 2)
    assert texts(view) == ["answer: One.", "answer: Two."]
    assert view.elapsed(11.0) == 3.0
    assert view.tokens == (4, True)


def test_no_more_blocks_are_kept_than_a_screen_can_show() -> None:
    view = ann(*[log.said("ann", "x", lead="\n\n") for _ in range(BLOCKS_KEPT + 10)])
    assert len(view.blocks) == BLOCKS_KEPT


def test_a_note_is_one_and_the_same_until_it_heals() -> None:
    board = fed(log.begun("ann"), log.broke("ann"))
    note = board.agents[0].last_note
    assert isinstance(note, Note)
    for event in [*log.tried_again("ann"), *log.said("ann", "x")]:
        board.feed(event)
    assert board.agents[0].last_note is note
    assert note.level == "healed"

"""What there is to show of each agent, from logs of several at once."""

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
    ChildFinished,
    ChildStarted,
    Custom,
    Event,
    FileMade,
    Handoff,
    Retracted,
    RunStarted,
    RunWaiting,
    Warned,
)
from headwater.events.messages import Usage
from headwater.terminal.agent_view import BLOCKS_KEPT, AgentView
from headwater.terminal.blocks import TEXT_KEPT, Note, ToolLine, Words
from headwater.terminal.board import Board
from tests.terminal import crowds as log
from tests.terminal import logs


def fed(*parts: list[Event], members: tuple[str, ...] = ("ann", "bob")) -> Board:
    board = Board("workflow", members)
    for event in [*log.opened(), *logs.joined(*parts)]:
        board.feed(event)
    return board


def ann(*parts: list[Event]) -> AgentView:
    """The state of the first agent, after it began and `parts` happened."""
    return fed(log.begun("ann"), *parts).agents[0]


def texts(view: AgentView) -> list[str]:
    """The blocks of an agent, in words."""
    told = []
    for block in view.blocks:
        if isinstance(block, Words):
            told.append(f"{block.voice}: {block.since(0)}")
        elif isinstance(block, ToolLine):
            told.append(f"tool: {block.phrase}")
        else:
            told.append(f"{block.level}: {block.text}")
    return told


def test_members_wait_in_their_order_until_they_begin() -> None:
    board = fed(log.begun("bob"))
    assert [(view.name, view.state) for view in board.agents] == [("ann", "waiting"), ("bob", "thinking")]
    assert [view.active for view in board.agents] == [False, True]


def test_words_are_kept_by_whose_they_are() -> None:
    board = fed(log.begun("ann"), log.begun("bob"), log.said("ann", "one "), log.said("bob", "two"))
    board.feed(log.said("ann", "more")[1])
    assert texts(board.agents[0]) == ["answer: one more"]
    assert texts(board.agents[1]) == ["answer: two"]
    assert board.agents[0].state == "streaming"


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


def test_elapsed_runs_until_the_end_and_never_back() -> None:
    view = ann()
    assert view.elapsed(1.5) == 1.5
    assert view.elapsed(-1.0) == 0.0
    assert fed().agents[0].elapsed(5.0) == 0.0
    assert fed(log.ended(time=3.0)).elapsed(9.0) == 3.0
    assert fed().elapsed(9.0) == 9.0
    assert Board("w").elapsed(9.0) == 0.0


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


def test_a_tool_that_is_tried_again_keeps_its_line() -> None:
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
def test_a_call_that_is_not_run_is_told_where_nothing_else_does(cut: bool, told: list[str]) -> None:
    rejected = CallRejected(step=1, call="c1", name="f", raw="{", error="no JSON", cut=cut)
    assert texts(ann([log.at(rejected, 1.0, "ann")])) == told


def test_a_dropped_connection_is_told_and_then_healed() -> None:
    broken = [log.begun("ann"), log.broke("ann")]
    view = fed(*broken).agents[0]
    assert (view.state, view.retry_at, view.healed) == ("retrying", 3.0, 0)
    assert texts(view) == ["warning: ConnectionFailed: The connection broke. (trying again in 2.0 s)"]
    asked = fed(*broken, log.tried_again("ann")).agents[0]
    assert (asked.state, asked.retry_at, asked.healed) == ("thinking", None, 0)
    speaks = fed(*broken, log.tried_again("ann"), log.said("ann", "Yes.")).agents[0]
    assert speaks.healed == 1
    assert texts(speaks) == ["healed: ConnectionFailed: The connection broke. (healed)", "answer: Yes."]


def test_an_attempt_after_which_the_run_ends_is_not_told_twice() -> None:
    view = ann(log.broke("ann", then="raise"), log.failed("ann"))
    assert texts(view) == ["error: Overloaded: No capacity. Try later."]


def test_words_that_are_taken_back_are_gone() -> None:
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
        "healed: ConnectionFailed: The connection broke. (healed)",
        "warning: 8 characters are withdrawn",
        "answer: Whole.",
    ]


# --- tokens


def test_tokens_are_an_estimate_until_they_are_reported() -> None:
    spoken = [log.begun("ann"), log.said("ann", "twelve bytes", time=1.0)]
    assert fed(*spoken).agents[0].tokens == (3, True)
    assert fed(*spoken, log.reported("ann", 2)).agents[0].tokens == (3, True)
    view = fed(*spoken, log.answered("ann", tokens=2)).agents[0]
    assert (view.tokens, view.input_tokens) == ((2, False), 10)
    unreported = fed(*spoken, log.answered("ann")).agents[0]
    assert unreported.tokens == (3, True)


def test_tokens_of_attempts_and_agents_add_up() -> None:
    board = fed(
        log.begun("ann"),
        log.said("ann", "1234"),
        log.broke("ann"),
        log.tried_again("ann"),
        log.said("ann", "12345678"),
        log.answered("ann", tokens=5),
        log.begun("bob"),
        log.said("bob", "x"),
        log.answered("bob", tokens=7),
    )
    assert board.agents[0].tokens == (6, True)
    assert board.agents[1].tokens == (7, False)
    assert board.tokens == (13, True)
    assert fed(members=()).tokens == (0, False)


def test_a_character_of_three_bytes_is_no_quarter_of_a_token() -> None:
    assert ann(log.said("ann", "潮汐" * 10)).tokens == (15, True)
    assert ann(log.said("ann", "\ud800")).tokens == (1, True)


def test_the_rate_is_that_of_the_time_in_which_it_spoke() -> None:
    spoken = [*log.said("ann", "x" * 40, time=10.0), log.said("ann", "x" * 40, time=11.0)[1]]
    view = ann(spoken, log.answered("ann", time=50.0, tokens=30))
    assert view.rate == 30.0
    assert ann(log.said("ann", "all at once")).rate is None


# --- notes


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (Warned(code="x", message="Old model.", hint="Change."), "warning: Old model. Change."),
        (FileMade(step=1, name="a.png", media_type="image/png"), "note: A file was made: a.png (image/png)"),
        (FileMade(step=1), "note: A file was made: (unknown type)"),
        (RunWaiting(on="input"), "note: Waiting for input"),
        (
            ApprovalAsked(approval="p", call="c", name="pay", arguments={"sum": 3}),
            "note: Waiting for leave to run pay(sum=3)",
        ),
        (ApprovalAnswered(approval="p", allowed=True), "note: Allowed"),
        (ApprovalAnswered(approval="p", allowed=False, note="too much"), "note: Not allowed: too much"),
        (Custom(name="mine"), None),
    ],
)
def test_what_else_happens_is_a_note(event: Event, told: str | None) -> None:
    view = ann([log.at(event, 1.0, "ann")])
    assert texts(view) == ([told] if told else [])
    assert (view.last_note.text if view.last_note else None) == (told.partition(": ")[2] if told else None)


def test_who_waits_for_leave_says_so() -> None:
    asked = log.at(ApprovalAsked(approval="p", call="c", name="pay"), 1.0, "ann")
    assert ann([asked]).doing == "waiting for you"


# --- the tree


def test_an_agent_called_as_a_tool_shows_as_a_tool_of_its_caller() -> None:
    child = ChildStarted(child="workflow/ann/sub", name="sub", call="c1")
    below = ChildStarted(child="workflow/ann/sub/deep", name="deep")
    board = fed(
        log.begun("ann"),
        log.called("ann", "sub", task="look"),
        log.tool_started("ann", "sub"),
        [log.at(child, 1.0, "ann"), log.at(RunStarted(agent_name="sub", model="m"), 1.0, "ann", "sub")],
        [log.at(event, 1.0, "ann", "sub") for event in log.said("x", "not shown")],
        [log.at(below, 1.0, "ann", "sub"), log.at(RunStarted(model="m"), 1.0, "ann", "sub", "deep")],
        [log.at(ChildFinished(child="workflow/ann/sub", name="sub", usage=Usage(output_tokens=9)), 2.0, "ann")],
    )
    assert [view.name for view in board.agents] == ["ann", "bob"]
    assert texts(board.agents[0]) == ['tool: sub(task="look")']
    assert board.agents[0].tokens == (9, False)


def nested(*parts: list[Event]) -> list[Event]:
    """A workflow `inner` in the workflow begins, and what happens there."""
    return logs.joined(log.begun("inner", model="")[:2], *parts)


def test_a_workflow_in_a_workflow_gives_way_to_its_members() -> None:
    board = Board("workflow", ["ann", "inner", "zoe"])
    for event in [*log.opened(), *nested(log.begun("inner", "x"), log.begun("inner", "y"))]:
        board.feed(event)
    assert [view.name for view in board.agents] == ["ann", "inner/x", "inner/y", "zoe"]
    assert [view.state for view in board.agents] == ["waiting", "thinking", "thinking", "waiting"]
    for event in [*log.ended("inner", "x"), *log.ended("inner", "y"), *log.ended("inner")]:
        board.feed(event)
    assert [view.state for view in board.agents] == ["waiting", "done", "done", "waiting"]


def test_a_workflow_that_begins_again_shows_no_more_than_before() -> None:
    board = Board("workflow", ["inner"])
    once = [*nested(log.begun("inner", "x")), *log.ended("inner", "x"), *log.ended("inner")]
    again = [
        msgspec.structs.replace(event, run=f"{event.run}2") if event.path != ("workflow",) else event for event in once
    ]
    for event in [*log.opened(), *once, *again]:
        board.feed(event)
    assert [(view.name, view.rounds) for view in board.agents] == [("inner/x", 2)]


def test_who_is_not_announced_is_shown_where_it_stands() -> None:
    board = fed(log.begun("cat"), members=("ann",))
    assert [view.name for view in board.agents] == ["ann", "cat"]
    assert [view.name for view in fed(log.begun("cat"), members=()).agents] == ["cat"]


def test_an_agent_that_begins_again_goes_on_in_its_place() -> None:
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


def test_who_is_handed_the_conversation_goes_on_in_the_same_place() -> None:
    board = fed(
        log.begun("ann"),
        log.said("ann", "Let me see."),
        [log.at(Handoff(to="eve", note="billing"), 1.0, "ann")],
        [log.at(ChildStarted(child="workflow/ann/eve", name="eve"), 1.0, "ann")],
        [log.at(RunStarted(agent_name="eve", model="m"), 1.0, "ann", "eve")],
        [msgspec.structs.replace(event, run="workflow/ann/eve") for event in log.said("ann", "I do.")],
        log.ended("ann", "eve"),
    )
    view = board.agents[0]
    assert view.name == "ann -> eve"
    assert texts(view) == ["answer: Let me see.", "note: Handed to eve: billing", "answer: I do."]
    assert view.active
    for event in log.ended("ann", time=4.0):
        board.feed(event)
    assert (view.state, view.elapsed(9.0)) == ("done", 4.0)


def test_an_agent_alone_is_its_own_only_member() -> None:
    board = Board("writer", ["writer"])
    for event in logs.joined(logs.begin(), logs.text("Rivers."), logs.finished()):
        board.feed(
            msgspec.structs.replace(event, path=("writer",))
            if not isinstance(event, RunStarted)
            else msgspec.structs.replace(event, path=("writer",), model="m")
        )
    assert [(view.name, view.state) for view in board.agents] == [("writer", "done")]
    assert board.end is not None


def test_the_end_of_the_outermost_is_the_end() -> None:
    assert fed(log.begun("ann"), log.ended("ann")).end is None
    assert fed(log.begun("ann"), log.ended("ann"), log.failed()).end is not None


# --- bounds


def test_only_the_end_of_a_long_text_is_kept() -> None:
    words = Words("answer")
    for number in range(10_000):
        words.add(f"{number:05} ")
    assert words.end == 60_000
    kept = words.since(0)
    assert TEXT_KEPT <= len(kept) <= 2 * TEXT_KEPT
    assert kept.endswith("09999 ")
    assert words.since(words.end - 6) == "09999 "
    assert words.since(words.end) == ""
    assert words.start + len(kept) == words.end


def test_no_more_blocks_are_kept_than_a_screen_can_show() -> None:
    view = ann(*[log.said("ann", "x", lead="\n\n") for _ in range(BLOCKS_KEPT + 10)])
    assert len(view.blocks) == BLOCKS_KEPT


def test_what_is_over_is_let_go_of() -> None:
    board = fed(log.begun("ann"), log.ended("ann"))
    before = board.agents[0].version
    board.feed(log.said("ann", "late")[1])
    assert board.agents[0].version == before


def test_a_note_is_one_and_the_same_until_it_heals() -> None:
    board = fed(log.begun("ann"), log.broke("ann"))
    note = board.agents[0].last_note
    assert isinstance(note, Note)
    for event in [*log.tried_again("ann"), *log.said("ann", "x")]:
        board.feed(event)
    assert board.agents[0].last_note is note
    assert note.level == "healed"

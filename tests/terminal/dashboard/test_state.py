"""Who is shown, where, and whose an event is, from logs of several agents at once."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    ChildFinished,
    ChildStarted,
    Event,
    Handoff,
    RunResumed,
    RunStarted,
    WorkflowShape,
)
from headwater.events.messages import Usage
from headwater.terminal.dashboard.agent_state import AgentView
from headwater.terminal.dashboard.blocks import ToolLine
from headwater.terminal.dashboard.state import Board
from tests.terminal import crowds as log
from tests.terminal import logs
from tests.terminal.boards import ann, fed, texts


def test_members_wait_in_their_order_until_they_start() -> None:
    board = fed(log.begun("bob"))
    assert [(view.name, view.state) for view in board.agents] == [("ann", "waiting"), ("bob", "thinking")]
    assert [view.active for view in board.agents] == [False, True]


def test_text_is_kept_by_agent() -> None:
    board = fed(log.begun("ann"), log.begun("bob"), log.said("ann", "one "), log.said("bob", "two"))
    board.feed(log.said("ann", "more")[1])
    assert texts(board.agents[0]) == ["answer: one more"]
    assert texts(board.agents[1]) == ["answer: two"]
    assert board.agents[0].state == "streaming"


def test_elapsed_runs_until_the_end_and_never_back() -> None:
    view = ann()
    assert view.elapsed(1.5) == 1.5
    assert view.elapsed(-1.0) == 0.0
    assert fed().agents[0].elapsed(5.0) == 0.0
    assert fed(log.ended(time=3.0)).elapsed(9.0) == 3.0
    assert fed().elapsed(9.0) == 9.0
    assert Board("w").elapsed(9.0) == 0.0


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


def test_a_nested_workflow_is_replaced_by_its_members() -> None:
    board = Board("workflow", ["ann", "inner", "zoe"])
    for event in [*log.opened(), *nested(log.begun("inner", "x"), log.begun("inner", "y"))]:
        board.feed(event)
    assert [view.name for view in board.agents] == ["ann", "inner/x", "inner/y", "zoe"]
    assert [view.state for view in board.agents] == ["waiting", "thinking", "thinking", "waiting"]
    for event in [*log.ended("inner", "x"), *log.ended("inner", "y"), *log.ended("inner")]:
        board.feed(event)
    assert [view.state for view in board.agents] == ["waiting", "done", "done", "waiting"]


def test_a_workflow_that_restarts_shows_no_more_than_before() -> None:
    board = Board("workflow", ["inner"])
    once = [*nested(log.begun("inner", "x")), *log.ended("inner", "x"), *log.ended("inner")]
    again = [
        msgspec.structs.replace(event, run=f"{event.run}2") if event.path != ("workflow",) else event for event in once
    ]
    for event in [*log.opened(), *once, *again]:
        board.feed(event)
    assert [(view.name, view.rounds) for view in board.agents] == [("inner/x", 2)]


def test_an_unannounced_agent_is_shown_at_its_place() -> None:
    board = fed(log.begun("cat"), members=("ann",))
    assert [view.name for view in board.agents] == ["ann", "cat"]
    assert [view.name for view in fed(log.begun("cat"), members=()).agents] == ["cat"]


def test_the_target_of_a_handoff_continues_in_the_same_place() -> None:
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


def test_finished_runs_are_dropped() -> None:
    board = fed(log.begun("ann"), log.ended("ann"))
    before = board.agents[0].version
    board.feed(log.said("ann", "late")[1])
    assert board.agents[0].version == before


# --- the tree


def shaped(kind: str, *members: str, edges: tuple[tuple[str, str], ...] = ()) -> list[Event]:
    """The beginning of a workflow that tells of its shape."""
    shape = WorkflowShape(kind=kind, members=members, edges=edges)
    return [msgspec.structs.replace(log.opened()[0], workflow=shape)]


def inner(kind: str, *members: str) -> list[Event]:
    """A workflow `inner` in the workflow begins, and tells of its members."""
    child, started, *_ = log.begun("inner", model="")
    return [child, msgspec.structs.replace(started, workflow=WorkflowShape(kind=kind, members=members))]


def board_of(*parts: list[Event], members: tuple[str, ...] = ()) -> Board:
    board = Board("workflow", members)
    for event in logs.joined(*parts):
        board.feed(event)
    return board


def outline(board: Board) -> list[str]:
    return [
        "  " * entry.depth
        + (entry.of.name if isinstance(entry.of, AgentView) else f"{entry.of.path[-1]} {entry.of.kind}:")
        for entry in board.tree
    ]


GRAPH = shaped(
    "graph", "plan", "ann", "bob", "sum", edges=(("plan", "ann"), ("plan", "bob"), ("ann", "sum"), ("bob", "sum"))
)


def test_the_log_alone_shows_members_and_what_they_wait_for() -> None:
    board = board_of(GRAPH)
    assert outline(board) == ["plan", "  ann", "  bob", "  sum"]
    waits = {view.name: board.waits_for(view) for view in board.agents}
    assert waits == {"plan": [], "ann": ["plan"], "bob": ["plan"], "sum": ["ann", "bob"]}


def test_who_has_ended_is_waited_for_no_more() -> None:
    board = board_of(GRAPH, log.begun("plan"), log.ended("plan"), log.begun("ann"), log.begun("bob"), log.ended("bob"))
    assert {view.name: board.waits_for(view) for view in board.agents if view.state == "waiting"} == {"sum": ["ann"]}


def test_no_member_waits_for_its_successor() -> None:
    board = board_of(shaped("graph", "s", "w", "r", edges=(("s", "w"), ("w", "r"), ("r", "w"))))
    assert {view.name: board.waits_for(view) for view in board.agents} == {"s": [], "w": ["s"], "r": ["w"]}


def test_a_workflow_in_the_workflow_is_a_group_with_all_its_members() -> None:
    board = board_of(shaped("sequential", "ann", "inner", "zoe"), log.begun("ann"))
    assert outline(board) == ["ann", "inner", "zoe"]
    hue = board.agents[1].hue
    for event in inner("sequential", "x", "y"):
        board.feed(event)
    assert outline(board) == ["ann", "inner sequential:", "  inner/x", "  inner/y", "zoe"]
    assert [view.hue for view in board.agents] == [0, hue, 3, 2]
    assert [view.state for view in board.agents] == ["thinking", "waiting", "waiting", "waiting"]
    assert [board.waits_for(view) for view in board.agents[1:]] == [[], ["x"], ["inner"]]
    for event in [*log.begun("inner", "x"), *log.ended("inner", "x"), *log.ended("inner")]:
        board.feed(event)
    assert board.waits_for(board.agents[-1]) == []


def test_a_board_with_known_members_learns_their_edges() -> None:
    board = board_of(GRAPH, members=("plan", "ann", "bob", "sum"))
    assert [view.hue for view in board.agents] == [0, 1, 2, 3]
    assert outline(board) == ["plan", "  ann", "  bob", "  sum"]


# --- logs that are gone on with


def resumed(time: float) -> list[Event]:
    return [log.at(RunResumed(), time)]


def test_the_time_between_two_goes_is_nobodys() -> None:
    before = [*log.begun("ann"), *log.said("ann", "Half", time=2.0)]
    board = fed(before, resumed(1000.0), log.asked("ann", time=1000.0))
    assert board.agents[0].elapsed(1001.0) == 3.0
    assert board.elapsed(1001.0) == 3.0
    done = fed(before, resumed(1000.0), log.ended("ann", time=1004.0), resumed(2000.0), log.ended(time=2001.0))
    assert (done.agents[0].elapsed(9e9), done.elapsed(9e9)) == (6.0, 7.0)


def test_what_was_at_work_when_the_log_stopped_is_at_work_no_more() -> None:
    tools = [*log.called("ann", "pay"), *log.tool_started("ann", "pay")]
    view = fed(log.begun("ann"), tools, resumed(9.0)).agents[0]
    assert (view.state, view.tools) == ("thinking", {})
    again = fed(log.begun("ann"), tools, resumed(9.0), log.tool_started("ann", "pay", time=9.0, try_=2)).agents[0]
    assert texts(again) == ["tool: pay()", "tool: pay() (try 2)"]
    assert [block.stopped for block in again.blocks if isinstance(block, ToolLine)] == [True, False]


def test_a_question_outlives_the_process() -> None:
    asked = log.at(ApprovalAsked(approval="p", call="c1", name="pay"), 1.0, "ann")
    allowed = log.at(ApprovalAnswered(approval="p", allowed=True), 9.0, "ann")
    assert fed(log.begun("ann"), [asked], resumed(9.0)).agents[0].state == "asking"
    assert fed(log.begun("ann"), [asked], resumed(9.0), [allowed]).agents[0].state == "thinking"


def test_ended_and_unstarted_agents_are_unchanged() -> None:
    board = fed(log.begun("ann"), log.ended("ann"), resumed(9.0))
    assert [(view.state, view.version > 0) for view in board.agents] == [("done", True), ("waiting", False)]


EVENTS = [
    *log.begun("ann"),
    *log.thought("ann", "Hm."),
    *log.said("ann", "Words."),
    *log.called("ann", "pay"),
    *log.tool_started("ann", "pay"),
    *log.tool_finished("ann", "pay"),
    *log.broke("ann"),
    *log.tried_again("ann"),
    *log.answered("ann", tokens=3),
    *log.ended("ann"),
    *log.begun("bob", "x", model="m"),
    *shaped("graph", "ann", "bob", edges=(("ann", "bob"),)),
    *inner("sequential", "x", "y"),
    *resumed(5.0),
    *log.ended(),
]


@given(st.lists(st.sampled_from(EVENTS), max_size=40))
def test_events_in_any_order_and_number_break_nothing(events: list[Event]) -> None:
    board = Board("workflow", ["ann", "bob"])
    for event in events:
        board.feed(event)
    views = [entry.of for entry in board.tree if isinstance(entry.of, AgentView)]
    assert sorted(view.path for view in views) == sorted(view.path for view in board.agents)
    assert len({id(view) for view in views}) == len(views)
    for view in board.agents:
        assert view.elapsed(9.0) >= 0
        assert view.doing
        assert view.name not in board.waits_for(view)
        assert view.active == (view.state not in ("waiting", "done", "failed", "cancelled"))

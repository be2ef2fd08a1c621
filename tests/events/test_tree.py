"""A tree of runs from its log: which run is inside which, whose text counts, and what may be the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from headwater.events import (
    AttemptStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    RunFinished,
    RunStarted,
    StepStarted,
    TextDelta,
    TextStarted,
    ToolFinished,
    WorkflowShape,
)
from headwater.events import Handoff as HandoffEvent
from headwater.events.tree import Node, Tree
from tests.support.logs import full_log, of, stamped
from tests.support.members import SHAPES, Shape, log_of, members_of
from tests.support.virtual import run_virtual


def read(log: Iterable[Event]) -> Tree:
    tree = Tree()
    for event in log:
        tree.add(event)
    return tree


def logged(shape: Shape) -> tuple[list[Event], Any]:
    """The log and the result of a run of that shape."""

    async def main() -> tuple[list[Event], Any]:
        stream = shape().run_stream("Go.")
        return await log_of(stream), await stream.result()

    return run_virtual(main())[0]


def child(run: str, name: str, **place: Any) -> Node:
    return Node(run, name, **{"parent": "top", "role": "member", **place})


# --- from the log


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_run_has_its_place_in_the_tree(shape: Shape) -> None:
    log, _ = logged(shape)
    tree = read(log)
    assert tree.root is not None
    assert set(tree.nodes) == {event.run for event in log}
    for event in log:
        path = [node.name for node in tree.between(event.run)]
        assert tuple(reversed(path)) == event.path


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_speakers_text_is_the_transcript(shape: Shape) -> None:
    log, result = logged(shape)
    tree = Tree()
    said: dict[str, str] = {}
    for event in log:
        tree.add(event)
        if event.run in tree.speakers:
            if isinstance(event, TextStarted):
                said[event.run] = said.get(event.run, "") + event.lead
            elif isinstance(event, TextDelta):
                said[event.run] = said.get(event.run, "") + event.text
    for response in leaves(result):
        below = [run for run in tree.nodes if response.run_id in {node.id for node in tree.between(run)}]
        assert "".join(said.get(run, "") for run in below) == response.transcript


def leaves(result: Any) -> list[Any]:
    """The Responses of agents in a result: those that contain no other."""
    return [leaf for member in members_of(result).values() for leaf in leaves(member)] or [result]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_at_the_end_the_answer_is_known(shape: Shape) -> None:
    log, _ = logged(shape)
    tree = read(log)
    ends = {event.run: event for event in log if isinstance(event, RunFinished)}
    for node in tree.nodes.values():
        finals = {one.id for one in node.children.values() if one.role == "member" and one.final}
        assert all(one.final is not None for one in node.children.values())
        if node.shape is not None:
            assert finals == set(ends[node.id].answer)


def test_a_run_in_a_larger_tree_can_be_read_alone() -> None:
    log = [event for event in full_log() if event.run == "below"]
    tree = read(log)
    assert tree.root is not None
    assert (tree.root.id, tree.speakers) == ("below", {"below"})
    assert [node.id for node in tree.between("below")] == ["below"]
    assert list(tree.between("unknown")) == []


def test_a_tool_is_not_a_speaker_but_a_successor_is() -> None:
    tree = read(full_log())  # of 0.1, which has no roles
    assert tree.speakers == {"top", "heir"}
    assert (tree.nodes["below"].role, tree.nodes["heir"].role) == ("tool", "handoff")
    assert tree.nodes["top"].handed_over


@pytest.mark.parametrize(
    ("events", "role"),
    [
        ([], "member"),
        ([HandoffEvent(to="x")], "handoff"),
        ([RunStarted(workflow=WorkflowShape(kind="graph"))], "member"),
    ],
)
def test_roles_in_a_log_of_0_1_are_derived(events: list[Event], role: str) -> None:
    log = stamped([RunStarted(agent_name="top"), *events, ChildStarted(child="below", name="below")])
    assert read(log).nodes["below"].role == role
    called = stamped([RunStarted(agent_name="top"), *events, ChildStarted(child="below", name="below", call="c1")])
    assert read(called).nodes["below"].role == ("member" if len(events) and role == "member" else "tool")


def test_a_helper_is_not_a_speaker() -> None:
    log = stamped(
        [
            RunStarted(agent_name="top", workflow=WorkflowShape(kind="graph", members=("a",))),
            ChildStarted(child="judge", name="judge", role="helper"),
            *of("judge", RunStarted(parent="top")),
            ChildStarted(child="team", name="team", role="member", final=True),
            *of("team", RunStarted(parent="top", workflow=WorkflowShape(kind="sequential"))),
            *of("team", ChildStarted(child="team/a", name="a", role="member", final=True)),
            *of("team/a", RunStarted(parent="team")),
        ]
    )
    assert read(log).speakers == {"team/a"}, "a workflow speaks through its members alone"


def test_an_attempt_says_whether_its_text_is_final() -> None:
    log = stamped(
        [
            RunStarted(agent_name="top"),
            AttemptStarted(step=1, may_retract=True),
            AttemptStarted(step=1, attempt=2, final=True),
        ]
    )
    node = read(log[:2]).nodes["top"]
    assert (node.may_retract, node.sure) == (True, False)
    node = read(log).nodes["top"]
    assert (node.may_retract, node.sure) == (False, True)


def test_an_answering_call_counts_until_the_next_step() -> None:
    def gave(*events: Event, tool: str = "answer") -> bool:
        return read(stamped([RunStarted(agent_name="top", answer_tool=tool), *events])).nodes["top"].gave

    given = ToolFinished(step=1, call="c", name="answer")
    assert gave(given)
    assert gave(given, ToolFinished(step=1, call="d", name="answer", error="There is one already."))
    assert not gave(given, StepStarted(step=2))
    assert not gave(ToolFinished(step=1, call="c", name="answer", error="It does not fit."))
    assert not gave(ToolFinished(step=1, call="c", name="look"))
    assert not gave(given, tool="")


def test_a_child_that_could_not_start_is_kept_with_its_error() -> None:
    error = ErrorInfo(type="ConfigurationError", message="No model.")
    log = stamped(
        [
            RunStarted(agent_name="top"),
            ChildStarted(child="a", name="a", role="member"),
            ChildFinished(child="a", name="a", outcome="failed", error=error),
            ChildFinished(child="unheard of", name="b", outcome="failed", error=error),
        ]
    )
    tree = read(log)
    assert tree.nodes["a"].unbegun == error
    assert tree.speakers == {"top"}


# --- nodes


def test_an_answer_in_another_task_is_not_the_workflows() -> None:
    top = Node("top")
    top.begin(child("1", "a", final=True))
    top.begin(child("2", "b", final=True, after=("1", "gone")))
    assert [(one.led_on, one.final) for one in top.children.values()] == [(True, False), (False, True)]


def test_latest_has_the_last_run_of_each_member_in_order() -> None:
    top = Node("top")
    for run, name in (("1", "a"), ("2", "b"), ("3", "a")):
        top.begin(child(run, name))
    assert {name: node.id for name, node in top.latest.items()} == {"b": "2", "a": "3"}
    assert [*top.latest] == ["b", "a"]


def test_a_node_joins_a_parent_under_its_name_there() -> None:
    node = Node("1", "writer")
    node.join("top", "ann", role="member", call=None, after=("0",), final=None)
    assert (node.parent, node.name, node.role, node.after, node.final) == ("top", "ann", "member", ("0",), None)

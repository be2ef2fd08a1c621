"""The Response of a whole tree: one rule combines many answers, live or read from a log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Response, Results
from headwater.backends.offline import Call, Fail, Say
from headwater.errors import ServerError
from headwater.events import Event, RunFinished, WorkflowShape
from headwater.events.answers import answering, composed, member_response, tree_response
from headwater.events.fold import Fold, fold
from headwater.events.tree import Node
from headwater.workflows import ConcurrentWorkflow, SequentialWorkflow
from tests.support.logs import full_log, of, said, stamped
from tests.support.members import SHAPES, Shape, log_of, paced, speaker
from tests.support.virtual import run_virtual

ALIKE = ("text", "transcript", "usage", "finish_reason", "duration", "run_id", "partial", "time_to_first_token")


def logged(runnable: Any) -> tuple[list[Event], Any]:
    """A run's log and its result."""

    async def main() -> tuple[list[Event], Any]:
        stream = runnable.run_stream("Go.")
        return await log_of(stream), await stream.result()

    return run_virtual(main())[0]


def alike(one: Any, other: Any) -> None:
    """Asserts that two Responses are equal, including those in them."""
    assert type(one) is type(other)
    for name in ALIKE:
        if hasattr(one, name):
            assert getattr(one, name) == getattr(other, name), name
    assert [*one.members] == [*other.members]
    for member in one.members:
        alike(one.members[member], other.members[member])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_log_gives_the_live_response(shape: Shape) -> None:
    log, result = logged(shape())
    alike(tree_response(log), result)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_responses_of_growing_prefixes_of_a_log_only_grow(shape: Shape) -> None:
    log, result = logged(shape())
    for at in range(1, len(log)):
        partial = tree_response(log[:at])
        assert partial.partial
        assert partial.run_id == log[0].run
        whole = leaves(result)
        for run, response in leaves(partial).items():
            assert run not in whole or whole[run].transcript.startswith(response.transcript)


def leaves(result: Any) -> dict[str, Any]:
    """The Responses of agents in a result, by run: those that contain no other."""
    below = {run: leaf for member in result.members.values() for run, leaf in leaves(member).items()}
    return below or {result.run_id: result}


def test_an_empty_log_has_no_response() -> None:
    with pytest.raises(ValueError, match="no event"):
        tree_response([])


def test_a_single_agents_response_is_that_of_its_fold() -> None:
    (log, result) = logged(speaker("ann", [Say("One "), "two."]))
    response = tree_response(log)
    assert isinstance(response, Response)
    alike(response, fold(log).response(output="One two."))
    alike(response, result)


def test_a_successors_text_is_the_answer_and_both_are_members() -> None:
    response = tree_response(full_log())
    assert isinstance(response, Response)
    assert response.text == "Done."
    assert response.transcript.endswith("\n\nDone.")
    assert response.transcript.startswith("I look.")
    assert response.finish_reason == "length"
    assert [call.name for call in response.tool_calls] == ["look", "ask", "look", "transfer_to_heir"]


def test_with_a_silent_successor_the_earlier_text_counts() -> None:
    giver = speaker("giver", [Say("Let me see."), Call("transfer_to_heir", {})], handoffs=[speaker("heir", [])])
    log, _ = logged(giver)
    assert tree_response(log).text == "Let me see."


def test_collected_errors_are_kept_with_their_members() -> None:
    team = ConcurrentWorkflow(
        [speaker("ann", [Say("Half "), Fail(500)], retries=0), speaker("bob")], on_error="collect"
    )
    log, live = logged(team)
    results = tree_response(log)
    assert isinstance(results, Results)
    assert [*results.errors] == [*live.errors] == ["ann"]
    assert isinstance(results["ann"].error, ServerError)
    assert results["ann"].partial
    assert results["ann"].text == "Half "


def test_a_member_that_ran_twice_has_its_last_answer_and_the_usage_of_both() -> None:
    log, live = logged(SequentialWorkflow([paced("ann", 2), paced("bob", 1)], max_loops=2))
    response = tree_response(log)
    alike(response, live)
    runs = [event for event in log if isinstance(event, RunFinished) and event.agent == "ann"]
    assert len(runs) == 2
    assert response.members["ann"].usage == runs[0].usage + runs[1].usage


# --- from nodes


def node_of(run: str, name: str, text: str = "", **place: Any) -> Node:
    log = stamped(of(run, *said(1, 0, text))) if text else []
    made = Fold()
    for event in log and [*full_log()[1:3], *log]:
        made.add(event)
    return Node(run, name, **{"parent": "top", "role": "member", "fold": made, **place})


def workflow(kind: str, *children: Node, members: tuple[str, ...] = ("a", "b", "c")) -> Node:
    top = Node("top", "team")
    top.shape = WorkflowShape(kind=kind, members=members)
    for child in children:
        top.begin(child)
    return top


@pytest.mark.parametrize(
    ("kind", "due"), [("sequential", ["3"]), ("concurrent", ["2", "1"]), ("graph", ["2", "1"]), ("of tomorrow", ["3"])]
)
def test_before_its_end_a_workflows_kind_decides_whose_text_counts(kind: str, due: list[str]) -> None:
    top = workflow(kind, node_of("1", "b"), node_of("2", "a"), node_of("3", "unheard of"))
    assert [node.id for node in answering(top)] == due


def test_in_a_graph_the_end_nodes_answer_and_failed_ones_only_if_all_failed() -> None:
    top = workflow("graph", node_of("1", "a"), node_of("2", "b", after=("1",)), node_of("3", "c", after=("1",)))
    assert [node.id for node in answering(top)] == ["2", "3"]
    assert [node.id for node in answering(top, ["b"])] == ["3"]
    assert [node.id for node in answering(top, ["b", "c"])] == ["2", "3"]


def test_a_workflows_end_decides_whose_text_counts() -> None:
    top = workflow("sequential", node_of("1", "a"), node_of("2", "b"))
    top.fold = Fold()
    top.fold.add(RunFinished(answer=("1", "gone")))
    assert [node.id for node in answering(top)] == ["1"]


def test_a_member_that_never_ran_has_no_response() -> None:
    top = workflow("sequential", node_of("1", "a"))
    with pytest.raises(KeyError):
        member_response(top, "b")
    assert member_response(top, "a").agent == "a"


def test_a_run_that_never_started_is_empty() -> None:
    response = composed(Node("top", "ann"))
    assert (response.text, response.partial) == ("", True)
    results = composed(workflow("concurrent", node_of("1", "b")))
    assert isinstance(results, Results)
    assert results.names == ("a", "b", "c")
    assert all(one.partial for one in results)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6))
def test_a_repeated_member_counts_once_with_its_last_run(asked: list[str]) -> None:
    top = workflow("sequential", *(node_of(str(number), name) for number, name in enumerate(asked)))
    response = composed(top)
    assert sorted(response.members) == sorted(set(asked))
    (answer,) = answering(top)
    assert answer.id == str(len(asked) - 1)

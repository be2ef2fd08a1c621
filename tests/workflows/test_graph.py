"""Nodes and edges: who is asked, with what, in which order, and where it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Edge, GraphWorkflow, Response
from headwater.backends.offline import Fail, Say, Wait
from headwater.errors import ConfigurationError, LimitExceeded, ServerError
from headwater.events import RunFinished, RunStarted, TextDelta
from tests.support.members import asked, log_of, paced, parts, speaker, texts
from tests.support.virtual import run_virtual


def answered(*names: str) -> str:
    return "\n\n".join(f"{name} has answered:\n\n{name} says hi there." for name in names)


def nodes(names: str) -> list[Any]:
    return [speaker(name) for name in names]


def edges(way: str) -> list[tuple[str, str]]:
    """`ab bc` is a to b and b to c."""
    return [(pair[0], pair[1]) for pair in way.split()]


def test_a_chain() -> None:
    agents = nodes("abc")
    result = GraphWorkflow(agents, edges=edges("ab bc")).run("Tell.")
    assert result == "c says hi there."
    assert [parts(asked(agent)[0])[1:] for agent in agents] == [[], [answered("a")], [answered("b")]]
    assert list(result.members) == ["a", "b", "c"]
    assert result.transcript == "a says hi there.b says hi there.c says hi there."


def test_agents_and_edge_objects_are_accepted() -> None:
    a, b = nodes("ab")
    assert GraphWorkflow([a, b], edges=[(a, b)]).run("Tell.") == "b says hi there."
    assert GraphWorkflow([a, b], edges=[Edge("a", "b")]).run("Tell.") == "b says hi there."


@pytest.mark.parametrize("slow", "bcd")
def test_a_join_waits_for_every_branch_and_gets_the_agents_order(slow: str) -> None:
    async def main() -> None:
        agents = [speaker("a"), *(paced(name, 1, 5 if name == slow else 1) for name in "bcd"), speaker("e")]
        result = await GraphWorkflow(agents, edges=edges("ab ac ad be ce de")).arun("Tell.")
        told = "\n\n".join(f"{name} has answered:\n\n{name}0 " for name in "bcd")
        assert parts(asked(agents[-1])[0]) == ["Tell.", told]
        assert len(asked(agents[-1])) == 1
        assert result == "e says hi there."

    _, seconds = run_virtual(main())
    assert seconds == 5  # side by side


@pytest.mark.parametrize("waits", [False, True], ids=["plain", "async"])
def test_a_join_waits_for_the_branches_that_were_taken_and_no_other(waits: bool) -> None:
    seen: list[str] = []

    def never(response: Response[Any]) -> bool:
        seen.append(str(response))
        return False

    async def never_later(response: Response[Any]) -> bool:
        await asyncio.sleep(1)
        return never(response)

    async def main() -> None:
        agents = nodes("abcd")
        ways = [("a", "b"), ("a", "c", never_later if waits else never), ("b", "d"), ("c", "d")]
        result = await GraphWorkflow(agents, edges=ways).arun("Tell.")
        assert result.members.keys() == {"a", "b", "d"}
        assert parts(asked(agents[3])[0])[1:] == [answered("b")]
        assert seen == ["a says hi there."]

    run_virtual(main())


def test_a_join_waits_for_a_long_branch() -> None:
    async def main() -> None:
        agents = nodes("abcdef")
        await GraphWorkflow(agents, edges=edges("ab af bc cd de ef")).arun("Tell.")
        assert parts(asked(agents[5])[0])[1:] == [answered("a", "e")]
        assert len(asked(agents[5])) == 1

    run_virtual(main())


def test_several_ends_are_sections() -> None:
    result = GraphWorkflow(nodes("abc"), edges=edges("ab ac")).run("Tell.")
    assert result == result.output == "## b\n\nb says hi there.\n\n## c\n\nc says hi there."
    assert result.members["b"] == "b says hi there."


def test_of_several_ends_one_that_failed_is_not_the_answer() -> None:
    agents = [*nodes("ab"), speaker("c", [Say("Half "), Fail(500)], retries=0)]
    workflow = GraphWorkflow(agents, edges=edges("ab ac"), on_error="collect")
    result = workflow.run("Tell.")
    assert result == "b says hi there."
    assert isinstance(result.members["c"].error, ServerError)


def test_no_edge_is_followed_from_a_failure() -> None:
    agents = [speaker("a", [Say("Half "), Fail(500)], retries=0), *nodes("bc")]
    result = GraphWorkflow(agents, edges=edges("ac bc"), on_error="collect").run("Tell.")
    assert parts(asked(agents[2])[0])[1:] == [answered("b")]
    assert result == "c says hi there."
    result = GraphWorkflow(agents[:2], edges=edges("ab"), on_error="collect", start="a").run("Tell.")
    assert texts(result) == {"a": ""}
    assert result.error is not None


def test_a_cycle_continues_until_a_condition_ends_it() -> None:
    writer = speaker("writer", "draft 1", "draft 2", "draft 3")
    critic = speaker("critic", "no", "no", "yes")
    workflow = GraphWorkflow(
        [writer, critic],
        edges=[("writer", "critic"), ("critic", "writer", lambda said: "no" in said)],
        start="writer",
    )
    result = workflow.run("Tell.")
    assert result == "yes"
    assert texts(result) == {"writer": "draft 3", "critic": "yes"}
    assert result.transcript == "draft 1nodraft 2nodraft 3yes"
    assert parts(asked(writer)[2]) == ["Tell.", "critic has answered:\n\nno"]
    assert sum(one.usage.output_tokens or 0 for one in result.members.values()) == result.usage.output_tokens


def test_a_cycle_without_end_is_ended() -> None:
    a, b = nodes("ab")
    workflow = GraphWorkflow([a, b], edges=edges("ab ba"), start="a", max_visits=3, name="circle")
    with pytest.raises(LimitExceeded) as raised:
        workflow.run("Tell.")
    error = raised.value
    assert str(error) == (
        "In the workflow 'circle', 'a' would run more than 3 times. Let a condition end the cycle, or raise max_visits."
    )
    assert (error.limit, error.size) == ("max_visits", 3)
    assert len(asked(a)) == len(asked(b)) == 3
    assert texts(error.response) == {"a": "a says hi there.", "b": "b says hi there."}
    assert error.response.partial
    assert error.response.transcript == "a says hi there.b says hi there." * 3


def test_a_cycle_with_a_way_out_and_a_join() -> None:
    """The join behind a cycle is asked once, when the cycle is over."""

    async def main() -> None:
        rounds = iter(range(10))
        agents = [speaker("a"), paced("b", 1), speaker("c"), speaker("d")]
        ways = [("a", "b"), ("a", "d"), ("b", "c"), ("c", "b", lambda _: next(rounds) < 2), ("c", "d")]
        workflow = GraphWorkflow(agents, edges=ways)
        events = await log_of(workflow.run_stream("Tell."))
        order = [event.agent for event in events if isinstance(event, RunStarted)]
        assert order == ["graph-workflow", "a", "b", "c", "b", "c", "b", "c", "d"]
        assert parts(asked(agents[3])[0])[1:] == [answered("a", "c")]

    run_virtual(main())


@pytest.mark.parametrize(
    ("named", "who"),
    [
        ("b", ["b"]),
        (["b", "c"], ["b", "c"]),
        (("c", "c"), ["c"]),
        ({"b": 1, "c": 2}.keys(), ["b", "c"]),
        (None, []),
        ([], []),
    ],
)
@pytest.mark.parametrize("waits", [False, True], ids=["plain", "async"])
def test_a_route_names_the_next_node(named: Any, who: list[str], waits: bool) -> None:
    async def later(response: Response[Any]) -> Any:
        await asyncio.sleep(1)
        return named

    async def main() -> None:
        agents = nodes("abc")
        route = later if waits else lambda response: named
        result = await GraphWorkflow(agents, routes={"a": route}).arun("Tell.")
        assert list(result.members) == ["a", *who]
        for agent in agents[1:]:
            assert [parts(one)[1:] for one in asked(agent)] == ([[answered("a")]] if agent.name in who else [])

    run_virtual(main())


def test_a_route_by_the_answer() -> None:
    triage = speaker("triage", "This is about billing.")
    workflow = GraphWorkflow(
        [triage, speaker("billing"), speaker("other")],
        routes={"triage": lambda said: "billing" if "billing" in said else "other"},
    )
    assert workflow.run("My bill!") == "billing says hi there."


def test_a_route_to_an_unknown_node_lists_the_nodes() -> None:
    workflow = GraphWorkflow(nodes("ab"), routes={"a": lambda said: "z"}, name="maze")
    with pytest.raises(ConfigurationError) as raised:
        workflow.run("Tell.")
    assert str(raised.value) == (
        "In the workflow 'maze', the route from 'a' names 'z', which is not one of its agents. Its agents are a, b."
    )
    assert texts(raised.value.response) == {"a": "a says hi there."}


def test_routes_may_go_round_too() -> None:
    a = speaker("a", "more", "more", "enough")
    workflow = GraphWorkflow(
        [a, speaker("b")], routes={"a": lambda said: "b" if said == "more" else None, "b": lambda said: "a"}
    )
    result = workflow.run("Tell.")
    assert result == "enough"


@pytest.mark.parametrize("waits", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("kind", ["condition", "route"])
def test_what_a_function_of_the_users_raises_ends_the_run(kind: str, waits: bool) -> None:
    def fail(response: Any) -> bool:
        raise ZeroDivisionError("mine")

    async def fail_later(response: Any) -> bool:
        raise ZeroDivisionError("mine")

    async def main() -> None:
        way: Any = fail_later if waits else fail
        options: dict[str, Any] = {"edges": [("a", "b", way)]} if kind == "condition" else {"routes": {"a": way}}
        stream = GraphWorkflow([speaker("a"), paced("b"), paced("c")], start=["a", "c"], **options).run_stream("Tell.")
        with pytest.raises(ZeroDivisionError, match="mine"):
            await log_of(stream)
        assert texts(stream.response)["a"] == "a says hi there."

    run_virtual(main())


@pytest.mark.parametrize(
    ("names", "options", "start"),
    [
        ("abc", {"edges": edges("ab bc")}, ("a",)),
        ("abc", {"edges": edges("ca ab")}, ("c",)),
        ("abcd", {"edges": edges("ac bc cd")}, ("a", "b")),
        ("abc", {}, ("a", "b", "c")),
        ("abc", {"edges": edges("ab")}, ("a", "c")),
        ("abc", {"routes": {"a": str}}, ("a",)),
        ("abc", {"edges": edges("ab"), "routes": {"b": str}}, ("a",)),
        ("abc", {"edges": edges("bc"), "routes": {"c": str}}, ("b",)),
        ("abc", {"edges": edges("ab ba"), "start": "b"}, ("b",)),
        ("abc", {"edges": edges("ab"), "start": ["b", "c"]}, ("b", "c")),
    ],
)
def test_start_nodes(names: str, options: Any, start: tuple[str, ...]) -> None:
    assert GraphWorkflow(nodes(names), **options).starts == start


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"edges": edges("az")}, "the edge a -> z names 'z', which is not one of its agents. Its agents are a, b, c."),
        ({"edges": edges("za")}, "the edge z -> a names 'z'"),
        ({"routes": {"z": str}}, "routes= names 'z'"),
        ({"start": "z"}, "start= names 'z'"),
        ({"start": ["a", "z"]}, "start= names 'z'"),
        ({"start": []}, "is empty. Name a node."),
        ({"edges": edges("ab bc ca")}, "has no start: every node has an incoming edge. Name the start: start=…"),
        ({"edges": [("a", "b", "c")]}, "the condition of a -> b is 'c'"),
        ({"edges": [("a",)]}, r"\('a',\) is not a valid edge"),
        ({"edges": ["a->b"]}, "'a->b' is not a valid edge"),
        ({"max_visits": 0}, "max_visits"),
    ],
)
def test_an_invalid_graph_is_rejected_at_once(options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        GraphWorkflow(nodes("abc"), **options)


def test_two_ways_from_one_to_another_ask_once() -> None:
    agents = nodes("ab")
    GraphWorkflow(agents, edges=[("a", "b"), ("a", "b", lambda _: True)]).run("Tell.")
    assert len(asked(agents[1])) == 1


def test_a_node_may_lead_to_itself() -> None:
    a = speaker("a", "1", "2", "3")
    result = GraphWorkflow([a], edges=[("a", "a", lambda said: said != "3")], start="a").run("Tell.")
    assert result == "3"
    assert result.transcript == "123"


def test_one_failure_stops_the_other_branches() -> None:
    async def main() -> None:
        agents = [speaker("a"), paced("b", 100), speaker("c", [Wait(2), Say("x"), Fail(500)], retries=0), speaker("d")]
        stream = GraphWorkflow(agents, edges=edges("ab ac bd cd")).run_stream("Tell.")
        with pytest.raises(ServerError) as raised:
            await log_of(stream)
        assert texts(raised.value.response) == {"a": "a says hi there.", "b": "b0 b1 ", "c": "x"} or texts(
            raised.value.response
        ) == {"a": "a says hi there.", "b": "b0 ", "c": "x"}
        assert asked(agents[3]) == []

    _, seconds = run_virtual(main())
    assert seconds == 2


def test_a_wide_graph_runs_side_by_side_and_streams() -> None:
    async def main() -> None:
        middle = [paced(f"m{number}", 2) for number in range(50)]
        ways = [("a", one.name) for one in middle] + [(one.name, "z") for one in middle]
        events = await log_of(GraphWorkflow([speaker("a"), *middle, speaker("z")], edges=ways).run_stream("Tell."))
        words = "".join(event.text for event in events if isinstance(event, TextDelta) and event.agent.startswith("m"))
        assert sorted(words.split()) == sorted(f"m{number}{word}" for number in range(50) for word in range(2))
        assert [event.agent for event in events if isinstance(event, RunFinished)][-2:] == ["z", "graph-workflow"]

    _, seconds = run_virtual(main())
    assert seconds == 2


def ways_told(graph: GraphWorkflow) -> tuple[tuple[str, str], ...]:
    events, _ = run_virtual(log_of(graph.run_stream("Tell.")))
    started = events[0]
    assert isinstance(started, RunStarted)
    assert started.workflow is not None
    return started.workflow.edges


def test_the_log_has_each_edge_once() -> None:
    ways: list[Any] = [*edges("ab ac bc"), ("a", "b", lambda response: False)]
    assert ways_told(GraphWorkflow(nodes("abc"), edges=ways)) == (("a", "b"), ("a", "c"), ("b", "c"))


def test_a_route_is_logged_as_edges_to_nodes_without_other_edges() -> None:
    graph = GraphWorkflow(nodes("abcd"), edges=edges("bc"), routes={"a": lambda response: "b"}, start="a")
    assert ways_told(graph) == (("b", "c"), ("a", "b"), ("a", "d"))


def test_agents_can_be_used_instead_of_names() -> None:
    a, b = speaker("a"), speaker("b")
    assert GraphWorkflow([a, b], edges=[(b, a)], start=b).starts == ("b",)
    assert GraphWorkflow([a, b], edges=[(b, a)], start=[a, "b"]).starts == ("a", "b")

"""Who stands where in a workflow, and who leads to whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.events import WorkflowShape
from headwater.terminal.dashboard.outline import laid_out, needs_of


def drawn(members: str, *ways: str, kind: str = "graph") -> list[str]:
    """The names below each other; `ways` are like "a>b"."""
    edges = tuple((way[0], way[2]) for way in ways)
    names = tuple(members)
    shape = WorkflowShape(kind=kind, members=names, edges=edges)
    told = []
    for place in laid_out(names, needs_of(shape)):
        guides = "".join("│" if on else " " for on in place.on[1:])
        told.append(guides + ("" if not place.depth else "└" if place.last else "├") + place.name)
    return told


@pytest.mark.parametrize(
    ("members", "ways", "told"),
    [
        ("abc", [], ["a", "b", "c"]),
        ("abcd", ["a>d", "b>d", "c>d"], ["a", "b", "c", "d"]),  # d is below none of them alone
        ("pabwx", ["p>a", "p>b", "a>w", "b>w", "w>x"], ["p", "├a", "├b", "├w", "└x"]),
        ("pabw", ["p>a", "p>w", "a>b"], ["p", "├a", "├b", "└w"]),  # a and b are a chain
        ("tbcde", ["t>b", "t>c", "b>d", "b>e"], ["t", "├b", "│├d", "│└e", "└c"]),
        ("tcbde", ["t>b", "t>c", "b>d", "b>e"], ["t", "├c", "└b", " ├d", " └e"]),
        ("swr", ["s>w", "w>r", "r>w"], ["s", "w", "r"]),  # writing and review, again and again
        ("wr", ["w>r", "r>w"], ["w", "r"]),
        ("ba", ["a>b"], ["a", "b"]),
    ],
)
def test_nodes_reached_only_from_one_node_are_below_it(members: str, ways: list[str], told: list[str]) -> None:
    assert drawn(members, *ways) == told


def test_each_of_a_sequence_waits_for_the_one_before() -> None:
    shape = WorkflowShape(kind="sequential", members=("a", "b", "c"))
    assert needs_of(shape) == {"a": (), "b": ("a",), "c": ("b",)}
    assert drawn("abc", kind="sequential") == ["a", "b", "c"]


def test_needs_are_unique_and_in_the_members_order() -> None:
    shape = WorkflowShape(kind="graph", members=("a", "b", "c"), edges=(("b", "c"), ("a", "c"), ("b", "c"), ("x", "c")))
    assert needs_of(shape)["c"] == ("a", "b")


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")), max_size=20))
def test_in_any_graph_each_node_is_once_below_a_predecessor(ways: list[tuple[str, str]]) -> None:
    names = tuple("abcdefg")
    needs = needs_of(WorkflowShape(kind="graph", members=names, edges=tuple(ways)))
    places = laid_out(names, needs)
    assert sorted(place.name for place in places) == sorted(names)
    depth = 0
    for place in places:
        assert place.depth <= depth + 1, "no depth is left out"
        assert len(place.on) == place.depth
        depth = place.depth
    for at, place in enumerate(places):
        if place.depth:
            above = next(other for other in reversed(places[:at]) if other.depth == place.depth - 1)
            reached = {above.name}
            for _ in names:
                reached |= {name for name in names if reached & {*needs[name]}}
            assert place.name in reached

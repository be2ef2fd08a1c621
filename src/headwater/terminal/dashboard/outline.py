"""The tree of a workflow's agents, and which agent waits for which.

Pure, and based on names only. The parent of a node in a graph is its dominator; in a chain all agents have the same
depth, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from headwater.events import WorkflowShape

__all__ = ("Place", "laid_out", "needs_of")


class Place(NamedTuple):
    """A member's place in the tree: its name, its depth, and whether siblings follow.

    `on` says that for each depth above its own, from the outside in.
    """

    name: str
    depth: int = 0
    last: bool = True
    on: tuple[bool, ...] = ()


def needs_of(shape: WorkflowShape) -> dict[str, tuple[str, ...]]:
    """Returns for each member the members that it needs, in the order of the members."""
    needs: dict[str, list[str]] = {name: [] for name in shape.members}
    ways = shape.edges
    if shape.kind == "sequential":
        ways = tuple(zip(shape.members, shape.members[1:], strict=False))
    for source, target in ways:
        if target in needs and source in needs and source not in needs[target]:
            needs[target].append(source)
    order = {name: at for at, name in enumerate(shape.members)}
    return {name: tuple(sorted(found, key=order.__getitem__)) for name, found in needs.items()}


def laid_out(names: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[Place]:
    """Returns each name's place: in the order in which they can start, as far as known, else in the given order."""
    above = _dominators(names, needs)
    below: dict[str | None, list[str]] = {}
    for name in names:
        below.setdefault(above.get(name), []).append(name)
    places: list[Place] = []

    def walk(siblings: Sequence[str], depth: int, on: tuple[bool, ...]) -> None:
        for at, name in enumerate(siblings):
            last = at == len(siblings) - 1
            places.append(Place(name, depth, last, on))
            inner = below.get(name, [])
            while len(inner) == 1:  # a chain, which goes on at the same depth
                places[-1] = places[-1]._replace(last=False)
                places.append(Place(inner[0], depth, last, on))
                inner = below.get(inner[0], [])
            if inner:
                walk(inner, depth + 1, (*on, not last))

    walk(below.get(None, []), 0, ())
    return places


def _dominators(names: Sequence[str], needs: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
    """Returns the immediate dominator of each name; None for a start."""
    order = _in_reach(names, needs)
    rank = {name: at for at, name in enumerate(order)}
    found: dict[str, str | None] = {name: None for name in order if not needs.get(name)}
    changed = True
    while changed:
        changed = False
        for name in order:
            known = [source for source in needs.get(name, ()) if source in found and source != name]
            if not needs.get(name) or not known:
                continue
            nearest: str | None = known[0]
            for source in known[1:]:
                nearest = _meeting(nearest, source, found, rank)
            if name not in found or found[name] != nearest:
                found[name] = nearest
                changed = True
    return found


def _meeting(
    one: str | None, other: str | None, above: Mapping[str, str | None], rank: Mapping[str, int]
) -> str | None:
    """Returns their nearest common ancestor."""
    while one != other:
        if one is None or other is None:
            return None
        if rank[one] > rank[other]:
            one = above.get(one)
        else:
            other = above.get(other)
    return one


def _in_reach(names: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the names that are reachable from a start, in depth-first order."""
    leads: dict[str, list[str]] = {}
    for name in names:
        for source in needs.get(name, ()):
            leads.setdefault(source, []).append(name)
    starts = [name for name in names if not needs.get(name)]
    done: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[str, Iterable[str]]] = []
    for start in starts:
        if start in seen:
            continue
        seen.add(start)
        stack.append((start, iter(leads.get(start, ()))))
        while stack:
            name, rest = stack[-1]
            following = next((one for one in rest if one not in seen), None)
            if following is None:
                done.append(name)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(leads.get(following, ()))))
    return done[::-1]

"""Agents as nodes: edges with conditions, fan-out and fan-in, routing, and cycles with a limit.

A node is ready once it has input and no running node can give it more. This one rule covers chains, branches, joins and
cycles: a join waits for every branch that was taken, and for no other.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from typing_extensions import Unpack

from headwater.agents import validation
from headwater.errors import ConfigurationError, LimitExceeded
from headwater.events.response import Response
from headwater.workflows.base import Workflow, WorkflowOptions
from headwater.workflows.run import Member, WorkflowRun, cancelled, passed_on, whole

__all__ = ("Edge", "GraphWorkflow")

MAX_VISITS: Final = 10
"""How often one node may run in one run: enough for any useful loop of writing and review."""

Condition: TypeAlias = Callable[[Response[Any]], bool | Awaitable[bool]]
Route: TypeAlias = Callable[[Response[Any]], "str | Iterable[str] | Awaitable[str | Iterable[str] | None] | None"]


End: TypeAlias = str | Member
"""An end of an edge: an agent's name, or the agent itself."""


class Edge(msgspec.Struct, frozen=True):
    """An edge from one node to another, followed if `when` (a function of the source's Response) is None or returns
    True.
    """

    source: str
    target: str
    when: Condition | None = None


class GraphWorkflow(Workflow[Response[Any]]):
    """Runs agents as the nodes of a graph.

    `edges` are `(source, target)`, `(source, target, condition)` or Edges, by the agents' names. `routes` maps a
    source's name to a function of its Response, which returns the next node or nodes, or None. `start` names the nodes
    that get the task first; by default those without incoming edges. A node gets the task and the answers that led to
    it.
    `max_visits` limits how often a node may run; beyond it LimitExceeded is raised.

    `run` returns the Response of the node where it ended, with all Responses in `.members`; if it ended at several
    nodes, their texts as sections. See `Workflow` for the other arguments. Raises: ConfigurationError if an edge refers
    to an unknown node, or there is no start.
    """

    kind = "graph"

    def __init__(
        self,
        agents: Iterable[Member],
        *,
        edges: Iterable[Edge | tuple[End, End] | tuple[End, End, Condition | None] | tuple[Any, ...]] = (),
        routes: Mapping[str, Route] | None = None,
        start: End | Iterable[End] | None = None,
        max_visits: int = MAX_VISITS,
        name: str = "graph-workflow",
        **options: Unpack[WorkflowOptions],
    ) -> None:
        super().__init__(agents, name=name, **options)
        self._nodes = {member.name: member for member in self.agents}
        self.edges: tuple[Edge, ...] = tuple(self._edge(edge) for edge in edges)
        self.routes: dict[str, Route] = dict(routes or {})
        for source in self.routes:
            self._check(source, "routes=")
        self.starts: tuple[str, ...] = self._starts(start)
        self.max_visits: int = validation.whole("max_visits", max_visits)
        self._reach = self._reachable()

    def _plan_of(self) -> Sequence[Any]:
        edges = [(edge.source, edge.target, edge.when is not None) for edge in self.edges]
        return edges, [*self.routes], self.starts, self.max_visits

    def _edges(self) -> tuple[tuple[str, str], ...]:
        declared = dict.fromkeys((edge.source, edge.target) for edge in self.edges)
        led_to = {*self.starts, *(target for _, target in declared)}
        routed = [(source, name) for source in self.routes for name in self._nodes if name not in led_to]
        return (*declared, *routed)

    async def _plan(self, run: WorkflowRun) -> None:
        walk = _Walk(self, run)
        try:
            await walk.go()
        finally:
            await walk.stop()

    # --- the shape

    def _edge(self, edge: Edge | tuple[Any, ...]) -> Edge:
        if not isinstance(edge, (Edge, tuple, list)) or (not isinstance(edge, Edge) and len(edge) not in (2, 3)):
            raise ConfigurationError(
                f"In the workflow {self.name!r}, {edge!r} is not a valid edge.",
                hint='Write ("from", "to"), ("from", "to", condition), or an Edge; write a chain as several edges.',
            )
        made = edge if isinstance(edge, Edge) else Edge(*(getattr(end, "name", end) for end in edge[:2]), *edge[2:])
        if made.when is not None and not callable(made.when):
            raise ConfigurationError(
                f"In the workflow {self.name!r}, the condition of {made.source} -> {made.target} is {made.when!r}.",
                hint="Give a function of the source's Response; write a chain as several edges.",
            )
        self._check(made.source, f"the edge {made.source} -> {made.target}")
        self._check(made.target, f"the edge {made.source} -> {made.target}")
        return made

    def _check(self, name: str, where: str) -> None:
        if name not in self._nodes:
            raise ConfigurationError(
                f"In the workflow {self.name!r}, {where} names {name!r}, which is not one of its agents.",
                hint=f"Its agents are {', '.join(self._nodes)}.",
            )

    def _starts(self, start: End | Iterable[End] | None) -> tuple[str, ...]:
        if start is not None:
            nodes = (start,) if isinstance(start, str) or not isinstance(start, Iterable) else start
            names = tuple(str(getattr(node, "name", node)) for node in nodes)
            for name in names:
                self._check(name, "start=")
            if not names:
                raise ConfigurationError(f"start= of the workflow {self.name!r} is empty.", hint="Name a node.")
            return names
        led_to = {edge.target for edge in self.edges}
        # The target of a route is known only at run time: with routes only, the first agent is the start.
        found = [name for name in self._nodes if name not in led_to]
        if self.routes and not self.edges:
            found = found[:1]
        elif self.routes:
            sources = {edge.source for edge in self.edges} | set(self.routes)
            found = [name for name in found if name in sources] or found[:1]
        if not found:
            raise ConfigurationError(
                f"The workflow {self.name!r} has no start: every node has an incoming edge.",
                hint="Name the start: start=…",
            )
        return tuple(found)

    def _reachable(self) -> dict[str, frozenset[str]]:
        """For each node, the nodes reachable from it; itself only through a cycle."""
        ways: dict[str, set[str]] = {name: set() for name in self._nodes}
        for edge in self.edges:
            ways[edge.source].add(edge.target)
        for source in self.routes:
            ways[source].update(name for name in self._nodes if name not in self.starts)
        reach: dict[str, frozenset[str]] = {}
        for name in self._nodes:
            seen: set[str] = set()
            front = [*ways[name]]
            while front:
                node = front.pop()
                if node not in seen:
                    seen.add(node)
                    front.extend(ways[node])
            reach[name] = frozenset(seen)
        return reach

    async def leads_to(self, source: str, response: Response[Any]) -> list[str]:
        """The nodes that get this answer of `source`."""
        targets = [
            edge.target
            for edge in self.edges
            if edge.source == source and (edge.when is None or await _answer(edge.when(response)))
        ]
        if (route := self.routes.get(source)) is not None:
            named = await _answer(route(response))
            for name in (named,) if isinstance(named, str) else tuple(named or ()):
                self._check(name, f"the route from {source!r}")
                targets.append(name)
        return list(dict.fromkeys(targets))

    def leads_on(self, source: str) -> bool:
        """Whether any edge or route leads on from the node."""
        return bool(self._reach[source]) or source in self.routes  # a route may lead back to the start

    def leads_anywhere(self, source: str) -> bool:
        """Whether a route, which may return any node, is reachable from the node."""
        return source in self.routes or not self.routes.keys().isdisjoint(self._reach[source])

    def can_reach(self, source: str, target: str) -> bool:
        """Whether one node is reachable from the other."""
        return target in self._reach[source]


class _Walk:
    """One run's path through the graph: the running nodes, and the input of each node."""

    def __init__(self, graph: GraphWorkflow, run: WorkflowRun) -> None:
        self._graph = graph
        self._run = run
        self._come: dict[str, dict[str, Response[Any]]] = {name: {} for name in graph.starts}
        self._visits: dict[str, int] = {}
        self._working: dict[asyncio.Task[Response[Any]], str] = {}

    async def go(self) -> None:
        """Run nodes until none is running and none has input."""
        while self._come or self._working:
            for name in self._ready():
                self._begin(name, self._come.pop(name))
            done, _ = await asyncio.wait(self._working, return_when=asyncio.FIRST_COMPLETED)
            for task in [one for one in self._working if one in done]:
                await self._ended(self._working.pop(task), task)

    async def stop(self) -> None:
        """Cancel all running nodes, and wait for them."""
        await cancelled(self._working)

    def _ready(self) -> list[str]:
        graph, working = self._graph, set(self._working.values())
        waiting = [name for name in graph._nodes if name in self._come and name not in working]
        ready = [
            name
            for name in waiting
            if not any(graph.can_reach(other, name) for other in working)
            and not any(graph.can_reach(other, name) for other in waiting if other != name)
        ]
        # Nodes that only wait for each other form a cycle: the first one runs first.
        return ready or (waiting[:1] if not working else [])

    def _begin(self, name: str, said: Mapping[str, Response[Any]]) -> None:
        visits = self._visits[name] = self._visits.get(name, 0) + 1
        if visits > self._graph.max_visits:
            raise LimitExceeded(
                f"In the workflow {self._graph.name!r}, {name!r} would run more than {self._graph.max_visits} times.",
                hint="Let a condition end the cycle, or raise max_visits.",
                limit="max_visits",
                size=self._graph.max_visits,
            )
        nodes = self._graph._nodes
        in_order = {source: said[source] for source in nodes if source in said}  # in the order of the nodes
        final = True if self._surely_answers(name, in_order.values()) else None
        asked = self._run.ask(nodes[name], passed_on(self._run.input, in_order), final=final, after=in_order.values())
        self._working[asyncio.ensure_future(asked)] = name

    def _surely_answers(self, name: str, led: Iterable[Response[Any]]) -> bool:
        """Whether the node's text is certain to be (part of) the answer."""
        if self._graph.leads_on(name):
            return False
        # It has no outgoing edges, and it runs when it can get no more input except by a route back to the start.
        others_now = (*self._working.values(), *self._come)
        if any(map(self._graph.leads_anywhere, others_now)):
            return False
        # If errors are collected and it fails, the answer is that of other nodes, if there are any.
        if self._graph.on_error == "raise":
            return True
        after = {response.run_id for response in led}
        others = [one for one in self._run.node.latest.values() if one.name != name]
        return not others_now and all(one.led_on or one.id in after for one in others)

    async def _ended(self, name: str, task: asyncio.Task[Response[Any]]) -> None:
        response = task.result()
        if not whole(response):
            return  # failed and collected, or cancelled by its owner: a partial answer is not passed on
        with self._run.deciding_next():
            targets = await self._graph.leads_to(name, response)
        for target in targets:
            self._come.setdefault(target, {})[name] = response


async def _answer(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value

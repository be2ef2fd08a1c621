"""The model of a dashboard: from the events of a tree of runs to its agents and their states.

Pure. Owns which agents are shown, their order, and which agent an event belongs to. `agent_state` owns the state of one
agent, `panel` the drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from headwater.events import (
    ChildFinished,
    ChildStarted,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
)
from headwater.terminal.dashboard.agent_state import HANDLERS, AgentView
from headwater.terminal.dashboard.outline import Place, laid_out, needs_of

__all__ = ("Board", "Entry", "Group")


class Group:
    """A workflow in the workflow: the kind that its log tells of, and whether it has ended."""

    __slots__ = ("kind", "over", "path")

    def __init__(self, path: tuple[str, ...], kind: str) -> None:
        self.path: tuple[str, ...] = path
        self.kind: str = kind
        self.over: bool = False


class Entry(NamedTuple):
    """A row of the tree: an agent or a group, its place, and the agents that it waits for."""

    of: AgentView | Group
    depth: int = 0
    last: bool = True
    on: tuple[bool, ...] = ()
    """For each depth above its own whether more follows there; see `outline.Place`."""


class Board:
    """All agents of a workflow's run, in the order of its `members`, who wait until they begin.

    Members that are workflows themselves give way to their own members as those begin. An agent that another one
    called as a tool shows in that one's tools.
    """

    def __init__(self, title: str, members: Sequence[str] = ()) -> None:
        self.title = title
        self.agents: list[AgentView] = [AgentView((name,), hue) for hue, name in enumerate(members)]
        self.time: float = 0.0
        """The time of the last event, in Unix seconds."""
        self.started: float | None = None
        self.end: RunFinished | RunFailed | RunCancelled | None = None
        """The end event of the outermost run."""
        self._known = len(self.agents)
        self._rested = 0.0  # seconds between the ends of the log and its being taken up again
        self._run: str | None = None
        self._views: dict[str, AgentView] = {}  # by run
        self._at: dict[tuple[str, ...], AgentView] = {view.path: view for view in self.agents}
        self._groups: dict[tuple[str, ...], Group] = {}  # the workflows in the workflow, by their paths
        self._needs: dict[tuple[str, ...], tuple[str, ...]] = {}  # who leads to whom, beside it
        self._tree: list[Entry] | None = None
        self._called: set[str] = set()  # the runs that answer a call, and those below them

    def feed(self, event: Event) -> AgentView | None:
        """Handles an event. Returns its agent, if it is one that is shown."""
        before = self.time
        if event.time > before:
            self.time = event.time
        view = self._views.get(event.run)
        if view is None:
            return self._beside(event, before)
        if handler := HANDLERS.get(event.__class__):
            handler(view, event)
            view.version += 1
        elif isinstance(event, ChildStarted):
            self._child(view, event)
        elif isinstance(event, ChildFinished) and event.child in self._called:
            view.spend(event.usage)
            view.version += 1
        elif isinstance(event, RunResumed):
            self._taken_up(event, before)
        if event.__class__ in _ENDS:
            self._over(event)
        return view

    def elapsed(self, now: float) -> float:
        """Seconds from the outermost run's start until `now` (Unix seconds), or until its end."""
        if self.started is None:
            return 0.0
        return max(0.0, (self.end.time if self.end else now) - self.started - self._rested)

    @property
    def tokens(self) -> tuple[int, bool]:
        """Total output tokens, and whether that is an estimate."""
        spent = [view.tokens for view in self.agents]
        return sum(count for count, _ in spent), any(estimated for _, estimated in spent)

    @property
    def cost(self) -> Decimal | None:
        """Dollars so far; None if no cost is known."""
        known = [view.cost for view in self.agents if view.cost is not None]
        return sum(known, start=Decimal(0)) if known else None

    @property
    def tree(self) -> list[Entry]:
        """The tree of agents and groups."""
        if self._tree is None:
            self._tree = []
            self._lay_out((), 0, ())
        return self._tree

    def waits_for(self, view: AgentView) -> list[str]:
        """Those beside it that have to end before it can begin, as far as the log tells."""
        if view.state != "waiting":
            return []
        *above, own = view.path
        needs = self._needs.get(view.path, ())
        if not needs:
            return []
        order = self._places(tuple(above))
        # What only follows on it, in a cycle, is nothing that it waits for.
        before = [place.name for place in order[: next(at for at, place in enumerate(order) if place.name == own)]]
        return [name for name in before if name in needs and not self._is_over((*above, name))]

    def _beside(self, event: Event, before: float) -> AgentView | None:
        """An event of a run that has no view, or none yet; `before` is when the event before it was."""
        if isinstance(event, RunStarted):
            return self._begin(event)
        if isinstance(event, ChildStarted):
            if event.run in self._called or event.call is not None:
                self._called.add(event.child)
        elif event.__class__ in _ENDS:
            self._over(event)
        elif isinstance(event, RunResumed):
            self._taken_up(event, before)
        return None

    def _taken_up(self, event: Event, before: float) -> None:
        """Handles a resumed log: there was no activity since it stopped."""
        if self.started is not None:
            self._rested += max(0.0, event.time - before)
        for view in self.agents:
            if view.active:
                view.take_up(event.time, before)

    def _over(self, event: Event) -> None:
        if group := self._groups.get(event.path[1:]):
            group.over = True
        self._views.pop(event.run, None)
        self._called.discard(event.run)
        if event.run == self._run and isinstance(event, RunFinished | RunFailed | RunCancelled):
            self.end = event

    def _begin(self, event: RunStarted) -> AgentView | None:
        path = event.path[1:]
        if self._run is None:
            self._run = event.run
            self.started = event.time
            if not event.model:
                self._learn((), event)
                return None
            path = event.path[:1]  # a single agent, which is its own only member
        elif event.run in self._called:
            return None
        elif group := self._groups.get(path):
            group.over = False
            return None
        elif event.workflow is not None and event.workflow.members and not event.model:
            self._split(path, event)
            return None
        view = self._at.get(path) or self._add(path)
        self._views[event.run] = view
        view.begin(event)
        view.version += 1
        return view

    def _add(self, path: tuple[str, ...]) -> AgentView:
        """Adds a view for an unannounced agent, after its nearest relatives."""
        view = self._at[path] = AgentView(path, self._known)
        self._known += 1
        self._tree = None
        beside = [at for at, other in enumerate(self.agents) if other.path[: len(path) - 1] == path[:-1]]
        self.agents.insert(beside[-1] + 1 if beside else len(self.agents), view)
        return view

    def _child(self, view: AgentView, event: ChildStarted) -> None:
        """Handles the start of a run below one with a view."""
        if event.call is not None:
            self._called.add(event.child)
        elif view.handed_to:
            self._views[event.child] = view  # the agent after a handoff takes its place
        else:
            # It is a workflow: its members are shown, the first one in its place.
            path = (*view.path, event.name)
            self._groups[view.path] = Group(view.path, "")
            self._tree = None
            del self._views[event.run]
            place = next(at for at, other in enumerate(self.agents) if other is view)
            del self._at[view.path]
            self.agents[place] = self._at[path] = AgentView(path, view.hue)

    # --- the tree

    def _learn(self, path: tuple[str, ...], event: RunStarted) -> None:
        """Handles a workflow's description of its members and edges."""
        shape = event.workflow
        if shape is None:
            return
        for name, needs in needs_of(shape).items():
            self._needs[(*path, name)] = needs
            if (*path, name) not in self._at and (*path, name) not in self._groups:
                self._add((*path, name))
        self._tree = None

    def _split(self, path: tuple[str, ...], event: RunStarted) -> None:
        """A member is a workflow: its members are shown in its place, the first of them in its hue."""
        shape = event.workflow
        assert shape is not None
        self._groups[path] = Group(path, shape.kind)
        if (view := self._at.pop(path, None)) is not None:
            first = (*path, shape.members[0])
            place = next(at for at, other in enumerate(self.agents) if other is view)
            self.agents[place] = self._at[first] = AgentView(first, view.hue)
        self._learn(path, event)

    def _places(self, above: tuple[str, ...]) -> list[Place]:
        """Returns the direct children, agents and groups, in order."""
        names = dict.fromkeys(
            view.path[len(above)] for view in self.agents if view.path[: len(above)] == above and view.path != above
        )
        return laid_out([*names], {name: self._needs.get((*above, name), ()) for name in names})

    def _lay_out(self, above: tuple[str, ...], depth: int, on: tuple[bool, ...]) -> None:
        assert self._tree is not None
        with_more = {view.path[:end] for view in self.agents for end in range(len(above) + 1, len(view.path))}
        for place in self._places(above):
            path, here = (*above, place.name), depth + place.depth
            place_on = (*on, *place.on) if depth else place.on[1:]  # top-level entries have no prefix
            if (shown := self._at.get(path) or self._groups.get(path)) is not None:
                self._tree.append(Entry(shown, here, place.last, place_on))
            if path in with_more:
                self._lay_out(path, here + 1, (*place_on, not place.last) if here else place_on)

    def _is_over(self, path: tuple[str, ...]) -> bool:
        if group := self._groups.get(path):
            return group.over
        view = self._at.get(path)
        return view is not None and view.ended is not None


_ENDS: Final[frozenset[type[Event]]] = frozenset((RunFinished, RunFailed, RunCancelled))

"""Events of a tree of runs to the agents in it, each with its state: what a dashboard has to show.

Pure. It decides who is shown, in which order, and whose an event is; what there is to show of one is `agent_state`'s,
how it looks is `panel`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headwater.events import ChildFinished, ChildStarted, Event, RunCancelled, RunFailed, RunFinished, RunStarted
from headwater.terminal.dashboard.agent_state import HANDLERS, AgentView

__all__ = ("Board",)


class Board:
    """All agents of a workflow's run, in the order of its `members`, who wait until they begin.

    Members that are workflows themselves give way to their own members as those begin. An agent that another one
    called as a tool shows in that one's tools.
    """

    def __init__(self, title: str, members: Sequence[str] = ()) -> None:
        self.title = title
        self.agents = [AgentView((name,), hue) for hue, name in enumerate(members)]
        self.time = 0.0
        """Of the last event, in Unix seconds."""
        self.started: float | None = None
        self.end: RunFinished | RunFailed | RunCancelled | None = None
        """How the outermost run ended."""
        self._known = len(self.agents)
        self._run: str | None = None
        self._views: dict[str, AgentView] = {}  # by run
        self._at: dict[tuple[str, ...], AgentView] = {view.path: view for view in self.agents}
        self._groups: set[tuple[str, ...]] = set()  # the paths of workflows in the workflow
        self._called: set[str] = set()  # the runs that answer a call, and those below them

    def feed(self, event: Event) -> AgentView | None:
        """Take in an event; gives whose it is, where it is an agent's that is shown."""
        if event.time > self.time:
            self.time = event.time
        view = self._views.get(event.run)
        if view is None:
            return self._beside(event)
        if handler := HANDLERS.get(event.__class__):
            handler(view, event)
            view.version += 1
        elif isinstance(event, ChildStarted):
            self._child(view, event)
        elif isinstance(event, ChildFinished) and event.child in self._called:
            view.spend(event.usage)
            view.version += 1
        if event.__class__ in _ENDS:
            self._over(event)
        return view

    def elapsed(self, now: float) -> float:
        """Seconds from the outermost run's start until `now` (Unix seconds), or until its end."""
        return max(0.0, (self.end.time if self.end else now) - self.started) if self.started is not None else 0.0

    @property
    def tokens(self) -> tuple[int, bool]:
        """Tokens that all have written, and whether that is an estimate."""
        spent = [view.tokens for view in self.agents]
        return sum(count for count, _ in spent), any(estimated for _, estimated in spent)

    def _beside(self, event: Event) -> AgentView | None:
        """An event of a run that has no view, or none yet."""
        if isinstance(event, RunStarted):
            return self._begin(event)
        if isinstance(event, ChildStarted):
            if event.run in self._called or event.call is not None:
                self._called.add(event.child)
        elif event.__class__ in _ENDS:
            self._over(event)
        return None

    def _over(self, event: Event) -> None:
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
                return None
            path = event.path[:1]  # an agent alone, which is its own only member
        elif event.run in self._called or path in self._groups:
            return None
        view = self._at.get(path) or self._add(path)
        self._views[event.run] = view
        view.begin(event)
        view.version += 1
        return view

    def _add(self, path: tuple[str, ...]) -> AgentView:
        """A view for an agent that nobody had announced, after those who stand nearest to it."""
        view = self._at[path] = AgentView(path, self._known)
        self._known += 1
        beside = [at for at, other in enumerate(self.agents) if other.path[: len(path) - 1] == path[:-1]]
        self.agents.insert(beside[-1] + 1 if beside else len(self.agents), view)
        return view

    def _child(self, view: AgentView, event: ChildStarted) -> None:
        """A run begins below one that has a view."""
        if event.call is not None:
            self._called.add(event.child)
        elif view.handed_to:
            self._views[event.child] = view  # who was handed the conversation goes on in its place
        else:
            # It is a workflow: its members are shown, the first of them where it stood.
            path = (*view.path, event.name)
            self._groups.add(view.path)
            del self._views[event.run]
            place = next(at for at, other in enumerate(self.agents) if other is view)
            del self._at[view.path]
            self.agents[place] = self._at[path] = AgentView(path, view.hue)


_ENDS: Final[frozenset[type[Event]]] = frozenset((RunFinished, RunFailed, RunCancelled))

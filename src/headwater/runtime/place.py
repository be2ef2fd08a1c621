"""A run's place: its id, its path, its log, its parent or the run that it was started from.

Owns how a run becomes part of another, and the parent's events about it. `run` owns how it proceeds.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import force_setattr

from headwater.errors import MaxDepthReached
from headwater.events import ChildFinished, ChildStarted, Event
from headwater.events.fold import Fold
from headwater.events.tree import Node, Role
from headwater.runtime.context import NOWHERE, Links, Origin, Watcher
from headwater.runtime.ending import CancelledBy
from headwater.runtime.log import Log
from headwater.runtime.past import Past
from headwater.tools.context import earliest

if TYPE_CHECKING:
    from headwater.providers.pricing import Prices
    from headwater.runtime.budget import Budget

__all__ = ("Placed", "child_started")

MAX_DEPTH: Final = 100
"""Maximum depth of nested runs: twice as deep as any real tree, and far from Python's own stack limit."""


class Placed:
    """A run as seen by others."""

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.id: str = f"run_{os.urandom(9).hex()}"
        self.path: tuple[str, ...] = (name,)
        self.fold: Fold = Fold()
        self.node: Node = Node(self.id, name, fold=self.fold)
        """Its place in the tree, and the source of its Response."""
        self._log = Log()
        self._above: tuple[Placed, ...] = ()
        self._watchers: tuple[Watcher, ...] = ()
        """The watchers of its events: its own, then those of the runs above it."""

    # Class attributes, not set in __init__, for values that most runs never have: an object with more than thirty
    # instance attributes takes 1.3 kB more.
    resets = 0
    """How often its log turned out to be another than what was read of it, and came again from its beginning."""
    known = True
    """Whether its id and path are known; for a run on another server they are in its first event."""
    parent: str | None = None
    call: str | None = None
    """The call in the parent that this run answers."""
    lead = ""
    """The separator before this run's first text, if it continues another run's text."""
    deadline: float | None = None
    """When the run must be done, in seconds of `time.monotonic`."""
    links: Links | None = None
    """The runs that were started from this one."""
    past: Past | None = None
    """Its state in the log when this process resumed it."""
    resumes = True
    """Whether it can go on in the middle; otherwise an unfinished run of a log is ended, and this one replaces it."""
    replaces: Past | None = None
    """The unfinished run of the resumed log that it replaces."""
    budgets: tuple[Budget, ...] = ()
    """Its own budgets; those of the runs above it hold for it too."""
    prices: Prices | None = None
    """The program's own prices, for this run and those below it."""
    _origin: Origin = NOWHERE

    def cancel(self, by: CancelledBy = "caller") -> None:
        """Stops the run, from any thread."""
        raise NotImplementedError

    def tell(self, event: Event) -> Awaitable[Any] | None:
        """Notifies the watchers of the run, and those above it."""
        raise NotImplementedError

    def member(self, id: str) -> object:
        """Returns the run of that id in the tree of this outermost run; None if it has ended or is unknown."""
        return self if id == self.id else (self._log.runs or {}).get(id)

    def go_by(self, id: str) -> None:
        """Sets the id under which the run is stored, before it starts."""
        self.id = self.node.id = id

    def take_up(self, past: Past) -> None:
        """Becomes the run of the past, before it starts."""
        self.past = past
        self.id, self.fold, self.node = past.node.id, past.fold, past.node
        if self.budgets:
            from headwater.runtime.budget import recount

            recount(self.budgets, past)

    def begin_for(self, origin: Origin) -> bool:
        """Links a separate run to the run whose tool or callback started it, and whose end cancels it.

        Returns whether it must end at once, because its origin was stopped already.
        """
        stopped = False
        outer, call = origin.going_on, origin.call
        self._origin = origin
        if origin.run is not None and outer is not None:
            self.parent = origin.run.id
            self.deadline = outer.deadline
            if outer.links is None:
                outer.links = Links()
            outer.links.add(self)
            # Events from before the outer run was stopped may still be being reported.
            stopped = any(run.told_to_stop for run in (outer, *outer.above))
        if call is not None and (outer is not None or call.works_here):
            # A tool in a thread may continue after its run has ended; nothing waits for runs that it starts then.
            self.deadline = earliest(self.deadline, call.deadline)
            stopped = call.begun(self) or stopped
        return stopped

    @property
    def shows_tools(self) -> bool:
        """Whether a terminal shows the tools of the tree, so that their failures need no line of their own."""
        return self._log.shows_tools

    @shows_tools.setter
    def shows_tools(self, shows: bool) -> None:
        self._log.shows_tools = shows

    def join(
        self,
        parent: Placed,
        *,
        role: Role,
        name: str | None = None,
        call: str | None = None,
        after: tuple[str, ...] = (),
        final: bool | None = None,
    ) -> None:
        """Becomes a child run of `parent`, before it starts: one log, one tree.

        `role` is its relation to the parent, `name` its name there, `call` the call it answers, `after` the ids of the
        runs whose answers are part of its task, `final` whether its answer is the workflow's (None: unknown yet).
        Raises MaxDepthReached.
        """
        if len(parent.path) >= MAX_DEPTH:
            raise MaxDepthReached(
                f"{self.name!r} would be nested in {MAX_DEPTH} runs.",
                hint="An agent that is its own tool, directly or through others, needs a way to answer without it.",
                limit="max_depth",
                size=MAX_DEPTH,
            )
        outer = self._origin.going_on
        if outer is not None and outer.links is not None:
            outer.links.remove(self)
        self._origin = NOWHERE
        self.name = name or self.name
        self.path = (*parent.path, self.name)
        self.parent = parent.id
        self.call = call
        self.deadline = parent.deadline
        self._log = parent._log
        self._above = (*parent._above, parent)
        self._watchers = (*self._watchers, *parent._watchers)
        past = parent.past.child(role, self.name, call) if parent.past is not None else None
        if past is not None and not (self.resumes or past.over):
            self.replaces, past = past, None
        if past is not None:
            self.take_up(past)
        else:
            self.node.join(parent.id, self.name, role=role, call=call, after=after, final=final)
        self._log.add(self)

    def take(self, events: list[Event]) -> list[Event]:
        """Folds the events of a child run, and marks them as its own for the outermost run, which appends them."""
        add = self.fold.add
        for event in events:
            if not event.run:
                force_setattr(event, "run", self.id)  # events are frozen everywhere else
                force_setattr(event, "path", self.path)
                add(event)
        return events

    def all_budgets(self) -> tuple[Budget, ...]:
        """All budgets that hold for this run, each once."""
        found: dict[int, Budget] = {}
        for run in (*self._above, self):
            for budget in run.budgets:
                found[id(budget)] = budget
        return tuple(found.values())

    def all_prices(self) -> Prices:
        """The program's own prices that hold for this run: its own come before those of the runs above it."""
        prices: Prices = {}
        for run in (*self._above, self):
            if run.prices:
                prices = {**prices, **run.prices}
        return prices

    def started_event(self) -> ChildStarted:
        """Returns the parent's event for the start of this run."""
        return child_started(self.node)

    def finished_event(self) -> ChildFinished:
        """Returns the parent's event for the end of this run."""
        end = self.fold.end  # not the cause: a run cancelled after its last event has finished
        outcome: Any = end.type.removeprefix("run.") if end is not None else "cancelled"
        usage, origin = self.fold.usage, self.fold.usage_origin
        return ChildFinished(child=self.id, name=self.name, call=self.call, outcome=outcome, usage=usage, origin=origin)


def child_started(node: Node) -> ChildStarted:
    """Returns the parent's event for a run that starts, or failed to start."""
    role: Any = node.role
    final = node.final if role == "member" else None
    return ChildStarted(child=node.id, name=node.name, call=node.call, role=role, after=node.after, final=final)

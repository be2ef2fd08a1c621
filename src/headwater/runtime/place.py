"""Where a run stands: its id, its path, the log it writes to, the run it is part of or was begun on behalf of.

Owns how a run becomes a part of another, and what that one tells of it. How it goes on is `run`'s.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import Any, Final

from msgspec.structs import force_setattr

from headwater.errors import MaxDepthReached
from headwater.events import ChildFinished, ChildStarted, Event
from headwater.events.fold import Fold
from headwater.events.tree import Node, Role
from headwater.runtime.context import NOWHERE, Links, Origin, Watcher
from headwater.runtime.ending import CancelledBy
from headwater.runtime.log import Log
from headwater.runtime.past import Past
from headwater.tools.context import earlier

__all__ = ("Placed", "child_started")

MAX_DEPTH: Final = 100
"""Runs inside each other: twice as deep as anything that is meant, and far from where Python's own stack ends."""


class Placed:
    """A run as others know it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.id = f"run_{os.urandom(9).hex()}"
        self.path: tuple[str, ...] = (name,)
        self.fold = Fold()
        self.node = Node(self.id, name, fold=self.fold)
        """Its place in the tree, and what its Response is composed from."""
        self._log = Log()
        self._above: tuple[Placed, ...] = ()
        self._watchers: tuple[Watcher, ...] = ()
        """Who is told of its events: those who watch it, then those who watch the runs above it."""

    # What most runs never have stands here and not in __init__: an object with more than thirty attributes of its own
    # takes 1.3 kB more.
    known = True
    """Whether its id and path are known; of a run on another server they are in its first event."""
    parent: str | None = None
    call: str | None = None
    """The call in the parent that this run answers."""
    lead = ""
    """What parts this run's first text from what was said before it, where it goes on from another run."""
    deadline: float | None = None
    """When the run must be done, in seconds of `time.monotonic`."""
    links: Links | None = None
    """The runs that were begun on behalf of this one."""
    past: Past | None = None
    """What its log had told of it when this process took it up."""
    _origin: Origin = NOWHERE

    def cancel(self, by: CancelledBy = "caller") -> None:
        """Stop the run; from any thread."""
        raise NotImplementedError

    def tell(self, event: Event) -> Awaitable[Any] | None:
        """Tell those who watch the run, and those above it."""
        raise NotImplementedError

    def go_by(self, id: str) -> None:
        """Have this id, before having begun: the one under which the run is stored."""
        self.id = self.node.id = id

    def take_up(self, past: Past) -> None:
        """Be the run that the past tells of, before having begun."""
        self.past = past
        self.id, self.fold, self.node = past.node.id, past.fold, past.node

    def begin_for(self, origin: Origin) -> bool:
        """A run of its own, begun in a tool or a callback of another run, whose end cancels it.

        Returns whether it is to end at once, because what it was begun for has been stopped.
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
            # What had come before the outer one was stopped may still be being told.
            stopped = any(run.told_to_stop for run in (outer, *outer.above))
        if call is not None and (outer is not None or call.works_here):
            # A tool in a thread goes on after its run was ended, and what it begins then nobody waits for.
            self.deadline = earlier(self.deadline, call.deadline)
            stopped = call.begun(self) or stopped
        return stopped

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
        """Become a part of `parent`, before having begun: one log, one tree.

        `role` is what it is to the parent, `name` what it goes by there, `call` the call it answers, `after` the ids of
        the runs whose answers are in its task, `final` whether its answer is the workflow's (None: not known yet).
        Raises MaxDepthReached.
        """
        if len(parent.path) >= MAX_DEPTH:
            raise MaxDepthReached(
                f"{self.name!r} would stand in {MAX_DEPTH} runs, one inside the other.",
                hint="An agent that is a tool of itself, directly or through others, needs a way to answer.",
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
        if past is not None:
            self.take_up(past)
        else:
            self.node.join(parent.id, self.name, role=role, call=call, after=after, final=final)
        self._log.add(self)

    def take(self, events: list[Event]) -> list[Event]:
        """Fold the events of a run that stands in another, and mark them as its own, for whoever appends them."""
        add = self.fold.add
        for event in events:
            if not event.run:
                force_setattr(event, "run", self.id)  # events are frozen for everyone else
                force_setattr(event, "path", self.path)
                add(event)
        return events

    def started_event(self) -> ChildStarted:
        """That this run begins, as its parent tells it."""
        return child_started(self.node)

    def finished_event(self) -> ChildFinished:
        """How this run ended, as its parent tells it."""
        end = self.fold.end  # and not the cause: one that is cancelled at its last words has finished
        outcome: Any = end.type.removeprefix("run.") if end is not None else "cancelled"
        usage, origin = self.fold.usage, self.fold.usage_origin
        return ChildFinished(child=self.id, name=self.name, call=self.call, outcome=outcome, usage=usage, origin=origin)


def child_started(node: Node) -> ChildStarted:
    """That a run begins, or was to begin, as its parent tells it."""
    role: Any = node.role
    final = node.final if role == "member" else None
    return ChildStarted(child=node.id, name=node.name, call=node.call, role=role, after=node.after, final=final)

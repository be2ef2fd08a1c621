"""A run with child runs: an agent with agents as tools, a workflow with members.

Owns the queue that merges the child runs, and the tasks that read them to their end. Their events go into the same log;
`run` owns how a run itself proceeds and ends.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Awaitable, Container
from typing import Any, Final, Literal

from headwater.events import ChildFinished, ErrorInfo, Event, RunWaiting, ToolStarted
from headwater.events.tree import Node
from headwater.runtime.abandoned import ends_of, ends_of_abandoned
from headwater.runtime.backlog import JOINED, SlowReader
from headwater.runtime.merge import Mux
from headwater.runtime.pausing import wake_by
from headwater.runtime.people import People
from headwater.runtime.place import child_started
from headwater.runtime.run import Run

__all__ = ("Parent", "waiting_event")

TURNS_TO_GO_ON: Final = 10
"""Turns of the event loop within which a workflow notices that a run has ended and starts another: a task ends, its
waiter wakes, another task starts; doubled for safety."""


class Parent(Run):
    """A run that reads others to their end, each in its own task."""

    held = 0
    """Number of child runs that do not start because the tree is being parked."""
    slow_reader: SlowReader = "wait"
    """What happens to child runs that are ahead of this one's reader; see `Mux`."""

    @property
    def mux(self) -> Mux:
        """The queue of concurrent tools and child runs."""
        if self._mux is None:
            this = weakref.ref(self)  # avoids a reference cycle

            def failed(error: BaseException) -> None:
                run = this()
                if run is not None:
                    run.task_failed(error)

            self._mux = Mux(self._interruptible, failed, slow_reader=self.slow_reader)
            self._mux.stopped = self.over  # nobody would stop what a run starts after its end
        return self._mux

    async def pull_below(self) -> list[Event]:
        """Returns the events of the child runs, or the event that all of them wait for people; [] once every task has
        ended."""
        mux = self.mux
        while not (events := mux.come()) and not mux.done:
            if self._only_waits():
                if not await self._is_quiet():
                    continue
                self.stand_still(True)
                return [waiting_event(self.people, tuple(child.id for child in self._children))]
            if self.parking and self._rests_below():
                await self.stand_by()
            await mux.more()
        if events and (self.waiting or self.at_rest):
            wake_by(self, events)
        return events

    async def logged(self) -> None:
        """Waits until the announced tool starts are in the log: after that the tools may run.

        The outermost run's reader appends everything it was given before it pulls again.
        """
        if self._above:
            started = next((event for event in reversed(self._last_batch) if isinstance(event, ToolStarted)), None)
            if started is not None and not started.seq:
                await self._interruptible.wait(self._log.until_logged(started))
        if self._log.journal is not None:
            await self.stored()

    async def stored(self) -> None:
        """Wait until all that this run has said is stored, where its log is stored at all; not what others have said.

        A run below waits until its own words are in the log, which its reader appends.
        """
        journal, last = self._log.journal, self._log.seq - 1
        if journal is None:
            return
        if self._above:
            said = next((event for event in reversed(self._last_batch) if not isinstance(event, JOINED)), None)
            if said is None:
                return
            if not said.seq:
                await self._interruptible.wait(self._log.until_logged(said))
            last = said.seq
        if (wait := journal.stored(last)) is not None:
            await self._interruptible.wait(_until(wait))

    deciding = 0
    """Number of pending decisions about the next member."""

    def _only_waits(self) -> bool:
        """Whether each child run waits, and this one has not reported it."""
        below = self._children
        return not (self.waiting or self.deciding) and bool(below) and all(child.waiting for child in below)

    async def _is_quiet(self) -> bool:
        """Whether no other child starts meanwhile: if one has just ended, the next may be about to start."""
        for _ in range(TURNS_TO_GO_ON):
            await self._interruptible.wait(asyncio.sleep(0))
            if self.mux.full or not self._only_waits():
                return False
        return True

    def _rests_below(self) -> bool:
        """Whether nothing below is running, and only because the tree is being parked."""
        below = self._children
        rests = bool(below or self.held) and all(run.waiting or run.at_rest for run in below)
        return rests and (bool(self._above) or self.people.settled())

    def end_lost(self, call: str | None = None) -> list[Event]:
        """See `Run`."""
        return ends_of_abandoned(self, call) if self.past is not None else []

    async def conduct(self, child: Run) -> None:
        """Reads a child run to its end into this run's queue; its error is in `child.error`."""
        mux = self.mux
        self.node.begin(child.node)
        past = child.past
        if past is not None and past.told:
            return
        self._children.append(child)
        if past is None:
            replaced = ends_of(self, child.replaces) if child.replaces is not None else ()
            await mux.hand(child.id, [*replaced, child.started_event()])
        try:
            while events := await child.pull():
                await mux.hand(child.id, child.take(events))
        except BaseException:
            # This task is cancelled: events that are still in the queue come first.
            mux.put(child.end_now("parent"))
            raise
        finally:
            self._children.remove(child)
            mux.put([child.finished_event()])
            await _settled(child)  # so that waiting for this task includes everything below it

    def could_not_begin(self, error: Exception, name: str, **place: Any) -> None:
        """Reports a child run that could not start; `place` as in `Run.join`."""
        node, said = Node(f"run_{os.urandom(9).hex()}", name, parent=self.id, **place), []
        past = self.past.child(node.role, name, node.call) if self.past is not None else None
        if past is not None and past.fold.started is None:
            node = past.node  # the log has its start already
        else:
            said = [*(ends_of(self, past) if past is not None and not past.told else ()), child_started(node)]
        node.unbegun, node.error = ErrorInfo.of(error), error
        self.node.begin(node)
        end = ChildFinished(child=node.id, name=name, call=node.call, outcome="failed", error=node.unbegun)
        self.mux.put([*said, end])


async def _until(wait: Awaitable[None]) -> None:
    await wait


def waiting_event(
    people: People, ids: tuple[str, ...], approvals: Container[str] = (), inputs: Container[str] = ()
) -> RunWaiting:
    """Returns the event that a run waits for all of `ids`: approvals, inputs, and waiting child runs."""
    on: Literal["approval", "input", "children"] = "children"
    if any(one in approvals for one in ids):
        on = "approval"
    elif any(one in inputs for one in ids):
        on = "input"
    untils = [question.until for question in people.pending if question.id in ids]
    lapses = [until for until in untils if until is not None]
    return RunWaiting(on=on, ids=ids, until=min(lapses) if lapses else None)


async def _settled(run: Run) -> None:
    """Waits until everything of an ended run is closed. A cancellation meanwhile does not interrupt; it is raised
    after.

    A task is cancelled more than once if both the run above it and the workflow that created it are stopped.
    """
    cancelled: asyncio.CancelledError | None = None
    while not run.settled:
        try:
            await run.settle()
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            del cancelled  # avoids a reference cycle between the error and this frame

"""A run that a log left open and nobody goes on with: it only ends, and all below it.

Owns what its end looks like in the log that is gone on with. Whether anyone goes on with it is its parent's to know.
"""

from __future__ import annotations

from collections.abc import Iterator

from headwater.events import Event, RunStarted
from headwater.runtime.past import Past
from headwater.runtime.run import Run

__all__ = ("ends_of", "ends_of_abandoned", "ends_of_helpers")


def ends_of_abandoned(parent: Run, call: str | None = None) -> list[Event]:
    """The events that end the runs below `parent` that nobody has gone on with; see `Past.abandoned`."""
    said: list[Event] = []
    for past in parent.past.abandoned(call) if parent.past is not None else ():
        said += ends_of(parent, past)
    return said


def ends_of_helpers(parent: Run) -> list[Event]:
    """The same of those that were to help it: what they were to bring is made anew where it is still wanted."""
    said: list[Event] = []
    for past in parent.past.helpers() if parent.past is not None else ():
        said += ends_of(parent, past)
    return said


def ends_of(parent: Run, past: Past) -> list[Event]:
    """The events that end this run below `parent`."""
    run = _Abandoned(past.node.name)
    run.stand_in(parent, past)
    return [*run.end_now("parent"), run.finished_event()]


class _Abandoned(Run):
    """A run of a log that is gone on with, whose parent does not ask for it any more: it only ends."""

    def stand_in(self, parent: Run, past: Past) -> None:
        """Be that run, below `parent`."""
        self.path = (*parent.path, self.name)
        self.parent, self.call = parent.id, past.node.call
        self._log, self._above, self._watchers = parent._log, (*parent._above, parent), parent._watchers
        self.take_up(past)
        self._log.add(self)

    async def _advance(self) -> list[Event]:
        raise AssertionError("an abandoned run is never read")

    def end_lost(self, call: str | None = None) -> list[Event]:
        return ends_of_abandoned(self, call)

    def _started(self) -> RunStarted:
        raise AssertionError("a run of a log has begun there, or never does")

    def _end_step(self) -> Iterator[list[Event]]:
        if self.fold.in_step is not None:
            if (estimate := self.fold.estimate()) is not None:
                yield [estimate]
            yield [self.fold.step_end(api="", model=self.fold.model, finish_reason=self.ending.manner.finish_reason)]

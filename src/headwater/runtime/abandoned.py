"""A run that is open in a resumed log and is not continued: it only ends, with everything below it.

Owns its end in the resumed log. Its parent decides whether it is continued.
"""

from __future__ import annotations

from collections.abc import Iterator

from headwater.events import Event, RunStarted
from headwater.runtime.past import Past
from headwater.runtime.run import Run

__all__ = ("ends_of", "ends_of_abandoned", "ends_of_helpers")


def ends_of_abandoned(parent: Run, call: str | None = None) -> list[Event]:
    """Returns the events that end the runs below `parent` that were not continued; see `Past.abandoned`."""
    said: list[Event] = []
    for past in parent.past.abandoned(call) if parent.past is not None else ():
        said += ends_of(parent, past)
    return said


def ends_of_helpers(parent: Run) -> list[Event]:
    """The same for its helpers: their results are created again if still needed."""
    said: list[Event] = []
    for past in parent.past.helpers() if parent.past is not None else ():
        said += ends_of(parent, past)
    return said


def ends_of(parent: Run, past: Past) -> list[Event]:
    """Returns the events that end this run below `parent`."""
    run = _Abandoned(past.node.name)
    run.stand_in(parent, past)
    return [*run.end_now("parent"), run.finished_event()]


class _Abandoned(Run):
    """A run of a resumed log that its parent does not need any more: it only ends."""

    def stand_in(self, parent: Run, past: Past) -> None:
        """Becomes that run, below `parent`."""
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

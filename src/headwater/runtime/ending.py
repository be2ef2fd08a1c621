"""How a run ends: why, how far it is with that, and what its log then says.

Theory of operation. A run is GOING until something stops it; the first cause counts. STOPPING lasts until its reader
comes for the end (or is made to); then it is ENDING: what stands open is ended, innermost first, and the run's own end
follows. Once that has been appended it is OVER. A run that comes to its own answer goes from GOING to ENDING at once.
What each cause means stands in `MANNERS` and nowhere else. Nothing here holds a run, a task or a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, StrEnum
from typing import Any, Final, Literal, NamedTuple

from headwater.events import ErrorInfo, Event, RunCancelled, RunFailed
from headwater.events.closing import CANCELLED, FAILED
from headwater.events.messages import Usage

__all__ = ("MANNERS", "CancelledBy", "Cause", "Ending", "Manner", "Stage")

CancelledBy = Literal["caller", "left", "deadline", "parent", "shutdown"]


class Cause(StrEnum):
    """Why a run ends."""

    ANSWERED = "answered"
    """It has come to its own end."""
    FAILED = "failed"
    """An error that nothing mended."""
    CALLER = "caller"
    """Someone called `cancel`, or the reader's own task was cancelled."""
    LEFT = "left"
    """Its reader went away."""
    DEADLINE = "deadline"
    PARENT = "parent"
    """The run in which it stands, or on whose behalf it was begun, ends."""
    SHUTDOWN = "shutdown"


class Manner(NamedTuple):
    """What a cause means for the log."""

    outcome: Literal["finished", "failed", "cancelled"]
    open_work: str = CANCELLED
    """What calls and tools that were not done are told."""
    finish_reason: str | None = "cancelled"
    """The finish reason of a step that is cut; None: what its provider said, if anything."""


MANNERS: Final[dict[Cause, Manner]] = {
    Cause.ANSWERED: Manner("finished"),
    Cause.FAILED: Manner("failed", FAILED, None),
    Cause.CALLER: Manner("cancelled"),
    Cause.LEFT: Manner("cancelled"),
    Cause.DEADLINE: Manner("cancelled"),
    Cause.PARENT: Manner("cancelled"),
    Cause.SHUTDOWN: Manner("cancelled"),
}


class Stage(Enum):
    """How far a run is with its end."""

    GOING = "going"
    STOPPING = "stopping"
    ENDING = "ending"
    OVER = "over"


class Ending:
    """Where one run stands on the way to its end."""

    __slots__ = ("_events", "cause", "stage")

    def __init__(self) -> None:
        self.stage = Stage.GOING
        self.cause: Cause | None = None
        self._events: Iterator[list[Event]] = iter(())

    @property
    def going(self) -> bool:
        """Whether nothing has stopped the run."""
        return self.stage is Stage.GOING

    @property
    def over(self) -> bool:
        """Whether the run's end has been appended."""
        return self.stage is Stage.OVER

    @property
    def manner(self) -> Manner:
        """What the cause means; the run must have been stopped."""
        assert self.cause is not None
        return MANNERS[self.cause]

    def stop(self, cause: Cause) -> bool:
        """The run is to end; False where it had been stopped before, which stands."""
        if self.stage is not Stage.GOING:
            return False
        self.cause, self.stage = cause, Stage.STOPPING
        return True

    def begin(self, events: Iterator[list[Event]]) -> None:
        """These events end it; `next_events` hands them out."""
        self.cause = self.cause or Cause.ANSWERED
        self.stage, self._events = Stage.ENDING, events

    def next_events(self) -> list[Event]:
        """The next events of the end; [] once all have been given."""
        return next((events for events in self._events if events), [])

    def break_off(self) -> bool:
        """The run is left as it stands, without an end in its log; False where it has been stopped before."""
        if self.stage is not Stage.GOING:
            return False
        self.finish()
        return True

    def finish(self) -> None:
        """The end has been appended."""
        self.cause = self.cause or Cause.ANSWERED
        self.stage = Stage.OVER

    def end_event(self, error: BaseException | None, usage: Usage) -> Event:
        """The last event of a run that ends before its time. `error` is what it failed with."""
        if self.manner.outcome == "failed":
            assert error is not None
            return RunFailed(error=ErrorInfo.of(error), usage=usage)
        by: Any = str(self.cause)
        return RunCancelled(by=by, usage=usage)

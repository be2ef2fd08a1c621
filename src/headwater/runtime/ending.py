"""How a run ends: the cause, the stage, and the events.

Theory of operation. A run is GOING until something stops it; the first cause counts. STOPPING lasts until its reader
pulls the end (or is made to); then it is ENDING: everything open is ended, innermost first, and the run's own end
follows. Once that is appended it is OVER. A run that completes goes from GOING to ENDING at once. Only `MANNERS`
defines what each cause means. Nothing here holds a run, a task or a connection.
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
    """It completed."""
    FAILED = "failed"
    """An error that was not recovered."""
    CALLER = "caller"
    """`cancel` was called, or the reader's own task was cancelled."""
    LEFT = "left"
    """Its reader left."""
    DEADLINE = "deadline"
    PARENT = "parent"
    """Its parent, or the run that it was started from, ended."""
    SHUTDOWN = "shutdown"


class Manner(NamedTuple):
    """What a cause means for the log."""

    outcome: Literal["finished", "failed", "cancelled"]
    open_work: str = CANCELLED
    """The result of unfinished calls and tools."""
    finish_reason: str | None = "cancelled"
    """The finish reason of a cut-off step; None: the provider's, if any."""


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
    """The stage of a run's end."""

    GOING = "going"
    STOPPING = "stopping"
    ENDING = "ending"
    OVER = "over"


class Ending:
    """The state of one run's end."""

    __slots__ = ("_events", "cause", "stage")

    def __init__(self) -> None:
        self.stage: Stage = Stage.GOING
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
        """The manner of the cause; the run must have been stopped."""
        assert self.cause is not None
        return MANNERS[self.cause]

    def stop(self, cause: Cause) -> bool:
        """Stops the run; returns False if it was stopped already; the first cause remains."""
        if self.stage is not Stage.GOING:
            return False
        self.cause, self.stage = cause, Stage.STOPPING
        return True

    def begin(self, events: Iterator[list[Event]]) -> None:
        """Sets the events that end it; `next_events` returns them."""
        self.cause = self.cause or Cause.ANSWERED
        self.stage, self._events = Stage.ENDING, events

    def next_events(self) -> list[Event]:
        """Returns the next events of the end; [] once all were returned."""
        return next((events for events in self._events if events), [])

    def break_off(self) -> bool:
        """Leaves the run without an end in its log; returns False if it was stopped already."""
        if self.stage is not Stage.GOING:
            return False
        self.finish()
        return True

    def finish(self) -> None:
        """Marks the end as appended."""
        self.cause = self.cause or Cause.ANSWERED
        self.stage = Stage.OVER

    def end_event(self, error: BaseException | None, usage: Usage) -> Event:
        """Returns the last event of a run that ends early. `error` is the error it failed with."""
        if self.manner.outcome == "failed":
            assert error is not None
            return RunFailed(error=ErrorInfo.of(error), usage=usage)
        by: Any = str(self.cause)
        return RunCancelled(by=by, usage=usage)

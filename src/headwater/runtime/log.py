"""The shared state of a tree of runs: numbering, a clock that never decreases, and the watchers of each run's
events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol

from headwater.errors import Parked
from headwater.events import Event
from headwater.runtime.context import drop, forget_our_frames

if TYPE_CHECKING:
    from headwater.runtime.past import Record
    from headwater.runtime.people import People

__all__ = ("GRAMMAR", "Journal", "Log", "Told")

GRAMMAR: Final = 2
"""The grammar of the events; see `events.checker`."""


class Told(Protocol):
    """A run whose watchers get its events."""

    id: str

    def tell(self, event: Event) -> Awaitable[Any] | None:
        """Notifies the watchers of the run, and those above it."""


class Journal(Protocol):
    """Stores the log of one tree of runs as it grows. Everything here happens in the loop's own thread."""

    def put(self, event: Event) -> None:
        """The event was appended."""

    def whole(self) -> Awaitable[None] | None:
        """Stores everything appended so far. Returns an awaitable if the store is too far behind."""

    def stored(self, seq: int) -> Awaitable[None] | None:
        """Waits until the event of that number is stored, or never will be; None if it is."""

    def end(self) -> None:
        """Stores the rest; nothing more is appended."""

    @property
    def idle(self) -> bool:
        """Whether all that is to be stored has been, or never will be."""

    async def settle(self) -> None:
        """Wait until that is so."""


class Log:
    """The numbering of one tree of runs. It keeps no events by itself."""

    __slots__ = (
        "_arrival",
        "_raised",
        "ahead",
        "awaited",
        "journal",
        "kept",
        "now",
        "parked",
        "people",
        "record",
        "runs",
        "seq",
        "shows_tools",
        "telling",
        "untold",
    )

    def __init__(self) -> None:
        self.seq: int = 0
        self.journal: Journal | None = None
        """Stores the log; None if it is not stored."""
        self.awaited: bool = False
        """Whether there is work for the next pull of the outermost run's reader."""
        self.kept: list[Event] | None = None
        """All events so far, if the log is kept so that it can be resumed."""
        self.parked: Parked | None = None
        """The error for parking: nothing new starts in the tree, and running work ends first."""
        self.people: People | None = None
        """The people of the tree; created on the first question."""
        self.record: Record | None = None
        """The log from before this process resumed it."""
        self.now: float = 0.0
        """Unix seconds, read for the current batch."""
        self.ahead: float = 0.0
        """Seconds by which the clock of the log's store is ahead of this machine's."""
        self.shows_tools: bool = False
        """Whether a terminal shows the tools of the tree."""
        self.telling: bool = False
        """Whether watchers are being notified of an event."""
        self.untold: list[tuple[Told, Event]] = []
        """Events that a watcher caused while it was notified of another: they come after that one.

        So each watcher sees all events in order, even if another watcher closes the run.
        """
        self.runs: dict[str, Told] | None = None
        """The child runs whose events may still come, by id; created with the first one.

        They are kept, since a run may be over long before its last events are read, and its watchers must be notified.
        """
        self._arrival: asyncio.Future[None] | None = None
        """Set when the outermost run's reader pulls again; created when a child run waits for that."""
        self._raised: dict[int, TracebackType | None] = {}

    def tick(self) -> None:
        """Reads the clock: once per batch, not once per event."""
        now = time.time() + self.ahead
        if now > self.now:
            self.now = now

    def tell_rest(self) -> None:
        """Notifies watchers of the waiting events; nothing is awaited."""
        untold, self.untold = self.untold, []
        ended: BaseException | None = None
        for run, event in untold:
            try:
                drop(run.tell(event))
            except BaseException as error:  # the program is ending; the other watchers are notified anyway
                ended = ended or error
        if ended is not None:
            raise ended

    def failed_with(self, error: BaseException) -> None:
        """Returns the error with the traceback of the first run that failed with it.

        An error propagates from run to run, and each would add its frames, which do not help. For headwater's own
        errors none of its frames help.
        """
        forget_our_frames(error)
        error.__traceback__ = self._raised.setdefault(id(error), error.__traceback__)

    async def until_logged(self, event: Event) -> None:
        """Waits until the event, which is on its way to the reader, has been appended."""
        loop = asyncio.get_running_loop()
        while not event.seq:
            if self._arrival is None:
                self._arrival, self.awaited = loop.create_future(), True
            await asyncio.shield(self._arrival)

    def arrived(self, *, ending: bool) -> Awaitable[None] | None:
        """Called when the reader pulls again: the previous batch has been appended.

        The batch is stored together; the `ending` of the outermost run is stored as one. Returns an awaitable if the
        store is too far behind.
        """
        arrival, self._arrival = self._arrival, None
        self.awaited = self.journal is not None
        if arrival is not None and not arrival.done():
            arrival.set_result(None)
        return None if self.journal is None or ending else self.journal.whole()

    def add(self, run: Told) -> None:
        """Adds a child run."""
        if self.runs is None:
            self.runs = {}
        self.runs[run.id] = run

    def remove(self, run: str) -> None:
        """Removes a child run whose end was appended."""
        if self.runs is not None:
            self.runs.pop(run, None)

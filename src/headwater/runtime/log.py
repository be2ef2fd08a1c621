"""What a tree of runs shares: the numbering, the clock that never falls, and who is told of which run's events."""

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
"""The rules that the events of our runs keep; see `events.checker`."""


class Told(Protocol):
    """A run whose watchers are told of its events."""

    id: str

    def tell(self, event: Event) -> Awaitable[Any] | None:
        """Tell those who watch the run, and those above it."""


class Journal(Protocol):
    """Stores the log of one tree of runs as it grows. Everything here happens in the loop's own thread."""

    def put(self, event: Event) -> None:
        """The event was appended."""

    def whole(self) -> Awaitable[None] | None:
        """What was appended so far is stored together. Returns an awaitable where the store is too far behind."""

    def stored(self, seq: int) -> Awaitable[None] | None:
        """Wait until the event of that number is stored, or never will be; None where it is."""

    def end(self) -> None:
        """Nothing more is appended: store what there is."""


class Log:
    """The numbering of one tree of runs. It keeps no events: whoever wants them keeps them."""

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
        "telling",
        "untold",
    )

    def __init__(self) -> None:
        self.seq = 0
        self.journal: Journal | None = None
        """What stores the log; None where it is not stored."""
        self.awaited = False
        """Whether something is to be done when the reader of the outermost run comes again."""
        self.kept: list[Event] | None = None
        """All the events so far, where the log is kept so that it can be gone on with."""
        self.parked: Parked | None = None
        """What a run is left with that is to rest: nothing new begins in the tree, and what is at work ends first."""
        self.people: People | None = None
        """Who is asked in the tree; made when someone is."""
        self.record: Record | None = None
        """What the log held when this process went on with it."""
        self.now = 0.0
        """Unix seconds, as they were read for the batch that is being appended."""
        self.ahead = 0.0
        """Seconds by which the clock that counts for the log, its store's, is ahead of this machine's."""
        self.telling = False
        """Whether those who watch are being told of an event."""
        self.untold: list[tuple[Told, Event]] = []
        """Events that a watcher has brought about while it was told of another: their turn comes after that one.

        So whoever watches sees each event after the one before it, also where another watcher closes the run.
        """
        self.runs: dict[str, Told] | None = None
        """The runs below the outermost whose events may still be to come, by id; made when there is one.

        They are held, for a run may be over long before its last events are read, and who watches it is to be told.
        """
        self._arrival: asyncio.Future[None] | None = None
        """Done when the reader of the outermost run comes again; made when a run below waits for that."""
        self._raised: dict[int, TracebackType | None] = {}

    def tick(self) -> None:
        """Read the clock: once a batch, not once an event."""
        now = time.time() + self.ahead
        if now > self.now:
            self.now = now

    def tell_rest(self) -> None:
        """Tell of the events that have waited for their turn; nothing of it is awaited, as where a run is left."""
        untold, self.untold = self.untold, []
        ended: BaseException | None = None
        for run, event in untold:
            try:
                drop(run.tell(event))
            except BaseException as error:  # the program is to end; the rest is told all the same
                ended = ended or error
        if ended is not None:
            raise ended

    def failed_with(self, error: BaseException) -> None:
        """A run of the tree fails with the error; its traceback is what it was in the first that did.

        An error goes from run to run upwards, and each would add its frames, which tell nobody anything. Of a mistake
        in how this library is used no frame of ours does.
        """
        forget_our_frames(error)
        error.__traceback__ = self._raised.setdefault(id(error), error.__traceback__)

    async def until_logged(self, event: Event) -> None:
        """Wait until the event, which is on its way to the reader, has been appended."""
        loop = asyncio.get_running_loop()
        while not event.seq:
            if self._arrival is None:
                self._arrival, self.awaited = loop.create_future(), True
            await asyncio.shield(self._arrival)

    def arrived(self, *, ending: bool) -> Awaitable[None] | None:
        """The reader comes again: what it was given before has been appended.

        It is stored together; the `ending` of the outermost run is stored as one. Returns an awaitable where the store
        is too far behind.
        """
        arrival, self._arrival = self._arrival, None
        self.awaited = self.journal is not None
        if arrival is not None and not arrival.done():
            arrival.set_result(None)
        return None if self.journal is None or ending else self.journal.whole()

    def add(self, run: Told) -> None:
        """A run below the outermost has joined."""
        if self.runs is None:
            self.runs = {}
        self.runs[run.id] = run

    def remove(self, run: str) -> None:
        """The end of a run below was appended."""
        if self.runs is not None:
            self.runs.pop(run, None)

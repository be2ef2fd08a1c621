"""The events of an event loop's runs on their way to the store: grouped by commit, in order, refused or stored.

Theory of operation. A run passes its events to its `Writing` as they are appended, and marks where a batch is complete.
Only one append runs at a time; the events of all runs that arrive meanwhile are the next one, or the next few if they
are many. There is no timer. An
append whose outcome is unknown is repeated: if its batches are already stored under the same name, the store says so;
if the place is taken by another writer, it refuses them. A run whose batch was refused is driven by another process:
`lost` is called, and nothing of it is stored any more.

Owns the events that are not stored yet, and their waiters. It must never decide what happens to a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from headwater.backends.interrupt import running_loop
from headwater.errors import HeadwaterError, InvalidRecord, JournalUnavailable, RunLost, UnknownRun
from headwater.events.codec import encode
from headwater.events.types import Event, RunCancelled, RunFailed, RunFinished
from headwater.journal.grouping import together
from headwater.journal.run_log import Appended, Batch, Closed, Conflict, RunLog, State
from headwater.journal.wording import LAST_TIME

__all__ = ("MAX_UNSTORED", "Begin", "Writer", "Writing")

MAX_UNSTORED: Final = 2_000
"""Events of one run that may wait for the store before the run is held back: a few seconds of the fastest answer."""

MAX_TOGETHER: Final = 256
"""Batches in one append, each of another run; see also `grouping.MAX_BYTES`."""

FIRST_PAUSE: Final = 0.05
"""Seconds after which a store that did not answer is asked again; twice as long each further time."""

LONGEST_PAUSE: Final = 2.0
"""The longest of these pauses, in seconds."""

Begin: TypeAlias = Callable[[RunLog], Awaitable[None]]
"""Awaited before the first batch: creates the run."""

Lost: TypeAlias = Callable[[HeadwaterError], None]
"""Called once when nothing more of the run can be stored."""


class Writing:
    """The log of one tree of runs on its way to the store; see `runtime.log.Journal`.

    `first` is the end of the log that is continued, `by` the writer. `owner` is the worker that drives the run from the
    first batch on. `begin` is awaited before that, `ended` is called when nothing more is appended. `said` returns the
    encoded messages that the run adds to its thread.
    """

    def __init__(
        self,
        writer: Writer,
        run: str,
        *,
        first: int,
        by: str,
        owner: str | None,
        lost: Lost,
        begin: Begin | None = None,
        said: Callable[[], tuple[bytes, ...]] | None = None,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self.run = run
        self.begin = begin
        self.error: HeadwaterError | None = None
        """The reason why nothing more is stored."""
        self.stored_until: int = first
        """The log's end as the store has it."""
        self._said = said
        self._ended = ended
        self._writer = writer
        self._by = by
        self._owner = owner
        self._lost = lost
        self._at = first
        """The number of the first event that waits."""
        self._events: list[Event] = []
        self._whole = 0
        """How many of those belong to complete batches."""
        self._held = 0
        """How many of those at the end are held back."""
        self._waits: tuple[float | None, int] | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        """Waiters until the log is stored up to a number."""

    # --- called by the run

    def put(self, event: Event) -> None:
        """See `Journal`."""
        if self.error is None:
            self._events.append(event)

    def whole(self) -> Awaitable[None] | None:
        """See `Journal`."""
        self._whole = max(self._whole, len(self._events) - self._held)
        if self._whole:
            self._writer.dirty(self)
        behind = self._at + self._whole - self.stored_until
        return self._until(self._at + self._whole - MAX_UNSTORED // 2) if behind > MAX_UNSTORED else None

    def stored(self, seq: int) -> Awaitable[None] | None:
        """See `Journal`."""
        return None if seq < self.stored_until or self.error is not None else self._until(seq + 1)

    def hold_back(self, kind: type[Event]) -> None:
        """Stores the events up to the last one of this kind, and that one only when it is released."""
        at = next((at for at in range(len(self._events), 0, -1) if isinstance(self._events[at - 1], kind)), 0)
        self._held = len(self._events) - at + 1 if at else 0
        self.whole()

    def release(self) -> None:
        """Releases the events that are held back: they are complete, and are stored."""
        if self._held:
            self._held = 0
            self.whole()

    def end(self) -> None:
        """See `Journal`."""
        self._held = 0
        self.whole()
        if self._ended is not None:
            self._ended()

    def waits(self, until: float | None, heard: int) -> None:
        """Releases the run with the events that are not stored yet: it waits, at the longest until `until`.

        `heard` is how many letters that wake were read; if there are more, the run is due at once.
        """
        if until is not None and until >= LAST_TIME:
            until = None  # PostgreSQL refuses a time that it does not have, and with it all that is appended together
        self._waits = until, heard

    @property
    def idle(self) -> bool:
        """Whether all complete batches are stored, or never will be."""
        return self.error is not None or (not self._whole and self._at == self.stored_until)

    async def settle(self) -> None:
        """Waits until all complete batches are stored, or never will be."""
        if not self.idle:
            await self._until(self._at + self._whole)

    def _until(self, end: int) -> Awaitable[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((end, future))
        return future

    # --- called by the writer

    def take(self) -> Batch | None:
        """The batch to append next, or None. Raises InvalidRecord."""
        if not self._whole or self.error is not None:
            return None
        events, self._events = self._events[: self._whole], self._events[self._whole :]
        first, self._at, self._whole = self._at, self._at + len(events), 0
        more: dict[str, Any] = {}
        state = _END.get(type(events[-1])) if events[-1].run == self.run else None
        if state is not None:
            more = {"state": state, "outcome": _outcome(events[-1]), "said": self._said() if self._said else ()}
        elif self._waits is not None and not self._events:
            until, heard = self._waits
            more = {"state": "waiting", "wake_at": until, "heard": heard}
        if self._owner is not None:
            more["owner"], self._owner = self._owner, None
        return Batch(run=self.run, first=first, lines=tuple(map(encode, events)), by=self._by, **more)

    def done(self, end: int) -> None:
        """Notes that the log is stored up to there."""
        self.stored_until = end
        if self._waiting:
            self._wake()

    def refused(self, error: HeadwaterError) -> None:
        """Stores nothing more of the run."""
        if self.error is None:
            self.error = error
            self._events, self._whole = [], 0
            self._lost(error)
        self._wake()

    def _wake(self) -> None:
        left = []
        for end, future in self._waiting:
            if end <= self.stored_until or self.error is not None:
                if not future.done():
                    future.set_result(None)
            else:
                left.append((end, future))
        self._waiting = left


_END: Final[dict[type[Event], State]] = {RunFinished: "finished", RunFailed: "failed", RunCancelled: "cancelled"}


def _outcome(end: Event) -> str:
    if isinstance(end, RunFailed):
        return f"{end.error.type}: {end.error.message}"[:200]
    return (end.by if isinstance(end, RunCancelled) else getattr(end, "finish_reason", None)) or ""


class Writer:
    """Appends the events of one event loop's runs to one store. `open` returns the store, and is awaited once."""

    def __init__(self, open: Callable[[], Awaitable[RunLog]]) -> None:
        self._open = open
        self._loop = running_loop()
        self._dirty: dict[str, Writing] = {}
        self._task: asyncio.Task[None] | None = None

    def dirty(self, writing: Writing) -> None:
        """Marks it as having events to store."""
        self._dirty[writing.run] = writing
        if self._task is None:
            # In sync code a run is left while its loop is idle; the loop runs again to settle it.
            self._loop = running_loop() or self._loop
            assert self._loop is not None
            self._task = self._loop.create_task(self._work(), name="headwater writer")
            self._task.add_done_callback(self._ended)

    async def settle(self) -> None:
        """Waits until everything that can be stored is stored."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            return
        self._task = None
        left, self._dirty = self._dirty, {}
        for writing in left.values():
            if writing.idle:
                continue
            if error is None:
                writing.refused(RunLost("The event loop ended before this run was stored.", hint=_RESUMED))
            else:
                writing.refused(error if isinstance(error, HeadwaterError) else _broken(error))

    async def _work(self) -> None:
        log = await self._open()
        while self._dirty:
            taken, self._dirty = self._dirty, {}
            try:
                await self._store(log, taken)
            except BaseException:
                self._dirty = {**taken, **self._dirty}
                raise
        self._task = None

    async def _store(self, log: RunLog, taken: dict[str, Writing]) -> None:
        """Appends the batches of these, repeatedly until the store has answered."""
        batches: dict[str, Batch] = {}
        for run, writing in taken.items():
            try:
                if (batch := writing.take()) is not None:
                    batches[run] = batch
            except HeadwaterError as error:  # it contains a value without a JSON form
                writing.refused(error)
        pause, cancelled = FIRST_PAUSE, False
        while batches:
            try:
                await self._append(log, taken, batches)
            except JournalUnavailable:
                for run in [run for run in batches if taken[run].error is not None]:
                    del batches[run]  # it was abandoned meanwhile: others drive it
                if cancelled or not batches:
                    break
                try:
                    await asyncio.sleep(pause)
                except asyncio.CancelledError:
                    cancelled = True
                pause = min(2 * pause, LONGEST_PAUSE)
            except asyncio.CancelledError:
                # The loop is ending: pending events are stored first, in one more try.
                if cancelled:
                    raise
                cancelled = True
        if cancelled and batches:
            raise asyncio.CancelledError

    async def _append(self, log: RunLog, taken: dict[str, Writing], batches: dict[str, Batch]) -> None:
        """Appends as many of these as fit into one append, and removes them."""
        some = together(batches.values(), _size, MAX_TOGETHER)
        new = [batch.run for batch in some if taken[batch.run].begin is not None]
        if new:
            await self._begin(log, {run: taken[run] for run in new}, batches)
            some = [batch for batch in some if batch.run in batches]
        if not some:
            return
        try:
            outcomes: Sequence[Appended | UnknownRun | InvalidRecord] = await log.append_many(some)
        except (UnknownRun, InvalidRecord):
            outcomes = [await _alone(log, batch) for batch in some]
        for batch, outcome in zip(some, outcomes, strict=True):
            del batches[batch.run]
            if isinstance(outcome, int):
                taken[batch.run].done(outcome)
            else:
                taken[batch.run].refused(_refused(outcome))

    async def _begin(self, log: RunLog, new: dict[str, Writing], batches: dict[str, Batch]) -> None:
        """Creates these runs at once, and removes those that cannot be. Raises JournalUnavailable if one is left."""

        async def begin(begin: Begin) -> None:
            await begin(log)

        begins = [begin(writing.begin) for writing in new.values() if writing.begin is not None]
        unavailable: JournalUnavailable | None = None
        for (run, writing), failed in zip(
            new.items(), await asyncio.gather(*begins, return_exceptions=True), strict=True
        ):
            if isinstance(failed, JournalUnavailable):
                unavailable = failed
            elif isinstance(failed, HeadwaterError):
                del batches[run]
                writing.refused(failed)
            elif failed is not None:
                raise failed
            else:
                writing.begin = None
        if unavailable is not None:
            raise unavailable


def _size(batch: Batch) -> int:
    return sum(map(len, batch.lines))


_RESUMED: Final = "Its log is complete: read it with headwater.attach(id)."


async def _alone(log: RunLog, batch: Batch) -> Appended | UnknownRun | InvalidRecord:
    try:
        return await log.append(batch)
    except (Conflict, Closed, UnknownRun, InvalidRecord) as refused:
        return refused


def _refused(why: Conflict | Closed | UnknownRun | InvalidRecord) -> HeadwaterError:
    if isinstance(why, InvalidRecord):
        return why
    if isinstance(why, UnknownRun):
        return RunLost(f"The run was deleted while it was driven. {why.message}")
    if isinstance(why, Closed):
        return RunLost(f"The run {why.run} is {why.state} already.", hint=_RESUMED)
    by = f" by {why.by}" if why.by else ""
    return RunLost(f"The run {why.run} is now driven by another process{by}.", hint=_RESUMED)


def _broken(error: BaseException) -> RunLost:
    return RunLost(f"The journal failed: {type(error).__name__}: {error}", hint="See the error above.")

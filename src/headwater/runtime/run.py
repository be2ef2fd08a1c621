"""A run: pulled by its reader, stamped by `append`, ended in order whatever ends it.

A reader awaits `pull` for the next events and appends each one before pulling again. No frame of a run is suspended
between two pulls, so leaving is a plain call that closes everything (`abort`), and a reader that pauses automatically
slows the provider down. `append` is the only place where events get their number and their time.

A run may be part of another (`place`): it joins that one's log, and its parent (`children`) folds its events as they
arrive, so that it can continue while they wait in the queue to be appended. A subclass defines what a run does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from typing import Any, cast

from msgspec.structs import force_setattr

from headwater.backends.interrupt import Interruptible, running_loop
from headwater.errors import (
    HeadwaterError,
    Parked,
)
from headwater.events import (
    ChildFinished,
    Event,
    RunStarted,
    TextDelta,
)
from headwater.events.answers import composed
from headwater.events.response import Response
from headwater.runtime.context import NOWHERE, CallbackErrors, Origin, drop, in_turn, others_cancel
from headwater.runtime.ending import CancelledBy, Cause, Ending, Stage
from headwater.runtime.pausing import Pausing, Stopped, nobody_answers, wake
from headwater.runtime.process_hooks import hooks

__all__ = ("Run",)

_set = force_setattr  # events are frozen everywhere else

_GOING, _OVER = Stage.GOING, Stage.OVER  # needed for every token: an Enum's members are slow to look up


class Run(Pausing):
    """One run: it ends by itself, by `cancel`, or by `abort`.

    `timeout` is in seconds. `quiet` runs write nothing to standard error. `origin` says what it was started from.
    """

    def __init__(
        self, name: str, *, timeout: float | None = None, quiet: bool = False, origin: Origin = NOWHERE
    ) -> None:
        super().__init__(name)
        self.ending: Ending = Ending()
        self.callback_errors: CallbackErrors = CallbackErrors(quiet=quiet)
        self.node.callback_errors = self.callback_errors
        self._timeout = timeout
        self._children: list[Run] = []
        self._last_batch: list[Event] = []
        """The last batch, which its reader may be in the middle of."""
        self._interruptible = Interruptible()
        self._event_loop: asyncio.AbstractEventLoop | None = None
        if origin is not NOWHERE:
            self.begin_on_behalf(origin)

    _above: tuple[Run, ...]

    def begin_on_behalf(self, origin: Origin) -> None:
        """Links the run to its origin, which may cancel it from then on: the last step of a constructor."""
        if self.begin_for(origin):
            self.ending.stop(Cause.PARENT)

    # --- for subclasses

    async def _advance(self) -> list[Event]:
        """Returns the next events; [] if it has to be called again, after the returned events were appended."""
        raise NotImplementedError

    def _started(self) -> RunStarted:
        """Returns the run's first event."""
        raise NotImplementedError

    def _release(self) -> None:
        """Closes connections at once."""

    def _shut(self) -> None:
        """Tells the server to stop, from any thread, while the loop is idle."""

    def end_lost(self, call: str | None = None) -> list[Event]:
        """Returns the ends of child runs that are open in the log and were not continued; only of those that answer
        `call`, if given.
        """
        return []

    def _end_step(self) -> Iterator[list[Event]]:
        """Returns the events that end everything open that the fold's closing does not cover."""
        yield from ()

    def _finished(self) -> None:
        """Called when the run is over."""

    # --- reading

    def _find_watchers(self) -> None:
        """Called at the first read of the outermost run: adds the process's hooks."""
        for hook in hooks():
            if (watcher := hook(self)) is not None:
                self.watch(watcher)
        if self.wants_log:
            self.keep()
        if self.journaling is not None and self._log.journal is None:
            self.journaling(self)

    def _begin_reading(self) -> list[Event]:
        """Called at the first read: returns the first events."""
        self._start_clock()
        if not self._above:
            self._find_watchers()
        if self._first and self._log.parked is None:
            self._log.tick()
            self._last_batch = [*self._first]
            return self._last_batch
        return []

    async def pull(self) -> list[Event]:
        """Returns the next events, to be passed to `append` before the next pull; [] once the run is over.

        It does not raise the run's error, which is in `error` once the run is over.
        """
        ending = self.ending
        if ending.stage is _OVER:
            return []
        if self._log.awaited and not self._above:
            await self._reader_came()
        if self._event_loop is None and (first := self._begin_reading()):
            return first
        if ending.stage is _GOING:
            try:
                while True:
                    events = await self._advance()
                    if ending.stage is not _GOING:
                        break
                    if events:
                        self._log.tick()
                        self.fold.tidy()
                        self._last_batch = events
                        return events
            except Stopped:
                pass
            except Exception as error:
                self._fail(error)
            except BaseException as error:
                failure = others_cancel() if isinstance(error, asyncio.CancelledError) else None
                if failure is None:
                    # The reader's own task is cancelled, or the program ends: leave in order, and re-raise.
                    if not self._above:
                        self.reader_cancelled()
                    raise
                failure.__cause__ = error
                self._fail(failure)
        return self._end_next() or await self._all_stored()

    def reader_cancelled(self) -> None:
        """Handles the cancellation of the task that reads the outermost run, or the end of the program."""
        if self.lets_go is None:
            self.abort("caller")
        elif not self.over:
            self.abandon(self.lets_go)
            self._finish()

    async def _all_stored(self) -> list[Event]:
        """Waits until the whole log is stored, if it is: no result is returned before that."""
        journal = self._log.journal
        if journal is not None and not self._above and (wait := journal.stored(self._log.seq - 1)) is not None:
            await wait
        return []

    def append(self, event: Event) -> Awaitable[Any] | None:
        """Stamps and folds the event, and notifies the watchers; returns an awaitable if one has to be awaited."""
        log = self._log
        _set(event, "seq", log.seq)
        _set(event, "time", log.now)
        log.seq += 1
        if event.run and event.run != self.id:
            below = log.runs.get(event.run) if log.runs is not None else None
            if event.__class__ is ChildFinished:
                log.remove(event.child)
            return (below or self).tell(event)
        _set(event, "run", self.id)
        _set(event, "path", self.path)
        if event.__class__ is TextDelta:
            self.fold.text_delta(event)
        else:
            self.fold.add(event)
            if event.__class__ is ChildFinished:
                log.remove(event.child)
        if not self._watchers or (event.__class__ is TextDelta and self._told_read == log.now):
            return None
        if self._told_read is not None:
            self._told_read = log.now
        return self.tell(event)

    def tell(self, event: Event) -> Awaitable[Any] | None:
        """Notifies the watchers of this run and of those above it; returns an awaitable if one has to be awaited."""
        log = self._log
        if log.telling:
            log.untold.append((self, event))  # a watcher ended the run, and the others still need the earlier events
            return None
        log.telling = True
        waits: list[Awaitable[Any]] | None = None
        ended: BaseException | None = None
        for watcher in self._watchers:
            try:
                wait = watcher(event)
            except BaseException as error:  # the program is ending; other watchers must not miss the event
                ended = ended or error
                continue
            if wait is not None:
                waits = [*(waits or ()), wait]
        log.telling = False
        if log.untold:
            log.tell_rest()
        if ended is not None:
            raise ended
        if waits is None:
            return None
        return waits[0] if len(waits) == 1 else in_turn(*waits)

    async def drain(self, *, alone: bool = False) -> None:
        """Reads to the end without a reader except the watchers. Raises the error that ended the run.

        `alone`: only an approver can answer questions, so a run that waits for other people is parked. A CancelledError
        that ends the reading has the partial Response as `response`.
        """
        pull, append = self.pull, self.append
        try:
            while events := await pull():
                for event in events:
                    if (wait := append(event)) is not None:
                        await wait
                if alone and self.waiting and self.people.unattended:
                    self.leave(nobody_answers(self.people.unattended))
        except BaseException as error:
            self.abort("caller")
            if isinstance(error, asyncio.CancelledError):
                error.__dict__["response"] = self.response()
            raise
        self.raise_error()

    def raise_error(self) -> None:
        """Raises the error that ended the run, if any, with the partial Response."""
        if self.error is not None:
            if isinstance(self.error, HeadwaterError) and self.error.response is None:
                self.error.response = self.response()
            raise self.error

    def response(self) -> Response[Any]:
        """The result so far; the final Response (for a concurrent workflow, Results) once it is over."""
        return cast("Response[Any]", composed(self.node, now=self._log.now or None))

    @property
    def error(self) -> BaseException | None:
        """The error that ended the run, if any."""
        return self.node.error

    # --- stopping

    def close(self) -> None:
        """Called when the run's own end has been appended: `_advance` is not called again."""
        self.ending.begin(iter(()))

    def interrupt(self) -> None:
        """Interrupts the current await, if any."""
        self._interruptible.interrupt(Stopped("stopped"))

    def cancel(self, by: CancelledBy = "caller") -> None:
        """Stops the run, from any thread. Its reader gets the end of the log, and the partial Response."""
        if not self.ending.stop(Cause(by)):
            return
        loop = self._event_loop
        if loop is None or running_loop() is loop:
            self._interrupt()
            return
        idle = not loop.is_running()
        with contextlib.suppress(RuntimeError):  # the loop may have been closed meanwhile
            loop.call_soon_threadsafe(self._interrupt)
        if idle:
            self.shut()  # an idle loop would not run it before its reader returns
        self.cancel_linked()  # nor would a loop that is blocked because a callback runs another agent

    def shut(self) -> None:
        """Tells every provider in use to stop, from any thread, while the loop is idle."""
        self._shut()
        for child in tuple(self._children):
            child.shut()

    def abort(self, by: CancelledBy = "left") -> None:
        """Ends the run now, in the loop's own thread or from a finalizer: everything is closed when this returns.

        The log gets its end at once; watchers are notified, and nothing is awaited.
        """
        if self.over:
            return
        if self._above:
            self.cancel(by)  # its last events are in its parent's queue, which reports its end after them
            return
        loop = self._event_loop
        if loop is not None and loop.is_running() and running_loop() is not loop:
            # A finalizer runs in any thread: notify the server now, and do the rest in the loop.
            self.shut()
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(self.abort, by)
            return
        self.ending.stop(Cause(by))
        self._interrupt()
        if self.fold.started is None or (self.past is not None and not self.begun):
            self._let_go()
            self._finish()  # never started: there is no log to end, or none to resume
            return
        given = self._last_batch
        raised: BaseException | None = None
        if self.ending.stage is Stage.ENDING:
            # Its reader leaves in the middle of the end, all of which must be in the log.
            rest = [event for event in given if not event.seq and event is not self.fold.started]
            raised = self._append_unheard(rest)
        while events := self._end_next():
            raised = self._append_unheard(events) or raised
        given.clear()  # a reader inside this batch must not append events after the end
        if raised is not None:
            raise raised

    def _append_unheard(self, events: list[Event]) -> BaseException | None:
        """Appends without awaiting. Returns a watcher's exception that ends the program: the log comes first."""
        raised: BaseException | None = None
        for event in events:
            try:
                drop(self.append(event))
            except BaseException as error:
                raised = raised or error
        return raised

    def end_now(self, by: CancelledBy) -> list[Event]:
        """`abort` for a child run: returns the events that end it, for its parent to append."""
        if self.over:
            return []
        self.ending.stop(Cause(by))
        self.interrupt()  # what it waits for may have come already: it must not go on from there
        if self.fold.started is None and self.ending.stage is not Stage.ENDING:
            self._let_go()
            self._finish()
            return []
        said: list[Event] = []
        while events := self._end_next():
            said += self.take(events)
        return said

    def _interrupt(self) -> None:
        """Interrupts the current await; without one, closes the connections now."""
        if not self._interruptible.interrupt(Stopped("stopped")):
            self._release()
            for child in tuple(self._children):
                child.cancel("parent")
            self.cancel_linked()  # the reader may be awaiting a callback, which awaits one of these

    def cancel_linked(self) -> None:
        """Cancels the runs that were started in tools and callbacks of this run and its child runs."""
        for child in tuple(self._children):
            child.cancel_linked()
        if self.links is not None:
            self.links.cancel()

    def _fail(self, error: BaseException) -> None:
        # A timeout may expire while the reader is at the last events: an ended run stays as it ended.
        if self.fold.end is None and self.ending.stop(Cause.FAILED):
            self.node.error = error
            self._log.failed_with(error)

    def task_failed(self, error: BaseException) -> None:
        """Called when a task of the run raised."""
        self._fail(error)
        self._interrupt()

    def _let_go(self) -> None:
        """Closes resources: the providers' connections, the tasks, the child runs."""
        self._release()
        if self._log.people is not None:
            self._log.people.void(self.id)
        if self._mux is not None:
            self._mux.cancel()
        self.cancel_linked()

    def _end_next(self) -> list[Event]:
        """Returns the next events of an early end; [] once all are appended."""
        if self.over:
            return []  # its parent ended it while it was waiting
        if self.ending.stage is not Stage.ENDING:
            self._let_go()
            wake(self)
            self.ending.begin(self._end_events())
            self._log.tick()
        if events := self.ending.next_events():
            self._last_batch = events
            return events
        self._finish()
        return []

    def _end_events(self) -> Iterator[list[Event]]:
        """Returns the events that end everything open, innermost first; then the run."""
        fold, ending = self.fold, self.ending
        if fold.end is not None:
            return  # its reader left between the end and the next pull
        if fold.started is None:
            yield [self._started()]
        # All in one turn of the loop: the tasks of the child runs were cancelled, and end them too.
        children = tuple(self._children)
        said: list[Event] = []
        if self._mux is not None:
            # The outermost run's reader appends the events of a child run.
            said += self._mux.take() if self._above else self._mux.rest()
        for child in children:
            said += child.end_now("parent")
        yield [*said, *self.end_lost()]
        yield fold.closing(ending.manner.open_work, {child.id: child.fold for child in children}, now=self._log.now)
        yield from self._end_step()
        yield [ending.end_event(self.error, fold.usage)]

    def _finish(self) -> None:
        self.ending.finish()
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        if self._mux is not None and self._mux.done:
            self._mux = None
        if not self._above:
            self._log.runs = None  # children that joined and never started are released too
            if isinstance(self.error, Parked) and self._log.kept is not None:
                self.error.log = tuple(self._log.kept)
            if self._log.journal is not None:
                self._log.journal.end()
            for call in self.at_end:
                call()
        self._finished()

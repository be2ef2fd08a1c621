"""A run: pulled by its reader, stamped by `append`, ended in good order whatever ends it.

Whoever reads a run awaits `pull` for the next events and appends each one before pulling again. No frame of a run is
suspended between two pulls, so leaving is a plain call that closes everything (`abort`), and a reader that pauses
holds the provider back by itself. `append` is the one place where events get their number, their time and their owner.

A run may stand in another: it joins that one's log, and whoever conducts it there folds its events as they come
(`take`), so that it can go on while they wait in the queue to be appended. What a run does is its subclass's.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import time
import weakref
from collections.abc import Awaitable, Iterator
from typing import Any, Literal

import msgspec
from msgspec.structs import force_setattr

from headwater.backends.interrupt import Interruptible, running_loop
from headwater.errors import HeadwaterError, LoopMisuse, RunTimeout
from headwater.events import (
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    TextDelta,
)
from headwater.events.fold import Fold
from headwater.events.messages import Response
from headwater.runtime.backlog import SlowReader
from headwater.runtime.context import CallbackErrors, Watcher, current_run
from headwater.runtime.log import Log
from headwater.runtime.merge import Mux
from headwater.tools.context import current_call, earlier

__all__ = ("CancelledBy", "Run", "as_data")

CancelledBy = Literal["caller", "left", "deadline", "parent", "shutdown"]

_set = force_setattr  # events are frozen for everyone else


class _Stopped(Exception):  # no error of ours: nobody but this file may take it for one
    """Ends the await that is going on; never leaves this file."""


class Run:
    """One run: ended by itself, by `cancel`, or by `abort`."""

    def __init__(self, name: str, *, timeout: float | None = None, quiet: bool = False) -> None:
        self.name = name
        self.id = f"run_{os.urandom(9).hex()}"
        self.path: tuple[str, ...] = (name,)
        self.fold = Fold()
        self.speaks_for: set[str] = {self.id}
        """The ids of the runs whose text is this one's."""
        self.callback_errors = CallbackErrors(quiet=quiet)
        self._timeout = timeout
        self._log = Log()
        self._watchers: tuple[Watcher, ...] = ()
        self._above: tuple[Run, ...] = ()
        self._children: list[Run] = []
        self._given: list[Event] = []
        """What was handed out last, which its reader may be in the middle of."""
        self._interruptible = Interruptible()
        self._event_loop: asyncio.AbstractEventLoop | None = None
        begun_by = outer = current_run.get()
        while outer is not None and outer.over:
            # Its events may be read long after its end; then the one above is what may still be cancelled.
            outer = outer._above[-1] if outer._above else None
        self._outer = outer
        if begun_by is not None and outer is not None:
            # Begun in a tool or a callback of another run: a run of its own, which that one's end cancels.
            self.parent = begun_by.id
            self.deadline = outer.deadline
            self._link(outer)
            if any(run.stopping and run._ending is None for run in (outer, *outer._above)):
                self._stop = "parent"  # what had come before the outer one was stopped is still being told
        call = current_call.get()
        if call is not None and (outer is not None or call.works_here):
            # A tool in a thread goes on after its run was ended, and what it begins then nobody waits for.
            self.deadline = earlier(self.deadline, call.deadline)
            if call.begun(self):
                self._stop = "parent"

    final: bool | None = True
    """Whether what it says last is what the run above it answers; None while nobody can know."""
    slow_reader: SlowReader = "wait"
    """What becomes of runs below that are ahead of this one's reader; see `Mux`."""
    may_retract = False
    """Whether text of this run may be taken back after it was shown."""

    # What most runs never have stands here and not in __init__: an object with more than thirty attributes of its own
    # takes 1.3 kB more.
    parent: str | None = None
    call: str | None = None
    """The call in the parent that this run answers."""
    error: BaseException | None = None
    output: Any = None
    over = False
    lead = ""
    """What parts this run's first text from what was said before it, where it goes on from another run."""
    deadline: float | None = None
    """When the run must be done, in seconds of `time.monotonic`."""
    _voiced = False
    _mux: Mux | None = None
    _linked: dict[str, weakref.ref[Run]] | None = None
    """Runs that were begun on behalf of this one, by id."""
    _stop: CancelledBy | Literal["failed"] | None = None
    _ending: Iterator[list[Event]] | None = None
    _clock: asyncio.TimerHandle | None = None

    # --- what a subclass does

    async def _advance(self) -> list[Event]:
        """The next events; [] where it is to be called again, after what it gave has been appended."""
        raise NotImplementedError

    def answers_with(self, step: int) -> bool:
        """Whether the text of a step is known to be the answer while it is being said."""
        return False

    def _started(self) -> RunStarted:
        """The run's first event."""
        raise NotImplementedError

    def _release(self) -> None:
        """Close what is held at once: connections."""

    def _shut(self) -> None:
        """Tell the other side to stop, from any thread, while the loop stands idle."""

    def _end_step(self, failed: bool) -> Iterator[list[Event]]:
        """The events that end what stands open beyond the fold's own closing."""
        yield from ()

    def _finished(self) -> None:
        """The run is over."""

    def find(self, run: str) -> Run | None:
        """The run of that id: this one, or one that is going on in the same tree."""
        if run == self.id:
            return self
        return self._log.runs.get(run) if self._log.runs is not None else None

    def _new_mux(self) -> Mux:
        this = weakref.ref(self)  # each would hold the other

        def failed(error: BaseException) -> None:
            run = this()
            if run is not None:
                run._task_failed(error)

        return Mux(self._interruptible, failed, slow_reader=self.slow_reader)

    def close(self) -> None:
        """The run has come to its own end, which has been appended: nothing more is asked of `_advance`."""
        self._ending = iter(())
        self._stop = self._stop or "caller"

    # --- joining another run

    def join(self, parent: Run, *, name: str | None = None, call: str | None = None, voiced: bool = False) -> None:
        """Become a part of `parent`, before having begun: one log, one tree.

        `name` is what it goes by there. `voiced`: what this run says is what the parent says (a workflow's member, not
        an agent called as a tool).
        """
        if self._outer is not None and self._outer._linked:
            self._outer._linked.pop(self.id, None)
        self.name = name or self.name
        self.path = (*parent.path, self.name)
        self.parent = parent.id
        self.call = call
        self.deadline = parent.deadline
        self._log = parent._log
        self._log.add(self)
        self._above = (*parent._above, parent)
        self._voiced = voiced
        if voiced:
            parent._speak(self.speaks_for)

    def _speak(self, ids: set[str]) -> None:
        self.speaks_for |= ids
        if self._voiced:
            self._above[-1]._speak(ids)

    @property
    def above(self) -> tuple[Run, ...]:
        """The runs in which this one stands, the outermost first."""
        return self._above

    def take(self, events: list[Event]) -> list[Event]:
        """Fold the events of a run that stands in another, and mark them as its own, for whoever appends them."""
        self._log.tick()
        now, add = self._log.now, self.fold.add
        for event in events:
            if not event.run:
                _set(event, "run", self.id)
                _set(event, "path", self.path)
                _set(event, "time", now)
                add(event)
        return events

    async def conduct(self, child: Run) -> None:
        """Read a run that has joined this one to its end, into this one's queue; its error is in `child.error`."""
        mux = self._mux
        assert mux is not None
        self._children.append(child)
        await mux.hand(child, [ChildStarted(child=child.id, name=child.name, call=child.call)])
        try:
            while events := await child.pull():
                await mux.hand(child, child.take(events))
        except BaseException:
            # This task is cancelled: what was said and is still in the queue comes first.
            mux.put(child.end_now("parent"))
            raise
        finally:
            self._children.remove(child)
            mux.put([child.finished_event()])
            await child.settle()  # so that whoever waits for this task waits for all that is below it

    def finished_event(self) -> ChildFinished:
        """How this run ended, as its parent tells it."""
        end = self.fold.end
        outcome: Literal["finished", "failed", "cancelled"] = (
            "finished" if isinstance(end, RunFinished) else "failed" if isinstance(end, RunFailed) else "cancelled"
        )
        return ChildFinished(
            child=self.id,
            name=self.name,
            call=self.call,
            outcome=outcome,
            usage=self.fold.usage,
            origin=self.fold.usage_origin,
        )

    # --- reading

    def watch(self, watcher: Watcher) -> None:
        """Have every event of this run and of those below it told to `watcher`, as it is appended."""
        self._watchers = (*self._watchers, watcher)

    async def pull(self) -> list[Event]:
        """The next events, each to be given to `append` before the next pull; [] once the run is over.

        An error does not come out of here: it is in `error` when the run is over.
        """
        if self.over:
            return []
        if self._event_loop is None:
            self._start_clock()
        if self._stop is None:
            try:
                while True:
                    events = await self._advance()
                    if self.stopping:
                        break
                    if events:
                        self._log.tick()
                        self.fold.tidy()
                        self._given = events
                        return events
            except _Stopped:
                pass
            except Exception as error:
                self._fail(error)
            except BaseException:
                # The reader's own task is cancelled, or the program ends: leave in order, and let it go on.
                if not self._above:
                    self.abort("caller")
                raise
        return self._end_next()

    def append(self, event: Event) -> Awaitable[Any] | None:
        """Stamp the event, take it in, and tell those who watch; what is returned, if anything, is to be awaited."""
        log = self._log
        _set(event, "seq", log.seq)
        _set(event, "time", log.now)
        log.seq += 1
        if event.run and event.run != self.id:
            below = log.runs.get(event.run) if log.runs is not None else None
            if event.__class__ is ChildFinished:
                log.remove(event.child)
            return (below or self)._tell(event)
        _set(event, "run", self.id)
        _set(event, "path", self.path)
        if event.__class__ is TextDelta:
            self.fold.text_delta(event)
        else:
            self.fold.add(event)
            if event.__class__ is ChildFinished:
                log.remove(event.child)
        if self._watchers or self._above:
            return self._tell(event)
        return None

    def _tell(self, event: Event) -> Awaitable[Any] | None:
        waits: list[Awaitable[Any]] | None = None
        ended: BaseException | None = None
        for run in (self, *self._above) if self._above else (self,):
            for watcher in run._watchers:
                try:
                    wait = watcher(event)
                except BaseException as error:  # the program is to end; who else watches must not miss the event
                    ended = ended or error
                    continue
                if wait is not None:
                    waits = [*(waits or ()), wait]
        if ended is not None:
            raise ended
        if waits is None:
            return None
        return waits[0] if len(waits) == 1 else _all(waits)

    async def drain(self) -> None:
        """Read to the end with no reader but those who watch. Raises the error that ended the run."""
        pull, append = self.pull, self.append
        try:
            while events := await pull():
                for event in events:
                    if (wait := append(event)) is not None:
                        await wait
        except BaseException:
            self.abort("caller")
            raise
        self.raise_error()

    def raise_error(self) -> None:
        """Raise what ended the run, if an error did, with the partial Response on it."""
        if self.error is not None:
            if isinstance(self.error, HeadwaterError) and self.error.response is None:
                self.error.response = self.response()
            raise self.error

    def response(self) -> Response[Any]:
        """What the run has come to so far; its Response once it is over."""
        return self.fold.response(
            output=self.output, callback_errors=self.callback_errors.count, now=self._log.now or None
        )

    # --- stopping

    def cancel(self, by: CancelledBy = "caller") -> None:
        """Stop the run; from any thread. Its reader gets the end of the log, and the partial Response."""
        if self.over or self._stop is not None:
            return
        self._stop = by
        loop = self._event_loop
        if loop is None or running_loop() is loop:
            self._interrupt()
            return
        idle = not loop.is_running()
        with contextlib.suppress(RuntimeError):  # the loop may have been closed meanwhile
            loop.call_soon_threadsafe(self._interrupt)
        if idle:
            self.shut()  # an idle loop would not hear of it before its reader comes back
        self._cancel_linked()  # nor would one that stands still because a callback blocks on a run of its own

    def shut(self) -> None:
        """Tell every provider that is asked to stop, from any thread, while the loop stands idle."""
        self._shut()
        for child in tuple(self._children):
            child.shut()

    def abort(self, by: CancelledBy = "left") -> None:
        """End the run now, in the loop's own thread or from a finaliser: everything is closed when this returns.

        The log gets its end at once; who watches hears of it, and nothing is awaited.
        """
        if self.over:
            return
        loop = self._event_loop
        if loop is not None and loop.is_running() and running_loop() is not loop:
            # A finaliser runs in whatever thread let go last: the other side is told now, the rest is the loop's.
            self.shut()
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(self.abort, by)
            return
        if self._stop is None:
            self._stop = by
        self._interrupt()
        if self.fold.started is None:
            self._let_go()
            self._finish()  # never begun: there is no log to end
            return
        given = self._given
        if self._ending is not None:
            # Its reader leaves in the middle of the end, all of which belongs into the log.
            self._append_unheard([event for event in given if not event.seq and event is not self.fold.started])
        while events := self._end_next():
            self._append_unheard(events)
        given.clear()  # whoever is in the middle of these must not append what comes after the end

    def _append_unheard(self, events: list[Event]) -> None:
        for event in events:
            wait = self.append(event)
            if inspect.iscoroutine(wait):
                wait.close()

    def end_now(self, by: CancelledBy) -> list[Event]:
        """`abort` for a run that stands in another: the events that end it, for whoever conducts it to append."""
        if self.over:
            return []
        if self._stop is None:
            self._stop = by
        if self.fold.started is None and self._ending is None:
            self._let_go()
            self._finish()
            return []
        said: list[Event] = []
        while events := self._end_next():
            said += self.take(events)
        return said

    @property
    def stopping(self) -> bool:
        """Whether the run is to end before its time, or has ended."""
        return self._stop is not None

    @property
    def begun(self) -> bool:
        """Whether anyone has begun to read it."""
        return self._event_loop is not None

    @property
    def settled(self) -> bool:
        """Whether nothing of the run is left on its loop: its tasks are done."""
        return self._mux is None or self._mux.done

    async def settle(self) -> None:
        """Wait until the run's tasks, which have been cancelled, are done."""
        if self._mux is not None:
            await self._mux.settle()

    def _interrupt(self) -> None:
        """End the await that is going on; where there is none, the connections need not wait for the next one."""
        if not self._interruptible.interrupt(_Stopped("stopped")):
            self._release()
            for child in tuple(self._children):
                child.cancel("parent")
            self._cancel_linked()  # the reader may be waiting for a callback, which waits for one of these

    def _link(self, outer: Run) -> None:
        # Tools in several threads may be at it, and another one cancel: each of these is one step of the interpreter.
        linked: dict[str, weakref.ref[Run]] = outer.__dict__.setdefault("_linked", {})
        key = self.id
        linked[key] = weakref.ref(self, lambda _: linked.pop(key, None))

    def _cancel_linked(self) -> None:
        """Cancel what was begun in the tools and callbacks of this run, and of those below it."""
        for child in tuple(self._children):
            child._cancel_linked()
        for known in tuple((self._linked or {}).values()):
            if (linked := known()) is not None:
                linked.cancel("parent")

    def _fail(self, error: BaseException) -> None:
        # A clock may run out while the reader is at its last words: what has ended stays as it ended.
        if self._stop is None and self.fold.end is None:
            self.error = error
            self._stop = "failed"

    def _task_failed(self, error: BaseException) -> None:
        self._fail(error)
        self._interrupt()

    def _let_go(self) -> None:
        """Close what is held: the providers' connections, the tasks, the runs beside."""
        self._release()
        if self._mux is not None:
            self._mux.cancel()
        self._cancel_linked()

    def _end_next(self) -> list[Event]:
        """The next events of an end that has come before its time; [] once all are appended."""
        if self._ending is None:
            self._let_go()
            self._ending = self._end_events()
            self._log.tick()
        for events in self._ending:
            if events:
                self._given = events
                return events
        self._finish()
        return []

    def _end_events(self) -> Iterator[list[Event]]:
        fold = self.fold
        if fold.end is not None:
            return  # its reader left between the end and the next pull
        failed = self._stop == "failed"
        if fold.started is None:
            yield [self._started()]
        # All in one turn of the loop: the tasks that conduct the runs below have been cancelled, and end them too.
        children = tuple(self._children)
        said: list[Event] = []
        if self._mux is not None:
            # What a run below hands on is its reader's to append.
            said += self._mux.take() if self._above else self._mux.rest()
        for child in children:
            said += child.end_now("parent")
        yield said
        why = "The run failed before this was done." if failed else "The run was cancelled before this was done."
        yield fold.closing(why, {child.id: child.fold for child in children}, now=self._log.now)
        yield from self._end_step(failed)
        if failed:
            assert self.error is not None
            yield [RunFailed(error=ErrorInfo.of(self.error), usage=fold.usage)]
        else:
            by: Any = self._stop
            yield [RunCancelled(by=by, usage=fold.usage)]

    def _finish(self) -> None:
        self.over = True
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        if self._mux is not None and self._mux.done:
            self._mux = None
        if not self._above:
            self._log.runs = None  # those that joined and never began are let go of too
        self._finished()

    # --- the clock

    def _start_clock(self) -> None:
        loop = self._event_loop = running_loop()
        if loop is None:
            raise LoopMisuse(
                "There is no running event loop of asyncio.",
                hint="Start one with asyncio.run(main()), or use what plain code has: agent.run(…), a plain `for`.",
            )
        if (seconds := self._timeout) is not None:
            self.deadline = earlier(self.deadline, time.monotonic() + seconds)
            # The timer must not keep an abandoned run alive.
            self._clock = loop.call_later(seconds, _run_out, weakref.ref(self))

    def _run_out(self) -> None:
        seconds = self._timeout or 0.0
        self._fail(
            RunTimeout(
                f"The run took longer than {seconds:g} s.", hint="Raise timeouts.run.", clock="run", seconds=seconds
            )
        )
        self._interrupt()


def _run_out(this: weakref.ref[Run]) -> None:
    run = this()
    if run is not None:
        run._run_out()


async def _all(waits: list[Awaitable[Any]]) -> None:
    for wait in waits:
        await wait


def as_data(value: Any) -> Any:
    """`value` as JSON can hold it; what it cannot hold is told by its repr."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        from headwater.schema import to_plain

        return to_plain(value)

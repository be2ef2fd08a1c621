"""Pausing of runs: a run waits for people, with its timeouts paused, or it is parked, to be resumed from its log.

Owns the run's timeout, the people of its tree, and the kept log. `run` owns how a run proceeds and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

from headwater.backends.interrupt import Interruptible, running_loop
from headwater.errors import (
    ApprovalNeeded,
    ConfigurationError,
    HeadwaterError,
    LogNotKept,
    LoopMisuse,
    Parked,
    RunTimeout,
)
from headwater.events import Custom, Event, ForkedFrom, MessageReceived, RunFailed, RunResumed, Unknown, Warned
from headwater.events.messages import Message
from headwater.events.questions import Question
from headwater.runtime.context import CallbackErrors, Watcher
from headwater.runtime.ending import CancelledBy, Ending, Stage
from headwater.runtime.log import Journal
from headwater.runtime.merge import Mux
from headwater.runtime.past import Past, Record
from headwater.runtime.people import Approver, People
from headwater.runtime.place import Placed
from headwater.tools.context import earliest

__all__ = ("Pausing", "Stopped", "nobody_answers", "wake", "wake_by", "wakes")


class Stopped(Exception):  # internal: only `Run` catches it
    """Interrupts a run, so that its end is reported or it is parked; never leaves its `pull`."""


class Pausing(Placed):
    """A run that can pause."""

    _above: tuple[Pausing, ...]
    _children: Sequence[Pausing]
    ending: Ending
    callback_errors: CallbackErrors
    _interruptible: Interruptible
    _event_loop: asyncio.AbstractEventLoop | None
    _timeout: float | None
    """The run's timeout, in seconds."""
    _mux: Mux | None = None  # most runs never have one
    _thread = 0
    """The thread in which it is read."""
    _clock: asyncio.TimerHandle | None = None
    _clock_left: float | None = None
    """Seconds left of the run's timeout while it is paused."""
    _stood_since = 0.0
    waiting: bool = False
    """Whether it reported that it waits for people, and nothing has happened in it or below since."""
    at_rest: bool = False
    """Whether it would start something new, but does not because the tree is being parked."""
    wants_log = False
    """Whether the log is kept, so that the run can be parked and resumed."""
    approver: Approver | None = None
    """The approver for the questions of the run, and of child runs without their own."""
    at_end: tuple[Callable[[], None], ...] = ()
    """Called once nothing more is appended to the tree of which this is the outermost run."""
    journaling: Callable[[Any], None] | None = None
    """Attaches a journal where the run turns out to be the outermost when it is first read."""
    _told_read: float | None = None
    """The time of the last event that was told, if its watchers need no text of the same read; None: they need all."""
    lets_go: HeadwaterError | None = None
    """The error for abandoning the run if the task that reads it is cancelled; None: the run is cancelled too."""
    stands_still: Callable[[bool], None] | None = None
    """Notified when it starts and stops waiting: the timeout of the call that it answers."""

    def task_failed(self, error: BaseException) -> None:
        """Makes the run fail with the error."""
        raise NotImplementedError

    def end_now(self, by: CancelledBy) -> list[Event]:
        """Returns the events that end the run, which is a child run."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Interrupts the current await, if any."""
        raise NotImplementedError

    def _let_go(self) -> None:
        """Closes its resources."""
        raise NotImplementedError

    def _finish(self) -> None:
        """Nothing more is appended."""
        raise NotImplementedError

    def shut(self) -> None:
        """Tells every provider in use to stop, from any thread, while the loop is idle."""
        raise NotImplementedError

    # --- parents and watchers

    def watch(self, watcher: Watcher) -> None:
        """Calls `watcher` with every event of this run and its child runs, as it is appended."""
        self._watchers = (*self._watchers, watcher)
        self._told_read = 0.0 if all(hasattr(one, "once_a_read") for one in self._watchers) else None
        for run in (self._log.runs or {}).values():
            if isinstance(run, Pausing) and self in run._above:
                run._watchers = (*run._watchers, watcher)

    def _watch_first(self, watcher: Watcher) -> None:
        """Calls `watcher`, which needs every event, before the others; call it before anything is appended."""
        self._watchers, self._told_read = (watcher, *self._watchers), None

    @property
    def above(self) -> tuple[Pausing, ...]:
        """The runs around this one, the outermost first."""
        return self._above

    @property
    def outermost(self) -> Pausing:
        """The outermost run, which is read."""
        return self._above[0] if self._above else self

    @property
    def begun(self) -> bool:
        """Whether reading it has started."""
        return self._event_loop is not None

    # --- state

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.ending.over

    @property
    def stopping(self) -> bool:
        """Whether the run was stopped, or has ended."""
        return not self.ending.going

    @property
    def told_to_stop(self) -> bool:
        """Whether the run was stopped, and its end is not being reported yet."""
        return self.ending.stage is Stage.STOPPING

    @property
    def settled(self) -> bool:
        """Whether all of the run's tasks are done, and all that it said is stored where there is a journal."""
        journal = None if self._above else self._log.journal
        return (self._mux is None or self._mux.done) and (journal is None or journal.idle)

    async def settle(self) -> None:
        """Waits until the run's cancelled tasks are done."""
        if self._mux is not None:
            await self._mux.settle()
        if self._log.journal is not None and not self._above:
            await self._log.journal.settle()

    # --- people

    @property
    def people(self) -> People:
        """The people of the run's tree."""
        log = self._log
        if log.people is None:
            log.people = People()
            log.people.ahead = log.ahead
        return log.people

    @property
    def answers(self) -> Approver | None:
        """The approver for this run's questions: its own, or that of the nearest run above with one."""
        return next((run.approver for run in (self, *reversed(self._above)) if run.approver is not None), None)

    def steer(self, message: Message, *, agent: str | None, by: str, now: bool, key: str = "") -> bool:
        """Sends a message to the run, or to the child run named `agent`; from any thread.

        `key` is its own in the log, which else is made up. False: it is over.
        Raises ConfigurationError where the run is a workflow and no agent is named.
        """
        if agent is None:
            return self.receive(message, by=by, now=now, key=key)
        runs = [self, *(run for run in tuple((self._log.runs or {}).values()) if isinstance(run, Pausing))]
        named = [run for run in runs if run.name == agent and not run.stopping]
        return bool(named) and named[-1].receive(message, by=by, now=now, key=key)

    def receive(self, message: Message, *, by: str, now: bool, key: str = "") -> bool:
        """Adds a message before the next model request; from any thread. False: the run is over.

        With `now` the current answer is cut off, but never a tool.
        """
        raise ConfigurationError(
            f"{self.name!r} is a workflow and has no model for this message.",
            hint='Pass the member: stream.steer("…", agent="writer").',
        )

    # --- resuming from a log

    def go_on(self, record: Record, *, by: str = "", changed: bool = False) -> None:
        """Becomes the outermost run of a log that stopped, from the end of that log.

        `by` says who resumes it; `changed` says that the declaration has changed.
        """
        self._log.seq, self._log.now = record.last.seq + 1, record.last.time
        self._log.record = record
        self._first = [RunResumed(by=by, definition_hash=self.definition_hash)]
        if changed:
            said = f"{self.name!r} was declared differently when its log was written; the current declaration applies."
            self._first.append(Warned(code="definition_changed", message=said))
        self.take_up(record.root)

    @property
    def changed(self) -> bool:
        """Whether its declaration differs from that of the run that started its log."""
        started = self.fold.started
        return started is not None and started.definition_hash not in ("", self.definition_hash)

    @property
    def forked_from(self) -> ForkedFrom | None:
        """What the first events of the tree's log were copied from; only for a resumed log."""
        started = self.record.root.fold.started if self.record is not None else None
        return started.forked_from if started is not None else None

    @property
    def record(self) -> Record | None:
        """The log from before this process resumed it."""
        return self._log.record

    def take_up(self, past: Past) -> None:
        """Becomes the run of the past, before it starts; a run that has ended is over."""
        super().take_up(past)
        self.node.callback_errors = self.callback_errors
        end = self.fold.end
        if isinstance(end, RunFailed):
            self.node.error = end.error.exception()
        elif past.node.unbegun is not None:
            self.node.error = past.node.unbegun.exception()
        if past.over:
            self.ending.finish()

    _first: Sequence[Event] = ()
    """The first events of a resumed run."""

    @property
    def definition_hash(self) -> str:
        """The hash of the run's declaration; empty if unknown."""
        return ""

    def store(self, journal: Journal) -> None:
        """Stores the log of the tree of this outermost run; call it before anything is appended."""
        self._log.journal, self._log.awaited = journal, True
        self._watch_first(journal.put)

    async def _reader_came(self) -> None:
        """What was given to the reader before is in the log; where the store is far behind, wait for it."""
        behind = self._log.arrived(ending=self.ending.stage is Stage.ENDING)
        if behind is not None:
            with contextlib.suppress(Stopped):
                await self._interruptible.wait(_until(behind))

    def use_clock(self, ahead: float) -> None:
        """Uses the time of the log's store, whose clock is `ahead` of this machine's, in seconds."""
        self._log.ahead = self.people.ahead = ahead

    # --- parking

    def keep(self) -> None:
        """Keeps the log of the tree of this outermost run; call it before anything is appended."""
        log = self._log
        if log.kept is None:
            log.kept = [*log.record.events] if log.record is not None else []
            self._watch_first(log.kept.append)

    @property
    def kept(self) -> tuple[Event, ...]:
        """Returns all events so far. Raises LogNotKept."""
        if self._log.kept is None and self.wants_log and not self._above:
            self.keep()
        if self._log.kept is None:
            raise LogNotKept(
                "The log of this run was not kept, so it cannot be resumed.",
                hint="Run it with keep_log=True; if a tool asks for approval, the log is always kept.",
            )
        return tuple(self._log.kept)

    def park(self, *, now: bool = False) -> None:
        """Parks the run, from any thread: nothing new starts, and running work ends first.

        With `now` it stops at once, as if the process died. Its reader gets Parked. Raises LogNotKept.
        """
        parked = Parked("The run was parked.", hint="Resume it: agent.resume(error.log).", log=self.kept)
        if self.stopping:
            return
        self._log.parked = parked
        loop = self._event_loop
        step = partial(self.leave, parked) if now else self._rest_if_idle
        idle = loop is not None and not loop.is_running()
        if loop is None or running_loop() is loop or (idle and threading.get_ident() == self._thread):
            step()  # also in sync code, whose loop is idle between two reads
            return
        with contextlib.suppress(RuntimeError):  # the loop may have been closed meanwhile
            loop.call_soon_threadsafe(step)
        if now and idle:
            self.shut()  # an idle loop would not run it before its reader returns

    def leave(self, error: HeadwaterError) -> None:
        """Leaves the run unfinished, in the loop's own thread: everything is closed, nothing new starts, there is no
        end event.

        Events on their way to the reader still get into the log, when the reader pulls or leaves; then the error is
        raised.
        """
        if not self.ending.going:
            return
        if isinstance(error, Parked):
            error.pending = self.people.pending
        self.node.error = error
        self.ending.begin(iter(()))
        self.ending.begin(iter([self._left()]))

    def abandon(self, error: HeadwaterError) -> None:
        """Abandons the run without an event in its log, which belongs to another process now; in the loop's own thread.

        Everything is closed and nothing new starts. The reader gets the error, also instead of a result.
        """
        self.node.error = error
        if self.over:
            return
        self.ending.begin(iter(()))
        self._break_off()

    def _break_off(self) -> None:
        for child in tuple(self._children):
            child.ending.finish()
            child._break_off()
            child._finish()
        self._let_go()
        self.interrupt()

    def _left(self) -> list[Event]:
        """Leaves this run unfinished; returns its events and those of child runs that were not passed on yet."""
        said = self._mux.take() if self._mux is not None else []
        for child in tuple(self._children):
            if child.ending.break_off():
                said += child.take(child._left())
                child._finish()
            else:
                said += child.end_now("parent")  # it is ending already
        said += self._last_heard()
        if self._log.people is not None:
            said += self._log.people.untold(self.id)
        self._let_go()
        self.interrupt()
        return said

    def _last_heard(self) -> list[Event]:
        """Returns the events for unlogged messages to a run that accepts no more."""
        return []

    @property
    def parking(self) -> bool:
        """Whether the tree is being parked, so that nothing new may start."""
        return self._log.parked is not None

    def _rest_if_idle(self) -> None:
        if self._mux is not None:
            self._mux.put([])  # waiting tasks check again
        for child in tuple(self._children):
            child._rest_if_idle()

    async def rest(self) -> NoReturn:
        """Instead of starting something while the tree is being parked: leaves the outermost run, pauses others."""
        self.at_rest = True
        if not self._above:
            assert self._log.parked is not None
            self.leave(self._log.parked)
            raise Stopped("parked")
        self._above[-1].look_again()
        await self._interruptible.wait(asyncio.Event().wait())
        raise AssertionError("nothing but its end wakes a run that rests")

    async def stand_by(self) -> None:
        """`rest` for a run with open questions: a child run continues when an answer arrives."""
        if not self._above:
            await self.rest()
        elif not self.at_rest:
            self.at_rest = True
            self._above[-1].look_again()

    def look_again(self) -> None:
        """A child run has paused."""
        if self._mux is not None:
            self._mux.put([])

    def go_on_working(self) -> None:
        """It waits for people no more."""
        self.stand_still(False)

    # --- the timeout

    def _start_clock(self) -> None:
        self._thread = threading.get_ident()
        loop = self._event_loop = running_loop()
        if loop is None:
            raise LoopMisuse(
                "There is no running asyncio event loop.",
                hint="Start one with asyncio.run(main()), or use the sync API: agent.run(…), a plain `for`.",
            )
        if (seconds := self._timeout) is not None:
            if self.past is not None and (started := self.fold.started) is not None:
                now = time.time() + self._log.ahead
                seconds -= max(0.0, now - started.time - self.past.stood(now))
            self.deadline = earliest(self.deadline, time.monotonic() + seconds)
            # The timer must not keep an abandoned run alive.
            self._clock = loop.call_later(seconds, _run_out, weakref.ref(self))

    def stand_still(self, still: bool) -> None:
        """Starts or stops waiting for people: its timeouts are paused meanwhile."""
        self.waiting = still
        if self.stands_still is not None:
            self.stands_still(still)
        loop, now = self._event_loop, time.monotonic()
        if still:
            self._stood_since = now
        elif self.deadline is not None:
            self.deadline += now - self._stood_since
        if still and self._clock is not None and loop is not None:
            self._clock_left = max(0.0, self._clock.when() - loop.time())
            self._clock.cancel()
        elif not still and self._clock_left is not None and loop is not None:
            self._clock = loop.call_later(self._clock_left, _run_out, weakref.ref(self))
            self._clock_left = None

    def _run_out(self) -> None:
        seconds = self._timeout or 0.0
        error = f"The run took longer than {seconds:g} s."
        self.task_failed(RunTimeout(error, hint="Raise timeouts.run.", clock="run", seconds=seconds))


async def _until(wait: Awaitable[None]) -> None:
    await wait


def nobody_answers(questions: Sequence[Question]) -> ApprovalNeeded:
    """Returns the error for a run that waits for people when nobody can answer."""
    waits = ", ".join(f"{one.tool} ({one.id})" for one in questions)
    return ApprovalNeeded(
        f"The run waits for people, but nobody is there to answer: {waits}.",
        hint="Resume with agent.resume(error.log, approvals={id: True}), pass approver=…, or use run_stream.",
    )


def wake(below: Pausing, *, quietly: bool = False) -> None:
    """Something happened in the run: it does not rest any more, nor do those above, which have yet to read of it.

    Unless it happened `quietly`, they do not wait for people either.
    """
    for run in (*below.above, below):
        run.at_rest = False
        if run.waiting and not quietly:
            run.go_on_working()


def wake_by(below: Pausing, events: Iterable[Event]) -> None:
    """See `wake`: these events came in the run, quietly if none of them ends its waiting."""
    wake(below, quietly=not any(map(wakes, events)))


def wakes(event: Event) -> bool:
    """Whether the event ends the waiting of its run, and of those above."""
    return event.__class__ not in _QUIET


_QUIET = (MessageReceived, Warned, Custom, Unknown)


def _run_out(this: weakref.ref[Pausing]) -> None:
    run = this()
    if run is not None:
        run._run_out()

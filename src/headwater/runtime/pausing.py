"""How a run stands still: it waits for people and its clocks with it, or it is parked, to be gone on with from its log.

Owns the run's clock, the people of its tree, and the log where that is kept. How a run goes on and ends is `run`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

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
from headwater.tools.context import earlier

__all__ = ("Pausing", "Stopped", "nobody_answers", "wakes")


class Stopped(Exception):  # no error of ours: nobody but `Run` may take it for one
    """Ends what a run is at, so that its end is told, or it is left; never leaves its `pull`."""


class Pausing(Placed):
    """A run that can stand still."""

    _above: tuple[Pausing, ...]
    _children: Sequence[Pausing]
    ending: Ending
    callback_errors: CallbackErrors
    _interruptible: Interruptible
    _event_loop: asyncio.AbstractEventLoop | None
    _timeout: float | None
    """How long the run may take, in seconds."""
    _mux: Mux | None = None  # most runs never have one
    _thread = 0
    """The thread in which it is read."""
    _clock: asyncio.TimerHandle | None = None
    _clock_left: float | None = None
    """Seconds left of the run's clock while it stands still."""
    _stood_since = 0.0
    waiting = False
    """Whether it has said that it waits for people, and nothing has happened in it or below since."""
    at_rest = False
    """Whether it would begin something new, and does not, because the tree is being parked."""
    wants_log = False
    """Whether the log is kept, so that the run can be left and gone on with."""
    approver: Approver | None = None
    """Who answers what the run asks, and the runs below it that have nobody of their own."""
    at_end: Callable[[], None] | None = None
    """Called once nothing more is appended to the tree of which this is the outermost run."""
    lets_go: HeadwaterError | None = None
    """What the run is abandoned with where the task that reads it is cancelled; None: then it is cancelled, too."""
    stands_still: Callable[[bool], None] | None = None
    """Told when it begins and ceases to wait: the clock of the call that it answers."""

    def task_failed(self, error: BaseException) -> None:
        """The run is to end with the error."""
        raise NotImplementedError

    def end_now(self, by: CancelledBy) -> list[Event]:
        """The events that end the run, which stands in another."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """End the await that is going on, if one is."""
        raise NotImplementedError

    def _let_go(self) -> None:
        """Close what is held."""
        raise NotImplementedError

    def _finish(self) -> None:
        """Nothing more is appended."""
        raise NotImplementedError

    def shut(self) -> None:
        """Tell every provider that is asked to stop, from any thread, while the loop stands idle."""
        raise NotImplementedError

    # --- who is above, and who watches

    def watch(self, watcher: Watcher) -> None:
        """Have every event of this run and of those below it told to `watcher`, as it is appended."""
        self._watchers = (*self._watchers, watcher)
        for run in (self._log.runs or {}).values():
            if isinstance(run, Pausing) and self in run._above:
                run._watchers = (*run._watchers, watcher)

    @property
    def above(self) -> tuple[Pausing, ...]:
        """The runs in which this one stands, the outermost first."""
        return self._above

    @property
    def outermost(self) -> Pausing:
        """The run that is read, of which this one is a part."""
        return self._above[0] if self._above else self

    @property
    def begun(self) -> bool:
        """Whether anyone has begun to read it."""
        return self._event_loop is not None

    # --- how far it is

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.ending.over

    @property
    def stopping(self) -> bool:
        """Whether the run is to end before its time, or has ended."""
        return not self.ending.going

    @property
    def told_to_stop(self) -> bool:
        """Whether the run is to end, and its end is not being told yet."""
        return self.ending.stage is Stage.STOPPING

    @property
    def settled(self) -> bool:
        """Whether nothing of the run is left on its loop: its tasks are done."""
        return self._mux is None or self._mux.done

    async def settle(self) -> None:
        """Wait until the run's tasks, which have been cancelled, are done."""
        if self._mux is not None:
            await self._mux.settle()

    # --- people

    @property
    def people(self) -> People:
        """Who is asked in the tree that the run is part of."""
        log = self._log
        if log.people is None:
            log.people = People()
            log.people.ahead = log.ahead
        return log.people

    @property
    def answers(self) -> Approver | None:
        """Who answers what this run asks: its own approver, or that of the nearest run above that has one."""
        return next((run.approver for run in (self, *reversed(self._above)) if run.approver is not None), None)

    def steer(self, message: Message, *, agent: str | None, by: str, now: bool, key: str = "") -> bool:
        """Say something to the run, or to the one below that goes by the name `agent`; from any thread.

        `key` is its own in the log, which else is made up. False: it is over.
        Raises ConfigurationError where the run is a workflow and no agent is named.
        """
        if agent is None:
            return self.receive(message, by=by, now=now, key=key)
        runs = [self, *(run for run in tuple((self._log.runs or {}).values()) if isinstance(run, Pausing))]
        named = [run for run in runs if run.name == agent and not run.stopping]
        return bool(named) and named[-1].receive(message, by=by, now=now, key=key)

    def receive(self, message: Message, *, by: str, now: bool, key: str = "") -> bool:
        """Have the model hear a message before it is asked again; from any thread. False: the run is over.

        With `now` the answer that is being given is cut for it; a tool never is.
        """
        raise ConfigurationError(
            f"{self.name!r} is a workflow, and has no model that could hear this.",
            hint='Name the member: stream.steer("…", agent="writer").',
        )

    # --- going on from a log

    def go_on(self, record: Record, *, by: str = "", changed: bool = False) -> None:
        """Be the outermost run of a log that stopped, from where that log ends.

        `by` is who goes on with it; `changed` says that the run is declared otherwise by now.
        """
        self._log.seq, self._log.now = record.last.seq + 1, record.last.time
        self._log.record = record
        self._first = [RunResumed(by=by, definition_hash=self.definition_hash)]
        if changed:
            said = f"{self.name!r} was declared otherwise when its log was written; what is declared now counts."
            self._first.append(Warned(code="definition_changed", message=said))
        self.take_up(record.root)

    @property
    def changed(self) -> bool:
        """Whether it is declared otherwise than the run that began its log."""
        started = self.fold.started
        return started is not None and started.definition_hash not in ("", self.definition_hash)

    @property
    def forked_from(self) -> ForkedFrom | None:
        """What the first events of the tree's log were taken from; only where it is gone on with."""
        started = self.record.root.fold.started if self.record is not None else None
        return started.forked_from if started is not None else None

    @property
    def record(self) -> Record | None:
        """What the log held when this process went on with it."""
        return self._log.record

    def take_up(self, past: Past) -> None:
        """Be the run that the past tells of, before having begun; one that has ended is over."""
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
    """What is said first where the run is gone on with."""

    @property
    def definition_hash(self) -> str:
        """What the run was declared as, in short; empty where that is not known."""
        return ""

    def store(self, journal: Journal) -> None:
        """Have the log of the tree stored, of which this is the outermost run, before anything is appended."""
        self._log.journal, self._log.awaited = journal, True
        self._watchers = (journal.put, *self._watchers)

    def use_clock(self, ahead: float) -> None:
        """Tell the time as the log's store does, whose clock is `ahead` of this machine's, in seconds."""
        self._log.ahead = self.people.ahead = ahead

    # --- being parked

    def keep(self) -> None:
        """Keep the log of the tree, of which this is the outermost run, before anything is appended."""
        log = self._log
        if log.kept is None:
            log.kept = [*log.record.events] if log.record is not None else []
            self._watchers = (log.kept.append, *self._watchers)

    @property
    def kept(self) -> tuple[Event, ...]:
        """All the events so far. Raises LogNotKept."""
        if self._log.kept is None and self.wants_log and not self._above:
            self.keep()
        if self._log.kept is None:
            raise LogNotKept(
                "The log of this run was not kept, so nobody could go on with it.",
                hint="Run it with keep_log=True; where a tool asks for approval it is kept anyhow.",
            )
        return tuple(self._log.kept)

    def park(self, *, now: bool = False) -> None:
        """Leave the run as it stands, from any thread: nothing new begins, and what is at work ends first.

        With `now` it is left at once, as where the process dies. Its reader gets Parked. Raises LogNotKept.
        """
        parked = Parked("The run was parked.", hint="Go on with it: agent.resume(error.log).", log=self.kept)
        if self.stopping:
            return
        self._log.parked = parked
        loop = self._event_loop
        step = partial(self.leave, parked) if now else self._rest_if_idle
        idle = loop is not None and not loop.is_running()
        if loop is None or running_loop() is loop or (idle and threading.get_ident() == self._thread):
            step()  # also in sync code, whose loop stands idle between two reads
            return
        with contextlib.suppress(RuntimeError):  # the loop may have been closed meanwhile
            loop.call_soon_threadsafe(step)
        if now and idle:
            self.shut()  # an idle loop would not hear of it before its reader comes back

    def leave(self, error: HeadwaterError) -> None:
        """Leave the run as it stands, in the loop's own thread: all is closed, nothing more is begun, there is no end.

        What has been said and is on its way to the reader still gets into the log, when the reader comes or leaves;
        then the error is raised.
        """
        if not self.ending.going:
            return
        if isinstance(error, Parked):
            error.pending = self.people.pending
        self.node.error = error
        self.ending.begin(iter(()))
        self.ending.begin(iter([self._left()]))

    def abandon(self, error: HeadwaterError) -> None:
        """Let go of the run without a word in its log, which is another's by now; in the loop's own thread.

        All is closed and nothing more is begun. The reader gets the error, also in place of a result.
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
        """Be left as it stands: what this run and those below it have said, and nobody has been given."""
        said = self._mux.take() if self._mux is not None else []
        for child in tuple(self._children):
            if child.ending.break_off():
                said += child.take(child._left())
                child._finish()
            else:
                said += child.end_now("parent")  # it is ending anyway
        said += self._last_heard()
        if self._log.people is not None:
            said += self._log.people.untold(self.id)
        self._let_go()
        self.interrupt()
        return said

    def _last_heard(self) -> list[Event]:
        """What was said to the run and the log does not tell, of one that hears nothing more."""
        return []

    @property
    def parking(self) -> bool:
        """Whether the tree is being parked, so that nothing new may begin."""
        return self._log.parked is not None

    def _rest_if_idle(self) -> None:
        if self._mux is not None:
            self._mux.put([])  # whoever waits there looks again
        for child in tuple(self._children):
            child._rest_if_idle()

    async def rest(self) -> NoReturn:
        """In place of something new, while the tree is being parked: the outermost run is left, others stand still."""
        self.at_rest = True
        if not self._above:
            assert self._log.parked is not None
            self.leave(self._log.parked)
            raise Stopped("parked")
        self._above[-1].look_again()
        await self._interruptible.wait(asyncio.Event().wait())
        raise AssertionError("nothing but its end wakes a run that rests")

    async def stand_by(self) -> None:
        """`rest` where people may still answer what was asked: a run below others goes on with that when it comes."""
        if not self._above:
            await self.rest()
        elif not self.at_rest:
            self.at_rest = True
            self._above[-1].look_again()

    def look_again(self) -> None:
        """A run below has come to rest."""
        if self._mux is not None:
            self._mux.put([])

    # --- the clock

    def _start_clock(self) -> None:
        self._thread = threading.get_ident()
        loop = self._event_loop = running_loop()
        if loop is None:
            raise LoopMisuse(
                "There is no running event loop of asyncio.",
                hint="Start one with asyncio.run(main()), or use what plain code has: agent.run(…), a plain `for`.",
            )
        if (seconds := self._timeout) is not None:
            if self.past is not None and (started := self.fold.started) is not None:
                now = time.time() + self._log.ahead
                seconds -= max(0.0, now - started.time - self.past.stood(now))
            self.deadline = earlier(self.deadline, time.monotonic() + seconds)
            # The timer must not keep an abandoned run alive.
            self._clock = loop.call_later(seconds, _run_out, weakref.ref(self))

    def stand_still(self, still: bool) -> None:
        """The run waits for people from now on, or no longer: meanwhile its clocks stand still."""
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


def nobody_answers(questions: Sequence[Question]) -> ApprovalNeeded:
    """What a run is left with that waits for people where nobody can answer."""
    waits = ", ".join(f"{one.tool} ({one.id})" for one in questions)
    return ApprovalNeeded(
        f"The run waits for people, and nobody is here to answer: {waits}.",
        hint="Go on with agent.resume(error.log, approvals={id: True}), give approver=…, or use run_stream.",
    )


def wakes(event: Event) -> bool:
    """Whether the event ends the waiting of the run that it is of, and of those above."""
    return event.__class__ not in _QUIET


_QUIET = (MessageReceived, Warned, Custom, Unknown)


def _run_out(this: weakref.ref[Pausing]) -> None:
    run = this()
    if run is not None:
        run._run_out()

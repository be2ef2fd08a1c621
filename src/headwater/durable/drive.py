"""One drive of one run: from the end of its log until the run ends, waits for people, or belongs to another process.

Theory of operation. The complete log is read and the run is built from it, by the same code as `agent.resume`. Its
first event, `run.resumed`, is appended at the end that was read: if another process has appended meanwhile, the store
refuses it, and this process silently stops driving the run. A run that only waits for people is released after they
were notified (`notifying`), and driven again after an answer or at its deadline.

Owns the order of these steps. `runtime` owns what a run does, `journal` what is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from headwater.durable.asked import Asked, AskedFor, context_of, refused_by
from headwater.durable.inbox import Inbox, answer_body
from headwater.durable.turns import Turn, Turns
from headwater.errors import CrashLoop, HeadwaterError, JournalUnavailable, Parked, RunEnded, RunLost
from headwater.events import Event, RunResumed, RunStarted, RunWaiting, StepFinished, ToolFinished
from headwater.events.codec import decode, decode_message, encode_message
from headwater.events.messages import Message
from headwater.events.questions import Answer, Question
from headwater.journal.run_log import Letter, RunInfo, RunLog, Standing
from headwater.journal.writer import Writer, Writing
from headwater.runtime.context import driven, others_cancel
from headwater.runtime.log import GRAMMAR
from headwater.runtime.people import Post
from headwater.runtime.resume import Resumption
from headwater.runtime.run import Run

if TYPE_CHECKING:
    from headwater.durable.notifying import OnWaiting, Telling

__all__ = ("DEAD_AFTER", "MAX_FRUITLESS", "Drivable", "Place", "drive", "hear", "poster", "said_by", "whole_log")

MAX_FRUITLESS: Final = 5
"""Drives in a row without a finished step or tool after which a run fails: it would crash the next process too."""

FRUITLESS: Final = 2
"""Such drives in a row after which a run is driven with no other one that has as many: see `turns`."""

LAST_SECONDS: Final = 5.0
"""Seconds that a cancelled drive waits until its events are stored; the next drive repeats the others."""

_logger = logging.getLogger("headwater.journal")


class Drivable(Protocol):
    """An agent or a workflow."""

    @property
    def name(self) -> str:
        """The name under which its runs are stored."""

    @property
    def run_stream(self) -> Callable[..., Any]:
        """Returns a stream of a new run."""

    @property
    def resume(self) -> Callable[..., Any]:
        """Returns a stream of the rest of a run."""


class Place(Protocol):
    """Where runs are driven: one event loop of one process."""

    @property
    def writer(self) -> Writer:
        """The writer of the events."""

    @property
    def worker(self) -> str:
        """The id of this process in the journal."""

    @property
    def members(self) -> Mapping[str, Drivable]:
        """The agents and workflows that can be driven here, by name."""

    @property
    def turns(self) -> Turns:
        """The turns of runs that may end the process."""

    async def log(self) -> RunLog:
        """The store, opened in this loop."""

    async def next_of_thread(self, thread: str) -> None:
        """Has the run driven that has waited for a run of that thread to end."""


async def drive(place: Place, id: str) -> Run | None:
    """Drives the run as far as possible now. Returns None if there was nothing to do here.

    Raises JournalUnavailable, and UnknownRun if it was deleted.
    """
    turn: Turn | None = None
    try:
        while (found := await _due_here(place, id)) is not None:
            member, standing = found
            events = [*map(decode, standing.lines)]
            if turn is not None or not FRUITLESS <= fruitless(events) < MAX_FRUITLESS:
                return await _drive(place, member, standing, events, turn)
            turn = await place.turns.next()  # it may end its process: then not with all others that are driven here
        return None
    finally:
        if turn is not None:
            turn.end()


async def _due_here(place: Place, id: str) -> tuple[Drivable, Standing] | None:
    """Returns the run and its agent; None if there is nothing to do here."""
    log = await place.log()
    standing = await log.standing(id)
    info = standing.info
    member = place.members.get(info.request.agent)
    if info.over or info.ahead is not None or member is None:
        return None
    if info.state == "running" and info.owner != place.worker and await _is_alive(log, info.owner):
        return None
    return member, standing


async def _drive(
    place: Place, member: Drivable, standing: Standing, events: Sequence[Event], turn: Turn | None
) -> Run | None:
    log, info, name = await place.log(), standing.info, standing.info.run
    ahead = standing.now - time.time()
    run = await _made(member, info, events, standing.said)
    run.use_clock(ahead)
    if turn is not None:
        run.watch(turn.see)
    by = f"{place.worker}/{os.urandom(4).hex()}"
    writing = Writing(
        place.writer,
        name,
        first=len(events),
        by=by,
        owner=place.worker,
        lost=run.abandon,
        said=(lambda: said_by(run)) if info.request.thread is not None else None,
    )
    run.store(writing)
    inbox = Inbox(run, events)
    run.people.post = poster(log, name)
    inbox.hear(standing.letters)
    if fruitless(events) >= MAX_FRUITLESS:
        run.task_failed(_crash_loop(name))
    on_waiting = getattr(member, "on_waiting", None)
    telling = None if on_waiting is None else _telling(log, run, writing, inbox, on_waiting, standing.letters)
    await _carry_out(log, run, writing, inbox, telling)
    if telling is not None and isinstance(run.error, Parked) and (await log.info(name)).state == "running":
        if turn is not None:
            turn.end()
        return await drive(place, name)  # the waiting was stored before all notifications: start to wait again
    if info.request.thread is not None and run.fold.end is not None:
        await place.next_of_thread(info.request.thread)
    return run


async def whole_log(log: RunLog, id: str) -> list[Event]:
    """Returns all events of an open run."""
    return [*map(decode, await log.lines(id))]


async def _is_alive(log: RunLog, worker: str | None) -> bool:
    return any(one.id == worker and one.age < DEAD_AFTER for one in await log.workers())


DEAD_AFTER: Final = 10.0
"""Seconds without a heartbeat after which a process counts as dead."""


# --- building the run


async def _made(member: Drivable, info: RunInfo, events: Sequence[Event], said: Sequence[bytes]) -> Run:
    """Builds the unstarted run from its log; if that fails, a run that fails with the reason. `said` are the messages
    of the earlier runs of its thread."""
    try:
        asked = Asked.decode(bytes(info.request.body))
        context = await _context(member, info, asked)
        options = asked.run_options()
        token = driven.set(True)
        try:
            return _begun(member, info, events, context, options, asked.history or [*map(decode_message, said)])
        finally:
            driven.reset(token)
    except asyncio.CancelledError as error:
        if (failure := others_cancel()) is None:
            raise
        failure.__cause__ = error
        return _Unable(info, events, failure)
    except Exception as error:  # whatever a declaration raises, the run fails with it and is not tried again
        return _Unable(info, events, error)


def _begun(
    member: Drivable,
    info: RunInfo,
    events: Sequence[Event],
    context: Any,
    options: dict[str, Any],
    history: Sequence[Message],
) -> Run:
    run: Run
    if events:
        run = member.resume(events, context=context, on_changed="warn", by=f"process {os.getpid()}", **options).claim()
        return run
    if history:
        options["history"] = history
    run = member.run_stream(list(_task_of(info)), context=context, **options).claim()
    run.go_by(info.run)
    return run


def _task_of(info: RunInfo) -> tuple[Message, ...]:
    return Asked.decode(bytes(info.request.body)).task


async def _context(member: Drivable, info: RunInfo, asked: Asked) -> Any:
    request = info.request
    asked_for = AskedFor(
        run=info.run,
        agent=request.agent,
        task=asked.task,
        context=asked.context,
        thread=request.thread,
        labels=request.labels,
    )
    context = context_of(asked_for, getattr(member, "context_from", None))
    if not inspect.isawaitable(context):
        return context
    try:
        return await context
    except HeadwaterError:
        raise
    except Exception as error:
        raise refused_by(asked_for, error) from error


class _Unable(Run):
    """A run whose request cannot be run: it fails, and its log says why."""

    def __init__(self, info: RunInfo, events: Sequence[Event], error: Exception) -> None:
        super().__init__(info.request.agent)
        self._error = error
        self._input: tuple[Message, ...] = ()
        with contextlib.suppress(HeadwaterError):
            self._input = _task_of(info)
        self.go_by(info.run)
        if events:
            Resumption.of(events, on_changed="warn").apply(self)

    async def _advance(self) -> list[Event]:
        if self.fold.started is None:
            return [self._started()]
        raise self._error

    def _started(self) -> RunStarted:
        return RunStarted(agent_name=self.name, input=self._input, grammar=GRAMMAR)


def fruitless(events: Sequence[Event]) -> int:
    """Counts the last drives in a row that finished no step or tool and did not end by waiting."""
    drives = 0
    for event in reversed(events):
        if isinstance(event, (StepFinished, ToolFinished)) or (isinstance(event, RunWaiting) and len(event.path) == 1):
            return drives
        drives += isinstance(event, (RunResumed, RunStarted)) and len(event.path) == 1
    return drives


def _crash_loop(id: str) -> CrashLoop:
    return CrashLoop(
        f"{MAX_FRUITLESS} processes in a row continued {id}, and none finished a step or a tool of it.",
        hint="Check what it does next: a tool may end the process, or use more memory than is available.",
    )


def said_by(run: Run) -> tuple[bytes, ...]:
    """Returns the messages that the run adds to its thread."""
    if run.fold.end is None or run.fold.started is None:
        return ()
    before = len(run.fold.started.history)
    return tuple(encode_message(message) for message in run.response().messages[before:])


# --- running it


async def _carry_out(log: RunLog, run: Run, writing: Writing, inbox: Inbox, telling: Telling | None) -> None:
    """Reads the run until it ends or is released; stores its events as they come."""
    pull, append = run.pull, run.append
    run.lets_go = RunLost(f"This process stops driving {run.id}.", hint="Another process continues it.")
    hearing = asyncio.get_running_loop().create_task(hear(log, run, inbox), name=f"headwater inbox {run.id}")
    seconds: float | None = None
    try:
        while events := await pull():
            for event in events:
                if (wait := append(event)) is not None:
                    await wait
            if not inbox.silent:
                inbox.say()
            writing.release()
            if _only_waits(run):
                if telling is None or not telling.left:
                    _let_go(run, writing, inbox)
                else:
                    writing.hold_back(RunWaiting)
                    telling.begin()
    except BaseException:
        seconds = LAST_SECONDS
        run.reader_cancelled()
        raise
    finally:
        hearing.cancel()
        await asyncio.wait([hearing])
        if telling is not None:
            await telling.close()
        await _settle(run, writing, seconds)


async def _settle(run: Run, writing: Writing, seconds: float | None) -> None:
    """Waits until all events of the run are stored, at most so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await run.settle()
    except TimeoutError:
        writing.refused(RunLost(f"The journal does not answer, so {run.id} is let go.", hint="It goes on elsewhere."))


def _only_waits(run: Run) -> bool:
    return run.waiting and bool(run.people.unattended) and not run.stopping


def _let_go(run: Run, writing: Writing, inbox: Inbox) -> None:
    pending, now = run.people.pending, run.people.now()
    untils = [question.until for question in pending if question.until is not None]
    if untils and min(untils) <= now:
        return  # it lapses at once, and the run continues
    writing.waits(min(untils) if untils else None, inbox.heard)
    waits = ", ".join(f"{one.tool} ({one.id})" for one in pending)
    run.leave(Parked(f"The run waits for people: {waits}.", hint="Answer with headwater.attach(id)."))


async def hear(log: RunLog, run: Run, inbox: Inbox) -> None:
    """Delivers the messages to the run while it is driven."""
    pause = 0.05
    while not run.over:
        try:
            async for letters in log.letters(run.id):
                inbox.hear(letters)
            return
        except JournalUnavailable:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)


def poster(log: RunLog, id: str) -> Post:
    """Returns the function that stores the answers of approvers and expired questions; see `People.post`."""

    async def post(question: Question, answer: Answer) -> Answer:
        body = msgspec.json.encode(answer_body(answer, question.kind))
        pause = 0.05
        while True:
            try:
                posted = await log.post(id, "answer", question.id, body)
            except RunEnded:
                return answer
            except JournalUnavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)
                continue
            stands = msgspec.json.decode(posted.letter.body).get("answer")
            return msgspec.convert(stands, Answer) if stands is not None else answer

    return post


def _telling(
    log: RunLog, run: Run, writing: Writing, inbox: Inbox, tell: OnWaiting, letters: Sequence[Letter]
) -> Telling:
    from headwater.durable.notifying import Telling

    def told() -> None:
        if _only_waits(run):
            _let_go(run, writing, inbox)

    return Telling(
        log,
        run.id,
        tell,
        letters,
        pending=lambda: run.people.pending,
        stored=writing.settle,
        failed=writing.release,
        told=told,
    )

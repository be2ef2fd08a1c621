"""Carries out the loop's commands: asks models, runs tools, and appends what happens to the log.

A `Run` is pulled: whoever reads it awaits `pull` for the next events and appends each one before pulling again. No
frame of it is suspended between two pulls, so leaving is a plain call that closes everything (`abort`), and a reader
that pauses holds the provider back by itself. `append` is the one place where events get their number, their time and
their owner. What follows what is decided in `loop`; what it adds up to in `fold`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import os
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import msgspec
from msgspec.structs import force_setattr

from headwater.attempts import Asking, Retries, Timeouts
from headwater.callbacks import CallbackErrors, Watcher, current_run
from headwater.errors import (
    HeadwaterError,
    MaxStepsReached,
    OutputInvalid,
    RunTimeout,
    ToolCallInvalid,
)
from headwater.events import (
    ChildFinished,
    ChildStarted,
    Event,
    MessageAdded,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepStarted,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UsageReported,
    Warned,
)
from headwater.fold import Fold, error_info
from headwater.loop import Command, Limits, Loop, Signal
from headwater.loops import Interruptible, running_loop
from headwater.messages import Message, Response, ToolCall, Usage
from headwater.providers.base import OutputSpec, Place, Request, Settings, ToolSpec
from headwater.tools import Tool, run_tool

if TYPE_CHECKING:
    from headwater.source import Source
    from headwater.thread import Thread

__all__ = ("Delegate", "Job", "Log", "Output", "Run")

LEAD: Final = "\n\n"
"""What parts a step's text from the text of the step before it."""

GO_ON: Final = "Go on."
"""What an agent with loops left is asked after its own answer."""

MAX_PENDING_PROGRESS: Final = 1000
"""Progress events a reader may be behind; then the oldest are dropped, with a warning: progress is only news."""

CancelledBy = Literal["caller", "left", "deadline", "parent", "shutdown"]


class Output(Protocol):
    """The type that an answer must have."""

    @property
    def spec(self) -> OutputSpec:
        """How a provider is told of it."""

    def parse(self, text: str) -> Any:
        """The answer as a value. Raises ValueError, saying what is wrong in words that a model can mend."""


class Delegate(Protocol):
    """A tool that is a run of its own: an agent, or a workflow."""

    @property
    def name(self) -> str:
        """The tool's name."""

    @property
    def spec(self) -> ToolSpec:
        """How a model is told of it."""

    def job(self, arguments: Mapping[str, Any], context: Any) -> Job:
        """What is to be done for a call. Raises ValueError where the arguments do not fit."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run needs to know, fixed when it starts."""

    name: str
    sources: tuple[Source, ...]
    input: tuple[Message, ...]
    history: tuple[Message, ...] = ()
    thread: Thread | None = None
    instructions: str | Callable[..., Any] | None = None
    tools: Mapping[str, Tool[Any, Any] | Delegate] = {}
    run_tools: bool = True
    offers: tuple[ToolSpec, ...] = ()
    """Tools that the model is told of beside `tools`, and that nobody here runs."""
    output: Output | None = None
    settings: Settings = Settings()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    context: Any = None
    quiet: bool = False
    """Nothing may be written to standard output or error on this run's behalf."""


class Log:
    """What a tree of runs shares: the numbering, the clock that never falls, and the runs below that are going on."""

    __slots__ = ("now", "runs", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self.now = 0.0
        self.runs: dict[str, Run] = {}

    def tick(self) -> None:
        """Read the clock: once a batch, not once an event."""
        now = time.time()
        if now > self.now:
            self.now = now


class _Stopped(HeadwaterError):
    """Ends the await that is going on; never leaves this file."""


class Run:
    """One run: pulled by its reader, ended by itself, by `cancel`, or by `abort`."""

    def __init__(self, job: Job, *, parent: Run | None = None, call: str | None = None) -> None:
        self.job = job
        self.id = f"run_{os.urandom(9).hex()}"
        self.path: tuple[str, ...] = (*parent.path, job.name) if parent else (job.name,)
        self.parent = parent.id if parent else None
        self.fold = Fold()
        self.speaks_for: set[str] = {self.id}
        self.callback_errors = CallbackErrors(quiet=job.quiet)
        self.error: BaseException | None = None
        self.output: Any = None
        self.over = False
        self.deadline: float | None = parent.deadline if parent else None
        """When the run must be done, in seconds of `time.monotonic`."""
        self._call = call
        self._log: Log = parent._log if parent else Log()
        if parent is not None:
            self._log.runs[self.id] = self
        self._watchers: tuple[Watcher, ...] = ()
        self._above: tuple[Run, ...] = (*parent._above, parent) if parent else ()
        self._loop = Loop(job.limits)
        self._next: Callable[[Run], Awaitable[list[Event]]] = Run._begin
        self._asking: Asking | None = None
        self._calls_taken: set[str] = set()
        self._system: str | None = None
        self._history = job.history
        self._took_thread = False
        self._tools: _ToolRuns | None = None
        self._children: list[Run] = []
        self._linked: weakref.WeakSet[Run] = weakref.WeakSet()
        self._stop: CancelledBy | Literal["failed"] | None = None
        self._ending: Iterator[list[Event]] | None = None
        self._interruptible = Interruptible()
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._clock: asyncio.TimerHandle | None = None
        outer = current_run.get()
        if parent is None and outer is not None and not outer.over:
            self.parent = outer.id
            outer._linked.add(self)

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
                    events = await self._next(self)
                    if self.stopping:
                        break
                    if events:
                        self._log.tick()
                        return events
            except _Stopped:
                pass
            except Exception as error:
                self._fail(error)
            except BaseException:
                # The reader's own task is cancelled, or the program ends: leave in order, and let it go on.
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
            return log.runs[event.run]._take_in(event)
        _set(event, "run", self.id)
        _set(event, "path", self.path)
        if event.__class__ is TextDelta:
            self.fold.text_delta(event)
        else:
            self.fold.add(event)
        if self._watchers or self._above:
            return self._tell(event)
        return None

    def _take_in(self, event: Event) -> Awaitable[Any] | None:
        """`append` for an event that stands in this tree's log already stamped, and is this run's."""
        self.fold.add(event)
        return self._tell(event)

    def _tell(self, event: Event) -> Awaitable[Any] | None:
        waits: list[Awaitable[Any]] | None = None
        for run in (self, *self._above) if self._above else (self,):
            for watcher in run._watchers:
                if (wait := watcher(event)) is not None:
                    waits = [*(waits or ()), wait]
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
        if idle and self._asking is not None:
            self._asking.shut()  # an idle loop would not hear of it before its reader comes back

    def abort(self, by: CancelledBy = "left") -> None:
        """End the run now, in the loop's own thread or from a finaliser: everything is closed when this returns.

        The log gets its end at once; who watches hears of it, and nothing is awaited.
        """
        if self.over:
            return
        if self._stop is None:
            self._stop = by
        self._interrupt()
        self._let_go()
        if self.fold.started is None:
            self._finish()  # never begun: there is no log to end
            return
        self._log.tick()
        while events := self._end_next():
            for event in events:
                wait = self.append(event)
                if inspect.iscoroutine(wait):
                    wait.close()

    @property
    def stopping(self) -> bool:
        """Whether the run is to end before its time, or has ended."""
        return self._stop is not None

    @property
    def settled(self) -> bool:
        """Whether nothing of the run is left on its loop: its tools' tasks are done."""
        return self._tools is None or self._tools.done

    async def settle(self) -> None:
        """Wait until the tasks of cancelled tools are done."""
        if self._tools is not None:
            await self._tools.settle()

    def _interrupt(self) -> None:
        """End the await that is going on; where there is none, the connection need not wait for the next one."""
        if not self._interruptible.interrupt(_Stopped("stopped")) and self._asking is not None:
            self._asking.abort()

    def _fail(self, error: BaseException) -> None:
        if self._stop is None:
            self.error = error
            self._stop = "failed"

    def _let_go(self) -> None:
        """Close what is held: the provider's connection, the tools' tasks, the runs below and beside."""
        if self._asking is not None:
            self._asking.abort()
        if self._tools is not None:
            self._tools.cancel()
        for child in tuple(self._children):
            child.abort("parent")
        for linked in tuple(self._linked):
            linked.cancel("parent")

    def _end_next(self) -> list[Event]:
        """The next events of an end that has come before its time; [] once all are appended."""
        if self._ending is None:
            self._let_go()
            self._ending = self._end_events()
            self._log.tick()
        for events in self._ending:
            if events:
                return events
        self._finish()
        return []

    def _end_events(self) -> Iterator[list[Event]]:
        if self.fold.end is not None:
            return  # its reader left between the end and the next pull
        failed = self._stop == "failed"
        fold = self.fold
        if fold.started is None:
            yield [self._started()]
        why = "The run failed before this was done." if failed else "The run was cancelled before this was done."
        yield fold.closing(why)
        if fold.in_step is not None:
            decoder = self._asking.decoder if self._asking else None
            if decoder is not None and decoder.usage is None and fold.visible:
                place = decoder.place
                yield [UsageReported(step=place.step, attempt=place.attempt, usage=Usage(), origin="unknown")]
            source = self._asking.source if self._asking else self.job.sources[0]
            reason = decoder.finish_reason if failed and decoder else None if failed else "cancelled"
            yield [fold.step_end(api=source.api, model=source.model, finish_reason=reason)]
        if failed:
            assert self.error is not None
            yield [RunFailed(error=error_info(self.error), usage=fold.usage)]
        else:
            assert self._stop is not None
            by: Any = self._stop
            yield [RunCancelled(by=by, usage=fold.usage)]

    def _finish(self) -> None:
        self.over = True
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        self._asking = None
        if self.job.thread is not None and self._took_thread:
            self._took_thread = False
            begun = self.fold.started is not None
            self.job.thread.give_back(self.response().messages if begun else self._history)

    def _start_clock(self) -> None:
        loop = self._event_loop = asyncio.get_running_loop()
        if (seconds := self.job.timeouts.run) is not None:
            self.deadline = min(self.deadline or math.inf, time.monotonic() + seconds)
            # The timer must not keep an abandoned run alive.
            self._clock = loop.call_later(seconds, _run_out, weakref.ref(self))

    def run_out(self) -> None:
        """The run's own clock has run out."""
        seconds = self.job.timeouts.run or 0.0
        self._fail(
            RunTimeout(
                f"The run took longer than {seconds:g} s.", hint="Raise timeouts.run.", clock="run", seconds=seconds
            )
        )
        self._interrupt()

    # --- what the loop commands: each gives events, or nothing where the next one is to be asked at once

    async def _begin(self) -> list[Event]:
        job = self.job
        if job.thread is not None:
            self._history = job.thread.take()
            self._took_thread = True
        if callable(job.instructions):
            token = current_run.set(self)
            try:
                said = job.instructions(job.context)
                self._system = await said if inspect.isawaitable(said) else said
            finally:
                current_run.reset(token)
        else:
            self._system = job.instructions
        return [self._started(), *self._ask(self._loop.take(Signal.BEGIN))]

    def _started(self) -> RunStarted:
        job = self.job
        return RunStarted(
            agent_name=job.name,
            input=job.input,
            history=self._history,
            model=job.sources[0].model,
            settings=job.settings.given(),
            context=_as_data(job.context),
            parent=self.parent,
            call=self._call,
        )

    def _ask(self, command: Command) -> list[Event]:
        assert command in (Command.ASK, Command.GO_ON, Command.REPAIR)
        self._next = Run._open
        return [StepStarted(step=self._loop.steps)]

    async def _open(self) -> list[Event]:
        job, fold = self.job, self.fold
        system = (Message.system(self._system),) if self._system else ()
        step = self._loop.steps
        self._asking = Asking(
            job.sources,
            Request(
                model="",
                messages=(*system, *fold.messages),
                tools=(*(tool.spec for tool in job.tools.values()), *job.offers),
                output=job.output.spec if job.output else None,
                settings=job.settings,
            ),
            Place(
                step=step,
                lead=LEAD if fold.has_text else "",
                call_prefix=f"call_{self.id[4:12]}_{step}",
                calls=self._calls_taken,
            ),
            fold,
            timeouts=job.timeouts,
            retries=job.retries,
            interruptible=self._interruptible,
        )
        self._next = Run._listen
        return []

    async def _listen(self) -> list[Event]:
        asking = self._asking
        assert asking is not None
        if events := await asking.pull():
            return events
        decoder = asking.decoder
        assert decoder is not None
        self._next = Run._sort
        return [
            self.fold.step_end(
                api=asking.source.api,
                model=asking.source.model,
                finish_reason=decoder.finish_reason,
                word=decoder.provider_finish_reason,
            )
        ]

    async def _sort(self) -> list[Event]:
        """What kind of answer was it? One with calls to run, or one to be checked."""
        fold = self.fold
        ours = fold.calls_to_run()
        whole = fold.finish_reason in ("tool_calls", "stop", None)
        if not (self.job.run_tools and whole and (ours or fold.rejected())):
            self._next = Run._check
            self._loop.take(Signal.ANSWERED)
            return []
        if self._loop.take(Signal.CALLED) is Command.FAIL_STEPS:
            limit = self.job.limits.max_steps
            raise MaxStepsReached(
                f"The model asked for tools in each of {limit} steps.",
                hint="Raise max_steps, or make its task or its tools simpler.",
                limit="max_steps",
                size=limit,
            )
        self._tools = _ToolRuns(self, ours)
        self._next = Run._work
        return [ToolStarted(step=self._loop.steps, call=key, name=call.name) for key, call in ours]

    async def _work(self) -> list[Event]:
        """Hand on what the tools do as they do it, until all are done."""
        tools = self._tools
        assert tools is not None
        if events := await tools.pull():
            return events
        bad = tools.all_bad
        self._tools = None
        command = self._loop.take(Signal.TOOLS_DONE, all_calls_bad=bad)
        if command is Command.FAIL_CALLS:
            raise ToolCallInvalid(
                f"The model called tools wrongly in {self.job.limits.max_bad_call_steps} steps in a row.",
                hint="Describe the tools' parameters better, or use another model.",
            )
        return self._ask(command)

    async def _check(self) -> list[Event]:
        """Is the answer what was asked for?"""
        output, fold = self.job.output, self.fold
        if output is None:
            return self._go_on_or_finish()
        if fold.finish_reason in ("length", "content_filter", "refusal"):
            raise OutputInvalid(
                f"The answer is no {output.spec.name}: it ended with {fold.finish_reason!r}.",
                hint="Raise max_tokens." if fold.finish_reason == "length" else "",
            )
        try:
            self.output = output.parse(fold.text)
        except ValueError as problem:
            command = self._loop.take(Signal.INVALID)
            if command is not Command.REPAIR:
                raise OutputInvalid(
                    f"The answer is no {output.spec.name}, also after it was sent back: {problem}",
                    hint="Use a simpler type or a stronger model.",
                ) from problem
            message = Message.user(f"Your answer does not fit:\n{problem}\nAnswer again, with only the corrected JSON.")
            return [MessageAdded(message=message, cause="repair"), *self._ask(command)]
        return self._go_on_or_finish()

    def _go_on_or_finish(self) -> list[Event]:
        command = self._loop.take(Signal.VALID)
        if command is Command.GO_ON:
            return [MessageAdded(message=Message.user(GO_ON), cause="loop"), *self._ask(command)]
        self._next = Run._finished
        fold = self.fold
        return [
            RunFinished(
                finish_reason=fold.finish_reason,
                output=_as_data(self.output) if self.job.output else None,
                usage=fold.usage,
            )
        ]

    async def _finished(self) -> list[Event]:
        self._ending = iter(())
        self._stop = "caller"  # nothing more is asked of `_next`
        return []


class _ToolRuns:
    """The calls of one step, running side by side as tasks; what they do is handed on through one queue.

    The tasks hold the run, never its stream: a reader that lets go of the stream ends them.
    """

    def __init__(self, run: Run, calls: tuple[tuple[str, ToolCall], ...]) -> None:
        self._run = run
        self._queue: deque[tuple[list[Event], asyncio.Future[None] | None]] = deque()
        self._wake: asyncio.Event = asyncio.Event()
        self._handed: list[asyncio.Future[None]] = []
        self._progress = 0
        self._dropped = False
        self._bad = 0
        self._count = len(calls)
        self._begun = False
        self._calls = calls
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def all_bad(self) -> bool:
        """Whether every call was refused for what the model wrote."""
        return self._bad == self._count

    @property
    def done(self) -> bool:
        """Whether no task is left."""
        return not self._tasks

    async def pull(self) -> list[Event]:
        """What the tools have done; [] once all have ended."""
        if not self._begun:
            self._begun = True
            for key, call in self._calls:
                task = asyncio.create_task(self._run_call(key, call), name=f"headwater tool {call.name}")
                self._tasks.add(task)
                task.add_done_callback(self._ended)
        self._release()
        while not self._queue:
            if not self._tasks:
                return []
            self._wake.clear()
            await self._run._interruptible.wait(self._wake.wait())
        events: list[Event] = []
        while self._queue:
            batch, handed = self._queue.popleft()
            events += batch
            if handed is not None:
                self._handed.append(handed)
        self._progress = 0
        return events

    def cancel(self) -> None:
        """Tell them all to stop; what they still say is dropped."""
        for task in self._tasks:
            task.cancel()
        self._queue.clear()
        self._release()

    async def settle(self) -> None:
        """Wait for cancelled tasks to be done."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def put(self, events: list[Event], handed: asyncio.Future[None] | None = None) -> None:
        """Have the reader append these, as soon as it comes."""
        self._queue.append((events, handed))
        self._wake.set()

    async def hand(self, events: list[Event]) -> None:
        """`put`, and wait until they are appended."""
        handed = asyncio.get_running_loop().create_future()
        self.put(events, handed)
        await handed

    def _release(self) -> None:
        """What was handed out has been appended by now: whoever waited for that goes on."""
        handed, self._handed = self._handed, []
        for future in handed:
            if not future.done():
                future.set_result(None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks and self._run.over:
            self._run._tools = None  # each holds the other
        if not task.cancelled() and (error := task.exception()) is not None:
            self._run._fail(error)
            self._run._interrupt()
        self._wake.set()

    def _emit(self, key: str, name: str, data: Any) -> None:
        if self._run.over:
            return
        if self._progress >= MAX_PENDING_PROGRESS:
            for at, (events, _) in enumerate(self._queue):
                if isinstance(events[0], ToolProgress):
                    del self._queue[at]
                    break
            if not self._dropped:
                self._dropped = True
                self.put([Warned(code="progress_dropped", message=f"{name} says more than is read; some is dropped.")])
        self._progress += 1
        self.put([ToolProgress(step=self._run._loop.steps, call=key, name=name, data=data)])

    async def _run_call(self, key: str, call: ToolCall) -> None:
        run = self._run
        current_run.set(run)
        begun = time.monotonic()
        result: Any = ""
        error: str | None
        truncated: int | None = None
        tool = run.job.tools.get(call.name)
        if tool is None:
            self._bad += 1
            error = f"There is no tool named {call.name!r}. There are: {', '.join(run.job.tools) or 'none'}."
        elif isinstance(tool, Tool):
            outcome = await run_tool(
                tool,
                call.arguments,
                run.job.context,
                emit=lambda data: self._emit(key, call.name, data),
                timeout=run.job.timeouts.tool,
                deadline=run.deadline,
                call_id=key,
                run_id=run.id,
            )
            result, error, truncated = outcome.result, outcome.error, outcome.truncated_from
            self._bad += outcome.invalid
        else:
            result, error = await self._delegate(key, tool, call)
        finished = ToolFinished(
            step=run._loop.steps,
            call=key,
            name=call.name,
            result=result if error is None else error,
            error=error,
            duration=time.monotonic() - begun,
            truncated_from=truncated,
        )
        self.put([finished])

    async def _delegate(self, key: str, tool: Delegate, call: ToolCall) -> tuple[str, str | None]:
        """Run an agent as a tool: its events go into the same log, its text is the result."""
        run = self._run
        try:
            if not isinstance(call.arguments, dict):
                raise ValueError("the arguments are no JSON object")
            job = tool.job(call.arguments, run.job.context)
        except ValueError as problem:
            self._bad += 1
            return "", f"The arguments do not fit: {problem}"
        child = Run(job, parent=run, call=key)
        run._children.append(child)
        await self.hand([ChildStarted(child=child.id, name=job.name, call=key)])
        try:
            while events := await child.pull():
                await self.hand([_owned(event, child) for event in events])
        except BaseException:
            child.abort("parent")
            raise
        finally:
            run._children.remove(child)
            del run._log.runs[child.id]
        outcome: Any = "finished" if child.error is None else "failed"
        if isinstance(child.fold.end, RunCancelled):
            outcome = "cancelled"
        await self.hand(
            [ChildFinished(child=child.id, name=job.name, call=key, outcome=outcome, usage=child.fold.usage)]
        )
        if child.error is not None:
            if not isinstance(child.error, Exception):
                raise child.error
            return "", f"{type(child.error).__name__}: {child.error}"
        return (child.fold.text, None) if outcome == "finished" else ("", "It was cancelled.")


def _owned(event: Event, run: Run) -> Event:
    """The event marked as the run's, so that whoever appends it knows whose it is."""
    if not event.run:
        _set(event, "run", run.id)
        _set(event, "path", run.path)
    return event


def _run_out(this: weakref.ref[Run]) -> None:
    run = this()
    if run is not None:
        run.run_out()


async def _all(waits: list[Awaitable[Any]]) -> None:
    for wait in waits:
        await wait


def _as_data(value: Any) -> Any:
    """`value` as JSON can hold it; what it cannot hold is told by its repr."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        from headwater.schema import to_json

        return to_json(value)


_set = force_setattr  # events are frozen for everyone else: this is the one append point that stamps them

"""What every workflow is: a plan over members, read as one run with an agent's own faces.

A plan is a coroutine that asks members and waits for them; it runs as a task beside its reader, and what the members
say goes through one queue into one log. This file owns the run and the faces; what follows what is a plan's.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeAlias, TypedDict, TypeVar, cast

from typing_extensions import Unpack

from headwater.agents import validation
from headwater.agents.model import Task, as_messages
from headwater.agents.runnable import RunHandle, Runnable, RunnableTool
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError, HeadwaterError
from headwater.events import Event, RunFinished, RunStarted, Warned
from headwater.events.messages import Message, Response, Usage
from headwater.readers.callbacks import Callback, event_watcher, retraction_of, token_watcher
from headwater.readers.kept_loop import blocks_here, kept_loop, refuse_inside_loop
from headwater.readers.stream import AgentStream, drain_blocking
from headwater.runtime.agent_run import Delegate
from headwater.runtime.backlog import SLOW_READERS, SlowReader
from headwater.runtime.context import current_run
from headwater.runtime.run import Run, as_data

if TYPE_CHECKING:
    from headwater.workflows.results import Results

__all__ = ("Member", "OnError", "Plan", "Workflow", "WorkflowOptions", "WorkflowRun", "passed_on")

OnError: TypeAlias = Literal["raise", "collect"]
Plan: TypeAlias = "Callable[[WorkflowRun], Coroutine[Any, Any, None]]"
Member: TypeAlias = Runnable

ResultT = TypeVar("ResultT", bound="Response[Any] | Results")


class WatchOptions(TypedDict, total=False):
    """Who watches one run of a workflow."""

    streaming_callback: Callback | None
    on_event: Callback | None
    on_retract: Callback | None


class WorkflowOptions(TypedDict, total=False):
    """What every workflow takes beside its members and its name; see `Workflow`."""

    description: str
    show_dashboard: bool
    print_on: bool | None
    streaming_callback: Callback | None
    on_event: Callback | None
    on_retract: Callback | None
    on_error: OnError
    max_concurrency: int | None
    timeouts: Timeouts | None
    stream: bool


class WorkflowRun(Run):
    """One run of a workflow: its plan as a task, its members as runs that stand in it."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        compose: Callable[[WorkflowRun], Response[Any] | Results],
        *,
        input: tuple[Message, ...],
        context: Any = None,
        on_error: OnError = "raise",
        max_concurrency: int | None = None,
        timeouts: Timeouts | None = None,
        quiet: bool = False,
    ) -> None:
        super().__init__(name, timeout=timeouts.run if timeouts else None, quiet=quiet)
        self.speaks_for = set()  # it has no text of its own: its members' is its text
        self.input = input
        self.context = context
        self.members: dict[str, Run] = {}
        """The last run of each member that has begun, by its name, in the order in which they began."""
        self.asked: dict[str, Exception | None] = {}
        """The members in the order in which they were last asked, each with what kept it from beginning, if it was."""
        self.led_on: set[str] = set()
        """Members whose answer went on to others, where a plan keeps account of that."""
        self._earlier: dict[str, _Earlier] = {}
        self._said: list[str] = []
        self._plan = plan
        self._compose = compose
        self._on_error = on_error
        self._limit = asyncio.Semaphore(max_concurrency) if max_concurrency else None
        self._begun = False
        self._done = False

    async def ask(self, member: Member, task: Sequence[Message], *, final: bool | None) -> Response[Any]:
        """Run a member to its end and give its Response; for a plan.

        `final` says whether its answer is the workflow's: None where that is not known yet, and is said later.
        Raises what ended it, where this workflow's errors are raised; else the Response has it as `error`.
        """
        if self._limit is None:
            return await self._ask(member, task, final)
        async with self._limit:
            return await self._ask(member, task, final)

    async def _ask(self, member: Member, task: Sequence[Message], final: bool | None) -> Response[Any]:
        name = member.name
        self.asked.pop(name, None)
        try:
            run = claimed(member, task, self.context)
        except Exception as problem:
            self.asked[name] = problem
            return self._failed_to_begin(name, problem)
        self.asked[name] = None
        run.join(self, name=name, voiced=True)
        run.final = final
        if (before := self.members.pop(name, None)) is not None:
            self._keep(name, before)
        self.members[name] = run
        await self.conduct(run)
        error = run.error
        if error is not None and (self._on_error == "raise" or not isinstance(error, Exception)):
            note(error, f"{name!r} was at work in {self.name!r}.")
            raise error
        return self.of(name)

    def _failed_to_begin(self, name: str, error: Exception) -> Response[Any]:
        """A member that cannot even be asked (no key, no such model) is one that failed."""
        note(error, f"{name!r} was to begin in {self.name!r}.")
        if self._on_error == "raise":
            raise error
        assert self._mux is not None
        self._mux.put(
            [Warned(code="member_failed", message=f"{name} could not begin: {type(error).__name__}: {error}")]
        )
        return self.of(name)

    def _keep(self, name: str, run: Run) -> None:
        """What is still to be told of a member's run when it has begun another."""
        self._earlier[name] = self._earlier.get(name, _Earlier()).and_of(run)
        self._said.append(as_response(run).transcript)

    # --- what a run is

    async def _advance(self) -> list[Event]:
        if not self._begun:
            self._begun = True
            self._mux = self._new_mux()
            self._mux.spawn(self._carry_out(), f"plan of {self.name}")
            return [self._started()]
        assert self._mux is not None
        if events := await self._mux.pull():
            return events
        if self._done:
            self.close()
            return []
        self._done = True
        result = self.response()
        last = result if isinstance(result, Response) else None
        return [RunFinished(finish_reason=last.finish_reason if last else "stop", usage=self.fold.usage)]

    async def _carry_out(self) -> None:
        current_run.set(None)  # members are part of this run, not beside it
        await self._plan(self)

    def _started(self) -> RunStarted:
        return RunStarted(
            agent_name=self.name,
            input=self.input,
            context=as_data(self.context),
            parent=self.parent,
            call=self.call,
        )

    def response(self) -> Any:
        """What the members have come to so far, put together as the workflow does."""
        return self._compose(self)

    def raise_error(self) -> None:
        """Raise what ended the run, if an error did, with every member's partial on it."""
        if isinstance(self.error, HeadwaterError):
            self.error.response = self.response()
        if self.error is not None:
            raise self.error

    def of(self, name: str) -> Response[Any]:
        """The Response of a member so far; an empty one where it has not begun."""
        run, error = self.members.get(name), self.asked.get(name)
        if run is None:
            return Response("", agent=name, partial=True, error=error if self._on_error == "collect" else None)
        response = as_response(run)
        told: dict[str, Any] = {"agent": name}
        if self._on_error == "collect":
            told["error"] = error or run.error
        if (earlier := self._earlier.get(name)) is not None:
            told["usage"] = earlier.usage + response.usage
            told["duration"] = earlier.duration + response.duration
        return response.replaced(response.text, **told)

    def told(self) -> dict[str, Any]:
        """The fields that a Response of the whole has, whoever's text it is."""
        own = self.fold.response(now=self._log.now or None)
        errors = sum(run.callback_errors.count for run in self.members.values())
        errors += sum(earlier.callback_errors for earlier in self._earlier.values())
        return {
            "transcript": "".join([*self._said, *(as_response(run).transcript for run in self.members.values())]),
            "usage": own.usage,
            "usage_origin": own.usage_origin,
            "duration": own.duration,
            "run_id": self.id,
            "agent": self.name,
            "partial": own.partial,
            "callback_errors": self.callback_errors.count + errors,
            **({"finish_reason": own.finish_reason} if own.partial and self.fold.end is not None else {}),
        }


class _Earlier(NamedTuple):
    """What the runs of a member before its last one have come to."""

    usage: Usage = Usage()
    duration: float = 0.0
    callback_errors: int = 0

    def and_of(self, run: Run) -> _Earlier:
        response = as_response(run)
        return _Earlier(
            self.usage + response.usage,
            self.duration + response.duration,
            self.callback_errors + response.callback_errors,
        )


class Workflow(Generic[ResultT]):
    """Members under a name, with an agent's faces; see the subclasses for the plans.

    `agents` are agents, workflows, or anything with a name and `run_stream`; their names are unique.
    `on_error`: "raise" cancels the others and raises with every partial; "collect" goes on, and the failed member's
    Response has what it had said and `.error`. `max_concurrency` is how many members may be at work at once.
    `show_dashboard` shows them all live in the terminal. `print_on` says whether `run` shows anything at all (None:
    what the members' own `streaming_on` shows, unless a callback is given).
    """

    def __init__(
        self,
        agents: Iterable[Member],
        *,
        name: str,
        description: str = "",
        show_dashboard: bool = False,
        print_on: bool | None = None,
        streaming_callback: Callback | None = None,
        on_event: Callback | None = None,
        on_retract: Callback | None = None,
        on_error: OnError = "raise",
        max_concurrency: int | None = None,
        timeouts: Timeouts | None = None,
        stream: bool = False,
        **more: Any,
    ) -> None:
        for unknown in more:
            raise validation.unknown(unknown, _OPTIONS, hint=_not_mine(unknown))
        self.name = name
        self.description = description
        self.agents: tuple[Member, ...] = checked_members(agents, name)
        self.show_dashboard = show_dashboard
        self.print_on = print_on
        self.streaming_callback = validation.callback("streaming_callback", streaming_callback)
        self.on_event = validation.callback("on_event", on_event)
        self.on_retract = validation.callback("on_retract", on_retract)
        self.on_error: OnError = validation.choice("on_error", on_error, ("raise", "collect")) or "raise"
        self.max_concurrency = None if max_concurrency is None else validation.whole("max_concurrency", max_concurrency)
        self.timeouts = validation.timeouts(timeouts)
        self.stream = stream

    # --- what a subclass says

    async def _plan(self, run: WorkflowRun) -> None:
        """Ask the members, in whatever order this workflow has."""
        raise NotImplementedError

    def _compose(self, run: WorkflowRun) -> ResultT:
        """What the members' Responses come to, at any moment of the run."""
        raise NotImplementedError

    one_at_a_time = False
    """Whether a reader can be shown the members' words as they come, for no two speak at once."""

    # --- running

    def run(
        self,
        task: Task,
        *,
        context: Any = None,
        **options: Unpack[WatchOptions],
    ) -> ResultT:
        """Run to the end: blocks in plain code; inside a running event loop returns what is to be awaited.

        `streaming_callback` and `on_event` win over the workflow's own; a callback with two or three parameters is told
        who speaks. Raises the error of the member that failed, with every partial as its `response`.
        """
        if blocks_here():
            return self.run_sync(task, context=context, **options)
        return cast("ResultT", RunHandle(self.arun(task, context=context, **options)))

    async def arun(
        self,
        task: Task,
        *,
        context: Any = None,
        **options: Unpack[WatchOptions],
    ) -> ResultT:
        """`run` as a plain coroutine."""
        run = self._begin(task, shown=True, context=context, **options)
        await run.drain()
        return cast("ResultT", run.response())

    def run_sync(
        self,
        task: Task,
        *,
        context: Any = None,
        **options: Unpack[WatchOptions],
    ) -> ResultT:
        """`run` that always blocks. Raises LoopMisuse inside a running event loop."""
        refuse_inside_loop("`await workflow.run(…)`")
        run = self._begin(task, shown=True, context=context, **options)
        drain_blocking(run, kept_loop())
        return cast("ResultT", run.response())

    def run_stream(
        self,
        message: Task,
        *,
        context: Any = None,
        slow_reader: SlowReader = "wait",
        **options: Unpack[WatchOptions],
    ) -> AgentStream[Any]:
        """The run as one merged stream: chunks that say whose they are, `events()`, `text()`, `select()`, `cancel()`.

        Started by whoever reads it first; leaving the loop cancels every member and closes their connections.
        `slow_reader`: where members are faster than the reader, "wait" holds them back; "coalesce" lets them go on and
        joins the pieces that wait, up to a megabyte a member; "drop_progress" also keeps only the last of the news that
        each tool gives. Raises ConfigurationError.
        """
        chosen: SlowReader = validation.choice("slow_reader", slow_reader, SLOW_READERS) or "wait"

        def begin() -> WorkflowRun:
            run = self._begin(message, shown=False, context=context, **options)
            run.slow_reader = chosen
            return run

        return AgentStream(begin)

    def as_tool(self, *, name: str | None = None, description: str | None = None) -> Delegate:
        """The workflow as an agent's tool: what it is asked goes in, its text comes out."""
        return RunnableTool(self, self._begin, name=name, description=description or self.description)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {', '.join(member.name for member in self.agents)})"

    def _begin(
        self,
        task: Task,
        *,
        shown: bool,
        context: Any = None,
        streaming_callback: Callback | None = None,
        on_event: Callback | None = None,
        on_retract: Callback | None = None,
        **more: Any,
    ) -> WorkflowRun:
        for unknown in more:
            raise validation.unknown(unknown, _RUN_OPTIONS, hint=_not_mine(unknown))
        run = WorkflowRun(
            self.name,
            self._plan,
            self._compose,
            input=as_messages(task),
            context=context,
            on_error=self.on_error,
            max_concurrency=self.max_concurrency,
            timeouts=self.timeouts,
            quiet=self.print_on is False,
        )
        callback = streaming_callback or self.streaming_callback
        watch_all = on_event or self.on_event
        if callback is not None:
            take_back = on_retract or self.on_retract
            errors = run.callback_errors
            run.watch(token_watcher(callback, run, errors, details=self.stream, on_retract=take_back))
        if watch_all is not None:
            run.watch(event_watcher(watch_all, run, run.callback_errors))
        if shown and self.print_on is not False:
            self._show(run, callback is not None)
        return run

    def _show(self, run: WorkflowRun, has_callback: bool) -> None:
        if self.show_dashboard:
            from headwater.terminal.dashboard import Dashboard

            run.watch(Dashboard(self.name, [member.name for member in self.agents]))
        elif self.print_on or (not has_callback and any(map(_shows, self.agents))):
            from headwater.terminal.section_printer import SectionPrinter

            run.watch(SectionPrinter(run.id, live=one_at_a_time(self), holds=retraction_of(run)))


_OPTIONS = ("max_loops", *WorkflowOptions.__annotations__)
_RUN_OPTIONS = ("context", *WatchOptions.__annotations__)


def _not_mine(name: str) -> str:
    """What to write instead of an argument that belongs elsewhere; "" where it belongs nowhere."""
    if name in validation.SETTINGS or name in ("history", "thread", "output_type", "tools", "model"):
        return (
            f"It belongs to the agents: Agent({name}=…)."
            if name not in ("history", "thread")
            else ("A workflow keeps no conversation: put what was said before into the task.")
        )
    return f"It belongs to the workflow: {name}=… where it is made." if name in _OPTIONS else ""


def _shows(member: Any) -> bool:
    """Whether a member, run alone, would show its words as they come."""
    own = getattr(member, "print_on", None)
    nested = getattr(member, "agents", ())
    return own is not False and bool(own or getattr(member, "streaming_on", False) or any(map(_shows, nested)))


def one_at_a_time(member: Any) -> bool:
    """Whether no two speak at once, here or further down."""
    return getattr(member, "one_at_a_time", True) and all(map(one_at_a_time, getattr(member, "agents", ())))


def checked_members(agents: Iterable[Member], workflow: str) -> tuple[Member, ...]:
    """The members. Raises ConfigurationError where there is none, one cannot be run, or two share a name."""
    if isinstance(agents, (str, Mapping)) or not isinstance(agents, Iterable):
        raise ConfigurationError(f"agents= is {type(agents).__name__}.", hint="Give a list of agents: agents=[…].")
    members = tuple(agents)
    if not members:
        raise ConfigurationError(f"The workflow {workflow!r} has no agents.", hint="Give it some: agents=[…].")
    for member in members:
        if not (callable(getattr(member, "run_stream", None)) and isinstance(getattr(member, "name", None), str)):
            raise ConfigurationError(
                f"{member!r} cannot stand in the workflow {workflow!r}.",
                hint="Members are agents, workflows, or anything with a name and run_stream.",
            )
    names = [member.name for member in members]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            f"In the workflow {workflow!r} more than one member is named {', '.join(map(repr, twice))}.",
            hint="Give each a name of its own: Agent(name=…).",
        )
    return members


def claimed(member: Member, task: Sequence[Message], context: Any) -> Run:
    """A member's run, not yet begun. Raises ConfigurationError where its `run_stream` gives no stream of ours."""
    stream: Any = member.run_stream(list(task), context=context)
    if not isinstance(stream, AgentStream):
        if inspect.iscoroutine(stream):
            stream.close()
        raise ConfigurationError(
            f"run_stream of {member.name!r} gave {type(stream).__name__}, and an AgentStream is expected.",
            hint="Return what an agent's or a workflow's run_stream gives, from a plain `def`.",
        )
    return stream.claim()


def as_response(run: Run) -> Response[Any]:
    """A member's Response, also where that member is a concurrent workflow, whose Results are told as sections."""
    result: Any = run.response()
    if isinstance(result, Response):
        return result
    fields = {"finish_reason": "stop", **cast("WorkflowRun", run).told()}
    return Response(result.text, members=result.members, **fields)


def note(error: BaseException, where: str) -> None:
    """Say where it happened, for whoever reads the traceback."""
    if where not in getattr(error, "__notes__", ()):
        error.add_note(where)


def passed_on(task: Sequence[Message], said: Mapping[str, str | Response[Any]]) -> tuple[Message, ...]:
    """The task, and after it what others have said to it, each under their name."""
    parts = [f"{name} has answered:\n\n{str.__str__(text)}" for name, text in said.items()]
    return (*task, Message.user("\n\n".join(parts))) if parts else tuple(task)


async def gather_or_cancel(work: Iterable[Awaitable[Any]]) -> list[Any]:
    """All at once; where one fails the others are cancelled and waited for, and its error is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION) if tasks else (set(), set())
        for task in tasks:
            if task in done and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        return [task.result() for task in tasks]
    finally:
        await cancelled(tasks)


async def cancelled(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Cancel those that are not done, and wait for all of them; what they raise besides is no news any more."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()

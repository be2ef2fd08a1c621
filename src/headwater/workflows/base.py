"""What every workflow is: a plan over members, read as one run with an agent's own faces.

A plan is a coroutine that asks members and waits for them; it runs as a task beside its reader, and what the members
say goes through one queue into one log. This file owns the run and the faces; what follows what is a plan's.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, cast

from typing_extensions import Unpack

from headwater.agents import validation
from headwater.agents.deep_copy import DeepCopied
from headwater.agents.needed_context import Needed, contexts_below, refuse_without
from headwater.agents.options import NO_TASK, refuse_said_before, task_of
from headwater.agents.runnable import RunnableTool, UnawaitedRun
from headwater.agents.task import Task, as_messages
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError
from headwater.events import Event, WorkflowShape
from headwater.events.questions import Answer
from headwater.events.response import Response
from headwater.readers.callbacks import Callback, event_watcher, token_watcher
from headwater.readers.kept_loop import blocks_here, kept_loop, refuse_inside_loop
from headwater.readers.reading import drain_blocking
from headwater.readers.stream import AgentStream
from headwater.runtime.backlog import SLOW_READERS, SlowReader
from headwater.runtime.context import Origin
from headwater.runtime.definition import definition_hash
from headwater.runtime.people import Approver
from headwater.runtime.resume import OnChanged, Resumption
from headwater.schema import all_well_formed, well_formed
from headwater.tools.work import Approval, Offered
from headwater.workflows.run import Member, OnError, WorkflowRun

if TYPE_CHECKING:
    from headwater.events.results import Results

__all__ = (
    "Workflow",
    "WorkflowOptions",
)


ResultT = TypeVar("ResultT", bound="Response[Any] | Results")


class WatchOptions(TypedDict, total=False):
    """Who watches one run of a workflow."""

    streaming_callback: Callback | None
    on_event: Callback | None
    on_retract: Callback | None
    approver: Approver | None
    keep_log: bool
    save: str | os.PathLike[str] | None
    message: Task


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
    approver: Approver | None
    keep_log: bool


class Workflow(DeepCopied, Generic[ResultT]):
    """Members under a name, with an agent's faces; see the subclasses for the plans.

    `agents` are agents, workflows, or anything with a name and `run_stream`; their names are unique.
    `on_error`: "raise" cancels the others and raises with every partial; "collect" goes on, and the failed member's
    Response has what it had said and `.error`. `max_concurrency` is how many members may be at work at once.
    `show_dashboard` shows them all live in the terminal. `print_on` says whether `run` shows anything at all (None:
    what the members' own `streaming_on` shows). A token callback owns the output: with one, `run` shows nothing but the
    dashboard.
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
        approver: Approver | None = None,
        keep_log: bool = False,
        **more: Any,
    ) -> None:
        for unknown in more:
            raise validation.unknown(unknown, _OPTIONS, hint=_not_mine(unknown))
        self.name = well_formed(name)
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
        self.approver = approver
        self.keep_log = keep_log

    # --- what a subclass says

    async def _plan(self, run: WorkflowRun) -> None:
        """Ask the members, in whatever order this workflow has."""
        raise NotImplementedError

    def _plan_of(self) -> Sequence[Any]:
        """What else the plan was declared with, as plain values: it counts towards the definition's hash."""
        return ()

    def _edges(self) -> tuple[tuple[str, str], ...]:
        """The ways from one member to another, as far as they are declared."""
        return ()

    kind = ""
    """How the members' answers are put together, as the log tells it; see `events.answers`."""

    one_at_a_time = False
    """Whether a reader can be shown the members' words as they come, for no two speak at once."""

    # --- running

    def run(
        self,
        task: Task = NO_TASK,
        *,
        context: Any = None,
        **options: Unpack[WatchOptions],
    ) -> ResultT:
        """Run to the end: blocks in sync code; inside a running event loop returns an awaitable.

        `streaming_callback` and `on_event` win over the workflow's own; a callback with two or three parameters is told
        who speaks. Raises the error of the member that failed, with every partial as its `response`.
        """
        if blocks_here():
            return self.run_sync(task, context=context, **options)
        return cast("ResultT", UnawaitedRun(self.arun(task, context=context, **options)))

    async def arun(
        self,
        task: Task = NO_TASK,
        *,
        context: Any = None,
        **options: Unpack[WatchOptions],
    ) -> ResultT:
        """`run` as a plain coroutine."""
        run = self._begin(task_of(task, options), shown=True, context=context, **options)
        await run.drain(alone=True)
        return cast("ResultT", run.response())

    def run_sync(
        self,
        task: Task = NO_TASK,
        *,
        context: Any = None,
        **options: Unpack[WatchOptions],
    ) -> ResultT:
        """`run` that always blocks. Raises LoopMisuse inside a running event loop."""
        refuse_inside_loop("`await workflow.run(…)`")
        run = self._begin(task_of(task, options), shown=True, context=context, **options)
        drain_blocking(run, kept_loop(), alone=True)
        return cast("ResultT", run.response())

    def run_stream(
        self,
        task: Task = NO_TASK,
        *,
        context: Any = None,
        slow_reader: SlowReader = "wait",
        **options: Unpack[WatchOptions],
    ) -> AgentStream[Any, ResultT]:
        """The run as one merged stream: chunks that say whose they are, `events()`, `text()`, `select()`, `cancel()`.

        Started by whoever reads it first; leaving the loop cancels every member and closes their connections.
        `slow_reader`: where members are faster than the reader, "wait" holds them back; "coalesce" lets them go on and
        joins the pieces that wait, up to a megabyte a member; "drop_progress" also keeps only the last of the news that
        each tool gives. Raises ConfigurationError.
        """
        validation.choice("slow_reader", slow_reader, SLOW_READERS)
        asked = task_of(task, options)
        return AgentStream(
            partial(self._begin, asked, shown=False, context=context, slow_reader=slow_reader, **options)
        )

    def resume(
        self,
        log: Iterable[Event],
        *,
        context: Any = None,
        approvals: Mapping[str, bool | Answer] | None = None,
        answers: Mapping[str, Any] | None = None,
        on_changed: OnChanged = "raise",
        by: str = "",
        **options: Unpack[WatchOptions],
    ) -> AgentStream[Any, ResultT]:
        """Go on with a run of the workflow from its log, as `Agent.resume` does.

        The plan is gone through again: members that have ended answer from the log, others go on where they stood.
        Conditions and routes are asked again, so they must depend on the Responses alone. Raises as that does.
        """
        refuse_said_before(options)
        past = Resumption.of(log, approvals=approvals, answers=answers, on_changed=on_changed, by=by)
        run = self._begin(past.task, shown=False, context=context, resumption=past, **options)
        if self.show_dashboard and self.print_on is not False:
            from headwater.terminal import printers

            names = [member.name for member in self.agents]
            run.watch(printers.dashboard(self.name, names, past=past.record.events))
        return AgentStream(lambda: run)

    def wants_log(self, seen: set[int]) -> bool:
        """Whether people may be asked in a run of this workflow, so that its log is kept. See `Agent.wants_log`."""
        if id(self) in seen:
            return False
        seen.add(id(self))
        return any(member.wants_log(seen) for member in self.agents if hasattr(member, "wants_log"))

    def as_tool(
        self, *, name: str | None = None, description: str | None = None, approval: Approval = False
    ) -> Offered:
        """The workflow as an agent's tool: what it is asked goes in, its text comes out.

        `approval`: whether a person is asked first; see `tool`.
        """
        return RunnableTool(
            self, self._begin, approval=approval, name=name, description=description or self.description
        )

    def _declared_contexts(self, seen: set[int]) -> Iterator[Needed]:
        """The contexts that its members declare."""
        return contexts_below(self.agents, seen)

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
        approver: Approver | None = None,
        keep_log: bool | None = None,
        resumption: Resumption | None = None,
        save: str | os.PathLike[str] | None = None,
        slow_reader: SlowReader = "wait",
        **more: Any,
    ) -> WorkflowRun:
        for unknown in more:
            raise validation.unknown(unknown, _RUN_OPTIONS, hint=_not_mine(unknown))
        if context is None:
            refuse_without(self._declared_contexts({id(self)}))
        given = as_messages(task)
        run = WorkflowRun(
            self.name,
            self._plan,
            WorkflowShape(
                kind=self.kind,
                members=tuple(member.name for member in self.agents),
                collect=self.on_error == "collect",
                edges=self._edges(),
            ),
            input=(whole := all_well_formed(given)),
            replaced=whole is not given,
            context=context,
            max_concurrency=self.max_concurrency,
            timeouts=self.timeouts,
            quiet=self.print_on is False,
            definition_hash=definition_hash(
                self.name, self.kind, [member.name for member in self.agents], self.on_error, *self._plan_of()
            ),
            wants_log=self.keep_log if keep_log is None else keep_log,
            origin=Origin.here(),
        )
        run.slow_reader = validation.choice("slow_reader", slow_reader, SLOW_READERS) or "wait"
        if not run.wants_log:
            run.wants_log = self.wants_log(set())
        if (answers := approver or self.approver) is not None:
            run.approver = answers
        if resumption is not None:
            resumption.apply(run)
        if save is not None:
            from headwater.readers.run_file import RunWriter

            RunWriter.attach(save, run)
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
        from headwater.terminal import printers

        if self.show_dashboard:
            run.watch(printers.dashboard(self.name, [member.name for member in self.agents]))
        elif not has_callback and (self.print_on or any(map(_shows, self.agents))):
            run.watch(printers.printer(self.name, live=one_at_a_time(self), several=True))


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
        if not (
            callable(getattr(member, "run_stream", None))
            and isinstance(getattr(member, "name", None), str)
            and member.name
            and well_formed(member.name) == member.name
        ):
            raise ConfigurationError(
                f"{member!r} cannot stand in the workflow {workflow!r}.",
                hint="Members are agents, workflows, or anything with a name and run_stream.",
            )
    names = [member.name for member in members]
    if twice := sorted(name for name, times in Counter(names).items() if times > 1):
        raise ConfigurationError(
            f"In the workflow {workflow!r} more than one member is named {', '.join(map(repr, twice))}.",
            hint="Give each a name of its own: Agent(name=…).",
        )
    return members

"""The base class of all workflows: a plan over members, read as one run with the methods of an agent.

A plan is a coroutine that runs members and waits for them. It runs as a task beside the reader, and the members' events
go through one queue into one log. This file owns the run methods; the order of the members is the plan's.
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
from headwater.agents.journaled import Journaled, OtherMethods
from headwater.agents.needed_context import Needed, contexts_below, refuse_without
from headwater.agents.options import NO_TASK, ContextFrom, Keep, OnWaiting, refuse_said_before, task_of
from headwater.agents.runnable import RunnableTool, UnawaitedRun
from headwater.agents.task import Task, as_messages
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError
from headwater.events import Event, WorkflowShape
from headwater.events.questions import Answer
from headwater.events.response import Response
from headwater.readers.callbacks import Callback, watch
from headwater.readers.kept_loop import blocks_here, kept_loop, refuse_inside_loop
from headwater.readers.reading import drain_blocking
from headwater.readers.stream import AgentStream
from headwater.runtime.backlog import SLOW_READERS, SlowReader
from headwater.runtime.context import Origin
from headwater.runtime.definition import definition_hash
from headwater.runtime.people import Approver
from headwater.runtime.resume import OnChanged, Resumption
from headwater.schema.well_formed import all_well_formed, well_formed
from headwater.tools.work import Approval, Offered
from headwater.workflows.run import Member, OnError, WorkflowRun

if TYPE_CHECKING:
    from headwater.events.results import Results
    from headwater.providers.pricing import Prices
    from headwater.runtime.budget import Budget

__all__ = (
    "Workflow",
    "WorkflowOptions",
)


ResultT = TypeVar("ResultT", bound="Response[Any] | Results")


class WatchOptions(TypedDict, total=False):
    """The options of one run of a workflow."""

    streaming_callback: Callback | None
    on_event: Callback | None
    on_retract: Callback | None
    approver: Approver | None
    keep_log: bool
    save: str | os.PathLike[str] | None
    budget: Budget | None
    prices: Prices | None
    message: Task


class WorkflowOptions(TypedDict, total=False):
    """The arguments of every workflow besides its members and its name; see `Workflow`."""

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
    journal: str | None
    context_from: ContextFrom | None
    on_waiting: OnWaiting | None
    keep: Keep
    budget: Budget | None
    prices: Prices | None


class Workflow(DeepCopied, OtherMethods, Journaled[Any], Generic[ResultT]):
    """Named members with the methods of an agent; see the subclasses for the plans.

    `agents` are agents, workflows, or anything with a name and `run_stream`; their names are unique.
    `on_error`: "raise" cancels the other members and raises with all partial Responses; "collect" continues, and the
    failed member's Response has its partial text and `.error`. `max_concurrency` is how many members may run at once.
    `show_dashboard` shows all members live in the terminal. `print_on` says whether `run` prints at all (None: only if
    a member has `streaming_on`). With a token callback, `run` shows nothing but the dashboard. `budget` limits what all
    members together may spend in all runs of the workflow, and `prices` are the prices of models: docs/cost.md.
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
        journal: str | None = None,
        context_from: ContextFrom | None = None,
        on_waiting: OnWaiting | None = None,
        keep: Keep = None,
        budget: Budget | None = None,
        prices: Prices | None = None,
        **more: Any,
    ) -> None:
        for unknown in more:
            raise validation.unknown(unknown, _OPTIONS, hint=_not_mine(unknown), takes_settings=False)
        self.name: str = well_formed(name)
        self.description = description
        self.agents: tuple[Member, ...] = checked_members(agents, name)
        self.show_dashboard = show_dashboard
        self.print_on = print_on
        self.streaming_callback: Callback | None = validation.callback("streaming_callback", streaming_callback)
        self.on_event: Callback | None = validation.callback("on_event", on_event)
        self.on_retract: Callback | None = validation.callback("on_retract", on_retract)
        self.on_error: OnError = validation.choice("on_error", on_error, ("raise", "collect")) or "raise"
        self.max_concurrency: int | None = (
            None if max_concurrency is None else validation.whole("max_concurrency", max_concurrency)
        )
        self.timeouts: Timeouts | None = validation.timeouts(timeouts)
        self.stream = stream
        self.approver: Approver | None = validation.callback("approver", approver)
        self.keep_log = keep_log
        validation.budgets(budget)
        validation.prices(prices)
        self.budget = budget
        self.prices = prices
        self._keep_journal(journal, context_from, on_waiting, keep)

    # --- for subclasses

    async def _plan(self, run: WorkflowRun) -> None:
        """Run the members in this workflow's order."""
        raise NotImplementedError

    def _plan_of(self) -> Sequence[Any]:
        """The plan's other arguments as plain values, for the definition's hash."""
        return ()

    def _edges(self) -> tuple[tuple[str, str], ...]:
        """The declared edges between members."""
        return ()

    kind = ""
    """How the members' answers are combined, as recorded in the log; see `events.answers`."""

    one_at_a_time = False
    """Whether members' text can be printed live, because no two members run at once."""

    # --- running

    def run(
        self,
        task: Task = NO_TASK,
        *,
        context: Any = None,
        **options: Unpack[WatchOptions],
    ) -> ResultT:
        """Run to the end: blocks in sync code; inside a running event loop returns an awaitable.

        `streaming_callback` and `on_event` replace the workflow's own; a callback with two or three parameters receives
        the agent's name. Raises the error of the member that failed, with all partial Responses as its `response`.
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
        """`run` as a coroutine."""
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
        """The run as one merged stream: chunks with the agent's name, `events()`, `text()`, `select()`, `cancel()`.

        It starts when it is first read; leaving the loop cancels every member and closes their connections.
        `slow_reader` says what happens when members are faster than the reader: "wait" makes them wait; "coalesce" lets
        them continue and merges pending pieces, up to a megabyte per member; "drop_progress" also keeps only the latest
        progress of each tool. Raises ConfigurationError.
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
        """Resume a run of the workflow from its log, like `Agent.resume`.

        The plan runs again: members that have finished answer from the log, others are resumed. Conditions and routes
        are evaluated again, so they must depend on the Responses only. Raises as `Agent.resume` does.
        """
        refuse_said_before(options)
        past = Resumption.of(log, approvals=approvals, answers=answers, on_changed=on_changed, by=by)
        run = self._begin(past.task, shown=False, context=context, resumption=past, **options)
        if self.show_dashboard and self.print_on is not False:
            from headwater.terminal import printers

            names = [member.name for member in self.agents]
            run.watch(printers.dashboard(self.name, names, past=past.record.events))
        stream: AgentStream[Any, ResultT] = AgentStream(lambda: run)
        stream._begun()  # leaving it unread lets go of its file
        return stream

    def wants_log(self, seen: set[int]) -> bool:
        """Whether a run of this workflow may wait for people, so that its log is kept. See `Agent.wants_log`."""
        if id(self) in seen:
            return False
        seen.add(id(self))
        return any(member.wants_log(seen) for member in self.agents if hasattr(member, "wants_log"))

    def as_tool(
        self, *, name: str | None = None, description: str | None = None, approval: Approval = False
    ) -> Offered:
        """The workflow as a tool of an agent: it receives a task and returns its text.

        For `approval` see `tool`.
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
        budget: Budget | None = None,
        prices: Prices | None = None,
        **more: Any,
    ) -> WorkflowRun:
        for unknown in more:
            raise validation.unknown(unknown, _RUN_OPTIONS, hint=_not_mine(unknown), takes_settings=False)
        if context is None:
            refuse_without(self._declared_contexts({id(self)}))
        given = as_messages(task)
        options = {"context": context}
        recorded = self._recorded(task, options)
        context = options["context"]
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
        if recorded is not None:
            recorded(run)
        run.slow_reader = validation.choice("slow_reader", slow_reader, SLOW_READERS) or "wait"
        if not run.wants_log:
            run.wants_log = self.wants_log(set())
        if (answers := validation.callback("approver", approver) or self.approver) is not None:
            run.approver = answers
        run.budgets = validation.budgets(self.budget, budget)
        run.prices = validation.prices(self.prices, prices)
        if resumption is not None:
            resumption.apply(run)
        if save is not None:
            from headwater.readers.run_file import RunWriter

            RunWriter.attach(save, run)
        callback = streaming_callback or self.streaming_callback
        watch(run, callback, on_event or self.on_event, details=self._details, on_retract=on_retract or self.on_retract)
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
    """What to write instead of a misplaced argument; "" if it is unknown."""
    if name in validation.SETTINGS or name in ("history", "thread", "output_type", "tools", "model"):
        return (
            f"It belongs to the agents: Agent({name}=…)."
            if name not in ("history", "thread")
            else ("A workflow does not keep a conversation: put the earlier messages into the task.")
        )
    return f"It belongs to the workflow: pass {name}=… when you create it." if name in _OPTIONS else ""


def _shows(member: Any) -> bool:
    """Whether a member, run alone, would print its text live."""
    own = getattr(member, "print_on", None)
    nested = getattr(member, "agents", ())
    return own is not False and bool(own or getattr(member, "streaming_on", False) or any(map(_shows, nested)))


def one_at_a_time(member: Any) -> bool:
    """Whether no two agents run at once, here or further down."""
    return getattr(member, "one_at_a_time", True) and all(map(one_at_a_time, getattr(member, "agents", ())))


def checked_members(agents: Iterable[Member], workflow: str) -> tuple[Member, ...]:
    """The members. Raises ConfigurationError if there are none, one is invalid, or two share a name."""
    if isinstance(agents, (str, Mapping)) or not isinstance(agents, Iterable):
        raise ConfigurationError(f"agents= is {type(agents).__name__}.", hint="Give a list of agents: agents=[…].")
    members = tuple(agents)
    if not members:
        raise ConfigurationError(f"The workflow {workflow!r} has no agents.", hint="Pass agents=[…].")
    for member in members:
        if not (
            callable(getattr(member, "run_stream", None))
            and isinstance(getattr(member, "name", None), str)
            and member.name
            and well_formed(member.name) == member.name
        ):
            raise ConfigurationError(
                f"{member!r} cannot be a member of the workflow {workflow!r}.",
                hint="Members are agents, workflows, or anything with a name and run_stream.",
            )
    names = [member.name for member in members]
    if twice := sorted(name for name, times in Counter(names).items() if times > 1):
        raise ConfigurationError(
            f"In the workflow {workflow!r} more than one member is named {', '.join(map(repr, twice))}.",
            hint="Give each a unique name: Agent(name=…).",
        )
    return members

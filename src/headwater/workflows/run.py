"""A workflow's run: its members as runs in one log, executed by a plan.

Members' events are passed on as they arrive; how the answers are combined depends on the workflow's shape.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from headwater.agents.runnable import Runnable
from headwater.backends.timeouts import Timeouts
from headwater.errors import BudgetExceeded, ConfigurationError, HeadwaterError
from headwater.events import Event, RunFinished, RunStarted, Warned, WorkflowShape
from headwater.events.answers import answering, member_response
from headwater.events.messages import Message
from headwater.events.response import Response
from headwater.events.tree import Node
from headwater.readers.stream import AgentStream
from headwater.runtime.children import Parent
from headwater.runtime.context import NOWHERE, Origin, current_run, others_cancel
from headwater.runtime.log import GRAMMAR
from headwater.runtime.past import Past
from headwater.runtime.run import Run
from headwater.runtime.shown import outlined, text_replaced
from headwater.schema.well_formed import well_formed

__all__ = (
    "Member",
    "OnError",
    "Plan",
    "WorkflowRun",
    "cancelled",
    "claimed",
    "gather_or_cancel",
    "note",
    "passed_on",
    "whole",
)

OnError: TypeAlias = Literal["raise", "collect"]


Plan: TypeAlias = "Callable[[WorkflowRun], Coroutine[Any, Any, None]]"


Member: TypeAlias = Runnable


class WorkflowRun(Parent):
    """One run of a workflow: its plan is a task, its members are child runs.

    `shape` says how the members' answers are combined, as recorded in the log. `replaced` says that the task contained
    text that a log cannot hold. `origin` is the run that started it.
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        shape: WorkflowShape,
        *,
        input: tuple[Message, ...],
        replaced: bool = False,
        context: Any = None,
        max_concurrency: int | None = None,
        timeouts: Timeouts | None = None,
        quiet: bool = False,
        definition_hash: str = "",
        wants_log: bool = False,
        origin: Origin = NOWHERE,
    ) -> None:
        super().__init__(name, timeout=timeouts.run if timeouts else None, quiet=quiet)
        self.node.shape = shape
        self.input: tuple[Message, ...] = input
        self._replaced = replaced
        self.context = context
        self._shape = shape
        self._definition_hash = definition_hash
        self.wants_log = wants_log
        self._plan = plan
        self._limit = asyncio.Semaphore(max_concurrency) if max_concurrency else None
        self._begun = False
        self._done = False
        self.begin_on_behalf(origin)

    async def ask(
        self, member: Member, task: Sequence[Message], *, final: bool | None, after: Iterable[Response[Any]] = ()
    ) -> Response[Any]:
        """Run a member to its end and return its Response; for a plan.

        `final` says whether its answer is the workflow's; None if that is not known yet. `after` are the answers that
        are part of its task. Raises the member's error if this workflow raises errors; otherwise the Response has it as
        `error`.
        """
        led = tuple(response.run_id for response in after)
        if self._limit is None:
            return await self._ask(member, task, final, led)
        async with self._limit:
            return await self._ask(member, task, final, led)

    async def _ask(
        self, member: Member, task: Sequence[Message], final: bool | None, after: tuple[str, ...]
    ) -> Response[Any]:
        if self.stopping:
            raise asyncio.CancelledError  # the log has ended; this task is not cancelled yet
        if self.parking:
            self.held += 1
            self.look_again()
            await asyncio.Event().wait()  # the run is being parked, and this task with it
        name = member.name
        if (unbegun := self._could_not_begin_before(name)) is not None:
            if not self._shape.collect:
                raise unbegun.error or AssertionError(name)
            return self.of(name, unbegun)
        try:
            run = claimed(member, task, self.context)
        except (Exception, asyncio.CancelledError) as raised:
            problem = raised if isinstance(raised, Exception) else others_cancel()
            if problem is None:
                raise
            note(problem, f"{name!r} could not start in {self.name!r}.")
            self.could_not_begin(problem, name, role="member", after=after, final=final)
            if not self._shape.collect:
                raise problem from problem.__cause__
            said = well_formed(f"{name} could not start: {type(problem).__name__}: {problem}")
            self.mux.put([Warned(code="member_failed", message=said)])
            return self.of(name)
        run.join(self, role="member", name=name, after=after, final=final)
        await self.conduct(run)
        error = run.error
        if error is not None and (
            not self._shape.collect or isinstance(error, BudgetExceeded) or not isinstance(error, Exception)
        ):
            note(error, f"{name!r} was running in {self.name!r}.")
            raise error
        return self.of(name, run.node)

    @contextlib.contextmanager
    def deciding_next(self) -> Iterator[None]:
        """For a plan while it decides which member runs next: the run does not count as waiting meanwhile."""
        self.deciding += 1
        try:
            yield
        finally:
            self.deciding -= 1
            self.look_again()

    def _could_not_begin_before(self, name: str) -> Node | None:
        """The member that could not start, if the resumed log says so for this call."""
        if self.past is None or (past := self.past.unbegun(name)) is None or past.node.unbegun is None:
            return None
        past.node.error = past.node.unbegun.exception()
        self.node.begin(past.node)
        return past.node

    def take_up(self, past: Past) -> None:
        """See `Run`: the plan runs again, and members that have finished answer from the log."""
        super().take_up(past)
        self.node.shape = self._shape
        if self.fold.started is not None:
            self.input = self.fold.started.input

    async def _advance(self) -> list[Event]:
        if not self._begun:
            self._begun = True
            self.mux.spawn(self._carry_out(), f"plan of {self.name}")
            if self.fold.started is None:
                return [self._started(), *text_replaced(self._replaced)]
        if events := await self.pull_below():
            return events
        if self._done:
            self.close()
            return []
        if abandoned := self.end_lost():
            return abandoned
        self._done = True
        result: Any = self.response()
        reason = result.finish_reason if isinstance(result, Response) else "stop"
        failed = [name for name, member in result.members.items() if member.error is not None]
        answer = tuple(child.id for child in answering(self.node, failed))
        return [RunFinished(finish_reason=reason, usage=self.fold.usage, answer=answer)]

    async def _carry_out(self) -> None:
        current_run.set(None)  # members are part of this run, not independent of it
        try:
            await self._plan(self)
        except asyncio.CancelledError as cancelled_by:
            if (failure := others_cancel()) is None:
                raise
            raise failure from cancelled_by

    def _started(self) -> RunStarted:
        return RunStarted(
            agent_name=self.name,
            input=self.input,
            context=None if self._above else outlined(self.context),  # once per tree
            parent=self.parent,
            call=self.call,
            definition_hash=self._definition_hash,
            grammar=GRAMMAR,
            workflow=self._shape,
        )

    @property
    def definition_hash(self) -> str:
        """See `Run`."""
        return self._definition_hash

    def raise_error(self) -> None:
        """Raise the error that ended the run, if any, with all partial Responses."""
        if isinstance(self.error, HeadwaterError):
            self.error.response = self.response()
        if self.error is not None:
            raise self.error

    def of(self, name: str, last: Node | None = None) -> Response[Any]:
        """The Response of a member that has been run; with `last`, as of that run."""
        return member_response(self.node, name, last=last, now=self._log.now or None)


def claimed(member: Member, task: Sequence[Message], context: Any) -> Run:
    """A member's run, not started yet. Raises ConfigurationError if its `run_stream` does not return an AgentStream."""
    stream: Any = member.run_stream(list(task), context=context)
    if not isinstance(stream, AgentStream):
        if inspect.iscoroutine(stream):
            stream.close()
        raise ConfigurationError(
            f"run_stream of {member.name!r} returned {type(stream).__name__}, not an AgentStream.",
            hint="Return the stream of an agent's or a workflow's run_stream, from a sync `def`.",
        )
    return stream.claim()


def note(error: BaseException, where: str) -> None:
    """Add a note to the traceback."""
    if where not in getattr(error, "__notes__", ()):
        error.add_note(where)


def whole(response: Response[Any]) -> bool:
    """Whether a member completed its answer: it neither failed nor was cancelled."""
    return response.error is None and not response.partial


def passed_on(task: Sequence[Message], said: Mapping[str, str | Response[Any]]) -> tuple[Message, ...]:
    """The task, followed by the answers of others, each under its agent's name."""
    parts = [f"{name} has answered:\n\n{str.__str__(text)}" for name, text in said.items()]
    return (*task, Message.user("\n\n".join(parts))) if parts else tuple(task)


async def gather_or_cancel(work: Iterable[Awaitable[Any]]) -> list[Any]:
    """Run all at once; if one fails, the others are cancelled and awaited, and its error is raised."""
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
    """Cancel tasks that are not done, and wait for all of them; their exceptions are ignored."""
    for task in tasks:
        task.cancel()
    again: asyncio.CancelledError | None = None
    while any(not task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as error:
            again = error  # a second cancellation does not shorten the wait
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):  # a task keeps its exception and frames until it is retrieved
            task.exception()
    if again is not None:
        try:
            raise again
        finally:
            del again  # avoids a reference cycle between the error and this frame

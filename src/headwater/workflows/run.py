"""A workflow's run: its members as runs in one log, asked by a plan.

What a member says is told as it comes; what the answers come to is the workflow's shape.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from headwater.agents.runnable import Runnable
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError, HeadwaterError
from headwater.events import Event, RunFinished, RunStarted, Warned
from headwater.events.messages import Message, Response, Usage
from headwater.readers.stream import AgentStream
from headwater.runtime.context import current_run
from headwater.runtime.run import Run, as_data

if TYPE_CHECKING:
    from headwater.workflows.results import Results

__all__ = (
    "Member",
    "OnError",
    "Plan",
    "WorkflowRun",
    "as_response",
    "cancelled",
    "claimed",
    "gather_or_cancel",
    "note",
    "passed_on",
)

OnError: TypeAlias = Literal["raise", "collect"]


Plan: TypeAlias = "Callable[[WorkflowRun], Coroutine[Any, Any, None]]"


Member: TypeAlias = Runnable


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

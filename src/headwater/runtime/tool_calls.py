"""The calls of one step: approved, run concurrently as tasks, each to its end.

`open` decides about each call from the fold's state, in the same way for a step that has just ended and for a resumed
log: it starts, waits for approval, or is answered at once. Each result goes to the queue when its tool ends; the fold
keeps the order of the calls. The tool decides about its outcome (`tools.work`), the agent's run about the next step.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec import UNSET

from headwater.errors import (
    AnswerInvalid,
    BudgetExceeded,
    Declined,
    GuardBlocked,
    MaxDepthReached,
    RunTimeout,
    ToolCallInvalid,
    ToolFailed,
)
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    ErrorInfo,
    Event,
    InputAsked,
    RunCancelled,
    RunWaiting,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    Warned,
)
from headwater.events.growing import Call, refusal_text
from headwater.events.messages import Text, ToolCall
from headwater.events.questions import Answer, Question
from headwater.runtime.children import Parent, waiting_event
from headwater.runtime.context import current_run, others_cancel, report
from headwater.runtime.job import HandoffTool, Job
from headwater.runtime.people import Waiting, answered, decided
from headwater.runtime.process_hooks import enter_tool
from headwater.runtime.run import Run
from headwater.schema.context_parameter import takes_context
from headwater.schema.plain import to_json, to_plain
from headwater.schema.well_formed import well_formed
from headwater.tools.clock import CallClock
from headwater.tools.outcome import ToolOutcome
from headwater.tools.work import Asked, Offered, OnUnknown

__all__ = ("ToolCalls",)

UNKNOWN_OUTCOME = "This call had started when its process ended. It is unknown whether it completed."
"""The result of an interrupted call that is not run again."""

AGAIN = "It had started when its process ended, and it is unknown whether it completed. Run it again?"
"""The reason for asking a person about such a call."""

_logger = logging.getLogger("headwater.tools")


class ToolCalls:
    """The calls of a step that have no result yet.

    `bad_in_a_row` counts by tool the invalid calls in a row, over all steps of the run. `finished` has the step's tools
    that ended in another process, for a resumed log; `changed` says that the agent's declaration has changed.
    """

    def __init__(
        self,
        run: Parent,
        job: Job,
        step: int,
        bad_in_a_row: dict[str, int],
        finished: Sequence[ToolFinished] | None = None,
        *,
        changed: bool = False,
    ) -> None:
        self.handoff: HandoffTool | None = None
        """The agent that gets the conversation once the calls are done: the first requested one."""
        self.note: str = ""
        self.answer: Any = UNSET
        """The answer, once a call has given it."""
        self.problem: str = ""
        """The error in the answer of a call."""
        self.run = run
        self.job = job
        self.step = step
        self.questions: dict[str, str] = {}
        """The calls of the open approvals, by id."""
        self.inputs: dict[str, str] = {}
        """The calls of the open questions of tools, by id."""
        self.conducted: dict[str, Run] = {}
        """The runs that answer calls, by call."""
        self._guards = job.guards_of("result")
        self._changed = changed
        self._open: tuple[Call, ...] = run.fold.open_calls()
        self._total = len(self._open) if finished is None else run.fold.said.ready()
        self._at_work: set[str] = set()
        # Each gets these calls when it starts: holding them here would create a cycle.
        self._tasks: list[tuple[str, Callable[[ToolCalls], Coroutine[Any, Any, None]]]] = []
        """Calls to start once the events on their way to the reader are in the log."""
        self._due: list[tuple[str, Callable[[ToolCalls], Coroutine[Any, Any, None]]]] = []
        """Calls to start at the reader's next pull."""
        self._bad_in_a_row = bad_in_a_row
        self._bad = 0
        self._warned = False
        for end in finished or ():
            self._had_finished(end)

    @property
    def all_bad(self) -> bool:
        """Whether every call was invalid."""
        return self._bad == self._total

    @property
    def wait(self) -> bool:
        """Whether none is running: the calls, or the runs that answer them, wait for people."""
        waits = all(run is not None and run.waiting for run in self._busy())
        return waits and self.run.people.settled(self.run.id)

    @property
    def rest(self) -> bool:
        """Whether none is running or could start while the tree is being parked, and every answer was logged."""
        rests = all(run is not None and (run.waiting or run.at_rest) for run in self._busy())
        return rests and self.run.people.settled(self.run.id if self.run.above else "")

    def _busy(self) -> Iterator[Run | None]:
        """Returns for each running call the run that answers it, if any."""
        waiting = self.inputs.values()
        return (self.conducted.get(key) for key in self._at_work if key not in waiting)

    def waits(self) -> RunWaiting | None:
        """Returns what the calls wait for if none is running; None if nothing."""
        runs = tuple(run.id for run in self.conducted.values())
        ids = (*self.questions, *self.inputs, *runs)
        return waiting_event(self.run.people, ids, self.questions, self.inputs) if ids else None

    # --- deciding about each call

    async def open(self) -> list[Event]:
        """Returns the events before any call runs. Raises the exceptions of approval functions."""
        self._at_work.update(call.key for call in self._open)
        events: list[Event] = []
        for call in self._open:
            events += await self._decide(call)
        self.handed_out()
        return events

    async def _decide(self, call: Call) -> list[Event]:
        tool = self.job.tools.get(call.call.name)
        asked, standing = self._asked_about(call), self.run.fold.asked.standing.get(call.call.name)
        if asked is not None and call.started is None and standing is not None and _refused_before(standing, asked):
            return self._refuse(call, asked, standing)  # its process ended between the two
        if asked is not None:
            return self._wait_for(call, asked)
        if call.refusal:  # its tool had started: it was refused to start again
            self._at_work.discard(call.key)
            return self._ended_by(call, call.refusal)
        if call.allowed:
            return self._start(call)
        lost = call.started is not None
        if lost and tool is not None and (then := self._on_unknown(call, tool)) != "retry":
            return self._lost(call, tool, then)
        if tool is None or lost:
            return self._start(call)
        if standing is not None and standing.allowed:
            return self._start(call)
        reason = await self._wants_approval(tool, call.as_run())
        if reason is None:
            return self._start(call)
        asked = self._question(call, reason)
        if standing is None:
            return [asked, *self._wait_for(call, asked)]
        return [asked, *self._refuse(call, asked, standing)]

    def _refuse(self, call: Call, asked: ApprovalAsked, standing: ApprovalAnswered) -> list[Event]:
        """Denied for the whole run: the same answer, without asking anyone."""
        self._at_work.discard(call.key)
        return [msgspec.structs.replace(standing, approval=asked.approval, seq=0, time=0.0, run="", path=())]

    def _asked_about(self, call: Call) -> ApprovalAsked | None:
        for event in self.run.fold.asked.open.values():
            if isinstance(event, ApprovalAsked) and event.call == call.key:
                return event
        return None

    def _start(self, call: Call) -> list[Event]:
        key, as_run, changed = call.key, call.as_run(), call.arguments is not None
        self._tasks.append((f"tool {call.call.name}", lambda calls: calls._call(key, as_run, changed=changed)))
        return [self._started(call)]

    def _started(self, call: Call) -> ToolStarted:
        return ToolStarted(
            step=self.step,
            call=call.key,
            name=call.call.name,
            try_=call.started.try_ + 1 if call.started is not None else 1,
            idempotency_key=f"{self.run.id}/{call.key}",
        )

    def _on_unknown(self, call: Call, tool: Offered) -> OnUnknown:
        """Decides about a call whose tool had started: in a fork, a person is asked.

        A call that waited for an answer has had no side effects, and starts again: see `ToolContext.ask`.
        """
        forked, started = self.run.forked_from, call.started
        if forked is not None and started is not None and started.seq <= forked.seq and not tool.goes_on:
            return "ask"
        asked = self.run.fold.asked.by(call.key)
        return "retry" if asked and asked[-1][1] is None else tool.on_unknown

    def _lost(self, call: Call, tool: Offered, then: OnUnknown) -> list[Event]:
        """Handles a call whose tool had started in another process and is not just run again."""
        if then == "fail":
            raise ToolFailed(
                f"{tool.name} had started when its process ended, and it is unknown whether it completed.",
                hint="Find out, then continue from the conversation before.",
            )
        if then == "ask":
            asked = self._question(call, AGAIN)
            return [asked, *self._wait_for(call, asked)]
        self._at_work.discard(call.key)
        return self._ended_by(call, UNKNOWN_OUTCOME)

    def _ended_by(self, call: Call, said: str) -> list[Event]:
        """Returns the end of a tool that had started in another process, with `said` as its result."""
        end = ToolFinished(step=self.step, call=call.key, name=call.call.name, result=said, error=said)
        return [*self.run.end_lost(call.key), end]

    async def _wants_approval(self, tool: Offered, call: ToolCall) -> str | None:
        """Returns the reason for asking a person before the call: "" without a reason; None if nobody is asked."""
        asks = (tool.approval, self.job.approval)
        if not any(asks):
            return None
        try:
            values = tool.validate(call.arguments)
        except ValueError:
            return None  # it will not run: the model is told why
        reasons = [
            await self._reason(tool.approval, values),
            await self._reason(self.job.approval, msgspec.structs.replace(call, arguments=dict(values))),
        ]
        wanted = [reason for reason in reasons if reason is not None]
        return "; ".join(filter(None, wanted)) if wanted else None

    async def _reason(self, asks: Any, subject: Any) -> str | None:
        if callable(asks):
            token = current_run.set(self.run)
            try:
                asks = asks(subject, self.job.context) if takes_context(asks) else asks(subject)
                asks = await asks if inspect.isawaitable(asks) else asks
            finally:
                current_run.reset(token)
        return well_formed(asks) if isinstance(asks, str) and asks else "" if asks else None

    def _question(self, call: Call, reason: str) -> ApprovalAsked:
        written = call.as_run().arguments
        seconds = self.job.timeouts.answer
        return ApprovalAsked(
            approval=f"{self.run.id}/{call.key}" + (f"/again-{call.started.try_}" if call.started is not None else ""),
            call=call.key,
            name=call.call.name,
            arguments={"input": written} if isinstance(written, str) else written,
            reason=reason,
            until=None if seconds is None else self.run.people.now() + seconds,
        )

    def _had_finished(self, end: ToolFinished) -> None:
        """Handles a tool of the step that ended in another process."""
        self._bad += end.invalid
        if end.name == self.job.answer_tool:
            self._had_answered(end)
            return
        tool = self.job.tools.get(end.name)
        if self.handoff is None and end.error is None and tool is not None and hasattr(tool, "take_over"):
            self.handoff = cast("HandoffTool", tool)
            call = self.run.fold.said.call(end.call)
            arguments = call.as_run().arguments if call is not None else {}
            note = arguments.get("note") if isinstance(arguments, dict) else None
            self.note = note if isinstance(note, str) else ""

    def _had_answered(self, end: ToolFinished) -> None:
        """Handles an answering call that ended in another process."""
        output, call = self.job.output, self.run.fold.said.call(end.call)
        if end.error is not None or output is None or call is None:
            self.problem = end.error or self.problem
        elif self.answer is UNSET and self.handoff is None:
            try:
                self.answer = output.parse(to_json(call.as_run().arguments))
            except ValueError as problem:  # its type has changed since
                self.problem = str(problem)

    # --- people

    def _wait_for(self, call: Call, asked: ApprovalAsked) -> list[Event]:
        self._at_work.discard(call.key)
        self.questions[asked.approval] = call.key
        waiting = self._put(call, asked)
        self._tasks.append((f"approval of {call.call.name}", lambda calls: calls._heard(call, asked, waiting)))
        return []

    def _put(self, call: Call, asked: ApprovalAsked) -> Waiting:
        """Opens the question for answers."""
        tool = self.job.tools.get(call.call.name)

        def check(answer: Answer) -> Answer:
            answer = decided(answer)
            if answer.arguments is None or not answer.allowed:
                return answer
            arguments: dict[str, Any] = to_plain(dict(answer.arguments))
            given: Any = arguments.get("input") if call.call.custom else arguments
            try:
                if call.call.custom and not (arguments.keys() == {"input"} and isinstance(given, str)):
                    raise ValueError('The input of this tool is a string: {"input": "…"}.')
                if tool is not None:
                    tool.validate(given)
            except ValueError as error:
                raise AnswerInvalid(str(error), hint="Nothing was answered: the question is still open.") from None
            return msgspec.structs.replace(answer, arguments=arguments)

        return self.run.people.open(Question.of(asked, self.run.id, self.run.path), check, self.run.answers)

    async def _heard(self, call: Call, asked: ApprovalAsked, waiting: Waiting) -> None:
        """Waits for the answer, and runs the tool if it is approved."""
        answer = await self.hear(waiting)
        del self.questions[asked.approval]
        told = answered(asked.approval, answer, "approval")
        assert isinstance(told, ApprovalAnswered)
        if not answer.allowed and call.started is not None:
            self.run.mux.put([told, *self._ended_by(call, refusal_text(told))])
            return
        if not answer.allowed:
            self.run.mux.put([told])
            return
        if self.run.parking:
            self.run.mux.put([told])
            await asyncio.Event().wait()  # the run is parked, and this task with it: resuming starts the tool
        self._at_work.add(call.key)
        key, as_run, changed = call.key, call.as_run(), told.arguments is not None
        if told.arguments is not None:
            given: Any = told.arguments["input"] if call.call.custom else told.arguments
            as_run = msgspec.structs.replace(as_run, arguments=given)
        self._tasks.append((f"tool {call.call.name}", lambda calls: calls._call(key, as_run, changed=changed)))
        self.run.mux.put([told, self._started(call)])

    async def hear(self, waiting: Waiting) -> Answer:
        """Waits for an answer. If one was given beforehand and does not fit, nothing changes, and its error is
        raised."""
        try:
            return await self.run.people.wait(waiting)
        except AnswerInvalid as error:
            if waiting.given is None:
                raise
            self.run.outermost.leave(error)
            await asyncio.Event().wait()
            raise

    # --- running the calls

    def handed_out(self) -> None:
        """Called when all events were given to the reader."""
        self.run.people.told(self.run.id)
        self._due += self._tasks
        self._tasks = []

    async def begin(self) -> None:
        """Starts due calls at the reader's pull: no tool starts before its start is in the log."""
        if self._due:
            await self.run.logged()
        tasks, self._due = self._due, []
        for name, work in tasks:
            self.run.mux.spawn(work(self), name)

    async def _call(self, key: str, call: ToolCall, *, changed: bool) -> None:
        current_run.set(self.run)
        enter_tool(self.run.id, key)
        begun = time.monotonic()
        tool = self.job.tools.get(call.name)
        if tool is None and self._changed:
            outcome = ToolOutcome.failed(f"There is no tool named {call.name!r} any more.")
        elif tool is None:
            there_are = ", ".join(self.job.tools) or "none"
            outcome = ToolOutcome.failed(
                f"There is no tool named {call.name!r}. The tools are: {there_are}.", invalid=True
            )
        else:
            outcome = await self._carried_out(tool, _Work(self, key, call))
            self._count_bad(tool, outcome.invalid)
        tripped: Sequence[Event] = ()
        refusal: GuardBlocked | None = None
        if self._guards:
            from headwater.runtime.guards.results import guarded_outcome

            outcome, tripped, refusal = await guarded_outcome(
                self.run, self._guards, outcome, step=self.step, key=key, call=call, context=self.job.context
            )
        self._bad += outcome.invalid
        self._at_work.discard(key)
        if outcome.invalid and call.name == self.job.answer_tool:
            self.problem = outcome.error or ""
        failure = refusal if refusal is not None or tool is None else _failure(self, tool, outcome)
        self.run.mux.put(
            [
                *self.run.end_lost(key),
                *tripped,
                ToolFinished(
                    step=self.step,
                    call=key,
                    name=call.name,
                    result=_with_change(outcome.result, call) if changed else outcome.result,
                    error=outcome.error,
                    duration=time.monotonic() - begun,
                    truncated_from=outcome.truncated_from,
                    invalid=outcome.invalid,
                    failure=ErrorInfo.of(failure) if failure is not None else None,
                ),
            ]
        )
        if failure is not None:
            raise failure
        _report(self, call.name, outcome)

    async def _carried_out(self, tool: Offered, work: _Work) -> ToolOutcome:
        """Returns the call's outcome, also if the tool cancelled its own task."""
        task = asyncio.current_task()
        assert task is not None
        cancels = task.cancelling()
        try:
            return await tool.call(work)
        except asyncio.CancelledError as cancelled:
            if self.run.mux.stopped:
                raise
            while task.cancelling() > cancels:
                task.uncancel()
            await asyncio.sleep(0)  # if the whole program is cancelled, the run's reader is notified now
            if self.run.mux.stopped or (failure := others_cancel()) is None:
                raise
            failure.__cause__ = cancelled
            return ToolOutcome.raised(failure)

    def _count_bad(self, tool: Offered, invalid: bool) -> None:
        """Raises ToolCallInvalid if a tool had more invalid calls in a row than it allows."""
        bad = self._bad_in_a_row
        bad[tool.name] = bad.get(tool.name, 0) + 1 if invalid else 0
        if tool.retries is not None and bad[tool.name] > tool.retries:
            raise ToolCallInvalid(
                f"The model called {tool.name} with invalid arguments {bad[tool.name]} times in a row.",
                hint="Describe its parameters better, raise its retries, or use another model.",
            )

    def say(self, key: str, name: str, data: Any) -> None:
        """Handles a tool's progress, which may be a part of a result that guards have to let pass."""
        if self.run.over or self._guards:
            return
        news = ToolProgress(step=self.step, call=key, name=name, data=data)
        if not self.run.mux.put_progress(news) and not self._warned:
            self._warned = True
            said = f"{name} reports progress faster than it is read; some of it was dropped."
            self.run.mux.put([Warned(code="progress_dropped", message=said)])


class _Work:
    """One running call; see `tools.work.Work`."""

    def __init__(self, calls: ToolCalls, key: str, call: ToolCall) -> None:
        self._calls = calls
        self._name = call.name
        self._asked = 0
        self.arguments: Mapping[str, Any] | str = call.arguments
        self.context = calls.job.context
        self.call_id = key
        self.run_id = calls.run.id
        self.timeout = calls.job.timeouts.tool
        self.deadline = calls.run.deadline

    @property
    def idempotency_key(self) -> str:
        return f"{self.run_id}/{self.call_id}"

    def emit(self, data: Any) -> None:
        self._calls.say(self.call_id, self._name, data)

    def asked_before(self) -> Sequence[InputAsked]:
        return tuple(event for event, _ in self._calls.run.fold.asked.by(self.call_id))

    async def ask(self, asked: Asked) -> Answer:
        calls, run = self._calls, self._calls.run
        number, self._asked = self._asked, self._asked + 1
        before = run.fold.asked.by(self.call_id)
        event, given = before[number] if number < len(before) else (None, None)
        if given is not None:
            return Answer(content=given.content, action=given.action, by=given.by)
        if event is None:
            event = InputAsked(
                input=f"{run.id}/{self.call_id}/{number + 1}",
                call=self.call_id,
                name=self._name,
                message=asked.message,
                schema=asked.schema,
                url=asked.url,
                until=None if asked.seconds is None else run.people.now() + asked.seconds,
                state=asked.state,
            )
            run.mux.put([event])
        calls.inputs[event.input] = self.call_id
        run.mux.put([])  # the reader has to see that the tool waits
        try:
            question = Question.of(event, run.id, run.path)
            answer = await calls.hear(run.people.open(question, asked.check, run.answers))
        finally:
            del calls.inputs[event.input]
        run.mux.put([answered(event.input, answer, "input")])
        return answer

    def hand_over(self, to: HandoffTool, note: str) -> ToolOutcome:
        calls = self._calls
        if (done := self._decided()) is not None:
            return ToolOutcome.failed(done)
        calls.handoff, calls.note = to, note
        return ToolOutcome(result=f"The conversation was handed to {to.to}.")

    def answer(self, value: Any) -> ToolOutcome:
        if (done := self._decided()) is not None:
            return ToolOutcome.failed(done, invalid=True)
        self._calls.answer = value
        return ToolOutcome(result="The answer was received.")

    def _decided(self) -> str | None:
        """Returns the outcome for a later decision in the step: the first handoff or answer counts."""
        calls = self._calls
        if calls.handoff is not None:
            return f"The conversation was handed to {calls.handoff.to} already."
        return None if calls.answer is UNSET else "The answer was given already."

    async def conduct(self, run: Run) -> ToolOutcome:
        parent, seconds = self._calls.run, self.timeout
        run.join(parent, role="tool", call=self.call_id)
        self._calls.conducted[self.call_id] = run
        try:
            async with asyncio.timeout(seconds) as clock:
                run.stands_still = CallClock(clock).stand
                await parent.conduct(run)
        except TimeoutError:
            if not clock.expired():
                raise
            return ToolOutcome.failed(f"ToolTimeout: {self._name} took longer than {seconds:g} seconds.")
        finally:
            run.stands_still = None  # it holds this task, and through its error all of these frames
            del self._calls.conducted[self.call_id]
        if run.error is not None:
            ours = isinstance(run.error, RunTimeout) and self.deadline is not None and self.deadline <= time.monotonic()
            # Neither a used-up budget nor too deep nesting is fixed by another try of a model above.
            if ours or isinstance(run.error, (BudgetExceeded, MaxDepthReached)) or not isinstance(run.error, Exception):
                raise run.error
            return ToolOutcome.failed(f"{type(run.error).__name__}: {run.error}", exception=run.error)
        if isinstance(run.fold.end, RunCancelled):
            return ToolOutcome.failed("It was cancelled.")
        return ToolOutcome(result=run.response().text)


def _bug(outcome: ToolOutcome) -> BaseException | None:
    """The tool's exception; a person who does not answer is not a bug in the tool."""
    error = outcome.exception
    return None if outcome.invalid or isinstance(error, Declined) else error


def _failure(calls: ToolCalls, tool: Offered, outcome: ToolOutcome) -> BaseException | None:
    """The tool's exception if it ends the run."""
    return _bug(outcome) if (tool.on_error or calls.job.tool_errors) == "raise" else None


def _report(calls: ToolCalls, name: str, outcome: ToolOutcome) -> None:
    """Logs a tool's exception, which only the model would see otherwise."""
    if (error := _bug(outcome)) is None:
        return
    what = f"The tool {name}"
    quiet = calls.job.quiet or calls.run.shows_tools
    report(_logger, logging.WARNING, what, error, "the model was told, and the run continues", quiet=quiet)


def _refused_before(standing: ApprovalAnswered, asked: ApprovalAsked) -> bool:
    """Whether the tool was refused for the whole run before this question was asked."""
    return not standing.allowed and standing.seq < asked.seq


def _with_change(result: Any, call: ToolCall) -> Any:
    """Returns a result, preceded by the actual arguments if they are not the model's."""
    with_what = call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()
    note = f"[A person changed the arguments to {with_what}]\n\n"
    return note + result if isinstance(result, str) else (Text(text=note), *result)

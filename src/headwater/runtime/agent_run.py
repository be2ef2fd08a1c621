"""An agent's run: executes the commands of `agent_loop` by asking models and running tools.

Only `agent_loop` decides what follows what: each method here does one thing and reports its outcome as a signal. `fold`
assembles the result; `backends.retry` makes the requests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from msgspec import UNSET

from headwater.backends.retry import MAX_RETRIES_A_RUN, Asking, Before, RetriesLeft
from headwater.errors import ContextTooLong, GuardBlocked, HeadwaterError, HistoryInvalid
from headwater.events import (
    Event,
    MessageAdded,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepFinished,
    StepStarted,
    ToolFinished,
)
from headwater.events.history import refuse_unanswered
from headwater.events.messages import Message, ToolCall
from headwater.providers.decoder import Place
from headwater.runtime.abandoned import ends_of_helpers
from headwater.runtime.agent_loop import Command, Loop, Signal, State
from headwater.runtime.answer_kind import has_calls_of_client, judged, kind_of_answer, new_calls
from headwater.runtime.context import NOWHERE, Origin, current_run
from headwater.runtime.definition import hash_of_job
from headwater.runtime.ear import EAR, Ear
from headwater.runtime.hearing import LEAD, Cut, Hearing
from headwater.runtime.job import HandoffTool, Job
from headwater.runtime.past import Past, Standing
from headwater.runtime.pausing import wake_by
from headwater.runtime.resumed_spending import cost_of_interrupted, recount_tools
from headwater.runtime.shown import as_data, outlined, text_replaced
from headwater.runtime.view import ViewInfo, seen_by
from headwater.schema.well_formed import all_well_formed

if TYPE_CHECKING:
    from headwater.providers.pricing import Prices
    from headwater.runtime.budget import Budget, Meter
    from headwater.runtime.compacting import Compacting
    from headwater.runtime.offering import Offering
    from headwater.runtime.people import Approver
    from headwater.runtime.tool_calls import ToolCalls

__all__ = ("AgentRun",)

GO_ON: Final = "Go on."
"""The message to an agent with loops left after its own answer."""


class AgentRun(Hearing):
    """One run of an agent, or one request to a model. `origin` says what it was started for."""

    def __init__(self, job: Job, *, origin: Origin = NOWHERE) -> None:
        super().__init__(job.name, timeout=job.timeouts.run, quiet=job.quiet)
        self.job = job
        if job.wants_log:
            self.wants_log = True
        if job.approver is not None:
            self.approver: Approver | None = job.approver
        if job.budgets:
            self.budgets: tuple[Budget, ...] = job.budgets
        if job.prices:
            self.prices: Prices | None = job.prices
        self.loop: Loop = Loop(job.limits)
        self._next: Callable[[AgentRun], Awaitable[list[Event]]] = AgentRun._begin
        self._asking: Asking | None = None
        self._retries_left = RetriesLeft()
        self._call_keys: set[str] = set()
        self._bad_calls: dict[str, int] = {}
        """By tool: invalid calls in a row."""
        self._system: str | None = None
        self._history = job.history
        if job.guards:
            from headwater.runtime.guards.input import withhold_input

            withhold_input(self)
        self.begin_on_behalf(origin)

    # Attributes that most runs never set; see `Run`.
    _ours: tuple[tuple[str, ToolCall], ...] = ()
    """The calls of the last step to run here, each with its key."""
    _calls: ToolCalls | None = None
    _offering: Offering | None = None
    """The tools of its servers, where it has any."""
    _problem = ""
    """What is wrong with the last answer."""
    _cut_for = ""
    """Why the current answer was cut off, if a part of it cannot be valid."""
    _told_problem = False
    """Whether the result of a call has told the model."""
    _took_thread = False
    _meter: Meter | None = None
    said_before: Callable[[AgentRun], Coroutine[Any, Any, tuple[Message, ...]]] | None = None
    """Returns what earlier runs of its thread said, where a journal holds the thread."""
    _compacting: Compacting | None = None
    _too_long: ContextTooLong | None = None
    """The last refusal of the conversation as too long, where it may be shortened."""
    _standing: Standing | None = None
    """Its state in the resumed log, until its first new step."""

    async def _advance(self) -> list[Event]:
        if self._ear is not None and self._ear.unchecked:
            return await self._check_heard(self._ear)
        events = await self._next(self)
        if self._ear is None or self.fold.started is None:
            return events
        return self._ear.take_back(events) if self.stopping else [*self._ear.told(), *events]

    def _do(self, signal: Signal, *, all_calls_bad: bool = False) -> list[Event]:
        """Reports to the loop and executes its command; returns events to append, or none if `_next` continues at
        once."""
        return _COMMANDS[self.loop.take(signal, all_calls_bad=all_calls_bad)](self)

    # --- start

    async def _begin(self) -> list[Event]:
        if self.parking:
            await self.rest()
        job = self.unguarded or self.job
        if self.said_before is not None and not self._above:
            self._history = await self._interruptible.wait(self.said_before(self))
        before = self._history if job.thread is None else job.thread.take()
        self._took_thread = job.thread is not None
        self._history = all_well_formed(before)
        if self._history:
            refuse_unanswered((*self._history, *job.input))
        self._system = await _instructions(self)
        warned = text_replaced(job.replaced or self._history is not before)
        if self.unguarded is not None:
            from headwater.runtime.guards.input import check_input

            warned = [*warned, *await self._interruptible.wait(check_input(self, job, self._history))]
        if self.refusal is not None:
            self._next = AgentRun._refuse
            return [self._started(), *warned]
        return [self._started(), *warned, *self._do(Signal.BEGIN)]

    async def _check_heard(self, ear: Ear) -> list[Event]:
        from headwater.runtime.guards.input import check_heard

        told = await self._interruptible.wait(check_heard(self, ear))
        if self.refusal is not None:
            self._next = AgentRun._refuse
        return told

    async def _refuse(self) -> list[Event]:
        assert self.refusal is not None
        raise self.refusal

    def _started(self) -> RunStarted:
        context = None if self._above else outlined(self.job.context)  # once a tree
        return self.job.started(self._history, self.definition_hash, context, parent=self.parent, call=self.call)

    @property
    def definition_hash(self) -> str:
        """See `Run`."""
        return hash_of_job(self.job)

    # --- resuming from a log

    def take_up(self, past: Past) -> None:
        """See `Run`: the loop and all counts are restored from the events."""
        super().take_up(past)
        job, fold = self.job, self.fold
        self.loop = Loop.of(past.events, job.limits)
        standing = self._standing = Standing(past.events)
        self._call_keys, self._bad_calls = standing.call_keys, standing.bad_calls
        self._retries_left = RetriesLeft(max(0, MAX_RETRIES_A_RUN - standing.retries))
        if fold.started is None:
            return
        self._history = fold.started.history
        if fold.unheard:
            self._ear = Ear({key: said.message for key, said in fold.unheard.items()})
        self._next = AgentRun._end_helpers
        recount_tools(job, past)
        if past.over and job.output is not None and isinstance(fold.end, RunFinished):
            with contextlib.suppress(ValueError):  # the type has changed: keep the log's value
                self.node.output = job.output.parse(fold.text)

    async def _end_helpers(self) -> list[Event]:
        """Ends the helpers that were running when the log stopped."""
        self._next = AgentRun._go_on_from_log
        return ends_of_helpers(self)

    async def _go_on_from_log(self) -> list[Event]:
        """Returns the first events after those of the other process."""
        standing, loop = self._standing, self.loop
        assert standing is not None
        self._system = await _instructions(self)
        if loop.state is State.READY:
            return self._do(Signal.BEGIN)
        if standing.fatal is not None:
            raise standing.fatal.exception()
        if standing.failure is not None:
            return _go_on_from_failure(self, standing.failure.exception())
        listed = await self._list_tools() if self.job.toolboxes and loop.state is not State.FOLLOWING else []
        if loop.state is State.ASKING:
            return [*listed, *self._ask_again(standing)]
        if loop.state is State.FOLLOWING:
            assert standing.handoff is not None
            return self._give_to(self.job.heir(standing.handoff.to), standing.handoff.note, told=True)
        if loop.state is State.WAITING:
            loop.take(Signal.HEARD)  # whether it still waits for people is determined again
        if not standing.decided:
            loop.look_again()
            return [*listed, *await self._sort()]
        self._calls = _tool_calls(self, standing.finished, changed=self.changed)
        return [*listed, *await self._open_calls()]

    def _ask_again(self, standing: Standing) -> list[Event]:
        """The step was decided on or started: retract its partial answer, and ask the model again."""
        fold, step = self.fold, self.loop.steps
        if fold.in_step is None:
            self.loop.ask_anyway()
            return self._ask()
        self._next = AgentRun._open
        priced = cost_of_interrupted(self.job, standing, self.all_prices(), fold.sent, self._system)
        return standing.taken_back(fold, step, priced)

    # --- asking a model

    @property
    def offered(self) -> Job:
        """Its job, with the tools of its servers as they were last listed."""
        return self.job if self._offering is None else self._offering.job

    def _ask(self) -> list[Event]:
        self._next = AgentRun._start_step
        self._cut_for = ""
        self._asking = self._standing = None  # the previous step's fields do not apply to this one
        return []

    async def _start_step(self) -> list[Event]:
        if self.parking:
            await self.rest()
        listed = await self._list_tools() if self.job.toolboxes else ()
        heard = self._ear.heard() if self._ear is not None else ()
        if self.job.compaction is not None:
            self._next = _compact
            return [*listed, *heard]
        self._next = AgentRun._open
        return [*listed, *heard, StepStarted(step=self.loop.steps)]

    async def _list_tools(self) -> list[Event]:
        """Brings the tools of its servers up to date; returns warnings."""
        if self._offering is None:
            from headwater.runtime.offering import Offering

            self._offering = Offering(self.job)
        return await self._interruptible.wait(self._offering.refresh(self.fold.messages))

    async def _open(self) -> list[Event]:
        if self._log.journal is not None:
            await self.stored()
        job, sent = self.job, self.fold.sent
        if job.view is not None:
            info = ViewInfo(agent=job.name, model=job.backends[0].model, step=self.loop.steps, context=job.context)
            sent = await self._interruptible.wait(seen_by(job.view, sent, info))
        system = (Message.system(self._system),) if self._system else ()
        self._asking, self._standing = _asking(self, (*system, *sent), self._standing), None
        self._asking.prove_priced()
        self._next = AgentRun._listen
        return []

    async def _listen(self) -> list[Event]:
        asking = self._asking
        assert asking is not None
        try:
            if self._ear is not None and self._ear.cut:
                raise Cut
            if events := await asking.pull():
                return events
        except Cut:
            return self._cut_answer(asking)
        except ContextTooLong as error:
            if self.job.compaction is None or self.fold.visible:
                raise
            return _end_refused(self, error)
        decoder = asking.decoder
        assert decoder is not None
        self._next = AgentRun._sort
        return [_step_end(self, decoder.finish_reason, decoder.provider_finish_reason)]

    async def _sort(self) -> list[Event]:
        """Classifies the answer: with calls to run, or to be checked."""
        if self._asking is not None and (cut := self._asking.cut_short) is not None:
            raise cut
        return self._do(_kind_of_answer(self))

    # --- messages from people

    @property
    def deaf(self) -> bool:
        """See `Hearing`."""
        return self.loop.state is State.ENDED

    @property
    def speaks(self) -> bool:
        """See `Hearing`."""
        return self._next is AgentRun._listen

    def _cut_answer(self, asking: Asking) -> list[Event]:
        """Keeps the partial answer, and asks the model again, with the new message or with what is wrong."""
        if self._ear is not None:
            self._ear.cut = False
        self._next = _end_cut
        return asking.cut()

    # --- tools, and other agents

    @property
    def meter(self) -> Meter | None:
        """What it draws on its budgets; None if there are none."""
        if self._meter is None and (budgets := self.all_budgets()):
            from headwater.runtime.budget import Meter

            self._meter = Meter(self.id, budgets, self.past)
        return self._meter

    def _run_tools(self) -> list[Event]:
        self._calls = _tool_calls(self)
        self._next = AgentRun._open_calls
        return []

    async def _open_calls(self) -> list[Event]:
        """Decides about each call, before any tool runs."""
        assert self._calls is not None
        if self.parking:
            await self.rest()
        if any(call.name == self.job.answer_tool for call in self.fold.said.rejected()):
            self._calls.problem = "The answer is not a JSON object."
        self._next = AgentRun._work
        if self.meter is not None:
            self.meter.call_tools(new_calls(self.job, self.fold))
        return await self._calls.open()

    async def _work(self) -> list[Event]:
        """Passes on the tools' events, and reports that only people are left to wait for, until all are done."""
        calls, mux = self._calls, self.mux
        assert calls is not None
        await calls.begin()
        while not (events := mux.come() or self._told()) and not mux.done:
            if not self.waiting and calls.wait and (waits := calls.waits()) is not None:
                return self._wait(waits)
            if self.parking and calls.rest:
                await self.stand_by()
            await mux.more()
        if events:
            if self.waiting or self.at_rest:
                wake_by(self, events)
            calls.handed_out()
            return events
        if calls.handoff is not None:
            return self._do(Signal.HANDED_OFF)
        self._calls = None
        if calls.answer is not UNSET:
            with EAR:  # new messages come first
                if self._ear:
                    return self._do(Signal.STEERED)
                self.node.output = calls.answer
                return self._do(Signal.VALID)
        if calls.problem:
            self._problem, self._told_problem = calls.problem, True
            return self._do(Signal.INVALID)
        return self._do(Signal.TOOLS_DONE, all_calls_bad=calls.all_bad)

    def _wait(self, waits: RunWaiting) -> list[Event]:
        if waits.on != "children":
            self.loop.take(Signal.PEOPLE_LEFT)
        self.stand_still(True)
        return [waits]

    def go_on_working(self) -> None:
        """See `Pausing`."""
        if self.loop.state is State.WAITING:
            self.loop.take(Signal.HEARD)
        self.stand_still(False)

    def _give_to(self, tool: HandoffTool, note: str, *, told: bool = False) -> list[Event]:
        """Runs the other agent; `told`: the log has the handoff already."""
        self._next = AgentRun._hear_successor
        return self.hand_over(tool, note, told=told)

    async def _hear_successor(self) -> list[Event]:
        return await self.hear_successor() or self._do(Signal.FOLLOWED)

    # --- the answer

    def _check(self) -> list[Event]:
        self._next = AgentRun._look_at_answer
        return []

    async def _look_at_answer(self) -> list[Event]:
        """Checks the answer; new messages come first, also those that arrive during the check."""
        value, problem = (UNSET, "") if self._ear else judged(self.job.output, self.fold, self._cut_for)
        with EAR:
            if self._ear:
                return self._do(Signal.STEERED)
            if problem:
                self._problem = problem
                return self._do(Signal.INVALID)
            if value is not UNSET:
                self.node.output = value
            return self._do(Signal.VALID)

    async def _end(self) -> list[Event]:
        self.close()
        return []

    # --- the rest of a run

    def _release(self) -> None:
        if self._asking is not None:
            self._asking.abort()

    def _shut(self) -> None:
        if self._asking is not None:
            self._asking.shut()

    def _end_step(self) -> Iterator[list[Event]]:
        yield self._last_heard()
        fold, asking = self.fold, self._asking
        manner = self.ending.manner
        if self.loop.state is not State.ENDED:  # if the loop decided this, it has ended already
            self.loop.take(Signal.FAILED if manner.outcome == "failed" else Signal.CANCELLED)
        if fold.in_step is None:
            return
        decoder = asking.decoder if asking else None
        if asking is not None:
            yield asking.unreported()
        reason = manner.finish_reason
        if isinstance(self.error, GuardBlocked):
            reason = "content_filter"
        elif manner.outcome == "failed" and decoder is not None:
            reason = decoder.finish_reason
        yield [_step_end(self, reason)]

    def _finished(self) -> None:
        self._asking = self._calls = self._successor = None  # they hold the run: break the cycles
        if self.job.thread is not None and self._took_thread:
            self._took_thread = False
            # A parked run continues with it, and a run that could not resume leaves it unchanged.
            kept = self.fold.end is None or isinstance(self.error, HistoryInvalid)
            thread, response = self.job.thread, self.response()
            thread.give_back(*((self._history, thread.agent) if kept else (response.messages, response.agent)))


def _go_on(run: AgentRun) -> list[Event]:
    return [MessageAdded(message=Message.user(GO_ON), cause="loop"), *run._ask()]


def _follow(run: AgentRun) -> list[Event]:
    """Hands the conversation to another agent: its run is part of this one, and its text counts as this run's."""
    calls = run._calls
    assert calls is not None
    assert calls.handoff is not None
    run._calls = None
    return run._give_to(calls.handoff, calls.note)


def _repair(run: AgentRun) -> list[Event]:
    if run._told_problem:
        run._told_problem = False
        return run._ask()
    tool = run.job.answer_tool
    again = f"Give it by calling {tool}." if tool else "Answer again, with only the corrected JSON."
    said = f"Your answer is invalid:\n{run._problem}\n{again}"
    return [MessageAdded(message=Message.user(said), cause="repair"), *run._ask()]


def _conclude(run: AgentRun) -> list[Event]:
    run._next = AgentRun._end
    successor = run._successor
    return [
        *run._last_heard(),
        RunFinished(
            finish_reason=run.fold.finish_reason if successor is None else successor.response().finish_reason,
            output=UNSET if run.node.output is UNSET else as_data(run.node.output),
            usage=run.fold.usage,
            answer=() if successor is None else (successor.id,),
        ),
    ]


def _asking(run: AgentRun, messages: tuple[Message, ...], standing: Standing | None) -> Asking:
    """Returns the step's request; `standing` is its state in a resumed log."""
    job, step = run.offered, run.loop.steps
    kind: Callable[..., Asking] = Asking
    if job.guards:
        from headwater.runtime.guards.asking import asking_of

        kind = asking_of(run, job, standing.notes if standing is not None else ())
    return kind(
        job.backends,
        job.request(messages),
        Place(
            step=step,
            lead=LEAD if run.fold.has_text else run.lead,
            call_prefix=f"call_{run.id[4:12]}_{step}",
            calls=run._call_keys,
            part=standing.part if standing is not None else 0,
            client=job.client if job.offers else (),
            agent=job.name,
        ),
        run.fold,
        timeouts=job.timeouts,
        retries=job.retries,
        interruptible=run._interruptible,
        left=run._retries_left,
        prices=run.all_prices(),
        meter=run.meter,
        final=job.surely_answers(step),
        before=None if standing is None else Before(standing.attempt, standing.cause, standing.backend, standing.tries),
    )


def _step_end(run: AgentRun, reason: str | None, word: str | None = None) -> StepFinished:
    """Returns the end of the step, which is the last model's that was asked."""
    backend = run.job.backends[0] if run._asking is None else run._asking.backend
    return run.fold.step_end(api=backend.api, model=backend.model, finish_reason=reason, word=word)


async def _end_cut(run: AgentRun) -> list[Event]:
    run._next = AgentRun._sort
    return [_step_end(run, "cancelled")]


async def _compact(run: AgentRun) -> list[Event]:
    """Shortens the conversation before the step, if it is too long."""
    job, compacting = run.offered, run._compacting
    if compacting is None:
        from headwater.runtime.compacting import Compacting

        assert job.compaction is not None
        compacting = run._compacting = Compacting(run, job.compaction, AgentRun)
    events = await compacting.events(job, system=run._system, step=run.loop.steps, too_long=run._too_long)
    if events:
        return events
    run._next = AgentRun._open
    return [*(run._ear.heard() if run._ear is not None else ()), StepStarted(step=run.loop.steps)]


def _end_refused(run: AgentRun, error: ContextTooLong) -> list[Event]:
    """Ends the step: the conversation is shortened before the next one."""
    run._too_long, run._next = error, _go_on_shorter
    return [_step_end(run, None)]


async def _go_on_shorter(run: AgentRun) -> list[Event]:
    return run._do(Signal.TOO_LONG)


def _go_on_from_failure(run: AgentRun, error: HeadwaterError) -> list[Event]:
    """The last attempt failed for good: so does the run, unless its conversation can be shortened."""
    if run.job.compaction is None or not isinstance(error, ContextTooLong):
        raise error
    if run.fold.in_step is not None:
        return _end_refused(run, error)
    run._too_long = error
    run.loop.look_again()
    return run._do(Signal.TOO_LONG)


def _kind_of_answer(run: AgentRun) -> Signal:
    fold, loop = run.fold, run.loop
    if not fold.said.step_calls:  # the most common case
        run._ours, loop.client_calls = (), False
        return Signal.ANSWERED
    run._ours, loop.client_calls = fold.calls_to_run(), has_calls_of_client(fold)
    return kind_of_answer(run.job, fold, run._ours, of_client=loop.client_calls)


def _tool_calls(run: AgentRun, finished: Sequence[ToolFinished] | None = None, *, changed: bool = False) -> ToolCalls:
    """Returns the calls of the finished step; the module that runs them is imported on first use."""
    from headwater.runtime.tool_calls import ToolCalls

    return ToolCalls(run, run.offered, run.loop.steps, run._bad_calls, finished, changed=changed)


async def _instructions(run: AgentRun) -> str | None:
    token = current_run.set(run)
    try:
        return await run.job.told()
    finally:
        current_run.reset(token)


def _fail_steps(run: AgentRun) -> NoReturn:
    from headwater.runtime.limit_errors import too_many_steps

    raise too_many_steps(run.job, run._problem)


def _fail_output(run: AgentRun) -> NoReturn:
    from headwater.runtime.limit_errors import bad_output

    raise bad_output(run.job, run._problem, repaired=bool(run.loop.repairs)) from None


def _fail_calls(run: AgentRun) -> NoReturn:
    from headwater.runtime.limit_errors import bad_calls

    raise bad_calls(run.job)


_COMMANDS: Final[dict[Command, Callable[[AgentRun], list[Event]]]] = {
    Command.ASK: AgentRun._ask,
    Command.RUN_TOOLS: AgentRun._run_tools,
    Command.CHECK: AgentRun._check,
    Command.GO_ON: _go_on,
    Command.REPAIR: _repair,
    Command.FOLLOW: _follow,
    Command.FINISH: _conclude,
    Command.FAIL_STEPS: _fail_steps,
    Command.FAIL_OUTPUT: _fail_output,
    Command.FAIL_CALLS: _fail_calls,
}
"""The method for each command. FAIL and CANCEL are the run's own end (`Run`); WAIT needs to know for whom."""

"""An agent's run: carries out the commands of `agent_loop` by asking models and running tools.

What follows what is decided in `agent_loop` alone: each method here does one thing and reports how it went as a signal.
What it adds up to is `fold`'s; how a provider is asked is `backends.retry`'s.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from msgspec import UNSET

from headwater.backends.retry import Asking, Budget
from headwater.errors import MaxHandoffsReached, MaxStepsReached, OutputInvalid, ToolCallInvalid
from headwater.events import Event, Handoff, MessageAdded, RunFinished, RunStarted, StepStarted, UsageReported
from headwater.events.messages import Message, ToolCall
from headwater.providers.decoder import Place
from headwater.providers.request import Request
from headwater.runtime.agent_loop import Command, Loop, Signal, State
from headwater.runtime.children import Parent
from headwater.runtime.context import NOWHERE, Origin, current_run
from headwater.runtime.definition import hash_of_job
from headwater.runtime.job import Job
from headwater.runtime.log import GRAMMAR
from headwater.runtime.run import Run
from headwater.runtime.shown import as_data, outlined
from headwater.runtime.tool_calls import ToolCalls

__all__ = ("AgentRun",)

LEAD: Final = "\n\n"
"""What parts a step's text from the text of the step before it."""

MAX_HANDOFFS: Final = 20
"""Handoffs of one conversation: more than any honest chain of desks; agents that hand it to and fro end there."""

GO_ON: Final = "Go on."
"""What an agent with loops left is asked after its own answer."""


class AgentRun(Parent):
    """One run of an agent, or one request to a model. `origin` says on whose behalf it begins."""

    def __init__(self, job: Job, *, origin: Origin = NOWHERE) -> None:
        super().__init__(job.name, timeout=job.timeouts.run, quiet=job.quiet)
        self.job = job
        self.loop = Loop(job.limits)
        self._next: Callable[[AgentRun], Awaitable[list[Event]]] = AgentRun._begin
        self._asking: Asking | None = None
        self._budget = Budget()
        self._call_keys: set[str] = set()
        self._bad_calls: dict[str, int] = {}
        """By tool: calls in a row whose arguments did not fit."""
        self._system: str | None = None
        self._history = job.history
        self.begin_on_behalf(origin)

    # What most runs never have; see `Run`.
    _ours: tuple[tuple[str, ToolCall], ...] = ()
    """The calls of the last step that are to be run here, each with its key."""
    _calls: ToolCalls | None = None
    handoffs = 0
    """How often the conversation has been handed over on its way here."""
    _problem = ""
    """What is wrong with the last answer."""
    _told_problem = False
    """Whether the result of a call has told the model so."""
    _successor: Run | None = None
    _took_thread = False

    async def _advance(self) -> list[Event]:
        return await self._next(self)

    def _do(self, signal: Signal, *, all_calls_bad: bool = False) -> list[Event]:
        """Report to the loop and carry out its command: events to append, or none where `_next` goes on at once."""
        return _COMMANDS[self.loop.take(signal, all_calls_bad=all_calls_bad)](self)

    # --- beginning

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
        return [self._started(), *self._do(Signal.BEGIN)]

    def _started(self) -> RunStarted:
        job = self.job
        return RunStarted(
            agent_name=job.name,
            input=job.input,
            history=self._history,
            model=job.backends[0].model,
            settings=job.settings.shown(),
            context=None if self._above else outlined(job.context),  # once a tree
            parent=self.parent,
            call=self.call,
            definition_hash=hash_of_job(job),
            grammar=GRAMMAR,
            answer_tool=job.answer_tool,
        )

    # --- asking a model

    def _ask(self) -> list[Event]:
        self._next = AgentRun._open
        self._asking = None  # the step before it says nothing about this one
        return [StepStarted(step=self.loop.steps)]

    def _go_on(self) -> list[Event]:
        return [MessageAdded(message=Message.user(GO_ON), cause="loop"), *self._ask()]

    def _repair(self) -> list[Event]:
        if self._told_problem:
            self._told_problem = False
            return self._ask()
        tool = self.job.answer_tool
        again = f"Give it by calling {tool}." if tool else "Answer again, with only the corrected JSON."
        said = f"Your answer does not fit:\n{self._problem}\n{again}"
        return [MessageAdded(message=Message.user(said), cause="repair"), *self._ask()]

    async def _open(self) -> list[Event]:
        job, fold = self.job, self.fold
        system = (Message.system(self._system),) if self._system else ()
        step = self.loop.steps
        self._asking = Asking(
            job.backends,
            Request(
                model="",
                messages=(*system, *fold.sent),
                tools=(*(tool.spec for tool in job.tools.values()), *job.offers),
                provider_tools=job.provider_tools,
                output=job.output.spec if job.output else None,
                settings=job.settings,
                connect=job.connect,
            ),
            Place(
                step=step,
                lead=LEAD if fold.has_text else self.lead,
                call_prefix=f"call_{self.id[4:12]}_{step}",
                calls=self._call_keys,
            ),
            fold,
            timeouts=job.timeouts,
            retries=job.retries,
            interruptible=self._interruptible,
            budget=self._budget,
            final=self._surely_answers(step),
        )
        self._next = AgentRun._listen
        return []

    def _surely_answers(self, step: int) -> bool:
        """Whether the step's text is the answer: without tools and a type to meet, each loop is one step."""
        job = self.job
        return job.output is None and not (job.run_tools and job.tools) and step >= job.limits.max_loops

    async def _listen(self) -> list[Event]:
        asking = self._asking
        assert asking is not None
        if events := await asking.pull():
            return events
        decoder = asking.decoder
        assert decoder is not None
        self._next = AgentRun._sort
        return [
            self.fold.step_end(
                api=asking.backend.api,
                model=asking.backend.model,
                finish_reason=decoder.finish_reason,
                word=decoder.provider_finish_reason,
            )
        ]

    async def _sort(self) -> list[Event]:
        """What kind of answer was it? One with calls to run, or one to be checked."""
        fold = self.fold
        self._ours = fold.calls_to_run()
        whole = fold.finish_reason in ("tool_calls", "stop", None)
        said = fold.messages[-1] if fold.messages else None
        self.loop.client_calls = whole and said is not None and any(call.by == "client" for call in said.tool_calls)
        rejected = fold.rejected()
        if self.job.run_tools and whole and (self._ours or rejected):
            called = {call.name for call in (*rejected, *(call for _, call in self._ours))}
            return self._do(Signal.GIVES if self.job.answer_tool in called else Signal.CALLED)
        return self._do(Signal.OFFERED if self.loop.client_calls else Signal.ANSWERED)

    # --- tools, and other agents

    def _run_tools(self) -> list[Event]:
        self._calls = calls = ToolCalls(self, self.job, self.loop.steps, self._ours, self._bad_calls)
        if any(call.name == self.job.answer_tool for call in self.fold.rejected()):
            calls.problem = "The answer is not a JSON object."
        self._next = AgentRun._work
        return [*calls.started()]

    async def _work(self) -> list[Event]:
        """Hand on what the tools do as they do it, until all are done."""
        calls = self._calls
        assert calls is not None
        if not calls.begun:
            calls.begin()
        if events := await self.mux.pull():
            return events
        if calls.handoff is not None:
            return self._do(Signal.HANDED_OFF)
        self._calls = None
        if calls.answer is not UNSET:
            self.node.output = calls.answer
            return self._do(Signal.VALID)
        if calls.problem:
            self._problem, self._told_problem = calls.problem, True
            return self._do(Signal.INVALID)
        return self._do(Signal.TOOLS_DONE, all_calls_bad=calls.all_bad)

    def _follow(self) -> list[Event]:
        """Give the conversation to another agent: its run stands in this one and speaks for it."""
        calls = self._calls
        assert calls is not None
        assert calls.handoff is not None
        self._calls = None
        tool = calls.handoff
        if self.handoffs >= MAX_HANDOFFS:
            raise MaxHandoffsReached(
                f"The conversation was handed over {MAX_HANDOFFS} times, and {tool.to!r} would have it next.",
                hint="Tell the agents when to answer themselves, or take the way back out of handoffs=.",
                limit="max_handoffs",
                size=MAX_HANDOFFS,
            )
        self._successor = successor = tool.take_over(tuple(self.fold.messages), self.job.context)
        successor.join(self, role="handoff", final=True)
        if isinstance(successor, AgentRun):
            successor.handoffs = self.handoffs + 1
        successor.lead = LEAD if self.fold.has_text else self.lead
        self.mux.spawn(self.conduct(successor), f"handoff {tool.to}")
        self._next = AgentRun._hear_successor
        return [Handoff(to=tool.to, note=calls.note)]

    async def _hear_successor(self) -> list[Event]:
        successor = self._successor
        assert successor is not None
        if events := await self.mux.pull():
            return events
        if successor.error is not None:
            raise successor.error
        self.node.output = successor.node.output
        return self._do(Signal.FOLLOWED)

    # --- the answer

    def _check(self) -> list[Event]:
        self._next = AgentRun._look_at_answer
        return []

    async def _look_at_answer(self) -> list[Event]:
        """Is the answer what was asked for?"""
        output, fold = self.job.output, self.fold
        if output is None:
            return self._do(Signal.VALID)
        if fold.finish_reason in ("length", "content_filter", "refusal"):
            raise OutputInvalid(
                f"The answer is no {output.spec.name}: it ended with {fold.finish_reason!r}.",
                hint="Raise max_tokens." if fold.finish_reason == "length" else "",
            )
        try:
            self.node.output = output.parse(fold.text)
        except ValueError as problem:
            self._problem = str(problem)
            return self._do(Signal.INVALID)
        return self._do(Signal.VALID)

    def _conclude(self) -> list[Event]:
        self._next = AgentRun._end
        successor = self._successor
        return [
            RunFinished(
                finish_reason=self.fold.finish_reason if successor is None else successor.response().finish_reason,
                output=UNSET if self.node.output is UNSET else as_data(self.node.output),
                usage=self.fold.usage,
                answer=() if successor is None else (successor.id,),
            )
        ]

    async def _end(self) -> list[Event]:
        self.close()
        return []

    # --- what the loop does not allow

    def _fail_steps(self) -> list[Event]:
        limit = self.job.limits.max_steps
        if self._problem and self.job.output is not None:
            said = (
                f"The answer is no {self.job.output.spec.name}, and no request is left to have it mended. "
                f"{_in_a_line(self._problem)}."
            )
        else:
            said = f"The model asked for tools in each of {limit} steps."
        raise MaxStepsReached(
            said, hint="Raise max_steps, or make its task or its tools simpler.", limit="max_steps", size=limit
        )

    def _fail_output(self) -> list[Event]:
        assert self.job.output is not None
        again = ", also after it was sent back" if self.loop.repairs else ""
        raise OutputInvalid(
            f"The answer is no {self.job.output.spec.name}{again}. {_in_a_line(self._problem)}.",
            hint="Use a simpler type or a stronger model.",
        ) from None

    def _fail_calls(self) -> list[Event]:
        raise ToolCallInvalid(
            f"The model called tools wrongly in {self.job.limits.max_bad_call_steps} steps in a row.",
            hint="Describe the tools' parameters better, or use another model.",
        )

    # --- the rest of a run

    def _release(self) -> None:
        if self._asking is not None:
            self._asking.abort()

    def _shut(self) -> None:
        if self._asking is not None:
            self._asking.shut()

    def _end_step(self) -> Iterator[list[Event]]:
        fold, asking = self.fold, self._asking
        manner = self.ending.manner
        if self.loop.state is not State.ENDED:  # where the loop itself says so, it has ended by now
            self.loop.take(Signal.FAILED if manner.outcome == "failed" else Signal.CANCELLED)
        if fold.in_step is None:
            return
        decoder = asking.decoder if asking else None
        if decoder is not None and fold.in_attempt == decoder.place.attempt:
            usage, place = decoder.usage, decoder.place
            whole = (decoder.ended or decoder.complete) and usage is not None
            if whole and usage is not None and usage != fold.reported:
                # The reader left between its coming and its being appended.
                yield [UsageReported(step=place.step, attempt=place.attempt, usage=usage)]
            elif not whole and (fold.visible or usage) and (estimate := fold.estimate(usage)) is not None:
                yield [estimate]
        backend = asking.backend if asking else self.job.backends[0]
        reason = manner.finish_reason
        if manner.outcome == "failed" and decoder is not None:
            reason = decoder.finish_reason
        yield [fold.step_end(api=backend.api, model=backend.model, finish_reason=reason)]

    def _finished(self) -> None:
        self._asking = self._calls = self._successor = None  # the calls and the successor hold the run
        if self.job.thread is not None and self._took_thread:
            self._took_thread = False
            if self.fold.started is None:
                self.job.thread.give_back(self._history, self.job.thread.agent)
            else:
                response = self.response()
                self.job.thread.give_back(response.messages, response.agent)


_COMMANDS: Final[dict[Command, Callable[[AgentRun], list[Event]]]] = {
    Command.ASK: AgentRun._ask,
    Command.RUN_TOOLS: AgentRun._run_tools,
    Command.CHECK: AgentRun._check,
    Command.GO_ON: AgentRun._go_on,
    Command.REPAIR: AgentRun._repair,
    Command.FOLLOW: AgentRun._follow,
    Command.FINISH: AgentRun._conclude,
    Command.FAIL_STEPS: AgentRun._fail_steps,
    Command.FAIL_OUTPUT: AgentRun._fail_output,
    Command.FAIL_CALLS: AgentRun._fail_calls,
}
"""What carries out each command. FAIL and CANCEL are the run's own end (`Run`); WAIT comes with whom to wait for."""


def _in_a_line(problem: str) -> str:
    return problem.replace(":\n- ", ": ").replace("\n- ", "; ").rstrip(".")

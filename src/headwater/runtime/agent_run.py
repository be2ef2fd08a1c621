"""An agent's run: carries out the commands of `loop` by asking models and running tools.

What follows what is decided in `loop`; what it adds up to, in `fold`; how a provider is asked, in `attempts`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from headwater.backends.retry import Asking, Budget
from headwater.errors import MaxStepsReached, OutputInvalid, ToolCallInvalid
from headwater.events import (
    Event,
    Handoff,
    MessageAdded,
    RunFinished,
    RunStarted,
    StepStarted,
    ToolStarted,
    UsageReported,
)
from headwater.events.messages import Message, Response
from headwater.providers.decoder import Place
from headwater.providers.request import Request
from headwater.runtime.agent_loop import Command, Loop, Signal, State
from headwater.runtime.context import current_run
from headwater.runtime.job import HandoffTool, Job
from headwater.runtime.merge import Mux
from headwater.runtime.run import Run, as_data
from headwater.runtime.tool_calls import ToolCalls

if TYPE_CHECKING:
    pass

__all__ = ("AgentRun",)

LEAD: Final = "\n\n"
"""What parts a step's text from the text of the step before it."""

GO_ON: Final = "Go on."
"""What an agent with loops left is asked after its own answer."""


class AgentRun(Run):
    """One run of an agent, or one request to a model."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.name, timeout=job.timeouts.run, quiet=job.quiet)
        self.job = job
        self.may_retract = job.retries.on_interrupted == "restart"
        self.loop = Loop(job.limits)
        self._next: Callable[[AgentRun], Awaitable[list[Event]]] = AgentRun._begin
        self._asking: Asking | None = None
        self._budget = Budget()
        self._calls: ToolCalls | None = None
        self._call_keys: set[str] = set()
        self.bad_calls: dict[str, int] = {}
        """By tool: calls in a row whose arguments did not fit."""
        self._system: str | None = None
        self._history = job.history
        self._took_thread = False
        self._successor: Run | None = None

    async def _advance(self) -> list[Event]:
        return await self._next(self)

    def answers_with(self, step: int) -> bool:
        """See `Run`: without tools and a type to meet, each loop is one step."""
        job = self.job
        return job.output is None and not (job.run_tools and job.tools) and step >= job.limits.max_loops

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
        return [self._started(), *self._ask(self.loop.take(Signal.BEGIN))]

    def _started(self) -> RunStarted:
        job = self.job
        return RunStarted(
            agent_name=job.name,
            input=job.input,
            history=self._history,
            model=job.backends[0].model,
            settings=job.settings.shown(),
            context=as_data(job.context),
            parent=self.parent,
            call=self.call,
        )

    def _ask(self, command: Command) -> list[Event]:
        assert command in (Command.ASK, Command.GO_ON, Command.REPAIR)
        self._next = AgentRun._open
        self._asking = None  # the step before it says nothing about this one
        return [StepStarted(step=self.loop.steps)]

    async def _open(self) -> list[Event]:
        job, fold = self.job, self.fold
        system = (Message.system(self._system),) if self._system else ()
        step = self.loop.steps
        self._asking = Asking(
            job.backends,
            Request(
                model="",
                messages=(*system, *fold.messages),
                tools=(*(tool.spec for tool in job.tools.values()), *job.offers),
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
        )
        self._next = AgentRun._listen
        return []

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
        ours = fold.calls_to_run()
        whole = fold.finish_reason in ("tool_calls", "stop", None)
        if not (self.job.run_tools and whole and (ours or fold.rejected())):
            self._next = AgentRun._check
            self.loop.take(Signal.ANSWERED)
            return []
        if self.loop.take(Signal.CALLED) is Command.FAIL_STEPS:
            limit = self.job.limits.max_steps
            raise MaxStepsReached(
                f"The model asked for tools in each of {limit} steps.",
                hint="Raise max_steps, or make its task or its tools simpler.",
                limit="max_steps",
                size=limit,
            )
        self._calls = ToolCalls(self, ours)
        self._next = AgentRun._work
        return [ToolStarted(step=self.loop.steps, call=key, name=call.name) for key, call in ours]

    async def _work(self) -> list[Event]:
        """Hand on what the tools do as they do it, until all are done."""
        calls = self._calls
        assert calls is not None
        mux = self.mux
        if not calls.begun:
            calls.begin(mux)
        if events := await mux.pull():
            return events
        self._calls = None
        if calls.handoff is not None:
            return self._hand_off(calls.handoff, calls.note)
        command = self.loop.take(Signal.TOOLS_DONE, all_calls_bad=calls.all_bad)
        if command is Command.FAIL_CALLS:
            raise ToolCallInvalid(
                f"The model called tools wrongly in {self.job.limits.max_bad_call_steps} steps in a row.",
                hint="Describe the tools' parameters better, or use another model.",
            )
        return self._ask(command)

    def _hand_off(self, tool: HandoffTool, note: str) -> list[Event]:
        """Give the conversation to another agent: its run stands in this one and speaks for it."""
        self.loop.take(Signal.HANDED_OFF)
        self._successor = successor = tool.take_over(tuple(self.fold.messages), self.job.context)
        successor.join(self, voiced=True)
        successor.lead = LEAD if self.fold.has_text else self.lead
        self.mux.spawn(self.conduct(successor), f"handoff {tool.to}")
        self._next = AgentRun._follow
        return [Handoff(to=tool.to, note=note)]

    async def _follow(self) -> list[Event]:
        successor = self._successor
        assert successor is not None
        if events := await self.mux.pull():
            return events
        if successor.error is not None:
            raise successor.error
        self.loop.take(Signal.FOLLOWED)
        self.output = successor.output
        return self._finish_with(successor.response().finish_reason)

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
            command = self.loop.take(Signal.INVALID)
            if command is not Command.REPAIR:
                said = str(problem).replace(":\n- ", ": ").replace("\n- ", "; ").rstrip(".")
                raise OutputInvalid(
                    f"The answer is no {output.spec.name}, also after it was sent back. {said}.",
                    hint="Use a simpler type or a stronger model.",
                ) from None
            message = Message.user(f"Your answer does not fit:\n{problem}\nAnswer again, with only the corrected JSON.")
            return [MessageAdded(message=message, cause="repair"), *self._ask(command)]
        return self._go_on_or_finish()

    def _go_on_or_finish(self) -> list[Event]:
        command = self.loop.take(Signal.VALID)
        if command is Command.GO_ON:
            return [MessageAdded(message=Message.user(GO_ON), cause="loop"), *self._ask(command)]
        return self._finish_with(self.fold.finish_reason)

    def _finish_with(self, finish_reason: str | None) -> list[Event]:
        self._next = AgentRun._end
        output = as_data(self.output) if self.job.output or self._successor is not None else None
        return [RunFinished(finish_reason=finish_reason, output=output, usage=self.fold.usage)]

    async def _end(self) -> list[Event]:
        self.close()
        return []

    # --- the rest of a run

    @property
    def mux(self) -> Mux:
        """The queue of what runs beside: tools, and agents below."""
        if self._mux is None:
            self._mux = self._new_mux()
        return self._mux

    def response(self) -> Response[Any]:
        """See `Run`; after a handoff the text is the other agent's."""
        own = super().response()
        if self._successor is None:
            return own
        other = self._successor.response()
        text = other.text or own.text
        return own.replaced(
            text,
            transcript=own.transcript + other.transcript,  # which begins with its lead
            output=text if self._successor.output is None else self._successor.output,
            reasoning="\n\n".join(filter(None, (own.reasoning, other.reasoning))),
            finish_reason=other.finish_reason,
            provider_finish_reason=other.provider_finish_reason,
            tool_calls=(*own.tool_calls, *other.tool_calls),
            sources=(*own.sources, *other.sources),
            files=(*own.files, *other.files),
            refusal=other.refusal,
            model=other.model,
            provider=other.provider,
            messages=other.messages or own.messages,
        )

    def _release(self) -> None:
        if self._asking is not None:
            self._asking.abort()

    def _shut(self) -> None:
        if self._asking is not None:
            self._asking.shut()

    def _end_step(self, failed: bool) -> Iterator[list[Event]]:
        fold, asking = self.fold, self._asking
        if self.loop.state is not State.ENDED:  # where the loop itself says so, it has ended by now
            self.loop.take(Signal.FAILED if failed else Signal.CANCELLED)
        if fold.in_step is None:
            return
        decoder = asking.decoder if asking else None
        if decoder is not None and fold.in_attempt == decoder.place.attempt:
            usage, place = decoder.usage, decoder.place
            if usage is None and fold.visible and (estimate := fold.estimate()) is not None:
                yield [estimate]
            elif usage is not None and usage != fold.reported:
                # The reader left between its coming and its being appended.
                yield [UsageReported(step=place.step, attempt=place.attempt, usage=usage)]
        backend = asking.backend if asking else self.job.backends[0]
        reason = None if failed else "cancelled"
        if failed and decoder is not None:
            reason = decoder.finish_reason
        yield [fold.step_end(api=backend.api, model=backend.model, finish_reason=reason)]

    def _finished(self) -> None:
        self._asking = self._calls = None  # the calls hold the run
        if self.job.thread is not None and self._took_thread:
            self._took_thread = False
            begun = self.fold.started is not None
            self.job.thread.give_back(self.response().messages if begun else self._history)

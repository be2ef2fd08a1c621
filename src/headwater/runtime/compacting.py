"""Shortens a run's conversation before a step: a helper run writes a summary, which is sent for the first messages.

Owns the order: whether the conversation is too long, the helper, its message, and again until it is short enough. The
sizes and the cut are `compaction`'s. It must never change a message of the log: a compaction is one more message.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

import msgspec

from headwater.errors import BudgetExceeded, ContextTooLong, UsageError
from headwater.events import ErrorInfo, Event, MessageAdded, RunFinished, RunStarted, Warned
from headwater.events.messages import Message, Usage
from headwater.runtime.agent_loop import Limits
from headwater.runtime.children import Parent
from headwater.runtime.compaction import MIN_GAIN, Compaction, cut, read_by, tokens_of, written
from headwater.runtime.context import current_run
from headwater.runtime.job import Job
from headwater.runtime.log import GRAMMAR
from headwater.runtime.run import Run
from headwater.runtime.view import ViewInfo

__all__ = ("HELPER", "Compacting")

HELPER: Final = "compaction"
"""The name of the helper runs."""


class Compacting:
    """The compactions of one run. `asking` creates an agent's run of a job."""

    def __init__(self, run: Parent, compaction: Compaction, asking: Callable[[Job], Run]) -> None:
        self._run = run
        self._compaction = compaction
        self._asking = asking
        self._helper: Run | None = None
        self._replaces = 0
        """How many messages the helper's summary replaces."""
        self._most: int | None = None
        """How many tokens a helper may read, after more were too many."""
        self._no_tools = False
        """Whether the last helper called a tool instead of answering."""
        self._given_up = False
        """Whether a helper failed: then only a refusal of the conversation starts another."""
        self._settled: ContextTooLong | None = None
        """The last refusal for which the conversation was shortened."""
        self._warned = False

    async def events(self, job: Job, *, system: str | None, step: int, too_long: ContextTooLong | None) -> list[Event]:
        """Returns the next events; [] once nothing is left to do before the step.

        `job` has the tools that are offered now. `too_long` is a provider's refusal of the conversation: it is raised
        if nothing can be shortened. Raises BudgetExceeded.
        """
        while True:
            refusal = None if too_long is self._settled else too_long
            if self._helper is None:
                over = refusal is None and not self._given_up and self._size(job, system, step) > self._compaction.at
                self._replaces = self._due(job, system, over=over, refused=refusal is not None)
                if not self._replaces and refusal is not None:
                    raise refusal
                if not self._replaces:
                    return self._warning(job) if over else []
                self._helper = self._begin(job, system, step)
            if events := await self._run.pull_below():
                return events
            helper, self._helper = self._helper, None
            if events := self._written(helper, refusal):
                self._settled = too_long
                return events

    # --- whether

    def _due(self, job: Job, system: str | None, *, over: bool, refused: bool) -> int:
        """Returns how many messages to replace now, that it is `over` its limit or was refused; 0 for none."""
        compaction, messages = self._compaction, self._run.fold.messages
        at, keep = compaction.at, 0 if refused else compaction.kept
        if not refused and not over:
            return 0
        if not refused:
            new = read_by(messages, cut(messages, keep=keep))
            if tokens_of([message for message in new if not message.replaces]) * MIN_GAIN < at:
                return 0
        if compaction.by is not None:
            return cut(messages, keep=keep)
        most = max(at - tokens_of((Message.user(system or "", compaction.prompt),), *_specs(job)), at // 2)
        if refused:
            most = min(most, tokens_of(self._run.fold.sent) // 2)
        return cut(messages, keep=keep, most=most if self._most is None else min(most, self._most))

    def _size(self, job: Job, system: str | None, step: int) -> int:
        """Returns the tokens of the next request: what the last step reported, with what was added; or an estimate."""
        fold = self._run.fold
        added: list[Message] = []
        usage = fold.spending.last_of_step(step - 1)
        if usage is not None and usage.input_tokens is not None:
            for message in reversed(fold.messages):
                if message.replaces:
                    break
                if message.role == "assistant":
                    return usage.input_tokens + (usage.output_tokens or 0) + tokens_of(added)
                added.append(message)
        return tokens_of(fold.sent, *_specs(job), system)

    def _warning(self, job: Job) -> list[Event]:
        """Returns a warning, once a run, that the conversation stays too long."""
        at = self._compaction.at
        if self._warned:
            return []
        self._warned = True
        said = f"The conversation of {job.name!r} has more than {at:,} tokens, but too few of them can be replaced."
        hint = "Raise `at` of its compaction, lower `keep`, or shorten the instructions, the tools or their results."
        return [Warned(code="compaction_useless", message=said, hint=hint)]

    # --- how

    def _begin(self, job: Job, system: str | None, step: int) -> Run:
        """Starts the helper."""
        run, compaction = self._run, self._compaction
        replaced = read_by(run.fold.messages, self._replaces)
        helper: Run
        if compaction.by is None:
            helper = self._asking(_helper_job(job, compaction.prompt, system, replaced, no_tools=self._no_tools))
        else:
            info = ViewInfo(agent=job.name, model=job.backends[0].model, step=step, context=job.context)
            helper = _Summarizing(compaction.by, replaced, info, quiet=job.quiet)
        helper.join(run, role="helper")
        run.mux.spawn(run.conduct(helper), HELPER)
        return helper

    def _written(self, helper: Run, refusal: ContextTooLong | None) -> list[Event]:
        """Returns the message with the ended helper's summary, or a warning that it failed; [] if another must try."""
        error, fold = helper.error, self._run.fold
        if isinstance(error, BudgetExceeded):
            raise error
        if isinstance(error, ContextTooLong) and self._compaction.by is None:
            self._most = tokens_of(read_by(fold.messages, self._replaces)) // 2
            if cut(fold.messages, keep=0, most=self._most) < self._replaces:
                return []
        summary = _summary_of(helper)
        if error is None and summary:
            self._most, self._no_tools = None, False
            message = written(summary, self._replaces, self._task())
            return [MessageAdded(message=message, cause="compact")]
        if error is None and not self._no_tools and self._compaction.by is None:
            self._no_tools = True
            return []
        if refusal is not None:
            raise refusal from error
        self._given_up = True
        why = ErrorInfo.of(error).message if error is not None else "The summary is empty."
        said = f"The conversation of {self._run.name!r} was not shortened: {why}"
        return [Warned(code="compaction_failed", message=said, hint="The run continues with the whole conversation.")]

    def _task(self) -> tuple[Message, ...]:
        """The run's own task, if it is short and its messages are replaced: a summary must not change it."""
        started = self._run.fold.started
        assert started is not None
        begin = len(started.history)
        task = started.input[: max(0, self._replaces - begin)]
        said = tuple(message for message in task if message.role == "user" and not message.replaces)
        return said if tokens_of(said) <= self._compaction.kept else ()


def _specs(job: Job) -> tuple[Any, ...]:
    return [tool.spec for tool in job.tools.values()], job.offers


def _helper_job(job: Job, prompt: str, system: str | None, replaced: tuple[Message, ...], *, no_tools: bool) -> Job:
    """Returns the job of asking the run's own model for a summary.

    Its request begins like the run's own, with the same tools, so that a provider's prompt cache has most of it.
    """
    left_out: dict[str, Any] = {"max_tokens": None, "stop": None, "tool_choice": "none" if no_tools else None}
    return msgspec.structs.replace(
        job,
        name=HELPER,
        input=(Message.user(prompt),),
        history=(),
        replaced=False,
        thread=None,
        instructions=system,
        tools={},
        toolboxes=(),
        run_tools=False,
        offers=(*(tool.spec for tool in job.tools.values()), *job.offers),
        view=lambda messages, info: (*replaced, *messages),
        compaction=None,
        output=None,
        shape=None,
        settings=msgspec.structs.replace(job.settings, **left_out),
        limits=Limits(),
        approval=False,
        wants_log=False,
        budgets=(),  # it is below the run, whose budgets hold for it
    )


def _summary_of(helper: Run) -> str:
    end = helper.fold.end
    said = end.output if isinstance(helper, _Summarizing) and isinstance(end, RunFinished) else helper.fold.text
    return said if isinstance(said, str) and not said.isspace() else ""


class _Summarizing(Run):
    """A helper run that calls the program's function; its output in the log is the summary."""

    def __init__(self, by: Callable[..., Any], messages: tuple[Message, ...], info: ViewInfo, *, quiet: bool) -> None:
        super().__init__(HELPER, quiet=quiet)
        self._by = by
        self._messages = messages
        self._info = info

    async def _advance(self) -> list[Event]:
        if self.fold.started is None:
            return [self._started()]
        if self.fold.end is None:
            summary = await self._interruptible.wait(self._called())
            return [RunFinished(finish_reason="stop", output=summary, usage=Usage())]
        self.close()
        return []

    async def _called(self) -> str:
        token = current_run.set(self)  # runs that it starts end with it
        try:
            said: Any = self._by(self._messages, self._info)
            if inspect.isawaitable(said):
                said = await said
        finally:
            current_run.reset(token)
        if not isinstance(said, str):
            raise UsageError(
                f"The function of the compaction of {self._info.agent!r} returned {type(said).__name__}.",
                hint="Return the summary as a string.",
            )
        return said

    def _started(self) -> RunStarted:
        return RunStarted(agent_name=HELPER, parent=self.parent, call=self.call, grammar=GRAMMAR)

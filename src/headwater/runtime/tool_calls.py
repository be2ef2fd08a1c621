"""The calls of one step, run side by side as tasks: functions, agents called as tools, handoffs.

Each result goes to the queue as its tool ends; the order of the calls is kept by the fold. What a call comes to is the
tool's own (`tools.work`); what an agent's run does is its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from headwater.errors import MaxDepthReached, RunTimeout, ToolCallInvalid
from headwater.events import RunCancelled, ToolFinished, ToolProgress, ToolStarted, Warned
from headwater.events.messages import ToolCall
from headwater.runtime.children import Parent
from headwater.runtime.context import current_run, report
from headwater.runtime.job import HandoffTool, Job
from headwater.runtime.run import Run
from headwater.tools.outcome import ToolOutcome
from headwater.tools.work import Offered

__all__ = ("ToolCalls",)

_logger = logging.getLogger("headwater.tools")


class ToolCalls:
    """The calls of a step while they run.

    `calls` are those to run, each with its key in the run. `bad_in_a_row` counts by tool the calls in a row whose
    arguments did not fit, over all the steps of the run.
    """

    def __init__(
        self,
        run: Parent,
        job: Job,
        step: int,
        calls: tuple[tuple[str, ToolCall], ...],
        bad_in_a_row: dict[str, int],
    ) -> None:
        self.begun = False
        self.handoff: HandoffTool | None = None
        """The agent that the conversation goes to, once the calls are done: the first that was called for."""
        self.note = ""
        self.answer: Any = UNSET
        """The answer, once one of the calls has given it."""
        self.problem = ""
        """What is wrong with the answer that one of the calls would have given."""
        self.run = run
        self.job = job
        self.step = step
        self._calls = calls
        self._bad_in_a_row = bad_in_a_row
        self._bad = 0
        self._warned = False

    @property
    def all_bad(self) -> bool:
        """Whether every call was refused for what the model wrote."""
        return self._bad == len(self._calls)

    def started(self) -> list[ToolStarted]:
        """That the tools of all the calls begin."""
        run = self.run.id
        return [
            ToolStarted(step=self.step, call=key, name=call.name, idempotency_key=f"{run}/{key}")
            for key, call in self._calls
        ]

    def begin(self) -> None:
        """Start them all."""
        self.begun = True
        for key, call in self._calls:
            self.run.mux.spawn(self._call(key, call), f"tool {call.name}")

    async def _call(self, key: str, call: ToolCall) -> None:
        current_run.set(self.run)
        begun = time.monotonic()
        tool = self.job.tools.get(call.name)
        if tool is None:
            there_are = ", ".join(self.job.tools) or "none"
            outcome = ToolOutcome.failed(f"There is no tool named {call.name!r}. There are: {there_are}.", invalid=True)
        else:
            outcome = await tool.call(_Work(self, key, call))
            self._count_bad(tool, outcome.invalid)
        self._bad += outcome.invalid
        if outcome.invalid and call.name == self.job.answer_tool:
            self.problem = outcome.error or ""
        self.run.mux.put(
            [
                ToolFinished(
                    step=self.step,
                    call=key,
                    name=call.name,
                    result=outcome.result,
                    error=outcome.error,
                    duration=time.monotonic() - begun,
                    truncated_from=outcome.truncated_from,
                    invalid=outcome.invalid,
                )
            ]
        )
        if tool is not None:
            self._look_at(tool, outcome)

    def _count_bad(self, tool: Offered, invalid: bool) -> None:
        """Raise ToolCallInvalid where a tool was called wrongly more often in a row than it allows."""
        bad = self._bad_in_a_row
        bad[tool.name] = bad.get(tool.name, 0) + 1 if invalid else 0
        if tool.retries is not None and bad[tool.name] > tool.retries:
            raise ToolCallInvalid(
                f"The model called {tool.name} wrongly {bad[tool.name]} times in a row.",
                hint="Describe its parameters better, raise its retries, or use another model.",
            )

    def _look_at(self, tool: Offered, outcome: ToolOutcome) -> None:
        """Log what a tool raised, which else nobody but the model would see; raise it where that is asked for."""
        error = outcome.exception
        if error is None or outcome.invalid:
            return
        if (tool.on_error or self.job.tool_errors) == "raise":
            raise error
        what = f"The tool {tool.name}"
        report(_logger, logging.WARNING, what, error, "the model was told, and the run goes on", quiet=self.job.quiet)

    def say(self, key: str, name: str, data: Any) -> None:
        """A tool says something while it runs."""
        if self.run.over:
            return
        news = ToolProgress(step=self.step, call=key, name=name, data=data)
        if not self.run.mux.put_progress(news) and not self._warned:
            self._warned = True
            said = f"{name} says more than is read; some of it is dropped."
            self.run.mux.put([Warned(code="progress_dropped", message=said)])


class _Work:
    """One call at work; see `tools.work.Work`."""

    def __init__(self, calls: ToolCalls, key: str, call: ToolCall) -> None:
        self._calls = calls
        self._name = call.name
        self.arguments: Mapping[str, Any] | str = call.arguments
        self.context = calls.job.context
        self.call_id = key
        self.run_id = calls.run.id
        self.timeout = calls.job.timeouts.tool
        self.deadline = calls.run.deadline

    def emit(self, data: Any) -> None:
        self._calls.say(self.call_id, self._name, data)

    def hand_over(self, to: HandoffTool, note: str) -> ToolOutcome:
        calls = self._calls
        if (done := self._decided()) is not None:
            return ToolOutcome.failed(done)
        calls.handoff, calls.note = to, note
        return ToolOutcome(result=f"The conversation goes to {to.to}.")

    def answer(self, value: Any) -> ToolOutcome:
        if (done := self._decided()) is not None:
            return ToolOutcome.failed(done, invalid=True)
        self._calls.answer = value
        return ToolOutcome(result="The answer was received.")

    def _decided(self) -> str | None:
        """What the step's calls have decided before this one: the first to hand over or to answer counts."""
        calls = self._calls
        if calls.handoff is not None:
            return f"The conversation has gone to {calls.handoff.to} already."
        return None if calls.answer is UNSET else "The answer was given already."

    async def conduct(self, run: Run) -> ToolOutcome:
        parent, seconds = self._calls.run, self.timeout
        run.join(parent, role="tool", call=self.call_id)
        try:
            async with asyncio.timeout(seconds) as clock:
                await parent.conduct(run)
        except TimeoutError:
            if not clock.expired():
                raise
            return ToolOutcome.failed(f"ToolTimeout: {self._name} took longer than {seconds:g} seconds.")
        if run.error is not None:
            ours = isinstance(run.error, RunTimeout) and self.deadline is not None and self.deadline <= time.monotonic()
            # What is nested too deep does not get better when a model on the way up tries once more.
            if ours or isinstance(run.error, MaxDepthReached) or not isinstance(run.error, Exception):
                raise run.error
            return ToolOutcome.failed(f"{type(run.error).__name__}: {run.error}", exception=run.error)
        if isinstance(run.fold.end, RunCancelled):
            return ToolOutcome.failed("It was cancelled.")
        return ToolOutcome(result=run.response().text)

"""The calls of one step, run side by side as tasks: functions, agents called as tools, hand-offs.

Each result goes to the queue as its tool ends; the order of the calls is kept by the fold. What a function's call
comes to is `tools`'; what an agent's run does is its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

from headwater.errors import RunTimeout, ToolCallInvalid
from headwater.events import Event, RunCancelled, ToolFinished, ToolProgress, Warned
from headwater.events.messages import ToolCall
from headwater.runtime.context import current_run
from headwater.tools import Tool, run_tool

if TYPE_CHECKING:
    from headwater.runtime.agent_run import AgentRun
    from headwater.runtime.job import Delegate, HandoffTool
    from headwater.runtime.merge import Mux

__all__ = ("ToolCalls",)


class ToolCalls:
    """The calls of a step while they run. `calls` are those to run, each with its key in the run."""

    def __init__(self, run: AgentRun, calls: tuple[tuple[str, ToolCall], ...]) -> None:
        self.begun = False
        self.handoff: HandoffTool | None = None
        """The agent that the conversation goes to, once the calls are done: the first that was called for."""
        self.note = ""
        self._run = run
        self._calls = calls
        self._bad = 0
        self._warned = False

    @property
    def all_bad(self) -> bool:
        """Whether every call was refused for what the model wrote."""
        return self._bad == len(self._calls)

    def begin(self, mux: Mux) -> None:
        """Start them all."""
        self.begun = True
        for key, call in self._calls:
            mux.spawn(self._call(key, call, mux), f"tool {call.name}")

    async def _call(self, key: str, call: ToolCall, mux: Mux) -> None:
        run = self._run
        current_run.set(run)
        begun = time.monotonic()
        tool = run.job.tools.get(call.name)
        result: Any = ""
        error: str | None
        truncated: int | None = None
        if tool is None:
            self._bad += 1
            error = f"There is no tool named {call.name!r}. There are: {', '.join(run.job.tools) or 'none'}."
        elif isinstance(tool, Tool):
            outcome = await run_tool(
                tool,
                call.arguments,
                run.job.context,
                emit=lambda data: self._say(key, call.name, data, mux),
                timeout=run.job.timeouts.tool,
                deadline=run.deadline,
                call_id=key,
                run_id=run.id,
            )
            result, error, truncated = outcome.result, outcome.error, outcome.truncated_from
            self._bad += outcome.invalid
            self._count_bad(tool, outcome.invalid)
        elif hasattr(tool, "take_over"):
            result, error = self._hand_off(cast("HandoffTool", tool), call)
        else:
            result, error = await self._delegate(key, tool, call)
        finished: list[Event] = [
            ToolFinished(
                step=run.loop.steps,
                call=key,
                name=call.name,
                result=result if error is None else error,
                error=error,
                duration=time.monotonic() - begun,
                truncated_from=truncated,
            )
        ]
        mux.put(finished)

    def _count_bad(self, tool: Tool[..., Any], invalid: bool) -> None:
        """Raise ToolCallInvalid where a tool was called wrongly more often in a row than it allows."""
        bad = self._run.bad_calls
        bad[tool.name] = bad.get(tool.name, 0) + 1 if invalid else 0
        if tool.retries is not None and bad[tool.name] > tool.retries:
            raise ToolCallInvalid(
                f"The model called {tool.name} wrongly {bad[tool.name]} times in a row.",
                hint="Describe its parameters better, raise its retries, or use another model.",
            )

    def _say(self, key: str, name: str, data: Any, mux: Mux) -> None:
        if self._run.over:
            return
        news = ToolProgress(step=self._run.loop.steps, call=key, name=name, data=data)
        if not mux.put_progress(news) and not self._warned:
            self._warned = True
            mux.put([Warned(code="progress_dropped", message=f"{name} says more than is read; some of it is dropped.")])

    def _hand_off(self, tool: HandoffTool, call: ToolCall) -> tuple[str, str | None]:
        if self.handoff is not None:
            return "", f"The conversation has gone to {self.handoff.to} already."
        self.handoff = tool
        note = call.arguments.get("note") if isinstance(call.arguments, dict) else None
        self.note = note if isinstance(note, str) else ""
        return f"The conversation goes to {tool.to}.", None

    async def _delegate(self, key: str, tool: Delegate, call: ToolCall) -> tuple[str, str | None]:
        """Run an agent as a tool: its events go into the same log, its text is the result."""
        run = self._run
        try:
            if not isinstance(call.arguments, dict):
                raise ValueError("they are no JSON object.")
            child = tool.start(call.arguments, run.job.context)
        except ValueError as problem:
            self._bad += 1
            return "", f"The arguments do not fit: {problem}"
        child.join(run, call=key)
        child.final = False
        seconds = run.job.timeouts.tool
        try:
            async with asyncio.timeout(seconds) as clock:
                await run.conduct(child)
        except TimeoutError:
            if not clock.expired():
                raise
            return "", f"ToolTimeout: {call.name} took longer than {seconds:g} seconds."
        if child.error is not None:
            ours = isinstance(child.error, RunTimeout) and run.deadline is not None and run.deadline <= time.monotonic()
            if ours or not isinstance(child.error, Exception):
                raise child.error
            return "", f"{type(child.error).__name__}: {child.error}"
        if isinstance(child.fold.end, RunCancelled):
            return "", "It was cancelled."
        return child.response().text, None

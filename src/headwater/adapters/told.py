"""A run that another framework drives: what its stream tells of the run becomes events of the grammar.

Owns the words for tools, handoffs, runs below and the end, and the order that the grammar demands where a framework has
another: a step ends before its tools start, a call that gets no result is ended, nothing follows a handoff. Every
sequence of words gives a valid log. It must never know a framework, and never decide what happens next: the framework
does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import UNSET

from headwater.adapters.told_steps import Saying, ToldSteps
from headwater.errors import ConfigurationError
from headwater.events import (
    Custom,
    Event,
    Handoff,
    MessageAdded,
    RunFinished,
    RunStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    Warned,
    WorkflowShape,
)
from headwater.events.messages import FinishReason, Message
from headwater.runtime.context import NOWHERE, Origin
from headwater.runtime.hearing import LEAD
from headwater.runtime.log import GRAMMAR
from headwater.runtime.shown import as_data, outlined
from headwater.schema.well_formed import well_formed

__all__ = ("MAX_RESULT_CHARS", "NO_RESULT", "ToldRun")

NO_RESULT: Final = "The framework reported no result of this call."
"""The result of a call that was neither run nor answered in the framework's stream."""

MAX_RESULT_CHARS: Final = 100_000
"""Characters of a tool's result that the log keeps: more than a model reads; the framework has the whole."""


class ToldRun(ToldSteps):
    """One run, and the words for what happens in it.

    Each word may come at any time; what cannot stand in the log at that point is completed or left out.
    """

    def __init__(
        self,
        name: str,
        sayings: deque[tuple[Any, Saying]],
        *,
        timeout: float | None = None,
        quiet: bool = False,
        origin: Origin = NOWHERE,
    ) -> None:
        super().__init__(name, sayings, timeout=timeout, quiet=quiet)
        self.input: tuple[Message, ...] = ()
        self.history: tuple[Message, ...] = ()
        self.context: Any = None
        self.answer_tool = ""
        """The tool whose arguments are the answer, if the framework has such a tool."""
        self._working: dict[str, ToolStarted] = {}
        """The running tools, by their calls' keys."""
        self._below: dict[str, ToldRun] = {}
        """The open runs that answer calls, by the call's key."""
        self._successor: ToldRun | None = None
        self.told_all: bool = False
        """Whether its end was said."""
        self.begin_on_behalf(origin)

    @property
    def _closed(self) -> bool:
        """Whether nothing more can be said of this run itself."""
        return self.told_all or self._successor is not None

    # --- tools

    def tool_started(self, id: str, name: str = "", arguments: dict[str, Any] | str | None = None) -> None:
        """A tool starts. A call that was not written before is said with `name` and `arguments`."""
        if self._closed:
            return
        call = self._calls.get(id)
        if call is None or call.key not in self._unanswered:
            if call is not None and self._written(id) is None:
                return  # it had its result
            self.end_call(id, name or (call.name if call is not None else ""), arguments)
            call = self._calls[id]
        self.end_step()
        if call.key in self._unanswered and call.key not in self._working:
            self._start_tool(call.key)

    def _start_tool(self, key: str) -> None:
        step, name = self._call_steps[key], self._unanswered[key]
        event = self._working[key] = ToolStarted(step=step, call=key, name=name, idempotency_key=f"{self.id}/{key}")
        self.say(lambda: self._tool_start(event))

    def _tool_start(self, event: ToolStarted) -> list[Event]:
        if self.meter is not None:
            self.meter.call_tools(1)
        return [event]

    def tool_progress(self, id: str, data: Any) -> None:
        """News of a running tool: JSON data."""
        call = self._calls.get(id)
        if call is not None and (event := self._working.get(call.key)) is not None:
            self.say(ToolProgress(step=event.step, call=call.key, name=event.name, data=as_data(data)))

    def tool_finished(self, id: str, result: str, *, error: str | None = None, name: str = "") -> None:
        """A tool ended with `result`, which the model gets; `error` says that it failed. A second end is ignored."""
        self.tool_started(id, name)
        call = self._calls.get(id)
        if call is not None and call.key in self._working:
            self._finish_tool(call.key, result, error)

    def _finish_tool(self, key: str, result: str, error: str | None) -> None:
        if (below := self._below.pop(key, None)) is not None:
            below.finish()
        started = self._working.pop(key)
        del self._unanswered[key]
        self.say(lambda: self._tool_end(started, well_formed(result), error and well_formed(error)))

    def _tool_end(self, started: ToolStarted, result: str, error: str | None) -> list[Event]:
        self._log.tick()
        long = len(result) > MAX_RESULT_CHARS
        return [
            ToolFinished(
                step=started.step,
                call=started.call,
                name=started.name,
                result=result[:MAX_RESULT_CHARS],
                error=error,
                duration=max(0.0, self._log.now - started.time) if started.time else 0.0,
                truncated_from=len(result) if long else None,
            )
        ]

    def _settle_calls(self) -> None:
        """Ends the calls of the last step that got no result."""
        for key in tuple(self._unanswered):
            if key not in self._working:
                self._start_tool(key)
            self._finish_tool(key, NO_RESULT, NO_RESULT)

    def is_working(self, id: str) -> bool:
        """Whether the tool of that call is running."""
        call = self._calls.get(id)
        return call is not None and call.key in self._working

    @property
    def has_open_calls(self) -> bool:
        """Whether calls of the last step have no result yet."""
        return bool(self._unanswered)

    # --- the rest

    def added(self, message: Message, cause: Literal["loop", "input", "repair"] = "input") -> None:
        """The framework adds a message to the conversation."""
        if not self._closed:
            self.end_step()
            self._settle_calls()
            self.say(MessageAdded(message=message, cause=cause))

    def custom(self, name: str, data: Any = None) -> None:
        """Something that has no event of its own; JSON data."""
        if not self.told_all:
            self.say(Custom(name=well_formed(name), data=as_data(data)))

    def warn(self, code: str, message: str) -> None:
        """A warning."""
        if not self.told_all:
            self.say(Warned(code=code, message=well_formed(message)))

    # --- the tree

    def below(self, id: str, name: str) -> ToldRun:
        """The run that answers the call `id`, in which an agent of that name works; made at the first time.

        Raises ValueError if the call has ended.
        """
        self.tool_started(id, name)
        call = self._calls.get(id)
        if call is None or call.key not in self._working:
            raise ValueError(f"The call {id!r} of {self.name!r} has ended, so nothing runs for it.")
        key = call.key
        if key not in self._below:
            self._below[key] = self._child(name, role="tool", call=key)
        return self._below[key]

    def hand_over(self, name: str, note: str = "") -> ToldRun:
        """The conversation is handed to an agent of that name, whose run is returned; this one says nothing more.

        Raises ValueError if this run has ended.
        """
        if self._successor is not None:
            return self._successor
        self._refuse_after_end()
        self.end_step()
        self._settle_calls()
        self.say(Handoff(to=well_formed(name), note=well_formed(note)))
        successor = self._child(name, role="handoff", final=True)
        successor.lead = LEAD if self._has_shown else self.lead
        successor.model, successor.provider = self.model, self.provider
        self._successor = successor
        return successor

    def begin_member(self, name: str) -> ToldRun:
        """A new run of that member of this workflow. Raises ValueError if this run has ended."""
        self._refuse_after_end()
        return self._child(name, role="member")

    def _refuse_after_end(self) -> None:
        if self.told_all:
            raise ValueError(f"The run of {self.name!r} has ended, so nothing runs below it.")

    def _child(self, name: str, **place: Any) -> ToldRun:
        child = ToldRun(name or "agent", self._sayings)
        child.join(self, **place)
        self.say(lambda: self._begin_child(child))
        child.say(lambda: [child._started()])
        return child

    def _begin_child(self, child: ToldRun) -> list[Event]:
        self.node.begin(child.node)
        self._children.append(child)
        if child.node.role == "handoff":
            child.history = tuple(self.fold.messages)
        return [child.started_event()]

    # --- the end

    def finish(self, reason: FinishReason | None = None, *, output: Any = UNSET) -> None:
        """The run ends with its answer, and with it all runs below. `output` is the answer as a value."""
        if not self.told_all:
            self._tell_end(reason, lambda: self._finished_with(output), output)

    def _tell_end(self, reason: FinishReason | None, end: Callable[[], list[Event]], output: Any = UNSET) -> None:
        self.end_step(reason)
        self._settle_calls()
        if self._successor is not None:
            self._successor.finish(reason, output=output)
        self._say_end(end)

    def _say_end(self, end: Callable[[], list[Event]]) -> None:
        self.told_all = True
        self.say(end)
        above = self._above[-1] if self._above else None
        if isinstance(above, ToldRun):
            above.say(lambda: above._end_child(self))

    def _finished_with(self, output: Any) -> list[Event]:
        successor, answer = self._successor, self.answered_by
        if output is not UNSET:
            self.node.output = output
        ended = self.fold.finish_reason
        if successor is not None:
            ended, answer = successor.response().finish_reason, (successor,)
        elif self.node.shape is not None:
            ended = answer[-1].response().finish_reason if answer else "stop"
        return [
            RunFinished(
                finish_reason=ended or "stop",
                output=UNSET if output is UNSET else as_data(output),
                usage=self.fold.usage,
                answer=tuple(run.id for run in answer),
            )
        ]

    def fail(self, error: BaseException) -> None:
        """The run fails, and with it all runs below."""
        if not self.told_all:
            self._decoder = None
            if self._successor is not None:
                self._successor.fail(error)
            self._say_end(lambda: self._failed_with(error))

    def _failed_with(self, error: BaseException) -> list[Event]:
        if not self._above:
            raise error  # the outermost run fails where it is read
        self._fail(error)
        return self.end_now("parent")

    def _end_child(self, child: ToldRun) -> list[Event]:
        if not child.over:
            child.close()
            child.ending.finish()
            child._finish()
        if child in self._children:
            self._children.remove(child)
        return [child.finished_event()]

    # --- see `Run`

    shape: WorkflowShape | None = None
    """Set if the framework's program is a workflow, whose runs below are members."""
    answered_by: tuple[ToldRun, ...] = ()
    """The members whose text is the workflow's."""

    def _started(self) -> RunStarted:
        return RunStarted(
            agent_name=self.name,
            input=self.input,
            history=self.history,
            model=self.model,
            context=None if self._above else outlined(self.context),
            parent=self.parent,
            call=self.call,
            grammar=GRAMMAR,
            workflow=self.shape,
            answer_tool=self.answer_tool,
        )

    def receive(self, message: Message, *, by: str, now: bool, key: str = "") -> bool:
        """Raises ConfigurationError: nothing can be said to it."""
        raise ConfigurationError(
            f"{self.name!r} belongs to another framework, which takes no messages while it runs.",
            hint="Start another run with what was said: history=….",
        )

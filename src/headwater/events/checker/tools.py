"""Checks the tools of a step: what runs, the questions to people before and meanwhile, and that all of it ends.

Owns the rules tool, idempotency, settled, approval and input, and the part of resumed that concerns tools.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from headwater.events.checker.rules import LogError
from headwater.events.checker.steps import Call, Steps
from headwater.events.types import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    InputAnswered,
    InputAsked,
    RunCancelled,
    RunFailed,
    RunFinished,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)

__all__ = ("TOOL_HANDLERS", "Tools")

_WHOLE = ("tool_calls", "stop", None)
"""The finish reasons of answers whose calls are run; the calls of a cut-off answer are not."""


class Tools:
    """The tools of one run, and their questions to people."""

    def __init__(self, steps: Steps, *, run: str, strict: bool) -> None:
        self.working: set[str] = set()
        """The calls whose tools are running."""
        self.lost: set[str] = set()
        """The calls whose tools were running when the log stopped, and whose outcome is unknown."""
        self.approvals: dict[str, str] = {}
        """The call of each open approval."""
        self.inputs: dict[str, str] = {}
        """The call of each open question of a tool."""
        self._allowed: set[str] = set()
        """The approved calls that have to start."""
        self._steps = steps
        self._run = run
        self._strict = strict
        self._questions: set[str] = set()

    def interrupt(self) -> None:
        """The log is resumed: tools that had started were interrupted."""
        for key in self.working:
            call = self._steps.calls[key]
            call.tool, call.asked = "lost", False
        self.lost |= self.working
        self.working.clear()

    @property
    def has_client_calls(self) -> bool:
        """Whether the last step has calls for the client to run."""
        calls = self._steps.calls.values()
        return any(c.by == "client" and c.written == "ready" and c.step == self._steps.number for c in calls)

    def check_settled(self, event: Event) -> None:
        """Checks that the tools of the previous step have ended before the run continues or ends."""
        if self.working:
            raise LogError("settled", f"the tool of call {min(self.working)!r} is not finished", event)
        if self.lost:
            raise LogError("settled", f"the outcome of the interrupted call {min(self.lost)!r} is missing", event)
        if self._strict and not isinstance(event, (RunFailed, RunCancelled)):
            if self.approvals:
                raise LogError("settled", f"call {min(self.approvals.values())!r} waits for approval", event)
            if self._allowed:
                raise LogError("approval", f"call {min(self._allowed)!r} was approved but has not started", event)
            self._check_none_left(event)

    def _check_none_left(self, event: Event) -> None:
        if self._steps.finish_reason not in _WHOLE:
            return
        ours = [call for call in self._steps.said if call.by == "agent" and call.written == "ready"]
        left = [call for call in ours if call.tool not in ("finished", "refused")]
        # A request to a model without an agent may have tools, but runs none of them.
        untouched = isinstance(event, RunFinished) and self._steps.number == 1 and len(left) == len(ours)
        if left and not untouched:
            raise LogError("settled", f"a call of {left[0].name!r} was neither run nor denied", event)

    # --- tools

    def _tool_started(self, event: ToolStarted) -> None:
        call = self._waiting(event, "tool")
        if event.call in self.approvals.values():
            raise LogError("approval", f"the approval requested for call {event.call!r} was not given", event)
        if event.try_ != call.tries + 1:
            raise LogError("tool", f"try {call.tries + 1} was expected, not {event.try_}", event)
        if self._strict:
            if call.tool == "started":
                raise LogError("tool", f"the tool of call {event.call!r} is running already", event)
            if event.idempotency_key != (key := f"{self._run}/{event.call}"):
                raise LogError("idempotency", f"its key is {event.idempotency_key!r}, but {key!r} was expected", event)
        call.tries = event.try_
        call.tool = "started"
        self.lost.discard(event.call)
        self._allowed.discard(event.call)
        self.working.add(event.call)

    def _tool_progress(self, event: ToolProgress) -> None:
        self._at_work(event)

    def finish(self, event: ToolFinished) -> None:
        """A tool has ended."""
        if event.call in self.lost:
            call = self._steps.calls[event.call]
            self._check_tool(event, call)
            if event.error is None:
                raise LogError("resumed", f"the tool of call {event.call!r} is not running any more", event)
        else:
            call = self._at_work(event)
        call.tool = "finished"
        call.worked = event.error is None
        self.working.discard(event.call)
        self.lost.discard(event.call)
        self._allowed.discard(event.call)
        for open_questions in (self.approvals, self.inputs):  # these answers are not needed any more
            for name in [name for name, key in open_questions.items() if key == event.call]:
                del open_questions[name]

    def _waiting(self, event: ToolStarted | ApprovalAsked, rule: str) -> Call:
        """Returns the call that waits for its tool; a running one may be retried."""
        call = self._steps.calls.get(event.call)
        if call is None or call.written != "ready" or call.by != "agent":
            raise LogError(rule, f"call {event.call!r} is not ready to be run here", event)
        if self._steps.open is not None or call.step != self._steps.number:
            raise LogError(rule, f"call {event.call!r} is not part of the step that has just finished", event)
        if call.tool in ("finished", "refused"):
            raise LogError(rule, f"the tool of call {event.call!r} was {call.tool}", event)
        self._check_tool(event, call)
        return call

    def _at_work(self, event: ToolProgress | ToolFinished) -> Call:
        if event.call not in self.working:
            raise LogError("tool", f"the tool of call {event.call!r} is not running", event)
        call = self._steps.calls[event.call]
        self._check_tool(event, call)
        return call

    def _check_tool(self, event: ToolStarted | ToolProgress | ToolFinished | ApprovalAsked, call: Call) -> None:
        if event.name != call.name:
            raise LogError("tool", f"its name is {event.name!r}, its call's is {call.name!r}", event)
        if not isinstance(event, ApprovalAsked) and event.step != call.step:
            raise LogError("tool", f"its step is {event.step}, its call's is {call.step}", event)

    # --- questions to people

    def _approval_asked(self, event: ApprovalAsked) -> None:
        self._check_new(event.approval, event, "approval")
        call = self._waiting(event, "approval")
        if call.tool == "started":
            raise LogError("approval", f"the tool of call {event.call!r} is running already", event)
        if self._strict:
            if call.asked:
                raise LogError("approval", f"approval was requested already for call {event.call!r}", event)
            self._check_arguments(event, call, event.arguments)
        call.asked = True
        self.approvals[event.approval] = event.call

    def _approval_answered(self, event: ApprovalAnswered) -> None:
        key = self.approvals.pop(event.approval, None)
        if key is None:
            raise LogError("approval", f"approval {event.approval!r} was not requested, or was answered already", event)
        call = self._steps.calls[key]
        if not event.allowed:
            call.tool = "refused"
            return
        self._allowed.add(key)
        if self._strict and event.arguments is not None:
            self._check_arguments(event, call, event.arguments)

    def _check_arguments(self, event: Event, call: Call, arguments: dict[str, Any]) -> None:
        if call.custom and not (arguments.keys() == {"input"} and isinstance(arguments["input"], str)):
            raise LogError("approval", 'the input of a custom tool has the form {"input": text}', event)

    def _input_asked(self, event: InputAsked) -> None:
        if not self._strict:
            return
        self._check_new(event.input, event, "input")
        call = self._steps.calls.get(event.call)
        if call is None or event.call not in self.working:
            raise LogError("input", f"the tool of call {event.call!r} is not running", event)
        if event.name != call.name:
            raise LogError("input", f"its name is {event.name!r}, its call's is {call.name!r}", event)
        self.inputs[event.input] = event.call

    def _input_answered(self, event: InputAnswered) -> None:
        if self._strict and self.inputs.pop(event.input, None) is None:
            raise LogError("input", f"no open question has the id {event.input!r}", event)

    def _check_new(self, name: str, event: Event, rule: str) -> None:
        if name in self._questions:
            raise LogError(rule, f"{rule} {name!r} was asked already", event)
        self._questions.add(name)


TOOL_HANDLERS: Final[dict[type[Event], Callable[[Tools, Any], None]]] = {
    ToolStarted: Tools._tool_started,
    ToolProgress: Tools._tool_progress,
    ApprovalAsked: Tools._approval_asked,
    ApprovalAnswered: Tools._approval_answered,
    InputAsked: Tools._input_asked,
    InputAnswered: Tools._input_answered,
}

"""A run's questions to people, and when the run waits for nothing else: AG-UI then ends the run with interrupts.

A client answers all interrupts at once, in a new request. One stream therefore covers the part of the log between two
moments at which the run waits only for people. The code that writes a stream and the code that selects its part must
count these moments in the same way. Pure.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any, Final

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    InputAnswered,
    InputAsked,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunWaiting,
    ToolFinished,
)

__all__ = ("Questions", "interrupt_of", "waits_before_answers")

_APPROVAL: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "editedArgs": {"type": "object", "description": "All arguments, in place of the model's."},
        "reason": {"type": "string", "description": "For the model to read."},
        "forRun": {"type": "boolean", "description": "Whether this holds for every further call of the tool."},
    },
    "required": ["approved"],
}
"""The schema of the answer to an approval; the first two properties follow the protocol's recommendation."""


class Questions:
    """Call `add` with every event of a log."""

    def __init__(self) -> None:
        self.open: dict[str, ApprovalAsked | InputAsked] = {}
        """Open questions by id, oldest first."""
        self.waits = 0
        """How often the outermost run has started to wait only for people."""
        self._root = ""

    def add(self, event: Event) -> bool:
        """Adds the next event. Returns whether the outermost run starts to wait only for people with it."""
        self._root = self._root or event.run
        match event:
            case ApprovalAsked():
                self.open[event.approval] = event
            case InputAsked():
                self.open[event.input] = event
            case ApprovalAnswered():
                self.open.pop(event.approval, None)
            case InputAnswered():
                self.open.pop(event.input, None)
            case ToolFinished() if self.open:
                self._close(event, lambda asked: asked.call == event.call)
            case RunFinished() | RunFailed() | RunCancelled() if self.open:
                self._close(event, lambda asked: True)
            case RunWaiting() if event.run == self._root and event.on != "time" and self.open:
                self.waits += 1
                return True
            case _:
                pass
        return False

    def _close(self, event: Event, over: Callable[[Any], bool]) -> None:
        for number in [number for number, asked in self.open.items() if asked.run == event.run and over(asked)]:
            del self.open[number]

    def interrupts(self, call_of: Callable[[Event], str]) -> list[dict[str, Any]]:
        """Returns the open questions as interrupts. `call_of` returns the id of an event's call, or ""."""
        return [interrupt_of(asked, self._root, call_of(asked)) for asked in self.open.values()]


def interrupt_of(asked: ApprovalAsked | InputAsked, root: str, call: str) -> dict[str, Any]:
    """Converts a question to an interrupt; `call` is the id of its call, or "" if the client does not know one."""
    ours: dict[str, Any] = {"run": root, "agent": asked.agent, "tool": asked.name}
    told: dict[str, Any]
    if isinstance(asked, ApprovalAsked):
        message = asked.reason or f"May {asked.name} run?"
        told = {"id": asked.approval, "reason": "tool_call" if call else "confirmation", "message": message}
        schema, ours["arguments"] = _APPROVAL, asked.arguments
    else:
        told = {"id": asked.input, "reason": "input_required", "message": asked.message}
        schema, ours["url"] = asked.schema, asked.url
    told |= {"toolCallId": call, "responseSchema": schema, "expiresAt": _moment(asked.until)}
    if asked.run != root:
        told["subagentRunId"] = asked.run
    kept = {name: value for name, value in told.items() if value}
    return {**kept, "metadata": {"headwater": {name: value for name, value in ours.items() if value != ""}}}


def _moment(seconds: float | None) -> str:
    """Formats a time as ISO 8601; "" if it is out of range."""
    try:
        return "" if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def waits_before_answers(log: Iterable[Event], ids: Iterable[str]) -> int | None:
    """Returns how often a run had waited when the first of these was answered; None if none was."""
    wanted, questions = {*ids}, Questions()
    for event in log:
        questions.add(event)
        number = event.approval if isinstance(event, ApprovalAnswered) else getattr(event, "input", None)
        if isinstance(event, (ApprovalAnswered, InputAnswered)) and number in wanted:
            return questions.waits
    return None

"""A run's open questions to people, and when the run waits for nothing else.

Several protocols end a stream there: their clients answer all questions at once, in a new request. One stream therefore
covers the part of the log between two moments at which the run waits only for people. The code that writes a stream and
the code that selects its part must count these moments in the same way. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

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

__all__ = ("Questions", "waits_before_answers", "waits_of")


class Questions:
    """Call `add` with every event of a log."""

    def __init__(self) -> None:
        self.open: dict[str, ApprovalAsked | InputAsked] = {}
        """Open questions by id, oldest first."""
        self.waits: int = 0
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


def waits_of(log: Iterable[Event]) -> int:
    """Returns how often a run has waited only for people so far."""
    questions = Questions()
    for event in log:
        questions.add(event)
    return questions.waits


def waits_before_answers(log: Iterable[Event], ids: Iterable[str]) -> int | None:
    """Returns how often a run had waited when the first of these was answered; None if none was."""
    wanted, questions = {*ids}, Questions()
    for event in log:
        questions.add(event)
        number = event.approval if isinstance(event, ApprovalAnswered) else getattr(event, "input", None)
        if isinstance(event, (ApprovalAnswered, InputAnswered)) and number in wanted:
            return questions.waits
    return None

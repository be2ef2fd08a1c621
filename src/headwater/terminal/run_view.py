"""Events of one run to what there is to show of it: which words, which tools, which notes, in which order.

Pure: it decides what is said and never how it looks; the words of notes are `notes`, widths, colours and escape codes
belong to `render`, files to `line_printer`. Words of a model or a tool pass through as they are, hostile or not:
`render` makes them harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    FileMade,
    Handoff,
    ReasoningDelta,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepStarted,
    TextDelta,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    Warned,
)
from headwater.events.fold import Fold
from headwater.terminal import notes
from headwater.terminal.notes import brief, call_phrase

__all__ = ("Began", "Ended", "Item", "Noted", "RunView", "Running", "Said", "ToolEnded", "Voice", "Withdrawn")

Voice: TypeAlias = Literal["answer", "refusal", "reasoning"]
Level: TypeAlias = Literal["note", "warning", "error", "cancelled"]


class Item(msgspec.Struct, frozen=True, gc=False):
    """Something to show."""


class Began(Item, frozen=True, gc=False):
    """The first run begins."""

    name: str
    loops: int


class Said(Item, frozen=True, gc=False):
    """The next words. `lead` is what parts them from the step before, where nothing else does."""

    text: str
    voice: Voice = "answer"
    lead: str = ""


class Running(Item, frozen=True, gc=False):
    """What is under way from now on, a phrase each: it is true until the next `Running`. Empty: nothing is."""

    phrases: tuple[str, ...] = ()


class ToolEnded(Item, frozen=True, gc=False):
    """A tool is done, after `duration` seconds; `error` says why it failed, where it did."""

    phrase: str
    duration: float
    error: str | None = None


class Withdrawn(Item, frozen=True, gc=False):
    """The last `chars` characters said are taken back."""

    chars: int
    cause: str = ""


class Noted(Item, frozen=True, gc=False):
    """A line about the run rather than of it."""

    text: str
    level: Level = "note"


class Ended(Item, frozen=True, gc=False):
    """The run is over."""


_NOTHING: Final[tuple[Item, ...]] = ()

LEAD: Final = "\n\n"
"""What parts an answer that a call gives from the text before it."""


class RunView:
    """Reads the events of a tree of runs and shows the outermost: what its members say is theirs to show.

    `live` shows words as they come, and otherwise the answer when it is whole. A view may see one run after another,
    as in a conversation; it is begun once.
    """

    def __init__(self, name: str, *, loops: int = 1, live: bool = True) -> None:
        self._name = name
        self._loops = loops
        self._begun = False
        self._live = live
        self._run: str | None = None
        self._fold: Fold | None = None
        self._voices: dict[int, Voice] = {}
        self._lead = ""
        self._calls: dict[str, str] = {}
        """A phrase for each call of this step, from its first word to its tool's end."""
        self._running: dict[str, str] = {}
        self._answer_tool = ""
        self._answers: dict[str, str] = {}
        """The calls of this step by which the answer may be given, as JSON."""
        self._worded = False
        """Whether text has begun that an answer would follow."""

    def feed(self, event: Event) -> tuple[Item, ...]:
        """What `event` gives to show, in order."""
        if event.run != self._run:
            if self._run is not None or not isinstance(event, RunStarted):
                return _NOTHING  # a run inside this one, or what is left of one that is over
            return self._begin(event)
        if self._fold is not None:
            return self._gather(event)
        if handler := _HANDLERS.get(event.__class__):
            return handler(self, event)
        return _NOTHING

    def _begin(self, event: RunStarted) -> tuple[Item, ...]:
        self._run = event.run
        self._fold = None if self._live else Fold()
        self._answer_tool, self._worded = event.answer_tool, False
        self._forget()
        first = () if self._begun else (Began(self._name, self._loops),)
        self._begun = True
        return (*first, *self.feed(event))

    def _gather(self, event: Event) -> tuple[Item, ...]:
        """The whole answer, once it is over."""
        assert self._fold is not None
        self._fold.add(event)
        if not isinstance(event, RunFinished | RunFailed | RunCancelled):
            return _NOTHING
        response = self._fold.response()
        answer = (Said(response.text),) if response.text else ()
        refusal = (Said(response.refusal, "refusal"),) if response.refusal else ()
        return (*answer, *refusal, *_HANDLERS[event.__class__](self, event))

    def _forget(self) -> None:
        self._voices.clear()
        self._calls.clear()
        self._running.clear()
        self._answers.clear()
        self._lead = ""

    # --- what a model says

    def _text_started(self, event: TextStarted) -> tuple[Item, ...]:
        self._voices[event.part] = event.kind
        self._lead = self._lead or event.lead
        self._worded = True
        return _NOTHING

    def _text_delta(self, event: TextDelta) -> tuple[Item, ...]:
        voice = self._voices.get(event.part, "answer")
        if self._lead and voice == "answer":
            lead, self._lead = self._lead, ""
            return (Said(event.text, voice, lead),)
        return (Said(event.text, voice),)

    def _reasoning_delta(self, event: ReasoningDelta) -> tuple[Item, ...]:
        return (Said(event.text, "reasoning"),)

    def _step_started(self, event: StepStarted) -> tuple[Item, ...]:
        self._forget()
        return _NOTHING

    def _attempt_failed(self, event: AttemptFailed) -> tuple[Item, ...]:
        if event.then == "raise":
            return _NOTHING  # the run's own end says it
        return (*self._stop_all(), Noted(notes.attempt_failed(event), "warning"))

    def _retracted(self, event: Retracted) -> tuple[Item, ...]:
        shown = self._stop_all()
        self._forget()
        return (*shown, Withdrawn(event.chars, event.cause))

    # --- tools

    def _call_started(self, event: CallStarted) -> tuple[Item, ...]:
        self._running[event.call] = event.name
        return self._now_running()

    def _call_ready(self, event: CallReady) -> tuple[Item, ...]:
        phrase = self._calls[event.call] = call_phrase(event.name, event.arguments)
        if event.by == "agent":
            if event.name == self._answer_tool:
                self._answers[event.call] = msgspec.json.encode(event.arguments).decode()
            self._running[event.call] = phrase
            return self._now_running()
        # Its result is part of the provider's own answer, or the client's business: no end of it comes by here.
        self._running.pop(event.call, None)
        return (*self._now_running(), Noted(notes.run_by(phrase, event.by)))

    def _call_rejected(self, event: CallRejected) -> tuple[Item, ...]:
        self._running.pop(event.call, None)
        if event.cut:
            return self._now_running()  # what cut it ends the step too, and is told there
        return (*self._now_running(), Noted(notes.call_rejected(event), "warning"))

    def _tool_started(self, event: ToolStarted) -> tuple[Item, ...]:
        self._running[event.call] = notes.tried(self._calls.get(event.call, event.name), event.try_)
        return self._now_running()

    def _tool_progress(self, event: ToolProgress) -> tuple[Item, ...]:
        self._running[event.call] = f"{self._calls.get(event.call, event.name)}: {brief(event.data, bare=True)}"
        return self._now_running()

    def _tool_finished(self, event: ToolFinished) -> tuple[Item, ...]:
        self._running.pop(event.call, None)
        if event.error is None and (answer := self._answers.get(event.call)) is not None:
            lead, self._worded = LEAD if self._worded else "", True
            return (Said(answer, lead=lead), *self._now_running())
        phrase = self._calls.get(event.call, event.name)
        return (ToolEnded(phrase, event.duration, event.error), *self._now_running())

    def _now_running(self) -> tuple[Item, ...]:
        return (Running(tuple(self._running.values())),)

    def _stop_all(self) -> tuple[Item, ...]:
        if not self._running:
            return _NOTHING
        self._running.clear()
        return (Running(),)

    # --- notes

    def _warned(self, event: Warned) -> tuple[Item, ...]:
        return (Noted(notes.warned(event), "warning"),)

    def _file(self, event: FileMade) -> tuple[Item, ...]:
        return (Noted(notes.file_made(event)),)

    def _approval_asked(self, event: ApprovalAsked) -> tuple[Item, ...]:
        return (Noted(notes.approval_asked(event)),)

    def _approval_answered(self, event: ApprovalAnswered) -> tuple[Item, ...]:
        return (Noted(notes.approval_answered(event)),)

    def _waiting(self, event: RunWaiting) -> tuple[Item, ...]:
        return (Noted(notes.waiting(event)),)

    def _handoff(self, event: Handoff) -> tuple[Item, ...]:
        return (Noted(notes.handed_over(event)),)

    # --- the end

    def _finished(self, event: RunFinished) -> tuple[Item, ...]:
        cut = notes.CUT_SHORT.get(event.finish_reason or "")
        return self._end(Noted(cut, "warning") if cut else None)

    def _failed(self, event: RunFailed) -> tuple[Item, ...]:
        return self._end(Noted(notes.failed(event), "error"))

    def _cancelled(self, event: RunCancelled) -> tuple[Item, ...]:
        return self._end(Noted(notes.cancelled(event.by), "cancelled"))

    def _end(self, note: Noted | None) -> tuple[Item, ...]:
        stopped = self._stop_all()
        self._run = None
        self._fold = None
        self._forget()
        return (*stopped, *((note,) if note else ()), Ended())


_HANDLERS: Final[dict[type[Event], Callable[[RunView, Any], tuple[Item, ...]]]] = {
    TextDelta: RunView._text_delta,
    TextStarted: RunView._text_started,
    ReasoningDelta: RunView._reasoning_delta,
    StepStarted: RunView._step_started,
    AttemptFailed: RunView._attempt_failed,
    Retracted: RunView._retracted,
    CallStarted: RunView._call_started,
    CallReady: RunView._call_ready,
    CallRejected: RunView._call_rejected,
    ToolStarted: RunView._tool_started,
    ToolProgress: RunView._tool_progress,
    ToolFinished: RunView._tool_finished,
    Warned: RunView._warned,
    FileMade: RunView._file,
    ApprovalAsked: RunView._approval_asked,
    ApprovalAnswered: RunView._approval_answered,
    RunWaiting: RunView._waiting,
    Handoff: RunView._handoff,
    RunFinished: RunView._finished,
    RunFailed: RunView._failed,
    RunCancelled: RunView._cancelled,
}

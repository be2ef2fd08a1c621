"""Events of one run to what there is to show of it: which words, which tools, which notes, in which order.

Pure: it decides what is said and never how it looks; widths, colours and escape codes are `render`'s, files are
`lines`'. Words of a model or a tool pass through as they are, hostile or not: `render` makes them harmless.
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


PHRASE_VALUE: Final = 40
"""Characters of one argument or one progress value that are shown: enough to tell two calls apart at a glance."""

CUT_SHORT: Final = {
    "length": "The answer was cut: the token limit was reached.",
    "content_filter": "The answer was cut by the provider's content filter.",
}
"""What is said of an answer that ended before it was whole, by its finish reason."""

_NOTHING: Final[tuple[Item, ...]] = ()


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

    def feed(self, event: Event) -> tuple[Item, ...]:
        """What `event` gives to show, in order."""
        if event.run != self._run:
            if self._run is not None or event.__class__ is not RunStarted:
                return _NOTHING  # a run inside this one, or what is left of one that is over
            return self._begin(event)
        if self._fold is not None:
            return self._gather(event)
        if handler := _HANDLERS.get(event.__class__):
            return handler(self, event)
        return _NOTHING

    def _begin(self, event: Event) -> tuple[Item, ...]:
        self._run = event.run
        self._fold = None if self._live else Fold()
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
        self._lead = ""

    # --- what a model says

    def _text_started(self, event: TextStarted) -> tuple[Item, ...]:
        self._voices[event.part] = event.kind
        self._lead = self._lead or event.lead
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
        what = {"fallback": "asking another model", "restart": "starting this answer again"}.get(
            event.then, "trying again"
        )
        when = f" in {event.wait:.1f} s" if event.wait >= 0.05 else ""
        return (*self._stop_all(), Noted(f"{event.error.type}: {event.error.message} ({what}{when})", "warning"))

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
            self._running[event.call] = phrase
            return self._now_running()
        # Its result is part of the provider's own answer, or the client's business: no end of it comes by here.
        self._running.pop(event.call, None)
        return (*self._now_running(), Noted(f"{phrase}, run by the {event.by}"))

    def _call_rejected(self, event: CallRejected) -> tuple[Item, ...]:
        self._running.pop(event.call, None)
        if event.cut:
            return self._now_running()  # what cut it ends the step too, and is told there
        return (*self._now_running(), Noted(f"{event.name} was not run: {event.error}", "warning"))

    def _tool_started(self, event: ToolStarted) -> tuple[Item, ...]:
        phrase = self._running[event.call] = self._calls.get(event.call, event.name)
        if event.try_ > 1:
            self._running[event.call] = f"{phrase} (try {event.try_})"
        return self._now_running()

    def _tool_progress(self, event: ToolProgress) -> tuple[Item, ...]:
        self._running[event.call] = f"{self._calls.get(event.call, event.name)}: {brief(event.data, bare=True)}"
        return self._now_running()

    def _tool_finished(self, event: ToolFinished) -> tuple[Item, ...]:
        self._running.pop(event.call, None)
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
        return (Noted(_sentence(event.message, event.hint), "warning"),)

    def _file(self, event: FileMade) -> tuple[Item, ...]:
        named = event.name or event.url or event.ref or ""
        return (Noted(f"A file was made: {f'{named} ' if named else ''}({event.media_type or 'unknown type'})"),)

    def _approval_asked(self, event: ApprovalAsked) -> tuple[Item, ...]:
        return (Noted(f"Waiting for leave to run {call_phrase(event.name, event.arguments)}"),)

    def _approval_answered(self, event: ApprovalAnswered) -> tuple[Item, ...]:
        return (Noted("Allowed" if event.allowed else "Not allowed" + (f": {event.note}" if event.note else "")),)

    def _waiting(self, event: RunWaiting) -> tuple[Item, ...]:
        return (Noted(f"Waiting for {event.on}"),)

    def _handoff(self, event: Handoff) -> tuple[Item, ...]:
        return (Noted(f"Handed to {event.to}" + (f": {event.note}" if event.note else "")),)

    # --- the end

    def _finished(self, event: RunFinished) -> tuple[Item, ...]:
        cut = CUT_SHORT.get(event.finish_reason or "")
        return self._end(Noted(cut, "warning") if cut else None)

    def _failed(self, event: RunFailed) -> tuple[Item, ...]:
        error = event.error
        return self._end(Noted(f"{error.type}: {_sentence(error.message, error.hint)}", "error"))

    def _cancelled(self, event: RunCancelled) -> tuple[Item, ...]:
        why = {"deadline": ": out of time", "parent": " with the run it belongs to", "shutdown": ": shutting down"}
        return self._end(Noted(f"Cancelled{why.get(event.by, '')}", "cancelled"))

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


def call_phrase(name: str, arguments: dict[str, Any] | str) -> str:
    """A call in a few words: `search(query="tides", limit=3)`."""
    if isinstance(arguments, str):
        return f"{name}({brief(arguments)})"
    return f"{name}({', '.join(f'{key}={brief(value)}' for key, value in arguments.items())})"


def brief(value: Any, *, bare: bool = False) -> str:
    """A JSON value in at most a few words; `bare` leaves a string without its quotes."""
    if isinstance(value, str):
        text = value if len(value) <= PHRASE_VALUE else value[: PHRASE_VALUE - 1] + "…"
        return text if bare else f'"{text}"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        if not bare:
            return "{…}" if value else "{}"
        return ", ".join(f"{key} {brief(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "[…]" if value else "[]"
    return str(value)


def _sentence(message: str, hint: str) -> str:
    return f"{message} {hint}" if hint else message

"""Converts the events of one run to items to show: text, tools and notes, in order.

Pure: it decides what is shown and never how. `notes` owns the text of notes, `render` widths, colors and escape codes,
`line_printer` files. Text of a model or a tool passes unchanged, also hostile text: `render` removes control
characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    FileMade,
    GuardTripped,
    Handoff,
    InputAnswered,
    InputAsked,
    MessageAdded,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    RunWaiting,
    StepFinished,
    StepStarted,
    TextDelta,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    Warned,
)
from headwater.events.fold import Fold
from headwater.events.messages import Usage
from headwater.terminal import notes
from headwater.terminal.notes import brief, call_phrase

__all__ = (
    "Act",
    "Began",
    "Ended",
    "HandedOver",
    "Item",
    "LoopBegan",
    "Noted",
    "RunView",
    "Said",
    "ToolEnded",
    "Voice",
    "Withdrawn",
    "Working",
)

Voice: TypeAlias = Literal["answer", "refusal", "reasoning"]
Level: TypeAlias = Literal["note", "warning", "error", "cancelled"]


class Item(msgspec.Struct, frozen=True, gc=False):
    """Something to show."""


class Began(Item, frozen=True, gc=False):
    """The first run starts."""

    name: str
    loops: int


class Said(Item, frozen=True, gc=False):
    """The next text. `lead` separates it from the previous step, if nothing else does."""

    text: str
    voice: Voice = "answer"
    lead: str = ""


class Act(msgspec.Struct, frozen=True, gc=False):
    """An activity: `key` identifies it while it lasts."""

    key: str
    kind: Literal["wait", "think", "tool", "retry"]
    phrase: str
    told: str = ""
    """Its progress, as text."""
    wait: float = 0.0
    """Of a retry: seconds until it starts."""


class Working(Item, frozen=True, gc=False):
    """The current activities, until the next such item. Empty: none that needs a line."""

    acts: tuple[Act, ...] = ()


class ToolEnded(Item, frozen=True, gc=False):
    """A tool has ended, after `duration` seconds; `error` is the reason of a failure."""

    phrase: str
    duration: float
    error: str | None = None
    result: str = ""


class LoopBegan(Item, frozen=True, gc=False):
    """The agent starts loop `number` of at most `of`."""

    number: int
    of: int


class HandedOver(Item, frozen=True, gc=False):
    """Another agent took over the conversation."""

    to: str
    note: str = ""


class Withdrawn(Item, frozen=True, gc=False):
    """The last `chars` characters are retracted: `text`, if it is known."""

    chars: int
    cause: str = ""
    text: str = ""


class Noted(Item, frozen=True, gc=False):
    """A line about the run, not from a model."""

    text: str
    level: Level = "note"
    aside: bool = False
    """Whether it says nothing of the text that is open, which goes on after it."""


class Ended(Item, frozen=True, gc=False):
    """The run has ended or is parked: how, and what it took."""

    outcome: Literal["finished", "failed", "cancelled", "waiting", "handed over", ""] = ""
    reason: str = ""
    """The finish reason, if it finished."""
    kept: int = 0
    """Characters of text that were not retracted."""
    tokens: int | None = None
    first_token: float | None = None
    """Seconds."""
    duration: float = 0.0
    rate: float | None = None
    """Tokens a second."""
    cost: Decimal | None = None
    """Dollars."""
    replaced: int = 0
    """How many texts guards replaced."""


_NOTHING: Final[tuple[Item, ...]] = ()

LEAD: Final = "\n\n"
"""Separates an answer that is a call's arguments from the text before it."""


class RunView:
    """Reads the events of a tree of runs and shows the outermost run; its members have views of their own.

    With `live` text is shown while it is generated, otherwise the answer when it is complete. A view may show several
    runs in turn, as in a conversation; it is started once. `past` are the earlier events of a resumed log.
    """

    def __init__(self, name: str, *, loops: int = 1, live: bool = True, past: Iterable[Event] = ()) -> None:
        self._name = name
        self._loops = loops
        self._begun = False
        self._live = live
        self._run: str | None = None
        self._fold: Fold | None = None
        self._voices: dict[int, Voice] = {}
        self._lead = ""
        self._calls: dict[str, str] = {}
        """A phrase for each call of this step, from its first event to its tool's end."""
        self._asked: dict[str, ApprovalAsked] = {}
        """The open approvals, by their ids."""
        self._acts: dict[str, Act] = {}
        self._answer_tool = ""
        self._answers: dict[str, str] = {}
        """The calls of this step by which the answer may be given, as JSON."""
        self._worded = False
        """Whether there is text before an answer."""
        self._model = ""
        self._loop = 1
        self._step: list[str] = []
        """The text of the open step, in pieces: it may be retracted."""
        self._broken: Noted | None = None
        """The failure of the attempt, which is shown when it is known whether its text is retracted."""
        self._account = _Account()
        for event in past:
            self.feed(event)

    def feed(self, event: Event) -> tuple[Item, ...]:
        """Returns the items to show for `event`, in order."""
        if event.run != self._run:
            if self._run is not None or not isinstance(event, RunStarted):
                return _NOTHING  # a run inside this one, or a late event of one that has ended
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
        self._model, self._loop = event.model, 1
        self._account = _Account(event.time)
        self._forget()
        first = () if self._begun else (Began(self._name, self._loops),)
        self._begun = True
        return (*first, *self.feed(event), *self._waits())

    def _gather(self, event: Event) -> tuple[Item, ...]:
        """The complete answer once the run has ended; until then, the current activities."""
        assert self._fold is not None
        self._fold.add(event)
        handler = _HANDLERS.get(event.__class__)
        items = handler(self, event) if handler is not None else _NOTHING
        if not isinstance(event, RunFinished | RunFailed | RunCancelled):
            return tuple(item for item in items if isinstance(item, Working | Ended))
        response = self._fold.response()
        answer = (Said(response.text),) if response.text else ()
        refusal = (Said(response.refusal, "refusal"),) if response.refusal else ()
        self._fold = None
        return (*answer, *refusal, *items)

    def _forget(self) -> None:
        self._voices.clear()
        self._calls.clear()
        self._asked.clear()
        self._acts.clear()
        self._answers.clear()
        self._lead = ""
        self._step.clear()

    # --- text of a model

    def _attempt_started(self, event: AttemptStarted) -> tuple[Item, ...]:
        self._model = event.model or self._model
        return (*self._tell_broken(), *self._waits())

    def _text_started(self, event: TextStarted) -> tuple[Item, ...]:
        self._voices[event.part] = event.kind
        self._lead = self._lead or event.lead
        self._worded = True
        self._account.spoke(event)
        return self._quiet()

    def _text_delta(self, event: TextDelta) -> tuple[Item, ...]:
        voice = self._voices.get(event.part, "answer")
        self._account.said(event, len(event.text))
        self._step.append(event.text)
        if self._lead and voice == "answer":
            lead, self._lead = self._lead, ""
            return (Said(event.text, voice, lead),)
        return (Said(event.text, voice),)

    def _reasoning_started(self, event: ReasoningStarted) -> tuple[Item, ...]:
        self._account.spoke(event)
        return self._quiet("think", f"think {event.part}", "thinking")

    def _reasoning_delta(self, event: ReasoningDelta) -> tuple[Item, ...]:
        self._account.said(event, 0)
        return (Said(event.text, "reasoning"),)

    def _reasoning_ended(self, event: ReasoningEnded) -> tuple[Item, ...]:
        return self._waits("answer")

    def _step_started(self, event: StepStarted) -> tuple[Item, ...]:
        self._forget()
        return self._waits()

    def _step_finished(self, event: StepFinished) -> tuple[Item, ...]:
        self._account.settle(event.usage)
        self._step.clear()
        self._drop("model")
        return self._working()

    def _attempt_failed(self, event: AttemptFailed) -> tuple[Item, ...]:
        self._account.paused()
        if event.then == "raise":
            return _NOTHING  # the end of the run reports it
        self._acts.clear()
        if event.then != "retry":
            self._broken = Noted(notes.attempt_failed(event), "warning")
        key, reason = f"retry {event.step} {event.attempt}", notes.retry_reason(event.error)
        self._acts["model"] = Act(key, "retry", reason, wait=event.wait)
        return self._working()

    def _retracted(self, event: Retracted) -> tuple[Item, ...]:
        acts, said = dict(self._acts), "".join(self._step)
        self._forget()
        self._acts.update(acts)
        said = said[max(len(said) - event.chars, 0) :]  # the lead counts too, but is not in the text
        self._account.withdrawn(len(said))
        return (Withdrawn(event.chars, event.cause, said), *self._tell_broken())

    def _tell_broken(self) -> tuple[Item, ...]:
        broken, self._broken = self._broken, None
        return _NOTHING if broken is None else (broken,)

    def _waits(self, what: str = "") -> tuple[Item, ...]:
        """Shows that the run waits for the model."""
        return self._quiet("wait", f"wait {what}", self._model)

    def _quiet(self, kind: Literal["wait", "think"] | None = None, key: str = "", phrase: str = "") -> tuple[Item, ...]:
        """Shows the model's activity without text; nothing while text streams."""
        self._drop("model")
        if kind is not None:
            self._acts["model"] = Act(key, kind, phrase)
        return self._working()

    # --- tools

    def _call_started(self, event: CallStarted) -> tuple[Item, ...]:
        self._account.spoke(event)
        self._drop("model")
        self._acts[event.call] = Act(event.call, "tool", event.name)
        return self._working()

    def _call_ready(self, event: CallReady) -> tuple[Item, ...]:
        self._account.said(event, 0)
        phrase = self._calls[event.call] = call_phrase(event.name, event.arguments)
        if event.by == "agent":
            if event.name == self._answer_tool:
                self._answers[event.call] = msgspec.json.encode(event.arguments).decode()
            self._acts[event.call] = Act(event.call, "tool", phrase)
            return self._working()
        # Its result is part of the provider's answer, or belongs to the client: there is no event for its end.
        self._drop(event.call)
        return (*self._waits(event.call), Noted(notes.run_by(phrase, event.by)))

    def _call_rejected(self, event: CallRejected) -> tuple[Item, ...]:
        self._drop(event.call)
        if event.cut:
            return self._working()  # the cause also ends the step, and is shown there
        return (*self._working(), Noted(notes.call_rejected(event), "warning"))

    def _tool_started(self, event: ToolStarted) -> tuple[Item, ...]:
        phrase = notes.tried(self._calls.get(event.call, event.name), event.try_)
        self._acts[event.call] = Act(f"{event.call} {event.try_}", "tool", phrase)
        return self._working()

    def _tool_progress(self, event: ToolProgress) -> tuple[Item, ...]:
        told = brief(event.data, bare=True)
        if (act := self._acts.get(event.call)) is not None:
            self._acts[event.call] = msgspec.structs.replace(act, told=told)
        return self._working()

    def _tool_finished(self, event: ToolFinished) -> tuple[Item, ...]:
        self._drop(event.call)
        if event.error is None and (answer := self._answers.get(event.call)) is not None:
            lead, self._worded = LEAD if self._worded else "", True
            return (*self._working(), Said(answer, lead=lead))
        phrase = self._calls.get(event.call, event.name)
        ended = ToolEnded(phrase, event.duration, event.error, notes.result_text(event.result))
        return (*self._working(), ended)

    def _drop(self, key: str) -> None:
        self._acts.pop(key, None)

    def _working(self) -> tuple[Item, ...]:
        return (Working(tuple(self._acts.values())),)

    # --- notes

    def _guard_tripped(self, event: GuardTripped) -> tuple[Item, ...]:
        """A block is the run's error, and another attempt a note; what was replaced is counted, not to cut words."""
        self._account.replaced += event.action == "replace"
        return _NOTHING

    def _warned(self, event: Warned) -> tuple[Item, ...]:
        return (Noted(notes.warned(event), "warning", aside=True),)

    def _file(self, event: FileMade) -> tuple[Item, ...]:
        return (Noted(notes.file_made(event)),)

    def _approval_asked(self, event: ApprovalAsked) -> tuple[Item, ...]:
        self._asked[event.approval] = event
        return (Noted(notes.approval_asked(event)),)

    def _approval_answered(self, event: ApprovalAnswered) -> tuple[Item, ...]:
        asked = self._asked.pop(event.approval, None)
        name = asked.name if asked is not None else ""
        if asked is not None and event.arguments is not None:
            self._calls[asked.call] = call_phrase(name, event.arguments)
        return (Noted(notes.approval_answered(event, name)),)

    def _input_asked(self, event: InputAsked) -> tuple[Item, ...]:
        return (Noted(notes.input_asked(event)),)

    def _input_answered(self, event: InputAnswered) -> tuple[Item, ...]:
        return (Noted(notes.input_answered(event)),)

    def _message_added(self, event: MessageAdded) -> tuple[Item, ...]:
        if event.cause != "loop":
            return _NOTHING
        self._loop += 1
        return (LoopBegan(self._loop, max(self._loops, self._loop)),)

    # --- the end

    def _waiting(self, event: RunWaiting) -> tuple[Item, ...]:
        self._acts.clear()
        return (Working(), Noted(notes.waiting(event)), self._account.ended(event, "waiting"))

    def _resumed(self, event: RunResumed) -> tuple[Item, ...]:
        return self._waits()

    def _handoff(self, event: Handoff) -> tuple[Item, ...]:
        self._acts.clear()
        return (Working(), HandedOver(event.to, event.note), self._account.ended(event, "handed over"))

    def _finished(self, event: RunFinished) -> tuple[Item, ...]:
        return self._end(self._account.ended(event, "finished", event.finish_reason or "", event.usage))

    def _failed(self, event: RunFailed) -> tuple[Item, ...]:
        end = self._account.ended(event, "failed", usage=event.usage)
        return self._end(end, Noted(notes.failed(event), "error"))

    def _cancelled(self, event: RunCancelled) -> tuple[Item, ...]:
        note = () if event.by in ("caller", "left") else (Noted(notes.cancelled(event.by), "cancelled"),)
        return self._end(self._account.ended(event, "cancelled", usage=event.usage), *note)

    def _end(self, ended: Ended, *notes: Noted) -> tuple[Item, ...]:
        self._run = None
        self._forget()
        return (Working(), *self._tell_broken(), *notes, ended)


class _Account:
    """When a run started and sent its first output, how long it streamed, and how much of its text remains."""

    __slots__ = ("at_once", "begun", "first", "kept", "last", "replaced", "since", "spoken", "step", "step_spoken")

    def __init__(self, begun: float = 0.0) -> None:
        self.begun = begun
        self.first: float | None = None
        self.since: float | None = None
        """When the open attempt started to stream."""
        self.last = begun
        """When the last part of the answer arrived."""
        self.spoken = 0.0
        """Seconds from the first to the last output of each finished step, without waiting for tools and people."""
        self.step_spoken = 0.0
        self.at_once = 0
        """Tokens of steps that arrived in one piece, which say nothing about the speed."""
        self.kept = 0
        """Characters of the finished steps."""
        self.step = 0
        """Characters of the open step, which may be retracted."""
        self.replaced = 0
        """How many texts guards replaced."""

    def spoke(self, event: Event) -> None:
        """Notes that a part of the answer arrived."""
        if self.since is None:
            self.since = event.time
        if self.first is None:
            self.first = event.time
        self.last = event.time

    def said(self, event: Event, characters: int) -> None:
        """Counts text."""
        self.last = event.time
        self.step += characters

    def withdrawn(self, characters: int) -> None:
        """Discounts retracted text."""
        self.step = max(self.step - characters, 0)

    def paused(self) -> None:
        """Ends the attempt."""
        if self.since is not None:
            self.step_spoken += max(self.last - self.since, 0.0)
            self.since = None

    def settle(self, usage: Usage | None = None) -> None:
        """Ends the step: its text is final."""
        self.paused()
        if usage is not None and not self.step_spoken:
            self.at_once += usage.output_tokens or 0
        self.spoken += self.step_spoken
        self.step_spoken = 0.0
        self.kept += self.step
        self.step = 0

    def ended(
        self,
        event: Event,
        outcome: Literal["finished", "failed", "cancelled", "waiting", "handed over"],
        reason: str = "",
        usage: Usage | None = None,
    ) -> Ended:
        """The account of a run that ends with `event`."""
        self.settle()
        tokens = usage.output_tokens if usage is not None else None
        flowed = max((tokens or 0) - self.at_once, 0)
        return Ended(
            outcome,
            reason,
            kept=self.kept,
            tokens=tokens,
            first_token=max(self.first - self.begun, 0.0) if self.first is not None else None,
            duration=max(event.time - self.begun, 0.0),
            rate=flowed / self.spoken if flowed and self.spoken > 0 else None,
            cost=usage.cost if usage is not None else None,
            replaced=self.replaced,
        )


_HANDLERS: Final[dict[type[Event], Callable[[RunView, Any], tuple[Item, ...]]]] = {
    AttemptStarted: RunView._attempt_started,
    MessageAdded: RunView._message_added,
    ReasoningEnded: RunView._reasoning_ended,
    ReasoningStarted: RunView._reasoning_started,
    RunResumed: RunView._resumed,
    StepFinished: RunView._step_finished,
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
    GuardTripped: RunView._guard_tripped,
    Warned: RunView._warned,
    FileMade: RunView._file,
    InputAnswered: RunView._input_answered,
    InputAsked: RunView._input_asked,
    ApprovalAsked: RunView._approval_asked,
    ApprovalAnswered: RunView._approval_answered,
    RunWaiting: RunView._waiting,
    Handoff: RunView._handoff,
    RunFinished: RunView._finished,
    RunFailed: RunView._failed,
    RunCancelled: RunView._cancelled,
}

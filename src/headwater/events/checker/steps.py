"""Checks the steps of a run: their attempts, the model's output in each, and what is retracted.

Owns the rules step, attempt, accepted, place, part, delta, call, retracted, text and message, and the part of resumed
that concerns attempts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from headwater.events.checker.rules import LogError, check_usage
from headwater.events.fold import Fold
from headwater.events.messages import Message, Reasoning, Text
from headwater.events.types import (
    AttemptAccepted,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    FileMade,
    GuardTripped,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    UsageReported,
)

__all__ = ("STEP_HANDLERS", "Call", "Steps")

_ENDS_WHAT_IS_OPEN = (TextEnded, ReasoningEnded, CallRejected, UsageReported, AttemptFailed)
"""Events that may still end an interrupted attempt."""


class Call:
    """A call, from its start to its tool's end."""

    __slots__ = ("asked", "by", "custom", "name", "step", "tool", "tries", "worked", "written")

    def __init__(self, event: CallStarted) -> None:
        self.step: int = event.step
        self.name: str = event.name
        self.by = event.by
        self.custom: bool = False
        self.written: str = "open"  # next: ready, rejected; or retracted, with its attempt
        self.tool: str = "none"  # next: started, finished; or refused; or lost, if the log stopped
        self.tries: int = 0
        self.worked: bool = False
        """Whether its tool returned a result that is not an error."""
        self.asked: bool = False
        """Whether approval was requested for it in its current state."""


class _Part:
    """A part of text or reasoning."""

    __slots__ = ("kind", "open")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.open = True


class _Attempt:
    """One attempt: what it has shown, and whether it is open."""

    def __init__(self, event: AttemptStarted) -> None:
        self.number: int = event.attempt
        self.may_retract: bool = event.may_retract
        self.final: bool = event.final
        self.accepted = False
        self.cut_off = False
        """Whether it was interrupted when the log stopped."""
        self.failed: AttemptFailed | None = None
        self.rejected = False
        """Whether a guard has asked for another attempt."""
        self.begun = False
        """Whether the model has produced any output, shown or not."""
        self.shown = False
        self.parts: dict[int, _Part] = {}
        self.calls: list[Call] = []
        self.lead: str | None = None
        """None until a part of text has started; then what is still to be shown before its first words."""
        self.text: list[str] = []


class _Step:
    """An open step."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.attempts = 0
        self.attempt: _Attempt | None = None
        self.parts: set[int] = set()
        self.stands = False
        """Whether the log was resumed since, and no attempt has started."""


class Steps:
    """The steps of one run. `goes_on` says whether text may precede its first step, which then has a lead."""

    def __init__(self, fold: Fold, *, strict: bool, goes_on: bool, trimmed: bool) -> None:
        self.number: int = 0
        """The number of the last started step."""
        self.open: _Step | None = None
        self.calls: dict[str, Call] = {}
        self.finish_reason: str | None = None
        """The finish reason of the last step."""
        self.said: list[Call] = []
        """The calls of the last finished step, in the attempt that counts."""
        self._final = False
        """Whether that step was declared to be the last, and no message has been added since."""
        self._fold = fold
        self._strict = strict
        self._goes_on = goes_on
        self._trimmed = trimmed
        self._shown: list[str] = []
        """The text that the steps before this one have shown."""

    def begin(self, event: StepStarted) -> None:
        """Starts a step."""
        if self.open is not None:
            raise LogError("step", f"step {self.open.number} is not finished", event)
        if event.step != self.number + 1:
            raise LogError("step", f"step {self.number + 1} was expected, not {event.step}", event)
        # A model may call unknown tools; it is told so in a further step.
        if self._strict and self._final and (not self.said or any(call.worked for call in self.said)):
            raise LogError("attempt", f"step {self.number} was declared to be the last", event)
        self.number = event.step
        self.open = _Step(event.step)

    def hear(self) -> None:
        """A message is added to the conversation, so the model has more to answer."""
        self._final = False

    def interrupt(self) -> None:
        """The log is resumed: an open attempt is interrupted."""
        if self.open is not None:
            self.open.stands = True
        if self.open is not None and self.open.attempt is not None and self.open.attempt.failed is None:
            self.open.attempt.cut_off = True

    def ask_again(self, event: GuardTripped) -> None:
        """A guard asks for another attempt, if it checks what the model says."""
        if self.open is not None and self.open.attempt is not None and event.on not in ("input", "result"):
            self.open.attempt.rejected = True

    @property
    def at_work(self) -> bool:
        """Whether an attempt is open."""
        return self.open is not None and not self.open.stands

    def check_transcript(self, event: Event) -> None:
        """Checks the text shown against the fold's transcript."""
        shown, transcript = "".join(self._shown), self._fold.transcript
        if shown != transcript:
            raise LogError("text", f"the transcript is {transcript!r}, but {shown!r} was shown", event)

    # --- steps and attempts

    def _step_finished(self, event: StepFinished) -> None:
        step = self._in_step(event)
        attempt, said = step.attempt, event.message
        if attempt is not None:
            self._check_closed(event, attempt)
            if attempt.cut_off and attempt.failed is None and event.finish_reason not in (None, "cancelled"):
                raise LogError(
                    "resumed", f"attempt {attempt.number} was interrupted, but is reported as complete", event
                )
        due = self._fold.step_end(
            api=said.api if said else "",
            model=said.model if said else "",
            finish_reason=event.finish_reason,
            word=event.provider_finish_reason,
        )
        assert due.message is not None
        if not self._same(said, due.message):
            raise LogError("message", f"the step's events add up to {due.message!r}", event)
        check_usage(event, event.usage, due.usage)
        if attempt is not None:
            if self._trimmed and not attempt.text and said is not None and said.text:
                attempt.text = [attempt.lead or "", said.text]
            self._shown += attempt.text
        self.finish_reason = event.finish_reason
        self.said = attempt.calls if attempt is not None else []
        self._final = attempt is not None and attempt.final and attempt.failed is None
        self.open = None

    def _same(self, said: Message | None, due: Message) -> bool:
        """Whether a step's message is the expected one; apart from the deltas' content if those are left out."""
        if said is None:
            return not due.content
        if not self._trimmed:
            return said == due
        kept, expected = (
            [part for part in message.content if not isinstance(part, (Text, Reasoning))] for message in (said, due)
        )
        return said.role == due.role and kept == expected

    def _attempt_started(self, event: AttemptStarted) -> None:
        step = self._in_step(event)
        if event.attempt != step.attempts + 1:
            raise LogError("attempt", f"attempt {step.attempts + 1} was expected, not {event.attempt}", event)
        before, due = step.attempt, "first"
        if before is not None:
            if before.failed is None:
                raise LogError("attempt", f"attempt {before.number} has not failed", event)
            due = before.failed.then
            unseen = self._strict and due == "resume" and not before.text  # not shown, so nothing to retract
            if before.shown and not unseen:
                raise LogError("retracted", f"what attempt {before.number} had shown was not retracted", event)
            for call in before.calls:
                call.written = "retracted"
        if event.cause != due:
            raise LogError("attempt", f"its cause is {event.cause!r}, but {due!r} was expected", event)
        step.attempts, step.stands = event.attempt, False
        step.attempt = _Attempt(event)

    def _attempt_accepted(self, event: AttemptAccepted) -> None:
        if not self._strict:
            return
        attempt = self._in_attempt(event)
        if event.attempt != attempt.number:
            raise LogError("accepted", f"attempt {attempt.number} is going on, not {event.attempt}", event)
        if attempt.accepted:
            raise LogError("accepted", f"attempt {event.attempt} was accepted already", event)
        if attempt.begun:
            raise LogError("accepted", "the model's output has started already", event)
        attempt.accepted = True

    def _attempt_failed(self, event: AttemptFailed) -> None:
        attempt = self._in_attempt(event)
        if event.attempt != attempt.number:
            raise LogError("attempt", f"attempt {attempt.number} is going on, not {event.attempt}", event)
        if self._strict and event.then == "resume" and not attempt.cut_off:
            raise LogError("resumed", "the run was not resumed since it was started", event)
        if attempt.cut_off and event.then not in ("resume", "raise"):
            raise LogError("resumed", f"it was interrupted, so {event.then!r} cannot follow", event)
        if self._strict and event.then == "guard" and not attempt.rejected:
            raise LogError("guard", "no guard has asked for another attempt", event)
        self._check_closed(event, attempt)
        attempt.failed = event

    def _retracted(self, event: Retracted) -> None:
        step = self._in_step(event)
        attempt = step.attempt
        if attempt is None or attempt.failed is None or attempt.number != event.attempt:
            raise LogError("retracted", f"attempt {event.attempt} has not just failed", event)
        then = attempt.failed.then
        if then == "raise":
            raise LogError("retracted", "no attempt follows the one that failed", event)
        if self._strict and not attempt.may_retract and then not in ("resume", "guard"):
            raise LogError("retracted", "its attempt.started did not say that it may be retracted", event)
        if not attempt.shown:
            raise LogError("retracted", "nothing was shown, or it was retracted already", event)
        chars = sum(map(len, attempt.text))
        if event.chars != chars and not self._trimmed:
            raise LogError("text", f"{chars} characters were shown, not {event.chars}", event)
        for call in attempt.calls:
            call.written = "retracted"
        attempt.text.clear()
        attempt.shown = False

    def _in_step(self, event: Any) -> _Step:
        if self.open is None or self.open.number != event.step:
            raise LogError("place", f"step {event.step} is not open", event)
        return self.open

    def _in_attempt(self, event: Any) -> _Attempt:
        attempt = self._in_step(event).attempt
        if attempt is None or attempt.failed is not None:
            raise LogError("place", f"no attempt is open in step {event.step}", event)
        if attempt.cut_off and not isinstance(event, _ENDS_WHAT_IS_OPEN):
            raise LogError("resumed", f"attempt {attempt.number} was interrupted: no output may follow", event)
        return attempt

    def _saying(self, event: Any, *, shown: bool) -> _Attempt:
        """Returns the attempt of a model's output, which is visible (`shown`) or not."""
        attempt = self._in_attempt(event)
        attempt.begun = True
        attempt.shown = attempt.shown or shown
        return attempt

    def _check_closed(self, event: Event, attempt: _Attempt) -> None:
        for number, part in attempt.parts.items():
            if part.open:
                raise LogError("part", f"part {number} is not ended", event)
        for call in attempt.calls:
            if call.written == "open":
                raise LogError("call", f"a call of {call.name!r} is neither ready nor rejected", event)

    # --- the model's output

    def _text_started(self, event: TextStarted) -> None:
        attempt = self._begin_part(event, event.kind)
        if attempt.lead is None:
            attempt.lead = event.lead
            if event.lead and not (self._shown or self._goes_on):
                raise LogError("text", "it has a lead, but no step before it has shown text", event)
        elif event.lead:
            raise LogError("text", "it has a lead, but is not the first text of its step", event)

    def _reasoning_started(self, event: ReasoningStarted) -> None:
        self._begin_part(event, "reasoning")

    def _begin_part(self, event: TextStarted | ReasoningStarted, kind: str) -> _Attempt:
        attempt, step = self._saying(event, shown=True), self._in_step(event)
        if event.part in step.parts:
            raise LogError("part", f"part {event.part} was started before", event)
        step.parts.add(event.part)
        attempt.parts[event.part] = _Part(kind)
        return attempt

    def _text_delta(self, event: TextDelta) -> None:
        attempt = self._in_attempt(event)
        part = attempt.parts.get(event.part)
        if part is None or not part.open or part.kind == "reasoning":
            raise LogError("delta", f"part {event.part} is not an open part of text", event)
        if not event.text:
            raise LogError("delta", "it is empty", event)
        if part.kind == "answer":
            if attempt.lead:
                attempt.text.append(attempt.lead)
                attempt.lead = ""
            attempt.text.append(event.text)

    def _reasoning_delta(self, event: ReasoningDelta) -> None:
        part = self._in_attempt(event).parts.get(event.part)
        if part is None or not part.open or part.kind != "reasoning":
            raise LogError("delta", f"part {event.part} is not an open part of reasoning", event)
        if not event.text:
            raise LogError("delta", "it is empty", event)

    def _part_ended(self, event: TextEnded | ReasoningEnded) -> None:
        part = self._in_attempt(event).parts.get(event.part)
        if part is None or not part.open or (part.kind == "reasoning") != isinstance(event, ReasoningEnded):
            raise LogError("part", f"part {event.part} is not an open part of its kind", event)
        part.open = False

    def _in_place(self, event: SourceFound | ProviderItemMade) -> None:
        self._saying(event, shown=False)

    def _file_made(self, event: FileMade) -> None:
        self._saying(event, shown=True)

    def _usage_reported(self, event: UsageReported) -> None:
        attempt = self._in_attempt(event)
        if event.attempt != attempt.number:
            raise LogError("place", f"attempt {event.attempt} is not open", event)

    # --- calls

    def _call_started(self, event: CallStarted) -> None:
        attempt = self._saying(event, shown=True)
        if event.call in self.calls:
            raise LogError("call", f"call {event.call!r} was started before", event)
        call = self.calls[event.call] = Call(event)
        attempt.calls.append(call)

    def _call_delta(self, event: CallDelta) -> None:
        self._in_attempt(event)
        call = self.calls.get(event.call)
        if call is None or call.written != "open":
            raise LogError("delta", f"call {event.call!r} is not being written", event)
        if not event.json:
            raise LogError("delta", "it is empty", event)

    def _call_ended(self, event: CallReady | CallRejected) -> None:
        self._in_attempt(event)
        call = self.calls.get(event.call)
        if call is None or call.written != "open":
            raise LogError("call", f"call {event.call!r} is not being written", event)
        if event.by != call.by:
            raise LogError("call", f"it is run by the {event.by}, but was started as run by the {call.by}", event)
        call.written = "ready" if isinstance(event, CallReady) else "rejected"
        call.name = event.name  # a provider may stream the name in pieces too
        call.custom = isinstance(event, CallReady) and event.custom


STEP_HANDLERS: Final[dict[type[Event], Callable[[Steps, Any], None]]] = {
    StepFinished: Steps._step_finished,
    AttemptStarted: Steps._attempt_started,
    AttemptAccepted: Steps._attempt_accepted,
    AttemptFailed: Steps._attempt_failed,
    Retracted: Steps._retracted,
    TextStarted: Steps._text_started,
    TextDelta: Steps._text_delta,
    TextEnded: Steps._part_ended,
    ReasoningStarted: Steps._reasoning_started,
    ReasoningDelta: Steps._reasoning_delta,
    ReasoningEnded: Steps._part_ended,
    SourceFound: Steps._in_place,
    FileMade: Steps._file_made,
    ProviderItemMade: Steps._in_place,
    CallStarted: Steps._call_started,
    CallDelta: Steps._call_delta,
    CallReady: Steps._call_ended,
    CallRejected: Steps._call_ended,
    UsageReported: Steps._usage_reported,
}

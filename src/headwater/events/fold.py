"""Assembles events into messages, usage and the Response: the only assembler.

A `Fold` reads the events of one run in order, as they are appended, and can return their result at any moment; the
fold of any prefix of a log is what was known then. Nothing here makes decisions: `agent_loop` decides what happens
next. It must never read a clock, create an id, or read an event's time while processing it: an event of a child run is
folded before it is stamped.

People's decisions are folded like the rest. A refusal answers the call, unless its tool had started. A call that was
approved with other arguments runs with those, but stays in the conversation as the model wrote it: the step's message
is the record of what the model said, and a provider checks its signature; the result tells the model that the tool ran
with other arguments. A call that the client runs (`by="client"`) is not waited for: the messages are a valid history
once its result is at the start of the next input.

When a run is resumed, only the outermost run has an event for it (`run.resumed`), so nothing here depends on that
event. A failed attempt is dropped, and a tool that starts again counts as started.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from msgspec import UNSET

from headwater.errors import InvalidRecord
from headwater.events.asked import Asked
from headwater.events.closing import CANCELLED, FAILED, close_children, close_step, close_tools
from headwater.events.growing import Call, Said, Step, Stream, as_part, not_run
from headwater.events.messages import (
    Message,
    ProviderItem,
    Source,
    ToolCall,
    ToolError,
    Usage,
    sent_messages,
)
from headwater.events.response import Response
from headwater.events.spending import Origin, Spending, at_least
from headwater.events.types import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    Event,
    FileMade,
    InputAnswered,
    InputAsked,
    MessageAdded,
    MessageReceived,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolStarted,
    UsageReported,
)

__all__ = ("Fold", "fold")


class Fold:
    """Reads one run's events and assembles their result."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.end: RunFinished | RunFailed | RunCancelled | None = None
        self.messages: list[Message] = []
        """The whole conversation so far: history, input, finished steps, tool results and added messages."""
        self._tool_errors: list[ToolError] = []
        self.asked: Asked = Asked()
        """The questions to people, and their answers."""
        self.unheard: dict[str, MessageReceived] = {}
        """Messages sent to the run that no model has seen yet, by key; a successor may still see them."""
        self.heard_for: set[str] = set()
        """The keys of messages seen here that were sent to the run that handed over to this one."""
        self.finish_reason: str | None = None
        self.provider_finish_reason: str | None = None
        self.model: str = ""
        self.provider: str = ""
        self._first_token: Event | None = None
        self._last_token: Event | None = None
        self._step: Step | None = None
        self.said: Said = Said()
        """The content of the finished steps."""
        self._awaited: dict[str, Call] = {}
        """The calls of the last finished step, by key, whose results are not in a message yet."""
        self._unanswered: set[str] = set()
        """Those of them without a result. Kept apart so that the end of one call does not scan all others."""
        self._children: dict[str, ChildStarted] = {}
        self.spending: Spending = Spending()

    # --- reading

    def add(self, event: Event) -> None:
        """Reads the next event; irrelevant ones are ignored. Raises InvalidRecord for one outside its step."""
        if handler := _HANDLERS.get(event.__class__):
            handler(self, event)

    def text_delta(self, event: TextDelta) -> None:
        """Like `add`, for the most frequent event: called directly if the class is known."""
        step = self._step
        if step is None:
            raise _outside()
        try:
            stream = step.entries[event.part]
        except KeyError:
            return  # only a newer version knows the event that started it
        stream.pieces.append(event.text)
        if stream.kind == "answer":
            step.text.append(event.text)
        else:
            step.refusal.append(event.text)

    def tidy(self) -> None:
        """Compacts the text so far to save memory; call it now and then, between events."""
        if (step := self._step) is not None and step.entries:
            step.text.tidy()
            step.entries[next(reversed(step.entries))].pieces.tidy()

    def _run_started(self, event: RunStarted) -> None:
        self.started = event
        self.messages = [*event.history, *event.input]

    def _ended(self, event: RunFinished | RunFailed | RunCancelled) -> None:
        self._settle_tools()
        self.asked.open.clear()  # an answer now would be too late
        if isinstance(event, RunFinished) and self.started is not None:
            self.said.conclude(self.started.answer_tool)
        self.end = event

    def _step_started(self, event: StepStarted) -> None:
        self._settle_tools()
        self._step = Step(event.step)

    def _step_finished(self, event: StepFinished) -> None:
        step = self._now()
        self.finish_reason = event.finish_reason
        self.provider_finish_reason = event.provider_finish_reason
        if step.attempt is not None:
            self.spending.end_attempt(step.number, step.attempt)
        self.said.add(step, event.message)
        self._awaited = {key: call for key, call in step.calls.items() if call.call.by == "agent" and not call.cut}
        self._unanswered = {key for key, call in self._awaited.items() if call.unanswered}
        if event.message is not None and event.message.content:
            self.messages.append(event.message)
        self._step = None

    def _attempt_started(self, event: AttemptStarted) -> None:
        self.model, self.provider = event.model, event.provider
        if self._step is not None:
            # The content of an earlier attempt was retracted, or never shown.
            self._step.clear()
            self._step.attempt = event.attempt

    def _attempt_failed(self, event: AttemptFailed) -> None:
        if self._step is not None and self._step.attempt == event.attempt:
            self._step.attempt = None

    def _retracted(self, event: Retracted) -> None:
        if self._step is not None:
            self._step.clear()

    def _text_started(self, event: TextStarted) -> None:
        self._see(event)
        step = self._now()
        stream = step.entries[event.part] = Stream(event.kind)
        step.content.append(stream)
        step.lead = step.lead or event.lead

    def _reasoning_started(self, event: ReasoningStarted) -> None:
        self._see(event)
        step = self._now()
        stream = step.entries[event.part] = Stream(event.kind)
        step.content.append(stream)

    def _reasoning_delta(self, event: ReasoningDelta) -> None:
        if (stream := self._now().entries.get(event.part)) is not None:
            stream.pieces.append(event.text)

    def _part_ended(self, event: TextEnded | ReasoningEnded) -> None:
        stream = self._now().entries.get(event.part)
        if stream is None:
            return
        stream.open = False
        stream.signature = event.signature
        if isinstance(event, ReasoningEnded):
            stream.redacted = event.redacted
        self._last_token = event

    def _source(self, event: SourceFound) -> None:
        source = Source(kind=event.kind, url=event.url, title=event.title, quote=event.quote, span=event.span)
        self._now().content.append(source)

    def _file(self, event: FileMade) -> None:
        self._now().content.append(as_part(event))

    def _item(self, event: ProviderItemMade) -> None:
        self._now().content.append(ProviderItem(api=event.api, item=event.item))

    def _usage(self, event: UsageReported) -> None:
        self.spending.report(event)

    def _call_started(self, event: CallStarted) -> None:
        self._see(event)
        step = self._now()
        call = step.calls[event.call] = Call(event)
        step.content.append(call)

    def _call_delta(self, event: CallDelta) -> None:
        call = self._now().calls.get(event.call)
        if call is not None and call.pieces is not None:
            call.pieces.append(event.json)

    def _call_ended(self, event: CallReady | CallRejected) -> None:
        if (call := self._now().calls.get(event.call)) is not None:
            call.end(event)
            self._last_token = event

    def _tool_started(self, event: ToolStarted) -> None:
        if (call := self._awaited.get(event.call)) is not None:
            call.start(event)

    def _tool_finished(self, event: ToolFinished) -> None:
        if event.error not in (None, CANCELLED, FAILED) and not event.invalid:
            self._tool_errors.append(ToolError(name=event.name, call=event.call, error=event.error))
        if (call := self._awaited.get(event.call)) is not None:
            call.finish(event)
            self.asked.end_call(event.call)
            self._unanswered.discard(event.call)
        self._settle_if_answered()

    def _is_asked(self, event: ApprovalAsked | InputAsked) -> None:
        self.asked.ask(event)

    def _input_answered(self, event: InputAnswered) -> None:
        self.asked.give(event)

    def _approval_answered(self, event: ApprovalAnswered) -> None:
        asked = self.asked.decide(event)
        if asked is None:
            return
        call = self._awaited.get(asked.call)
        if call is not None and event.allowed:
            call.allow(event)
        elif call is not None:
            call.refuse(event)
            if not call.unanswered:
                self._unanswered.discard(call.key)
            self._settle_if_answered()

    def _settle_if_answered(self) -> None:
        if not self._unanswered:
            self._settle_tools()

    def _settle_tools(self) -> None:
        """Adds the results of the last step's calls as a message, in the order of the calls."""
        if self._awaited:
            self.messages.append(Message(role="tool", content=tuple(call.answer() for call in self._awaited.values())))
            self._awaited = {}

    def _message_received(self, event: MessageReceived) -> None:
        self.unheard[event.key] = event

    def _message_added(self, event: MessageAdded) -> None:
        self._settle_tools()
        if event.key and self.unheard.pop(event.key, None) is None:
            self.heard_for.add(event.key)
        self.messages.append(event.message)

    def _child_started(self, event: ChildStarted) -> None:
        self._children[event.child] = event

    def _child_finished(self, event: ChildFinished) -> None:
        self._children.pop(event.child, None)
        self.spending.add_child(event)

    def _see(self, event: Event) -> None:
        if self._first_token is None:
            self._first_token = event

    def _now(self) -> Step:
        if self._step is None:
            raise _outside()
        return self._step

    # --- results

    @property
    def sent(self) -> Sequence[Message]:
        """The part of the conversation that is sent to a model: everything that no compaction replaces."""
        return sent_messages(self.messages)

    @property
    def usage(self) -> Usage:
        """What all attempts and children have cost so far; an attempt that is going on, as `estimate` has it."""
        return self.spent().total

    @property
    def usage_origin(self) -> Origin:
        """The source of `usage`: the least certain of all attempts and children."""
        return self.spent().origin

    def spent(self) -> Spending:
        """What all attempts and children have cost so far; an attempt that is going on, as `estimate` has it."""
        estimate = self.estimate()
        return self.spending if estimate is None else self.spending.with_report(estimate)

    def estimate(self, reported: Usage | None = None) -> UsageReported | None:
        """The usage of the open attempt if it ended now; None if there is none, or if it is reported already.

        `reported` is the provider's last report, if it has not arrived here yet.
        """
        step = self._step
        if step is None or step.attempt is None:
            return None
        usage = at_least(reported or self.reported, step.size)
        origin: Origin = "estimated" if usage else "unknown"
        estimate = UsageReported(step=step.number, attempt=step.attempt, usage=usage, origin=origin)
        return None if self.spending.has_report(estimate) else estimate

    @property
    def text(self) -> str:
        """The text of the last step that has any; if a run finished with an answering call, that call's arguments."""
        if self._step is not None and self._step.text:
            return "".join(self._step.text)
        return self.said.texts[-1] if self.said.texts else ""

    @property
    def transcript(self) -> str:
        """All text that was shown and not retracted, with leads between steps."""
        shown = "".join(self.said.shown)
        if self._step is not None and self._step.text:
            shown += self._step.lead + "".join(self._step.text)
        return shown

    @property
    def first_token_at(self) -> float | None:
        """When the first token arrived, in Unix seconds; 0 if that event is not stamped yet."""
        return None if self._first_token is None else self._first_token.time

    @property
    def has_text(self) -> bool:
        """Whether any text was shown so far, so that the next step's text needs a lead."""
        return bool(self.said.texts) or bool(self._step is not None and self._step.text)

    @property
    def visible(self) -> bool:
        """Whether the current attempt has shown anything: text, reasoning, a file, or the start of a call."""
        step = self._step
        return step is not None and bool(step.entries or step.calls or step.files)

    @property
    def shown_chars(self) -> int:
        """How many characters the current attempt has added to the transcript, its lead included."""
        step = self._step
        return len(step.lead) + sum(map(len, step.text)) if step is not None and step.text else 0

    @property
    def in_step(self) -> int | None:
        """The number of the open step, if any."""
        return self._step.number if self._step is not None else None

    @property
    def in_attempt(self) -> int | None:
        """The number of the open attempt, if any."""
        return self._step.attempt if self._step is not None else None

    @property
    def reported(self) -> Usage | None:
        """The last report of the open attempt."""
        step = self._step
        return None if step is None or step.attempt is None else self.spending.of_attempt(step.number, step.attempt)

    def calls_to_run(self) -> tuple[tuple[str, ToolCall], ...]:
        """The calls of the last finished step that are to be run here and have no result, by their key in the run.

        A call that was approved with other arguments has those.
        """
        calls = self._awaited.values()
        return tuple((call.key, call.as_run()) for call in calls if call.to_run and not call.refusal)

    def open_calls(self) -> tuple[Call, ...]:
        """Like `calls_to_run`, with the full state of each; includes those refused after they had started."""
        return tuple(call for call in self._awaited.values() if call.unanswered)

    def message(self, api: str = "", model: str = "") -> Message:
        """The open step's message so far; calls that were cut off are left out, since they cannot be answered."""
        if self._step is None:
            return Message(role="assistant", api=api, model=model)
        return self._step.message(api, model)

    def response(self, *, output: Any = UNSET, callback_errors: int = 0, now: float | None = None) -> Response[Any]:
        """Returns the Response for the events so far; `partial` unless the run finished.

        `output` is the validated answer (UNSET: no output type), and counts only if the run finished. `now` (Unix
        seconds) is used as the end of an open run, and as the time of an event that is not stamped yet.
        """
        spent, finished = self.spent(), isinstance(self.end, RunFinished)
        own, total = spent.sums
        begun = _when(self.started, now) or 0.0
        ended = begun if self.started is None else _when(self.end, now) or (begun if now is None else now)
        first, last = _when(self._first_token, now), _when(self._last_token, now)
        said, text, messages = self.said.so_far(self._step), self.text, list(self.messages)
        if self._step is not None and (message := self.message()).content:
            messages.append(message)
        return Response(
            text,
            transcript=self.transcript,
            output=output if finished and output is not UNSET else text,
            reasoning="\n\n".join(said.reasonings),
            refusal="".join(said.refusals),
            tool_calls=tuple(call.so_far() for call in said.calls if call.call.by != "provider"),
            tool_errors=tuple(self._tool_errors),
            sources=tuple(said.sources),
            files=tuple(said.files),
            finish_reason="cancelled" if isinstance(self.end, RunCancelled) else self.finish_reason,
            provider_finish_reason=self.provider_finish_reason,
            usage=total,
            usage_origin=spent.origin,
            model=self.model,
            provider=self.provider,
            messages=tuple(_answered(messages, self._awaited.values())),
            run_id=self.started.run if self.started else "",
            agent=self.started.agent_name if self.started else "",
            duration=max(0.0, ended - begun),
            time_to_first_token=None if first is None else max(0.0, first - begun),
            tokens_per_second=_rate(own.output_tokens, first, last),
            partial=not finished,
            unheard=tuple(said.message for said in self.unheard.values()),
            callback_errors=callback_errors,
        )

    # --- closing

    def closing(
        self, why: str, children: Mapping[str, Fold] = MappingProxyType({}), *, now: float = 0.0
    ) -> list[Event]:
        """Returns the events that end everything open, innermost first; the step's and the run's end may follow them.

        `why` is the result of unfinished calls and tools, `now` the time (Unix seconds). `children` holds the folds of
        the child runs by id, which have ended: a missing one was cancelled before it cost anything.
        """
        below = close_children(self._children.values(), children)
        return [*self.closing_step(why), *below, *close_tools(self._awaited.values(), why, now)]

    def closing_step(self, why: str) -> list[Event]:
        """Returns the events that end a model's unfinished output; `why` is the result of unfinished calls."""
        return [] if self._step is None else [*close_step(self._step, why)]

    def step_end(self, *, api: str, model: str, finish_reason: str | None, word: str | None = None) -> StepFinished:
        """Returns the event that ends the open step with its content; call it once `closing` has been appended."""
        step = self._now()
        return StepFinished(
            step=step.number,
            finish_reason=finish_reason,
            provider_finish_reason=word,
            message=self.message(api, model),
            usage=self.spending.of_step(step.number),
        )


_Handler: TypeAlias = Callable[[Fold, Any], None]
_HANDLERS: Final[dict[type[Event], _Handler]] = {
    RunStarted: Fold._run_started,
    RunFinished: Fold._ended,
    RunFailed: Fold._ended,
    RunCancelled: Fold._ended,
    StepStarted: Fold._step_started,
    StepFinished: Fold._step_finished,
    AttemptStarted: Fold._attempt_started,
    AttemptFailed: Fold._attempt_failed,
    Retracted: Fold._retracted,
    TextStarted: Fold._text_started,
    TextDelta: Fold.text_delta,
    TextEnded: Fold._part_ended,
    ReasoningStarted: Fold._reasoning_started,
    ReasoningDelta: Fold._reasoning_delta,
    ReasoningEnded: Fold._part_ended,
    SourceFound: Fold._source,
    FileMade: Fold._file,
    ProviderItemMade: Fold._item,
    CallStarted: Fold._call_started,
    CallDelta: Fold._call_delta,
    CallReady: Fold._call_ended,
    CallRejected: Fold._call_ended,
    ToolStarted: Fold._tool_started,
    ToolFinished: Fold._tool_finished,
    ApprovalAsked: Fold._is_asked,
    ApprovalAnswered: Fold._approval_answered,
    InputAsked: Fold._is_asked,
    InputAnswered: Fold._input_answered,
    ChildStarted: Fold._child_started,
    ChildFinished: Fold._child_finished,
    MessageReceived: Fold._message_received,
    MessageAdded: Fold._message_added,
    UsageReported: Fold._usage,
}


def fold(events: Iterable[Event]) -> Fold:
    """Returns the Fold of a log, or of any prefix of one. Events of other runs in the same log are ignored."""
    folded = Fold()
    for event in events:
        if folded.started is None or event.run == folded.started.run:
            folded.add(event)
    return folded


def _outside() -> InvalidRecord:
    return InvalidRecord(
        "The log has an event of a step outside any step.",
        hint="Lines are missing, repeated or in another order: read the log as it was written.",
    )


def _when(event: Event | None, now: float | None) -> float | None:
    """The event's time; `now` if it is not stamped yet."""
    if event is None:
        return None
    return event.time or now


def _rate(tokens: int | None, first: float | None, last: float | None) -> float | None:
    """Tokens per second, between the first and the last."""
    if not tokens or first is None or last is None or last <= first:
        return None
    return tokens / (last - first)


def _answered(messages: list[Message], awaited: Collection[Call]) -> list[Message]:
    """Returns `messages` with every call of the last one answered, so that any provider accepts them as history."""
    if awaited:
        return [*messages, Message(role="tool", content=tuple(call.answer() for call in awaited))]
    if messages and messages[-1].role == "assistant":
        open_calls = [call for call in messages[-1].tool_calls if call.by == "agent"]
        if open_calls:
            return [*messages, Message(role="tool", content=tuple(map(not_run, open_calls)))]
    return messages

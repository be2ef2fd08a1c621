"""Events to messages, usage and the Response: the only assembler there is.

A `Fold` reads the events of one run in order, as they are appended, and can say at any moment what they come to; so
the fold of any prefix of a log is what was known then. Nothing here decides anything: what happens next is
`agent_loop`'s. It must never read a clock, make up an id, or ask an event when it was while taking it in: an event of a
run below is folded before it is stamped.

What people decide is folded like the rest. A call that was refused is answered by that, unless its tool had begun. One
that was allowed with other arguments runs with those, and stands in the conversation as the model wrote it: the step's
message is the record of what the model said, and a provider checks its signature; that the tool ran with something
else, the model reads in the result. A call that the client runs (`by="client"`) is not waited for: the messages are
valid history once its result stands at the head of the next input.

Of a run that is taken up again only the outermost is told (`run.resumed`); so nothing here depends on that event. An
attempt that fails is forgotten, and a tool that starts again has started, whoever says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from msgspec import UNSET

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
    """Reads one run's events; knows what they come to."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.end: RunFinished | RunFailed | RunCancelled | None = None
        self.messages: list[Message] = []
        """The conversation so far, all of it: history, input, finished steps, tool results and what was added."""
        self._tool_errors: list[ToolError] = []
        self.asked = Asked()
        """What people were asked, and what they have decided."""
        self.unheard: dict[str, MessageReceived] = {}
        """What was said to the run and no model has heard yet, by key; a run that was handed to may still hear it."""
        self.heard_for: set[str] = set()
        """The keys of what was heard here, and was said to the run that has handed over to this one."""
        self.finish_reason: str | None = None
        self.provider_finish_reason: str | None = None
        self.model = ""
        self.provider = ""
        self._first_token: Event | None = None
        self._last_token: Event | None = None
        self._step: Step | None = None
        self.said = Said()
        """What the finished steps have said."""
        self._awaited: dict[str, Call] = {}
        """The calls of the last finished step, by key, whose results are still to be a message."""
        self._unanswered: set[str] = set()
        """Those of them that nobody has answered. Each ends once, and must not look at all the others."""
        self._children: dict[str, ChildStarted] = {}
        self.spending = Spending()

    # --- reading

    def add(self, event: Event) -> None:
        """Take in the next event; those that change nothing here pass by."""
        if handler := _HANDLERS.get(event.__class__):
            handler(self, event)

    def text_delta(self, event: TextDelta) -> None:
        """`add` for what comes most: called outright where the class is known."""
        step = self._step
        assert step is not None, "a delta outside a step"
        try:
            stream = step.entries[event.part]
        except KeyError:
            return  # its beginning was in words that only a newer version knows
        stream.pieces.append(event.text)
        if stream.kind == "answer":
            step.text.append(event.text)
        else:
            step.refusal.append(event.text)

    def tidy(self) -> None:
        """Hold what has been said so far in less memory; to be called now and then, between events."""
        if (step := self._step) is not None and step.entries:
            step.text.tidy()
            step.entries[next(reversed(step.entries))].pieces.tidy()

    def _run_started(self, event: RunStarted) -> None:
        self.started = event
        self.messages = [*event.history, *event.input]

    def _ended(self, event: RunFinished | RunFailed | RunCancelled) -> None:
        self._settle_tools()
        self.asked.open.clear()  # an answer would come too late
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
            # What an attempt before it had said was retracted, or never shown.
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
        """Make the results of the last step's calls a message, in the order of the calls."""
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
            raise ValueError("An event of a step stands outside any step.")
        return self._step

    # --- what it comes to

    @property
    def sent(self) -> Sequence[Message]:
        """What of the conversation a model is sent: all, but for what a compaction stands for."""
        return sent_messages(self.messages)

    @property
    def usage(self) -> Usage:
        """What all attempts and children have cost so far; an attempt that is going on, as `estimate` has it."""
        return self.spent().total

    @property
    def usage_origin(self) -> Origin:
        """What `usage` rests on, taking the least certain of all attempts and children."""
        return self.spent().origin

    def spent(self) -> Spending:
        """What all attempts and children have cost so far; an attempt that is going on, as `estimate` has it."""
        estimate = self.estimate()
        return self.spending if estimate is None else self.spending.with_report(estimate)

    def estimate(self, reported: Usage | None = None) -> UsageReported | None:
        """What the attempt that is going on has cost, should it end here; None where none is, or where that is told.

        `reported` is what its provider has reported last, where that has not come here yet.
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
        """The text of the last step that has any; where a run finished by a call that answered, that call's."""
        if self._step is not None and self._step.text:
            return "".join(self._step.text)
        return self.said.texts[-1] if self.said.texts else ""

    @property
    def transcript(self) -> str:
        """All the text shown and not taken back, steps parted by their leads."""
        shown = "".join(self.said.shown)
        if self._step is not None and self._step.text:
            shown += self._step.lead + "".join(self._step.text)
        return shown

    @property
    def first_token_at(self) -> float | None:
        """When the first token came, in Unix seconds; 0 where that event is not stamped yet."""
        return None if self._first_token is None else self._first_token.time

    @property
    def has_text(self) -> bool:
        """Whether anything was shown so far, so that a further step's text wants a lead."""
        return bool(self.said.texts) or bool(self._step is not None and self._step.text)

    @property
    def visible(self) -> bool:
        """Whether the current attempt has shown anything: text, reasoning, a file, or the beginning of a call."""
        step = self._step
        return step is not None and bool(step.entries or step.calls or step.files)

    @property
    def shown_chars(self) -> int:
        """How many characters the current attempt has added to the transcript, its lead included."""
        step = self._step
        return len(step.lead) + sum(map(len, step.text)) if step is not None and step.text else 0

    @property
    def in_step(self) -> int | None:
        """The number of the step that is open, if one is."""
        return self._step.number if self._step is not None else None

    @property
    def in_attempt(self) -> int | None:
        """The number of the attempt that is going on, if one is."""
        return self._step.attempt if self._step is not None else None

    @property
    def reported(self) -> Usage | None:
        """What the attempt that is going on has reported last."""
        step = self._step
        return None if step is None or step.attempt is None else self.spending.of_attempt(step.number, step.attempt)

    def calls_to_run(self) -> tuple[tuple[str, ToolCall], ...]:
        """The calls of the last finished step that are ours to run and not answered yet, each with its key in the run.

        One that someone allowed with other arguments has those.
        """
        calls = self._awaited.values()
        return tuple((call.key, call.as_run()) for call in calls if call.to_run and not call.refusal)

    def open_calls(self) -> tuple[Call, ...]:
        """As `calls_to_run`, with all that is known of each; also those refused once begun."""
        return tuple(call for call in self._awaited.values() if call.unanswered)

    def message(self, api: str = "", model: str = "") -> Message:
        """The open step's message so far; calls that were cut are left out, for nobody can answer them."""
        if self._step is None:
            return Message(role="assistant", api=api, model=model)
        return self._step.message(api, model)

    def response(self, *, output: Any = UNSET, callback_errors: int = 0, now: float | None = None) -> Response[Any]:
        """The Response that the events so far come to; `partial` unless the run finished.

        `output` is the validated answer (UNSET: no type was asked for), and counts only where the run finished. `now`
        (Unix seconds) stands for the end where there is none yet, and for the time of an event that has none yet.
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

    # --- leaving in good order

    def closing(
        self, why: str, children: Mapping[str, Fold] = MappingProxyType({}), *, now: float = 0.0
    ) -> list[Event]:
        """The events that end all that is open, innermost first, so that the step's end and the run's may follow.

        `why` is what unfinished calls and tools are told, `now` (Unix seconds) when that is. `children` are the folds
        of the runs below, by id, which have ended: one that is not told of was cancelled before it cost anything.
        """
        below = close_children(self._children.values(), children)
        return [*self.closing_step(why), *below, *close_tools(self._awaited.values(), why, now)]

    def closing_step(self, why: str) -> list[Event]:
        """The events that end what a model was in the middle of saying; `why` is what unfinished calls are told."""
        return [] if self._step is None else [*close_step(self._step, why)]

    def step_end(self, *, api: str, model: str, finish_reason: str | None, word: str | None = None) -> StepFinished:
        """The event that ends the open step with all that it said; to be made once `closing` has been appended."""
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
    """The Fold of a log, or of any prefix of one. Events of other runs in the same log are passed over."""
    folded = Fold()
    for event in events:
        if folded.started is None or event.run == folded.started.run:
            folded.add(event)
    return folded


def _when(event: Event | None, now: float | None) -> float | None:
    """When an event was; `now`, where it is not stamped yet."""
    if event is None:
        return None
    return event.time or now


def _rate(tokens: int | None, first: float | None, last: float | None) -> float | None:
    """Tokens a second, between the first and the last."""
    if not tokens or first is None or last is None or last <= first:
        return None
    return tokens / (last - first)


def _answered(messages: list[Message], awaited: Collection[Call]) -> list[Message]:
    """`messages` with every call of the last one answered, so that any provider takes them as history."""
    if awaited:
        return [*messages, Message(role="tool", content=tuple(call.answer() for call in awaited))]
    if messages and messages[-1].role == "assistant":
        open_calls = [call for call in messages[-1].tool_calls if call.by == "agent"]
        if open_calls:
            return [*messages, Message(role="tool", content=tuple(map(not_run, open_calls)))]
    return messages

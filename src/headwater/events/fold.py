"""Events to messages, usage and the Response: the only assembler there is.

A `Fold` reads the events of one run in order, as they are appended, and can say at any moment what they come to; so
the fold of any prefix of a log is what was known then. Nothing here decides anything: what happens next is `loop`'s.
It must never read a clock or make up an id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from headwater.events.messages import (
    AnyPart,
    File,
    Image,
    Message,
    ProviderItem,
    Reasoning,
    Response,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from headwater.events.pieces import Pieces
from headwater.events.types import (
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
    MessageAdded,
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

NOT_RUN: Final = "Not run: the run ended first."
"""What a call that was never answered gets for a result, so that the history stays valid for every provider."""


class _Stream:
    """A part of text or reasoning as it grows."""

    __slots__ = ("kind", "open", "pieces", "redacted", "signature")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.pieces = Pieces()
        self.open = True
        self.signature: str | None = None
        self.redacted: str | None = None


class _Call:
    """A tool call as it grows, and what came of it."""

    __slots__ = ("answered", "call", "cut", "error", "key", "pieces", "result", "started", "started_at", "step")

    def __init__(self, event: CallStarted) -> None:
        self.key = event.call
        self.step = event.step
        self.call = ToolCall(id=event.id or event.call, name=event.name, arguments="", by=event.by)
        self.pieces: list[str] | None = []
        self.cut = False
        self.error: str | None = None
        self.started = False
        self.started_at = 0.0
        self.answered = False
        self.result: ToolResult | None = None

    @property
    def open(self) -> bool:
        return self.pieces is not None


class _Step:
    """One step's content, in the order in which its parts were begun."""

    __slots__ = ("attempt", "calls", "content", "entries", "lead", "number", "refusal", "text")

    def __init__(self, number: int) -> None:
        self.number = number
        self.attempt: int | None = None
        self.clear()

    def clear(self) -> None:
        self.lead = ""
        self.text = Pieces()
        self.refusal: list[str] = []
        self.entries: dict[int, _Stream] = {}
        self.calls: dict[str, _Call] = {}
        self.content: list[_Stream | _Call | AnyPart] = []


class Fold:
    """Reads one run's events; knows what they come to."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.end: RunFinished | RunFailed | RunCancelled | None = None
        self.messages: list[Message] = []
        """The conversation so far: history, input, finished steps and their tool results."""
        self.sources: list[Source] = []
        self.files: list[Image | File] = []
        self.finish_reason: str | None = None
        self.provider_finish_reason: str | None = None
        self.model = ""
        self.provider = ""
        self._first_token: Event | None = None
        self._last_token: Event | None = None
        self._step: _Step | None = None
        self._texts: list[str] = []
        """The text of each step that has any, without its lead."""
        self._shown: list[str] = []
        """The same with the leads."""
        self._reasonings: list[str] = []
        self._refusals: list[str] = []
        self._calls: list[_Call] = []
        self._awaited: list[_Call] = []
        """The calls of the last finished step, whose results are still to be a message."""
        self._usages: dict[tuple[int, int], Usage] = {}
        self._origins: dict[tuple[int, int], Literal["measured", "estimated", "unknown"]] = {}
        self._children: dict[str, ChildStarted] = {}
        self._child_usage = Usage()
        self._child_origins: set[Literal["measured", "estimated", "unknown"]] = set()

    # --- reading

    def add(self, event: Event) -> None:
        """Take in the next event; those that change nothing here pass by."""
        if handler := _HANDLERS.get(event.__class__):
            handler(self, event)

    def text_delta(self, event: TextDelta) -> None:
        """`add` for what comes most: called outright where the class is known."""
        step = self._step
        assert step is not None, "a delta outside a step"
        stream = step.entries[event.part]
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

    def _step_started(self, event: StepStarted) -> None:
        self._settle_tools()
        self._step = _Step(event.step)

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
        stream = step.entries[event.part] = _Stream(event.kind)
        step.content.append(stream)
        step.lead = step.lead or event.lead

    def _reasoning_started(self, event: ReasoningStarted) -> None:
        self._see(event)
        step = self._now()
        stream = step.entries[event.part] = _Stream(event.kind)
        step.content.append(stream)

    def _reasoning_delta(self, event: ReasoningDelta) -> None:
        self._now().entries[event.part].pieces.append(event.text)

    def _part_ended(self, event: TextEnded | ReasoningEnded) -> None:
        stream = self._now().entries[event.part]
        stream.open = False
        stream.signature = event.signature
        if isinstance(event, ReasoningEnded):
            stream.redacted = event.redacted
        self._last_token = event

    def _source(self, event: SourceFound) -> None:
        source = Source(kind=event.kind, url=event.url, title=event.title, quote=event.quote, span=event.span)
        self._now().content.append(source)

    def _file(self, event: FileMade) -> None:
        self._now().content.append(_made(event))

    def _item(self, event: ProviderItemMade) -> None:
        self._now().content.append(ProviderItem(api=event.api, item=event.item))

    def _call_started(self, event: CallStarted) -> None:
        self._see(event)
        step = self._now()
        call = step.calls[event.call] = _Call(event)
        step.content.append(call)

    def _call_delta(self, event: CallDelta) -> None:
        pieces = self._now().calls[event.call].pieces
        if pieces is not None:
            pieces.append(event.json)

    def _call_ended(self, event: CallReady | CallRejected) -> None:
        call = self._now().calls[event.call]
        call.call = ToolCall(
            id=call.call.id,
            name=event.name,
            arguments=event.arguments if isinstance(event, CallReady) else event.raw,
            by=event.by,
            custom=isinstance(event, CallReady) and event.custom,
            signature=event.signature,
            item_id=event.item_id,
        )
        call.pieces = None
        if isinstance(event, CallRejected):
            call.cut, call.error = event.cut, event.error
        self._last_token = event

    def _usage(self, event: UsageReported) -> None:
        self._usages[event.step, event.attempt] = event.usage
        self._origins[event.step, event.attempt] = event.origin

    def _step_finished(self, event: StepFinished) -> None:
        step = self._now()
        self.finish_reason = event.finish_reason
        self.provider_finish_reason = event.provider_finish_reason
        if step.attempt is not None and (step.number, step.attempt) not in self._usages:
            self._origins[step.number, step.attempt] = "unknown"
        text, refusal, reasoning = _said(step, event.message)
        if text:
            self._texts.append(text)
            self._shown.append(step.lead + text)
        if refusal:
            self._refusals.append(refusal)
        if reasoning:
            self._reasonings.append(reasoning)
        for part in step.content:
            if isinstance(part, Source):
                self.sources.append(part)
            elif isinstance(part, (Image, File)):
                self.files.append(part)
        self._calls.extend(step.calls.values())
        self._awaited = [call for call in step.calls.values() if call.call.by == "agent" and not call.cut]
        if event.message is not None and event.message.content:
            self.messages.append(event.message)
        self._step = None

    def _tool_started(self, event: ToolStarted) -> None:
        for call in self._awaited:
            if call.key == event.call:
                call.started, call.started_at = True, event.time

    def _tool_finished(self, event: ToolFinished) -> None:
        for call in self._awaited:
            if call.key == event.call:
                call.answered = True
                call.result = ToolResult(
                    id=call.call.id,
                    name=call.call.name,
                    content=event.result,  # type: ignore[arg-type]
                    error=event.error is not None,
                    custom=call.call.custom,
                )
        if all(call.answered or call.error for call in self._awaited):
            self._settle_tools()

    def _settle_tools(self) -> None:
        """Make the results of the last step's calls a message, in the order of the calls."""
        if self._awaited:
            self.messages.append(Message(role="tool", content=tuple(_answer(call) for call in self._awaited)))
            self._awaited = []

    def _message_added(self, event: MessageAdded) -> None:
        self._settle_tools()
        self.messages.append(event.message)

    def _child_started(self, event: ChildStarted) -> None:
        self._children[event.child] = event

    def _child_finished(self, event: ChildFinished) -> None:
        self._children.pop(event.child, None)
        self._child_usage = self._child_usage + event.usage
        self._child_origins.add(event.origin)

    def _ended(self, event: RunFinished | RunFailed | RunCancelled) -> None:
        self._settle_tools()
        self.end = event

    def _see(self, event: Event) -> None:
        if self._first_token is None:
            self._first_token = event

    def _now(self) -> _Step:
        if self._step is None:
            raise ValueError("An event of a step stands outside any step.")
        return self._step

    # --- what it comes to

    @property
    def usage(self) -> Usage:
        """What all attempts and children have cost so far, as far as it was reported."""
        total = self._child_usage
        for usage in self._usages.values():
            total = total + usage
        return total

    @property
    def usage_origin(self) -> Literal["measured", "estimated", "unknown"]:
        """What `usage` rests on, taking the least certain of all attempts and children."""
        origins = {*self._origins.values(), *self._child_origins}
        return "unknown" if "unknown" in origins else "estimated" if "estimated" in origins else "measured"

    def estimate(self) -> UsageReported | None:
        """What the open attempt may have cost by what it said, where its provider has not reported it."""
        step = self._step
        if step is None or step.attempt is None or (step.number, step.attempt) in self._usages:
            return None
        said = ["".join(stream.pieces) for stream in step.entries.values()]
        said += [_written(call) for call in step.calls.values()]
        usage = Usage.estimated("".join(said))
        return UsageReported(
            step=step.number, attempt=step.attempt, usage=usage, origin="estimated" if usage else "unknown"
        )

    @property
    def text(self) -> str:
        """The text of the last step that has any."""
        if self._step is not None and self._step.text:
            return "".join(self._step.text)
        return self._texts[-1] if self._texts else ""

    @property
    def transcript(self) -> str:
        """All the text shown and not taken back, steps parted by their leads."""
        shown = "".join(self._shown)
        if self._step is not None and self._step.text:
            shown += self._step.lead + "".join(self._step.text)
        return shown

    @property
    def first_token_at(self) -> float | None:
        """When the first token came, in Unix seconds.

        The event is asked, and not when it was folded: an event of a run below is stamped when it is appended.
        """
        return None if self._first_token is None else self._first_token.time

    @property
    def last_token_at(self) -> float | None:
        """When the last part ended, in Unix seconds."""
        return None if self._last_token is None else self._last_token.time

    @property
    def has_text(self) -> bool:
        """Whether anything was shown so far, so that a further step's text wants a lead."""
        return bool(self._texts) or bool(self._step is not None and self._step.text)

    @property
    def visible(self) -> bool:
        """Whether the current attempt has shown anything: text, reasoning, a file, or the beginning of a call."""
        step = self._step
        return step is not None and (
            bool(step.entries or step.calls) or any(isinstance(part, (Image, File)) for part in step.content)
        )

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
    def reported(self) -> Usage | None:
        """What the attempt that is going on has reported last."""
        step = self._step
        return None if step is None or step.attempt is None else self._usages.get((step.number, step.attempt))

    @property
    def in_attempt(self) -> int | None:
        """The number of the attempt that is going on, if one is."""
        return self._step.attempt if self._step is not None else None

    def unanswered(self) -> tuple[ToolCall, ...]:
        """The calls of the last finished step that are ours to run and not yet answered."""
        return tuple(call.call for call in self._awaited if not call.answered and call.error is None)

    def rejected(self) -> tuple[ToolCall, ...]:
        """The calls of the last finished step whose arguments were no JSON object; they answer themselves."""
        return tuple(call.call for call in self._awaited if call.error is not None)

    def calls_to_run(self) -> tuple[tuple[str, ToolCall], ...]:
        """The same as `unanswered`, each with its key in this run."""
        return tuple((c.key, c.call) for c in self._awaited if not c.answered and c.error is None)

    def message(self, api: str = "", model: str = "") -> Message:
        """The open step's message so far; calls that were cut are left out, for nobody can answer them."""
        step = self._step
        parts: list[AnyPart] = []
        for entry in step.content if step is not None else ():
            if isinstance(entry, _Stream):
                parts.extend(_part_of(entry))
            elif isinstance(entry, _Call):
                if not entry.cut and not entry.open:
                    parts.append(entry.call)
            else:
                parts.append(entry)
        return Message(role="assistant", content=tuple(parts), api=api, model=model)

    def response(self, *, output: Any = None, callback_errors: int = 0, now: float | None = None) -> Response[Any]:
        """The Response that the events so far come to; `partial` unless the run finished.

        `output` is the validated answer where a type was asked for; `now` stands for the end where there is none yet.
        """
        begun = self.started.time if self.started else 0.0
        ended = self.end.time if self.end is not None else now if now is not None else begun
        usage = self.usage
        rate = None
        if usage.output_tokens and self.first_token_at is not None and self.last_token_at is not None:
            span = self.last_token_at - self.first_token_at
            rate = usage.output_tokens / span if span > 0 else None
        reasonings, refusals, messages = list(self._reasonings), list(self._refusals), list(self.messages)
        calls, sources, files = [*self._calls], list(self.sources), list(self.files)
        if self._step is not None:
            reasonings += [text] if (text := _reasoning_of(self._step)) else []
            refusals += self._step.refusal
            calls += self._step.calls.values()
            sources += [part for part in self._step.content if isinstance(part, Source)]
            files += [part for part in self._step.content if isinstance(part, (Image, File))]
            message = self.message()
            messages += [message] if message.content else []
        messages = _answered(messages, self._awaited)
        text = self.text
        return Response(
            text,
            transcript=self.transcript,
            output=text if output is None else output,
            reasoning="\n\n".join(reasonings),
            refusal="".join(refusals),
            tool_calls=tuple(_so_far(call) for call in calls if call.call.by != "provider"),
            sources=tuple(sources),
            files=tuple(files),
            finish_reason="cancelled" if isinstance(self.end, RunCancelled) else self.finish_reason,
            provider_finish_reason=self.provider_finish_reason,
            usage=usage,
            usage_origin=self.usage_origin,
            model=self.model,
            provider=self.provider,
            messages=tuple(messages),
            run_id=self.started.run if self.started else "",
            agent=self.started.agent_name if self.started else "",
            duration=max(0.0, ended - begun),
            time_to_first_token=None if self.first_token_at is None else max(0.0, self.first_token_at - begun),
            tokens_per_second=rate,
            partial=not isinstance(self.end, RunFinished),
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
        events: list[Event] = []
        if (step := self._step) is not None:
            for number, stream in step.entries.items():
                if stream.open and stream.kind in ("answer", "refusal"):
                    events.append(TextEnded(step=step.number, part=number))
                elif stream.open:
                    events.append(ReasoningEnded(step=step.number, part=number))
            events += [
                CallRejected(
                    step=step.number,
                    call=call.key,
                    name=call.call.name,
                    raw="".join(call.pieces or ()),
                    error=why,
                    cut=True,
                    by=call.call.by,
                )
                for call in step.calls.values()
                if call.open
            ]
        events += [_child_end(child, children.get(child.child)) for child in self._children.values()]
        events += [
            ToolFinished(
                step=call.step,
                call=call.key,
                name=call.call.name,
                result=why,
                error=why,
                duration=max(0.0, now - call.started_at),
            )
            for call in self._awaited
            if call.started and not call.answered
        ]
        return events

    def step_end(self, *, api: str, model: str, finish_reason: str | None, word: str | None = None) -> StepFinished:
        """The event that ends the open step with all that it said; to be made once `closing` has been appended."""
        step = self._now()
        return StepFinished(
            step=step.number,
            finish_reason=finish_reason,
            provider_finish_reason=word,
            message=self.message(api, model),
            usage=_sum([usage for (number, _), usage in self._usages.items() if number == step.number]),
        )


_HANDLERS: dict[type[Event], Callable[[Fold, Any], None]] = {
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
    ChildStarted: Fold._child_started,
    ChildFinished: Fold._child_finished,
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


def _part_of(stream: _Stream) -> list[AnyPart]:
    text = "".join(stream.pieces)
    if stream.kind in ("answer", "refusal"):
        if not text and stream.signature is None:
            return []
        return [Text(text=text, refusal=stream.kind == "refusal", signature=stream.signature)]
    kind: Any = stream.kind
    if not text and stream.signature is None and stream.redacted is None:
        return []
    return [Reasoning(text=text, kind=kind, signature=stream.signature, redacted=stream.redacted)]


def _said(step: _Step, message: Message | None) -> tuple[str, str, str]:
    """A finished step's text, refusal and reasoning: as shown, or by its message where deltas are left out."""
    parts = message.content if message is not None else ()
    texts = [part for part in parts if isinstance(part, Text)]
    text = "".join(step.text) or "".join(part.text for part in texts if not part.refusal)
    refusal = "".join(step.refusal) or "".join(part.text for part in texts if part.refusal)
    reasoning = _reasoning_of(step) or "".join(part.text for part in parts if isinstance(part, Reasoning))
    return text, refusal, reasoning


def _sum(usages: list[Usage]) -> Usage:
    """All of them together; one alone keeps its provider's own report."""
    return usages[0] if len(usages) == 1 else sum(usages, start=Usage())


def _child_end(child: ChildStarted, fold: Fold | None) -> ChildFinished:
    outcome: Literal["finished", "failed", "cancelled"] = "cancelled"
    if fold is not None and fold.end is not None and not isinstance(fold.end, RunCancelled):
        outcome = "finished" if isinstance(fold.end, RunFinished) else "failed"
    return ChildFinished(
        child=child.child,
        name=child.name,
        call=child.call,
        outcome=outcome,
        usage=fold.usage if fold is not None else Usage(),
        origin=fold.usage_origin if fold is not None else "measured",
    )


def _reasoning_of(step: _Step) -> str:
    return "".join("".join(s.pieces) for s in step.entries.values() if s.kind not in ("answer", "refusal"))


def _made(event: FileMade) -> Image | File:
    if event.media_type.startswith("image/") and event.ref is None:
        return Image(data=event.data, url=event.url, media_type=event.media_type, signature=event.signature)
    return File(
        data=event.data,
        url=event.url if event.data is None else None,
        id=event.ref if event.data is None and event.url is None else None,
        name=event.name,
        media_type=event.media_type,
        signature=event.signature,
    )


def _written(call: _Call) -> str:
    """A call's arguments as the model wrote them, or nearly so."""
    if call.pieces is not None:
        return "".join(call.pieces)
    arguments = call.call.arguments
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def _so_far(call: _Call) -> ToolCall:
    if call.pieces is None:
        return call.call
    return ToolCall(id=call.call.id, name=call.call.name, arguments="".join(call.pieces), by=call.call.by)


def _answer(call: _Call) -> ToolResult:
    if call.result is not None:
        return call.result
    return ToolResult(
        id=call.call.id,
        name=call.call.name,
        content=call.error or NOT_RUN,
        error=True,
        custom=call.call.custom,
    )


def _answered(messages: list[Message], awaited: list[_Call]) -> list[Message]:
    """`messages` with every call of the last one answered, so that any provider takes them as history."""
    if awaited:
        return [*messages, Message(role="tool", content=tuple(_answer(call) for call in awaited))]
    if messages and messages[-1].role == "assistant":
        open_calls = [call for call in messages[-1].tool_calls if call.by == "agent"]
        if open_calls:
            results = tuple(
                ToolResult(id=c.id, name=c.name, content=NOT_RUN, error=True, custom=c.custom) for c in open_calls
            )
            return [*messages, Message(role="tool", content=results)]
    return messages

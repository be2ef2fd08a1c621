"""A step in progress: its parts of text and reasoning, its calls, and the result of each call.

Owns the mutable state of `fold`. Nothing here reads an event's time while processing it: an event of a child run is
folded before it is stamped. State that needs the time later keeps the event.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from headwater.events.messages import (
    AnyPart,
    File,
    Image,
    Message,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    utf8_size,
)
from headwater.events.pieces import Pieces
from headwater.events.types import (
    ApprovalAnswered,
    CallReady,
    CallRejected,
    CallStarted,
    FileMade,
    ToolFinished,
    ToolStarted,
)

__all__ = ("NOT_RUN", "Call", "Said", "Step", "Stream", "as_part", "not_run", "refusal_text")

NOT_RUN: Final = "Not run: the run ended first."
"""The result of a call that was never answered, so that the history stays valid for every provider."""


class Stream:
    """A part of text or reasoning in progress."""

    __slots__ = ("kind", "open", "pieces", "redacted", "signature")

    def __init__(self, kind: str) -> None:
        self.kind: str = kind
        self.pieces: Pieces = Pieces()
        self.open: bool = True
        self.signature: str | None = None
        self.redacted: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether it is text (of an answer or a refusal) and not reasoning."""
        return self.kind in ("answer", "refusal")

    def parts(self) -> list[AnyPart]:
        """Its parts of the message: none if it is empty and nothing must be sent back."""
        text = "".join(self.pieces)
        if not text and self.signature is None and self.redacted is None:
            return []
        if self.is_text:
            return [Text(text=text, refusal=self.kind == "refusal", signature=self.signature)]
        kind: Any = self.kind
        return [Reasoning(text=text, kind=kind, signature=self.signature, redacted=self.redacted)]


class Call:
    """A tool call in progress, and its result."""

    __slots__ = (
        "allowed",
        "answered",
        "arguments",
        "call",
        "cut",
        "error",
        "key",
        "pieces",
        "refusal",
        "result",
        "said",
        "started",
        "step",
    )

    def __init__(self, event: CallStarted) -> None:
        self.key: str = event.call
        self.step: int = event.step
        self.call: ToolCall = ToolCall(id=event.id or event.call, name=event.name, arguments="", by=event.by)
        """As the model wrote it; the conversation keeps this form, whatever arguments were approved."""
        self.pieces: list[str] | None = []
        self.said: int = 0
        """Size of its arguments in bytes as they were streamed; counted once it is complete."""
        self.cut: bool = False
        self.error: str | None = None
        self.arguments: dict[str, Any] | None = None
        """The approved arguments, if they differ from the model's."""
        self.allowed: bool = False
        """Whether a person approved it and it has to start."""
        self.refusal: str = ""
        """The text that the model gets if a person denied it."""
        self.started: ToolStarted | None = None
        """Its tool's last start."""
        self.answered: bool = False
        self.result: ToolResult | None = None

    @property
    def open(self) -> bool:
        """Whether it is still being written."""
        return self.pieces is not None

    @property
    def unanswered(self) -> bool:
        """Whether it has no result yet."""
        return not self.answered and self.error is None

    @property
    def to_run(self) -> bool:
        """Whether its tool still has to run, or to run again."""
        return self.unanswered and not self.refusal

    def end(self, event: CallReady | CallRejected) -> None:
        """The model has finished writing it, or stopped in the middle."""
        self.call = ToolCall(
            id=self.call.id,
            name=event.name,
            arguments=event.arguments if isinstance(event, CallReady) else event.raw,
            by=event.by,
            custom=isinstance(event, CallReady) and event.custom,
            signature=event.signature,
            item_id=event.item_id,
        )
        self.said = utf8_size("".join(self.pieces or ()))
        self.pieces = None
        if isinstance(event, CallRejected):
            self.cut, self.error = event.cut, event.error

    def allow(self, event: ApprovalAnswered) -> None:
        """A person approved it, maybe with other arguments, which the call has from now on."""
        self.allowed = True
        if event.arguments is not None:
            self.arguments = event.arguments

    def refuse(self, event: ApprovalAnswered) -> None:
        """A person denied it. That answers the call, unless its tool had started and still has to end."""
        self.refusal = refusal_text(event)
        if self.started is None:
            self._answer(self.refusal, error=True)

    def start(self, event: ToolStarted) -> None:
        """Its tool starts; to start again after that, it needs another approval."""
        self.started, self.allowed = event, False

    def finish(self, event: ToolFinished) -> None:
        """Its tool has ended."""
        self._answer(event.result, error=event.error is not None)

    def _answer(self, content: Any, error: bool) -> None:
        self.answered = True
        call = self.call
        self.result = ToolResult(id=call.id, name=call.name, content=content, error=error, custom=call.custom)

    def as_run(self) -> ToolCall:
        """Returns the call with the arguments that its tool runs with."""
        if self.arguments is None:
            return self.call
        arguments: Any = self.arguments.get("input", "") if self.call.custom else self.arguments
        return msgspec.structs.replace(self.call, arguments=arguments)

    def answer(self) -> ToolResult:
        """Returns its result, or a substitute."""
        if self.result is not None:
            return self.result
        return not_run(self.call, self.error or NOT_RUN)

    def written(self) -> str:
        """Its arguments as the model wrote them, or close to it."""
        if self.pieces is not None:
            return "".join(self.pieces)
        arguments = self.call.arguments
        return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()

    @property
    def size(self) -> int:
        """Size of its arguments in bytes, as streamed or as known now: the larger."""
        return max(self.said, utf8_size(self.written()))

    def so_far(self) -> ToolCall:
        """Returns the call with its arguments so far."""
        if self.pieces is None:
            return self.call
        return ToolCall(id=self.call.id, name=self.call.name, arguments="".join(self.pieces), by=self.call.by)


class Step:
    """One step's content, in the order in which its parts started."""

    __slots__ = ("attempt", "calls", "content", "entries", "lead", "number", "refusal", "text")

    def __init__(self, number: int) -> None:
        self.number: int = number
        self.attempt: int | None = None
        self.clear()

    def clear(self) -> None:
        """Clears the content: it was retracted, or never shown."""
        self.lead: str = ""
        self.text: Pieces = Pieces()
        self.refusal: list[str] = []
        self.entries: dict[int, Stream] = {}
        self.calls: dict[str, Call] = {}
        self.content: list[Stream | Call | AnyPart] = []

    @property
    def reasoning(self) -> str:
        """All of its reasoning."""
        return "".join("".join(stream.pieces) for stream in self.entries.values() if not stream.is_text)

    @property
    def sources(self) -> list[Source]:
        """Its citations."""
        return [part for part in self.content if isinstance(part, Source)]

    @property
    def files(self) -> list[Image | File]:
        """The files that it generated."""
        return [part for part in self.content if isinstance(part, (Image, File))]

    def message(self, api: str, model: str) -> Message:
        """Its message so far; calls that were cut off are left out, since they cannot be answered."""
        parts: list[AnyPart] = []
        for entry in self.content:
            if isinstance(entry, Stream):
                parts.extend(entry.parts())
            elif isinstance(entry, Call):
                if not entry.cut and not entry.open:
                    parts.append(entry.call)
            else:
                parts.append(entry)
        return Message(role="assistant", content=tuple(parts), api=api, model=model)

    def whole(self, message: Message | None) -> tuple[str, str, str]:
        """Its text, refusal and reasoning once finished: as shown, or from its message if deltas are left out."""
        parts = message.content if message is not None else ()
        texts = [part for part in parts if isinstance(part, Text)]
        text = "".join(self.text) or "".join(part.text for part in texts if not part.refusal)
        refusal = "".join(self.refusal) or "".join(part.text for part in texts if part.refusal)
        reasoning = self.reasoning or "".join(part.text for part in parts if isinstance(part, Reasoning))
        return text, refusal, reasoning

    @property
    def size(self) -> int:
        """Size in bytes of everything the model has written in it, which may have to be paid for."""
        said = sum(utf8_size("".join(stream.pieces)) for stream in self.entries.values())
        return said + sum(call.size for call in self.calls.values())


class Said:
    """The content of a run's finished steps."""

    __slots__ = ("calls", "files", "reasonings", "refusals", "shown", "sources", "step_calls", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        """The text of each step that has any, without its lead."""
        self.shown: list[str] = []
        """The same, including leads."""
        self.reasonings: list[str] = []
        self.refusals: list[str] = []
        self.calls: list[Call] = []
        self.step_calls: list[Call] = []
        """The refusals of the last step."""
        self.sources: list[Source] = []
        self.files: list[Image | File] = []

    def add(self, step: Step, message: Message | None) -> None:
        """Adds a finished step with its message."""
        text, refusal, reasoning = step.whole(message)
        if text:
            self.texts.append(text)
            self.shown.append(step.lead + text)
        if refusal:
            self.refusals.append(refusal)
        if reasoning:
            self.reasonings.append(reasoning)
        self.step_calls = [*step.calls.values()]
        self.calls += self.step_calls
        if len(step.content) > len(step.entries) + len(step.calls):  # more than text, reasoning and calls
            self.sources += step.sources
            self.files += step.files

    def call(self, key: str) -> Call | None:
        """Returns a call of a finished step by its key; the last one if there are several."""
        return next((call for call in reversed(self.calls) if call.key == key), None)

    def ready(self) -> int:
        """How many calls of the last step this library had to run."""
        return sum(call.call.by == "agent" and call.error is None for call in self.step_calls)

    def rejected(self) -> tuple[ToolCall, ...]:
        """The calls of the last step whose arguments were not a JSON object; the rejection is their result."""
        ours = (call for call in self.step_calls if call.call.by == "agent" and not call.cut)
        return tuple(call.call for call in ours if call.error is not None)

    def conclude(self, answer_tool: str) -> None:
        """The run has finished: if the last step called that tool to answer, the call's arguments are the text.

        The first accepted call counts. Its arguments were never shown as text, so the transcript does not include them.
        """
        taken = (call for call in self.step_calls if call.result is not None and not call.result.error)
        if (given := next((call for call in taken if call.call.name == answer_tool), None)) is not None:
            self.texts.append(given.written())

    def so_far(self, step: Step | None) -> Said:
        """The same, including the open step so far."""
        if step is None:
            return self
        said = Said()
        for name in self.__slots__:
            getattr(said, name).extend(getattr(self, name))
        said.add(step, None)
        return said


def not_run(call: ToolCall, why: str = NOT_RUN) -> ToolResult:
    """Returns the substitute for the result of a call whose tool has none."""
    return ToolResult(id=call.id, name=call.name, content=why, error=True, custom=call.custom)


def refusal_text(event: ApprovalAnswered) -> str:
    """Returns the text that the model gets when a person denied a call: who did, and why."""
    by = f" by {event.by}" if event.by else ""
    return f"Denied{by}: {event.note}" if event.note else f"Denied{by}."


def as_part(event: FileMade) -> Image | File:
    """Returns an image or file as a part of the message."""
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

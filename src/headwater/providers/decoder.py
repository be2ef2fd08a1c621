"""The decoder's contract: bytes of one response in, events out, in the same grammar for every API.

Everything started is ended, deltas are never empty, numbers and keys are unique: enforced here once for all APIs.
Nothing here may do I/O, read a clock, or create a random id.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from typing import Any, ClassVar, Final, Literal, Protocol

import msgspec

from headwater import errors
from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    FileMade,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    SourceFound,
    TextDelta,
    TextEnded,
    TextStarted,
    UsageReported,
    Warned,
)
from headwater.events.messages import FinishReason, Usage
from headwater.providers.failures import cut_error, malformed, stray_error
from headwater.providers.halves import Halves
from headwater.providers.pricing import Pricing
from headwater.providers.redaction import Scrubber
from headwater.providers.request import Endpoint, HTTPRequest, Quirks, Request
from headwater.providers.value_limit import LARGE, refuse_many_values

__all__ = ("API", "Call", "Decoder", "Part", "Place", "parse_arguments")


class Place(msgspec.Struct, kw_only=True):
    """The position of a response in a run: what its decoder needs to assign numbers and keys."""

    step: int = 1
    attempt: int = 1
    part: int = 0
    """The first unused part number in this step."""
    lead: str = ""
    """The separator between the previous step's text and this one's."""
    call_prefix: str = "call"
    """Prefix of the generated ids for calls without a provider's id: `<prefix>_<n>`."""
    calls: set[str] = msgspec.field(default_factory=set)
    """The call keys already used in this run; a decoder adds its own."""
    client: Container[str] = ()
    """The names of the tools that the client runs."""
    agent: str = ""
    """The agent's name."""


class Call:
    """A tool call being streamed: the state that a decoder keeps of it."""

    __slots__ = ("args", "by", "custom", "id", "item_id", "key", "name", "ready", "signature")

    def __init__(self, key: str, ident: str, name: str, by: Literal["agent", "provider", "client"]) -> None:
        self.key: str = key
        self.id: str = ident
        self.name: str = name
        self.by = by
        self.args: list[str] = []
        self.custom: bool = False
        self.ready: bool = False
        self.signature: str | None = None
        self.item_id: str | None = None


class Part:
    """A part of text or reasoning being streamed."""

    __slots__ = ("kind", "number", "redacted", "signature")

    def __init__(self, kind: str, number: int) -> None:
        self.kind: str = kind
        self.number: int = number
        self.signature: str | None = None
        self.redacted: str | None = None


_NO_SECRETS: Final = Scrubber()


class _FromOutside:
    """A string from the provider, stored with secrets removed; None until it is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, decoder: Decoder, owner: type) -> str | None:
        word: str | None = getattr(decoder, self._name)
        return word

    def __set__(self, decoder: Decoder, word: str | None) -> None:
        setattr(decoder, self._name, word and decoder.scrubber.text(word))


class Decoder:
    """Bytes of one response in, events out.

    Call `feed` with the received bytes and append the returned events to the log; call `finish` once when the input has
    ended, however it ended. The attributes hold the state, also before the end:

    * `complete`: the API's end marker was seen. Without it the answer is cut off, however the connection ended.
    * `ended`: the answer is complete, but more may follow (usage after a finish reason).
    * `error`: an error that the provider reported inside the stream, or bytes that are not valid in its API.
    * `finish_reason`, `provider_finish_reason`: the normalized value and the provider's own; None if there was none.
    * `model`, `usage`, `response_id`: as reported.

    A subclass implements `_feed` and `_finish` and emits events through the methods below, which enforce the grammar:
    everything started is ended, deltas are never empty, part numbers and call keys are unique, text has its lead once.
    They also remove secrets from everything but the model's own words (`scrubber`): deltas are the only events that a
    subclass creates itself. After `complete` or `error` further bytes are ignored.
    """

    api: ClassVar[str] = ""
    more_promised: ClassVar[bool] = True
    """Whether something worth waiting for (usage, a [DONE]) may follow `ended`."""

    # Class attributes, not set in __init__: an object with more than thirty instance attributes takes 1.3 kB more and
    # is slower to access. So does one that gets another attribute after its __init__, once a few of its class exist:
    # what every answer sets at its start is in there.
    error: errors.HeadwaterError | None = None
    lifecycle: int = 0
    """Counts signs of progress other than events, such as a running server-side tool; not comments and pings."""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    _provider_finish_reason: str | None = None
    _warned: set[str] | None = None
    _made_files = False
    _again: dict[str, int] | None = None
    """The next suffix to try for a duplicate id."""

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        self.place: Place = place or Place()
        self.quirks: Quirks = quirks or Quirks()
        self.complete: bool = False
        self.ended: bool = False
        self.events: list[Event] = []
        self.calls: list[Call] = []
        self._step = self.place.step
        self._next_part = self.place.part
        self._lead = self.place.lead
        self._open: list[Part] = []
        self._current: Part | None = None
        self._current_kind = ""
        self._current_number = 0
        self.halves: Halves = Halves()
        self._model: str | None = None
        self._response_id: str | None = None
        self.scrubber: Scrubber = _NO_SECRETS
        """Removes the secrets in use."""
        self.pricing: Pricing | None = None
        """What the usage costs, if any price may be known."""
        self.asked_model = ""
        """The model that was asked for, whose price counts if the provider reports none that has one."""

    model: _FromOutside = _FromOutside()
    response_id: _FromOutside = _FromOutside()
    provider_finish_reason: _FromOutside = _FromOutside()

    # --- the contract

    def feed(self, data: bytes) -> list[Event]:
        """Returns the events that these bytes complete, in order. Never raises for invalid content."""
        if self.complete or self.error is not None:
            return []
        try:
            self._feed(data)
        except errors.HeadwaterError as error:
            self.error = error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self.error = malformed(self.api, error)
        self.ended |= self.complete  # so that decoders need to set only one
        return self.take()

    def finish(self) -> list[Event]:
        """Returns the remaining events, including the ends of everything open. Call it once."""
        if not self.complete and self.error is None:
            try:
                self._finish()
            except errors.HeadwaterError as error:
                self.error = error
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # a truncated last frame: the missing end marker is reported anyway
        self.ended |= self.complete
        if self.halves.waiting:
            self.warn("half_character", "A lone surrogate arrived without its other half; it was dropped.")
        self.end_parts()
        for call in self.calls:
            self.end_call(call, cut=not self.complete)
        return self.take()

    @property
    def visible(self) -> bool:
        """Whether there was any output: text, reasoning, a file or the start of a call."""
        return bool(self.calls) or self._next_part > self.place.part or self._made_files

    @property
    def next_part(self) -> int:
        """The first part number that is still unused."""
        return self._next_part

    def take(self) -> list[Event]:
        """Returns the events made since the last call."""
        events, self.events = self.events, []
        return events

    def _feed(self, data: bytes) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        """Called at the end of input, to process what framing holds back."""

    def raise_left(self, frames: Sequence[tuple[str, bytes]], stray: Sequence[bytes]) -> None:
        """Raises the error in the leftovers of an event stream, if there is one.

        `frames` are those that could not be parsed because they were truncated; `stray` the lines outside any event.
        Call it only at the end of input: earlier events must not depend on how the bytes were split.
        """
        for _, data in frames:
            if error := cut_error(self.api, data.decode("utf-8", "replace")):
                raise error
        if stray and (error := stray_error(self.api, stray)):
            raise error

    # --- text and reasoning

    def text(self, text: str) -> None:
        """Adds a piece of the answer; opens a part of text if none is current, closing one of reasoning."""
        if text:
            if self._current_kind != "answer":
                self._switch("answer")
            self.events.append(TextDelta(step=self._step, part=self._current_number, text=text))

    def refusal(self, text: str) -> None:
        """Adds a piece of a refusal."""
        if text:
            if self._current_kind != "refusal":
                self._switch("refusal")
            self.events.append(TextDelta(step=self._step, part=self._current_number, text=text))

    def reasoning(self, text: str, kind: Literal["full", "summary"] = "full") -> None:
        """Adds a piece of reasoning."""
        if text:
            if self._current_kind != kind:
                self._switch(kind)
            self.events.append(ReasoningDelta(step=self._step, part=self._current_number, text=text))

    def _switch(self, kind: str) -> None:
        if self._current is not None:
            self.close_part(self._current)
        self.open_part(kind)

    # --- explicit parts, for APIs that number them and let them overlap

    def open_part(self, kind: str) -> Part:
        """Opens a part: "answer", "refusal", "full" or "summary"; it becomes the current one."""
        part = Part(kind, self._next_part)
        self._next_part += 1
        self._open.append(part)
        self._make_current(part)
        if kind == "answer" or kind == "refusal":
            lead, self._lead = self._lead, ""
            self.events.append(
                TextStarted(step=self._step, part=part.number, kind=kind, lead=lead)  # type: ignore[arg-type]
            )
        else:
            self.events.append(
                ReasoningStarted(step=self._step, part=part.number, kind=kind)  # type: ignore[arg-type]
            )
        return part

    def part_delta(self, part: Part, text: str) -> None:
        """Adds a piece to an open part."""
        if not text:
            return
        if part.kind == "answer" or part.kind == "refusal":
            self.events.append(TextDelta(step=self._step, part=part.number, text=text))
        else:
            self.events.append(ReasoningDelta(step=self._step, part=part.number, text=text))

    def close_part(self, part: Part) -> None:
        """Closes a part; closing it twice does nothing."""
        if part not in self._open:
            return
        self._open.remove(part)
        if part is self._current:
            self._make_current(None)
        signature = self._clean(part.signature)
        if part.kind == "answer" or part.kind == "refusal":
            self.events.append(TextEnded(step=self._step, part=part.number, signature=signature))
        else:
            redacted = self._clean(part.redacted)
            self.events.append(
                ReasoningEnded(step=self._step, part=part.number, signature=signature, redacted=redacted)
            )

    def _clean(self, text: str | None) -> str | None:
        return text and self.scrubber.text(text)

    def end_parts(self) -> None:
        """Closes all open parts."""
        for part in tuple(self._open):
            self.close_part(part)

    @property
    def current(self) -> Part | None:
        """The part that `text`, `refusal` and `reasoning` write to, to set its signature."""
        return self._current

    def _make_current(self, part: Part | None) -> None:
        self._current = part
        self._current_kind = part.kind if part else ""
        self._current_number = part.number if part else 0

    # --- tool calls

    def start_call(self, ident: str | None, name: str, by: Literal["agent", "provider", "client"] = "agent") -> Call:
        """Starts a call; `ident` is the provider's id, or empty if there is none."""
        if self._current is not None:
            self.close_part(self._current)
        if by == "agent" and name in self.place.client:
            by = "client"
        key = given = self._clean(ident) or f"{self.place.call_prefix}_{len(self.calls)}"
        if key in self.place.calls:
            counts = self._again = self._again or {}
            again = counts.get(given, 2)  # not from 2 again for each: a thousand calls may all have the same id
            while (key := f"{given}#{again}") in self.place.calls:
                again += 1
            counts[given] = again + 1
        self.place.calls.add(key)
        call = Call(key, given, name, by)
        self.calls.append(call)
        shown = self.scrubber.text(name)
        self.events.append(CallStarted(step=self._step, call=key, name=shown, id="" if given == key else given, by=by))
        return call

    def call_delta(self, call: Call, text: str) -> None:
        """Adds a piece of the call's arguments."""
        if text and not call.ready:
            call.args.append(text)
            self.events.append(CallDelta(step=self._step, call=call.key, json=text))

    def end_call(self, call: Call, arguments: dict[str, Any] | str | None = None, *, cut: bool = False) -> None:
        """Ends a call; ending it twice does nothing.

        `arguments` are the final ones if the API sends them as a whole: a dict, or JSON; otherwise the deltas are
        joined. The event is call.ready if they are a JSON object (or a custom tool's text), else call.rejected. `cut`:
        the input ended before the call did, so it is rejected, valid JSON or not.
        """
        if call.ready:
            return
        call.ready = True
        raw: dict[str, Any] | str = "".join(call.args) if arguments is None else arguments
        cut = cut or (raw == "" and self.finish_reason == "length")
        parsed = raw if isinstance(raw, dict) or call.custom or cut else parse_arguments(raw)
        about: dict[str, Any] = {
            "step": self._step,
            "call": call.key,
            "name": self.scrubber.text(call.name),
            "by": call.by,
            "signature": self._clean(call.signature),
            "item_id": self._clean(call.item_id),
        }
        if cut or parsed is None:
            error = "The arguments were cut off." if cut else "The arguments are not a JSON object."
            text = raw if isinstance(raw, str) else json.dumps(raw)
            self.events.append(CallRejected(raw=text, error=error, cut=cut, **about))
        else:
            self.events.append(CallReady(arguments=parsed, custom=call.custom, **about))

    # --- other events

    def source(self, **fields: Any) -> None:
        """Adds a citation; see `events.SourceFound`."""
        self.events.append(SourceFound(step=self._step, **self.scrubber.value(fields)))

    def file(self, **fields: Any) -> None:
        """Adds an image or file that the model generated; see `events.FileMade`."""
        self._made_files = True
        data = fields.pop("data", None)
        self.events.append(FileMade(step=self._step, data=data, **self.scrubber.value(fields)))

    def item(self, item: dict[str, Any]) -> None:
        """Adds an item that the provider expects back unchanged, at this place."""
        self.events.append(ProviderItemMade(step=self._step, api=self.api, item=self.scrubber.value(item)))

    def report(self, usage: Usage) -> None:
        """Reports the usage so far; the last report counts. An unchanged one is not repeated."""
        if usage and self.pricing is not None:
            usage = self.pricing.priced(usage, self._model or "", self.asked_model)
        if usage and usage != self.usage:
            if usage.raw is not None and (raw := self.scrubber.value(usage.raw)) is not usage.raw:
                usage = msgspec.structs.replace(usage, raw=raw)
            self.usage = usage
            self.events.append(UsageReported(step=self._step, attempt=self.place.attempt, usage=usage))

    def taken_up(self, message: str) -> None:
        """Adds the warning that the stream was taken up again; each time, unlike `warn`."""
        self.events.append(Warned(code="stream_resumed", message=message))

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Adds a warning; each code once per response."""
        warned = self._warned = self._warned or set()
        if code not in warned:
            warned.add(code)
            words = self.scrubber.words
            self.events.append(Warned(code=words(code), message=words(message), hint=words(hint)))


def parse_arguments(text: str) -> dict[str, Any] | None:
    """Returns a call's arguments as a dict: {} for an empty string, None if it is not a JSON object."""
    if not text.strip():
        return {}
    try:
        if len(text) > LARGE:
            refuse_many_values(text.encode())
        value = msgspec.json.decode(text)
    except (errors.LimitExceeded, msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class API(Protocol):
    """The interface of an API module (a module satisfies a protocol by its functions)."""

    def encode(self, request: Request, endpoint: Endpoint) -> HTTPRequest:
        """Encodes the request for this API. Raises UnsupportedSetting, InvalidRequest."""

    @property
    def Decoder(self) -> type[Decoder]:  # noqa: N802
        """Creates the decoder of a response."""

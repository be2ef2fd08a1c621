"""`check_provider`: tests a decoder on a response body, split and damaged in many ways.

The requirements for every decoder (see `providers.decoder.Decoder`), tested on one body:

* the whole body gives what the caller says is in it: `text=`, `calls=`, `usage=` and so on; without these a decoder is
  only compared with itself, and one that is always wrong in the same way passes;
* whole, one byte at a time, and in random pieces it gives the same events;
* cut anywhere, it gives a correct prefix, and reports the answer as complete only if nothing but usage is missing;
* with flipped bytes it gives events or one of headwater's errors, never another exception.

Pure: no socket, no clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater.errors import IncompleteStream, LimitExceeded, ProviderError
from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    UsageReported,
)
from headwater.events.messages import Usage
from headwater.providers.decoder import Decoder
from headwater.providers.registry import load_api
from headwater.testing.faults import Split

__all__ = ("ALLOWED", "Checked", "Decoding", "ProviderBreach", "check_provider", "cut", "decoded", "flip")

ALLOWED: Final = (ProviderError, IncompleteStream, LimitExceeded)
"""The types that a decoder's `error` may have."""

DecoderFactory: TypeAlias = Callable[[], Decoder]


class ProviderBreach(AssertionError):
    """A decoder breaks its contract: a bug in the decoder, never in the provider's data."""


class Checked(msgspec.Struct):
    """How often each test was run, and the results of cuts and flips.

    `flips_altered` counts flips after which the answer is complete but different: another letter, or a line that
    readers of server-sent events must ignore. That cannot be detected here; on the network, checksums and TLS detect
    it.
    """

    splits: int = 0
    cuts: int = 0
    cuts_complete: int = 0
    cuts_incomplete: int = 0
    cuts_failed: int = 0
    flips: int = 0
    flips_complete: int = 0
    flips_altered: int = 0
    flips_incomplete: int = 0
    flips_failed: int = 0

    def add(self, other: Checked) -> None:
        """Add the other's counts."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def check_provider(
    api: str | ModuleType | DecoderFactory,
    body: bytes,
    *,
    cuts: int | None = 200,
    flips: int = 200,
    splits: int = 3,
    seed: int = 0,
    answers: int = 1,
    text: str | None = None,
    refusal: str | None = None,
    reasoning: str | None = None,
    calls: Sequence[tuple[str, Any]] | None = None,
    ids: Sequence[str] | None = None,
    usage: Mapping[str, int | None] | None = None,
    finish_reason: str | None = None,
    ends: Literal["complete", "incomplete", "error"] | None = None,
    end: bytes | None = None,
) -> Checked:
    """Test a decoder on a body. `api` is an API's name, its module, or a function that creates a decoder.

    Pass what the body contains, so that the result is compared with it: the complete `text`, `refusal` and `reasoning`;
    `calls` as (name, arguments) in order, with arguments that are not a JSON object as strings; `ids`, the calls' ids
    for their results; `usage` by the names of `Usage`; the common `finish_reason`; how the answer `ends`; and `end`,
    the bytes of the API's end marker, before which no answer is complete. Arguments that are None are not checked.

    `cuts` is how many random prefixes are tested (None: all), `flips` how many bytes are flipped, one at a time,
    `splits` in how many random ways the body is split. `answers` is the number of complete answers in the body: cut
    between two, the first is complete. Raises ProviderBreach.
    """
    make = _factory(api)
    dice = random.Random(seed)
    whole = decoded(make, [body])
    _check_said(whole, text=text, refusal=refusal, reasoning=reasoning, finish_reason=finish_reason)
    if calls is not None and (made := whole.ended_calls) != list(calls):
        raise ProviderBreach(f"Its calls are {made!r:.400}, not {list(calls)!r:.400}.")
    if ids is not None and (told := [ident or call for call, ident in whole.calls.items()]) != list(ids):
        raise ProviderBreach(
            f"The ids of its calls are {told!r:.400}, not {list(ids)!r:.400}: results go back by them."
        )
    if usage is not None:
        _check_usage(whole, usage)
    if ends is not None and whole.ends != ends:
        raise ProviderBreach(f"It says that the answer is {whole.ends}, and it is {ends}.")
    if whole.decoder.complete and whole.decoder.feed(body):
        raise ProviderBreach("It goes on after the end: what comes after a complete answer is no part of it.")
    checked = Checked()
    marker = body.rfind(end) if end else 0
    if marker < 0:
        raise ValueError(f"The end marker {end!r} is not in the body.")
    _check_splits(make, body, whole, splits, dice, checked)
    places = range(len(body)) if cuts is None or cuts >= len(body) else dice.sample(range(len(body)), cuts)
    for at in places:
        tried = cut(make, body, at, whole, answers=answers)
        if at <= marker and tried.cuts_complete and answers == 1:
            raise ProviderBreach(f"Cut at byte {at}, before the end marker, it is called complete.")
        checked.add(tried)
    for _ in range(flips if body else 0):
        checked.add(flip(make, body, dice.randrange(len(body)), dice.randrange(1, 256), whole))
    return checked


class Decoding:
    """A decoder's result for a body: its events, its state, and the assembled message."""

    def __init__(self, decoder: Decoder, events: list[Event]) -> None:
        self.decoder = decoder
        self.events = events
        kinds = {event.part: event.kind for event in events if isinstance(event, TextStarted)}
        texts = [event for event in events if isinstance(event, TextDelta)]
        self.text: str = "".join(event.text for event in texts if kinds[event.part] == "answer")
        self.refusal: str = "".join(event.text for event in texts if kinds[event.part] == "refusal")
        self.reasoning: str = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
        self.calls: dict[str, str] = {event.call: event.id for event in events if isinstance(event, CallStarted)}
        self.ready: dict[str, tuple[str, dict[str, Any] | str]] = {
            event.call: (event.name, event.arguments) for event in events if isinstance(event, CallReady)
        }
        self.ended_calls: list[tuple[str, Any]] = [
            (event.name, event.arguments if isinstance(event, CallReady) else event.raw)
            for key in self.calls
            for event in events
            if isinstance(event, (CallReady, CallRejected)) and event.call == key
        ]
        self.usages: list[Usage] = [event.usage for event in events if isinstance(event, UsageReported)]
        self.rejected: dict[str, str] = {event.call: event.raw for event in events if isinstance(event, CallRejected)}

    @property
    def complete(self) -> bool:
        """Whether the answer is complete and without an error."""
        return self.decoder.complete and self.decoder.error is None

    @property
    def ends(self) -> str:
        """How the answer ended: "complete", "incomplete" or "error"."""
        if self.decoder.error is not None:
            return "error"
        return "complete" if self.decoder.complete else "incomplete"

    def missing(self, whole: Decoding) -> str:
        """The difference in content from the whole; empty if they are equal."""
        for name in ("text", "refusal", "reasoning", "calls", "ready"):
            mine, theirs = getattr(self, name), getattr(whole, name)
            if mine != theirs:
                return f"its {name} is {mine!r:.200}, not {theirs!r:.200}"
        mine, theirs = self.decoder.finish_reason, whole.decoder.finish_reason
        return "" if mine == theirs else f"its finish reason is {mine!r}, not {theirs!r}"

    def untrue(self, whole: Decoding) -> str:
        """What is not a prefix of the whole; empty if everything is."""
        for name in ("text", "refusal", "reasoning"):
            mine, theirs = getattr(self, name), getattr(whole, name)
            if not theirs.startswith(mine):
                return f"its {name} {mine[-200:]!r} is no beginning of {theirs!r:.200}"
        if list(self.calls.items()) != list(whole.calls.items())[: len(self.calls)]:
            return f"its calls {self.calls} are not the first of {whole.calls}"
        for call, said in self.ready.items():
            if said != (due := whole.ready.get(call)):
                return f"call {call!r} is ready with {said!r:.200}, and in the whole it is {due!r:.200}"
        return ""


def decoded(make: DecoderFactory, pieces: Iterable[bytes]) -> Decoding:
    """The result of a new decoder for the pieces, including the end of input. Raises ProviderBreach."""
    decoder = make()
    events: list[Event] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except Exception as error:
        raise ProviderBreach(f"{type(error).__name__} came out of the decoder: {error}") from error
    if decoder.error is not None and not isinstance(decoder.error, ALLOWED):
        raise ProviderBreach(f"Its error is a {type(decoder.error).__name__}, which no provider's stream can be.")
    _check_grammar(events)
    return Decoding(decoder, events)


def _check_said(whole: Decoding, **due: str | None) -> None:
    for name, value in due.items():
        mine = whole.decoder.finish_reason if name == "finish_reason" else getattr(whole, name)
        if value is not None and mine != value:
            raise ProviderBreach(f"Its {name.replace('_', ' ')} is {mine!r:.200}, not {value!r:.200}.")


def _check_usage(whole: Decoding, due: Mapping[str, int | None]) -> None:
    told = whole.usages[-1] if whole.usages else None
    if told != whole.decoder.usage:
        raise ProviderBreach(f"The last usage that its events report is {told}, and its own is {whole.decoder.usage}.")
    for name, value in due.items():
        if (mine := getattr(told, name, None)) != value:
            raise ProviderBreach(f"Its usage has {name} {mine}, not {value}.")


def cut(make: DecoderFactory, body: bytes, at: int, whole: Decoding, *, answers: int = 1) -> Checked:
    """Test the first `at` bytes of a body. Raises ProviderBreach."""
    part = decoded(make, [body[:at]])
    if problem := part.untrue(whole):
        raise ProviderBreach(f"Cut at byte {at} of {len(body)}: {problem}.")
    if part.complete and answers == 1 and (problem := part.missing(whole)):
        raise ProviderBreach(f"Cut at byte {at} of {len(body)} it is called complete, but {problem}.")
    failed = part.decoder.error is not None
    return Checked(
        cuts=1, cuts_complete=part.complete, cuts_failed=failed, cuts_incomplete=not (part.complete or failed)
    )


def flip(make: DecoderFactory, body: bytes, at: int, mask: int, whole: Decoding) -> Checked:
    """Test a body with some bits of one byte flipped. Raises ProviderBreach."""
    hurt = body[:at] + bytes([body[at] ^ mask]) + body[at + 1 :]
    try:
        made = decoded(make, [hurt])
    except ProviderBreach as breach:
        raise ProviderBreach(f"With byte {at} of {len(body)} flipped by {mask:#x}: {breach}") from breach.__cause__
    failed = made.decoder.error is not None
    altered = made.complete and made.missing(whole) != ""
    return Checked(
        flips=1,
        flips_complete=made.complete and not altered,
        flips_altered=altered,
        flips_failed=failed,
        flips_incomplete=not (made.complete or failed),
    )


def _check_splits(
    make: DecoderFactory, body: bytes, whole: Decoding, times: int, dice: random.Random, checked: Checked
) -> None:
    ways = {"a byte at a time": Split(1)}
    ways |= {f"in random pieces (seed {seed})": Split(seed=seed) for seed in dice.sample(range(1 << 16), times)}
    for way, split in ways.items():
        other = decoded(make, split.cut(body))
        checked.splits += 1
        if other.events != whole.events:
            raise ProviderBreach(f"Fed {way} it makes other events: {_first_other(other.events, whole.events)}.")
        for name, said in _state(other.decoder).items():
            if said != (due := _state(whole.decoder)[name]):
                raise ProviderBreach(f"Fed {way} its {name} is {said!r}, not {due!r}.")


def _first_other(mine: Sequence[Event], theirs: Sequence[Event]) -> str:
    for number, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        if one != other:
            return f"number {number} is {one!r:.200}, not {other!r:.200}"
    return f"there are {len(mine)}, not {len(theirs)}"


def _state(decoder: Decoder) -> dict[str, Any]:
    names = ("complete", "finish_reason", "provider_finish_reason", "model", "response_id", "usage")
    return {name: getattr(decoder, name) for name in names} | {"error": str(decoder.error)}


def _factory(api: str | ModuleType | DecoderFactory) -> DecoderFactory:
    if isinstance(api, str):
        return load_api(api).Decoder
    if isinstance(api, ModuleType):
        factory: DecoderFactory = api.Decoder
        return factory
    return api


def _check_grammar(events: Sequence[Event]) -> None:
    """Everything that starts ends once; deltas are in between and never empty."""
    open_parts: set[int] = set()
    parts: set[int] = set()
    open_calls: set[str] = set()
    calls: set[str] = set()
    for event in events:
        match event:
            case TextStarted(part=part) | ReasoningStarted(part=part):
                _hold(part not in parts, f"part {part} is started twice")
                parts.add(part)
                open_parts.add(part)
            case TextDelta(part=part, text=text) | ReasoningDelta(part=part, text=text):
                _hold(part in open_parts and bool(text), f"a delta of part {part} is empty, or stands outside it")
            case TextEnded(part=part) | ReasoningEnded(part=part):
                _hold(part in open_parts, f"part {part} is ended and was not open")
                open_parts.discard(part)
            case CallStarted(call=call):
                _hold(bool(call) and call not in calls, f"call {call!r} is started twice, or has no key")
                calls.add(call)
                open_calls.add(call)
            case CallDelta(call=call, json=text):
                _hold(call in open_calls and bool(text), f"a delta of call {call!r} is empty, or stands outside it")
            case CallReady(call=call) | CallRejected(call=call):
                _hold(call in open_calls, f"call {call!r} is ended and was not open")
                open_calls.discard(call)
            case _:
                pass
    _hold(not open_parts and not open_calls, f"parts {open_parts} and calls {open_calls} are never ended")


def _hold(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ProviderBreach(f"The events are out of order: {otherwise}.")

"""Answers from a saved run: repeats the answers of its models to the same requests.

    agent.run("Explain tides", save="tides.jsonl.gz")
    Agent(model="replay:tides.jsonl.gz").run("Explain tides")

A request gets the answer that the agent of the same name got in the same conversation. Without such an answer, it gets
the next unused answer of that agent; an agent of another name gets the next unused answer of any. Failed attempts
before an answer are left out. Nothing is sent. Owns the choice of the answer; the decoder turns it into events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from headwater.backends.offline.exchange import OfflineExchange
from headwater.errors import ConnectionFailed, InvalidRecord, UsageError
from headwater.events import (
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ErrorInfo,
    Event,
    FileMade,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    RunStarted,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    UsageReported,
)
from headwater.events.fold import Fold
from headwater.events.messages import Message, Reasoning
from headwater.events.saved import is_saved, read_saved
from headwater.providers.decoder import Call, Decoder, Part

if TYPE_CHECKING:
    from headwater.backends.offline.performance import Acts
    from headwater.providers.decoder import Place
    from headwater.providers.request import Request

__all__ = ("SavedRun", "answered_by", "holds_a_run")

LEFT: Final = "The saved run ends here: its reader stopped early."
"""The error of a repeated answer that is incomplete."""


class _Said(msgspec.Struct):
    """One answer of the run, with its agent and its conversation."""

    agent: str
    conversation: bytes
    model: str = ""
    provider: str = ""
    api: str = ""
    events: list[Event] = []
    begun: float = 0.0
    finished: StepFinished | None = None
    error: ErrorInfo | None = None
    given: int = 0
    """How often it was used."""


class SavedRun:
    """A backend that answers from a saved run. `speed` is relative to the original speed, 0 for no waiting.

    `events` are its log. Raises InvalidRecord if the run has no model request.
    """

    def __init__(self, name: str, events: Iterable[Event], *, speed: float = 1.0) -> None:
        self._name = name
        self._speed = speed
        self._said = _answers(events)
        if not self._said:
            raise InvalidRecord(f"The run in {name!r} has no model request.")
        first = self._said[0]
        self.model: str = first.model
        self.provider: str = first.provider
        self.api: str = first.api

    def open(self, request: Request, place: Place) -> OfflineExchange:
        """See `Backend`."""
        decoder = Decoder(place)
        decoder.model = self.model
        return OfflineExchange(decoder, lambda: self._acts(decoder, self._next(request, place)))

    def _acts(self, decoder: Decoder, said: _Said) -> Acts:
        """Repeats the answer at its original times."""
        saying, at = _Saying(decoder), said.begun
        for event in said.events:
            if self._speed and event.time > at:
                yield (event.time - at) / self._speed
                at = event.time
            saying.say(event)
        if said.error is not None:
            return said.error.exception()
        reason = said.finished.finish_reason if said.finished is not None else None
        if said.finished is None or reason in (None, "cancelled"):
            error = ConnectionFailed(LEFT, hint="Save a run and read it to its end.")
            error.retryable = False
            return error
        decoder.finish_reason = cast("Any", reason)
        decoder.provider_finish_reason = said.finished.provider_finish_reason
        decoder.complete = decoder.ended = True
        return None

    def _next(self, request: Request, place: Place) -> _Said:
        conversation = _conversation([one for one in request.messages if one.role != "system"])
        known = {one.agent for one in self._said}
        theirs = [one for one in self._said if one.agent == place.agent or place.agent not in known]
        same = [one for one in theirs if one.conversation == conversation]
        left = [one for one in theirs if not one.given]
        if not (same or left):
            had = f"{len(theirs)} answer{'' if len(theirs) == 1 else 's'} of {place.agent!r}"
            raise UsageError(
                f"The run {self._name!r} holds {had}, but one more was requested.",
                hint="Send the original requests, or save the run again.",
            )
        said = min(same, key=lambda one: one.given) if same else left[0]
        said.given += 1
        return said

    def __repr__(self) -> str:
        return f"SavedRun({self._name!r})"


class _Saying:
    """Repeats one answer's events through a decoder, which numbers its parts and keeps call keys unique."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._parts: dict[int, Part] = {}
        self._calls: dict[str, Call] = {}

    def say(self, event: Event) -> None:
        """Repeats the next event; events that are not the model's output are ignored."""
        if (how := _WAYS.get(event.__class__)) is not None:
            how(self, event)

    def _begin_part(self, event: TextStarted | ReasoningStarted) -> None:
        self._parts[event.part] = self._decoder.open_part(event.kind)

    def _delta(self, event: TextDelta | ReasoningDelta) -> None:
        self._decoder.part_delta(self._parts[event.part], event.text)

    def _end_part(self, event: TextEnded | ReasoningEnded) -> None:
        part = self._parts[event.part]
        part.signature = event.signature
        part.redacted = event.redacted if isinstance(event, ReasoningEnded) else None
        self._decoder.close_part(part)

    def _begin_call(self, event: CallStarted) -> None:
        self._calls[event.call] = self._decoder.start_call(event.id or event.call, event.name, event.by)

    def _call_delta(self, event: CallDelta) -> None:
        self._decoder.call_delta(self._calls[event.call], event.json)

    def _end_call(self, event: CallReady | CallRejected) -> None:
        call = self._calls[event.call]
        call.name, call.signature, call.item_id = event.name, event.signature, event.item_id
        if isinstance(event, CallReady):
            call.custom = event.custom
            self._decoder.end_call(call, event.arguments)
        else:
            self._decoder.end_call(call, event.raw, cut=event.cut)

    def _source(self, event: SourceFound) -> None:
        self._decoder.source(kind=event.kind, url=event.url, title=event.title, quote=event.quote, span=event.span)

    def _file(self, event: FileMade) -> None:
        told: dict[str, Any] = {name: getattr(event, name) for name in ("data", "url", "ref", "name", "signature")}
        self._decoder.file(media_type=event.media_type, **told)

    def _item(self, event: ProviderItemMade) -> None:
        # Not decoder.item: that would mark it with the decoder's own API, and this one is quoted.
        step = self._decoder.place.step
        self._decoder.events.append(ProviderItemMade(step=step, api=event.api, item=event.item))

    def _usage(self, event: UsageReported) -> None:
        if event.origin == "measured":  # the original estimate is replaced by a new one
            self._decoder.report(event.usage)


_WAYS: Final[dict[type[Event], Callable[[_Saying, Any], None]]] = {
    TextStarted: _Saying._begin_part,
    ReasoningStarted: _Saying._begin_part,
    TextDelta: _Saying._delta,
    ReasoningDelta: _Saying._delta,
    TextEnded: _Saying._end_part,
    ReasoningEnded: _Saying._end_part,
    CallStarted: _Saying._begin_call,
    CallDelta: _Saying._call_delta,
    CallReady: _Saying._end_call,
    CallRejected: _Saying._end_call,
    SourceFound: _Saying._source,
    FileMade: _Saying._file,
    ProviderItemMade: _Saying._item,
    UsageReported: _Saying._usage,
}


def holds_a_run(path: str | Path) -> bool:
    """Whether the file at that path is a saved run; False if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return is_saved(file.read(200))
    except OSError:
        return False


def answered_by(path: str | Path, *, speed: float = 1.0) -> SavedRun:
    """Returns a backend that answers from the run saved there. Raises InvalidRecord, OSError."""
    events, _ = read_saved(Path(path).read_bytes(), str(path))
    return SavedRun(str(path), events, speed=speed)


def _answers(events: Iterable[Event]) -> list[_Said]:
    """Returns the answers of a run's models, in the order of the requests."""
    folds: dict[str, Fold] = {}
    agents: dict[str, str] = {}
    going_on: dict[str, _Said] = {}
    answers: list[_Said] = []
    for event in events:
        run = event.run
        fold = folds.setdefault(run, Fold())
        fold.add(event)
        if isinstance(event, RunStarted):
            agents[run] = event.agent_name
        elif isinstance(event, StepStarted):
            going_on[run] = said = _Said(agents.get(run, ""), _conversation(fold.sent), events=[])
            answers.append(said)
        elif (said_now := going_on.get(run)) is not None:
            _take(said_now, event)
            if isinstance(event, StepFinished):
                del going_on[run]
    return [said for said in answers if said.model or said.events]


def _take(said: _Said, event: Event) -> None:
    if isinstance(event, AttemptStarted):
        said.model, said.provider, said.begun = event.model, event.provider, event.time
        said.events, said.error = [], None
    elif isinstance(event, AttemptFailed):
        said.error = event.error if event.then == "raise" else None
    elif isinstance(event, StepFinished):
        said.finished = event
        said.api = event.message.api if event.message is not None else ""
    else:
        said.events.append(event)


def _conversation(messages: Sequence[Message]) -> bytes:
    """Returns a digest of a conversation: equal for equal content, whatever the ids."""
    digest = hashlib.blake2b(digest_size=16)
    for message in messages:
        said = [_without_ids(part) for part in message.content if not isinstance(part, Reasoning)]
        digest.update(msgspec.json.encode([message.role, message.name, said], order="deterministic") + b"\n")
    return digest.digest()


def _without_ids(part: Any) -> Any:
    plain = msgspec.to_builtins(part)
    return {name: value for name, value in plain.items() if name not in ("id", "item_id", "signature", "cache", "span")}

"""A scripted turn as the steps in which a provider would send it.

Owns what is sent and in which order; faults change it, the server executes it. Pure: no clock, no socket.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater.backends.offline.performance import Pace
from headwater.backends.offline.script import Act, Call, Cut, Fail, Finish, Say, Think, Wait
from headwater.backends.offline.tokenizer import split
from headwater.errors import ConnectionFailed, HeadwaterError, IncompleteStream, ProviderError
from headwater.events.messages import FinishReason, Usage
from headwater.testing.wires import Block, Trouble, Unspeakable, Wire, WireType

__all__ = ("Answer", "Broken", "Endless", "Pause", "Step", "refusal", "write")

FILLER: Final = b"a" * 65536
"""The content of endless answers, events and lines."""

Endless: TypeAlias = Literal["answer", "event", "line"]
"""What is endless: the answer's text, one event of many lines, or one line."""


class Pause(msgspec.Struct, frozen=True):
    """Nothing is sent for some seconds; None means until the client disconnects."""

    seconds: float | None


class Broken(msgspec.Struct, frozen=True):
    """The connection ends here: reset, or closed (`hang up`)."""

    how: Literal["reset", "hang up"]


Step: TypeAlias = bytes | Pause | Broken
"""One step of an answer. After the last step, the answer ends correctly."""


class Answer(msgspec.Struct, frozen=True):
    """A response: its head and the steps of its body."""

    steps: Iterator[Step]
    status: int = 200
    headers: Mapping[str, str] = {}
    before: tuple[Step, ...] = ()
    """The steps before the head is sent."""
    head_seconds: float = 0.0
    """How long sending the head takes, one byte at a time."""
    stale: bool = False
    """Whether the kept-alive connection is closed at the next request."""


def write(acts: Sequence[Act], wire: Wire, *, pace: Pace, input_tokens: int, endless: Endless | None = None) -> Answer:
    """The turn as an answer in the API's format. Raises Unspeakable if the API cannot express it."""
    waits = tuple(itertools.takewhile(lambda act: isinstance(act, Wait), acts))
    first = acts[len(waits)] if len(waits) < len(acts) else None
    if isinstance(first, Fail) and (failed := _http_failure(first)) is not None:
        trouble, seconds = failed
        before = tuple(Pause(wait.seconds) for wait in waits if isinstance(wait, Wait))
        headers = {} if seconds is None else {"Retry-After": f"{seconds:g}"}
        return msgspec.structs.replace(refusal(type(wire), trouble, headers), before=before)
    steps = _Writing(wire, pace, input_tokens, endless).steps(acts)
    if endless is None:
        # Encoded now, so that an error is found before the head is sent.
        steps = iter(list(steps))
    return Answer(steps=steps, headers={"Content-Type": wire.content_type})


def refusal(wire: WireType, trouble: Trouble, headers: Mapping[str, str] | None = None) -> Answer:
    """An HTTP error in the API's format."""
    named = {"Content-Type": "application/json", **(headers or {})}
    return Answer(steps=iter([wire.refusal(trouble)]), status=trouble.status or 500, headers=named)


class _Writing:
    """A turn being encoded, with its token counts."""

    def __init__(self, wire: Wire, pace: Pace, input_tokens: int, endless: Endless | None) -> None:
        self._wire = wire
        self._pace = pace
        self._endless = endless
        self._input = input_tokens
        self._said = 0
        self._reasoned = 0
        self._called = False
        self._open: Block | None = None
        """The current block, which following text may continue."""
        self._finish: Finish | None = None
        self._usage: Usage | None = None

    def steps(self, acts: Sequence[Act]) -> Iterator[Step]:
        self._usage = next((act for act in acts if isinstance(act, Usage)), None)
        yield self._wire.head(self._usage or Usage(input_tokens=self._input))
        texts = [index for index, act in enumerate(acts) if isinstance(act, Say)]
        for index, act in enumerate(acts):
            if isinstance(act, Cut):
                return
            if isinstance(act, Fail):
                yield from self._fail(act)
                return
            if isinstance(act, Wait):
                yield Pause(act.seconds)
            elif isinstance(act, (Say, Think, Call)):
                following = acts[index + 1] if index + 1 < len(acts) else None
                yield from self._block(act, for_ever=self._endless == "answer" and texts[-1:] == [index])
                if isinstance(act, Call) and not isinstance(following, (Cut, Fail)):
                    yield from self._close()
            elif isinstance(act, Finish):
                self._finish = act
            elif not isinstance(act, Usage):
                raise Unspeakable(f"a {type(act).__name__}, which is not written here: serve recorded bytes with Body")
        yield from self._close()
        yield from self._end()

    def _block(self, block: Block, *, for_ever: bool) -> Iterator[Step]:
        wire = self._wire
        if not _goes_on(self._open, block):
            yield from self._close()
            yield wire.open(block)
        self._open = block
        self._called = self._called or isinstance(block, Call)
        pieces = _pieces(block)
        for text in itertools.cycle(pieces) if for_ever and pieces else pieces:
            self._said += 1
            self._reasoned += isinstance(block, Think)
            yield wire.piece(block, text)
            if self._pace.pause and self._said % self._pace.tokens == 0:
                yield Pause(self._pace.pause)

    def _close(self) -> Iterator[Step]:
        if self._open is not None:
            yield self._wire.close(self._open)
            self._open = None

    def _end(self) -> Iterator[Step]:
        wire = self._wire
        if self._endless in ("line", "event"):
            yield from _without_end(wire, self._endless)
        reason: FinishReason | None = "tool_calls" if self._called else "stop"
        word: str | None = None
        if self._finish is not None:
            reason, word = self._finish.reason, self._finish.said
        usage = self._usage or Usage(
            input_tokens=self._input, output_tokens=self._said, reasoning_tokens=self._reasoned or None
        )
        yield wire.end(reason, word, usage)

    def _fail(self, act: Fail) -> Iterator[Step]:
        what = act.what
        if isinstance(what, IncompleteStream):
            return
        if isinstance(what, (OSError, ConnectionFailed)):
            yield Broken("reset")
        else:
            yield self._wire.trouble(_trouble(act))


def _goes_on(last: Block | None, block: Block) -> bool:
    """Whether `block` continues the current one: adjacent strings in a turn are one text."""
    if isinstance(last, Say) and isinstance(block, Say):
        return last.refusal == block.refusal and last.signature is None
    if isinstance(last, Think) and isinstance(block, Think):
        return last.kind == block.kind and last.signature is None and last.redacted is None and block.redacted is None
    return False


def _pieces(block: Block) -> Sequence[str]:
    if isinstance(block, Call):
        said = json.dumps(block.arguments, ensure_ascii=False) if isinstance(block.arguments, dict) else block.arguments
    else:
        said = block.text
    return [piece for piece in (split(said) if isinstance(said, str) else said) if piece]


def _without_end(wire: Wire, endless: Literal["line", "event"]) -> Iterator[Step]:
    lines = "json" in wire.content_type  # one event per line
    yield b'{"a":"' if lines else b'data: {"a":"'
    for _ in itertools.count():
        yield FILLER
        if endless == "event" and not lines:
            yield b"\ndata: "


def _http_failure(fail: Fail) -> tuple[Trouble, float | None] | None:
    """The failure as an HTTP error with the seconds to wait; None if it is not an HTTP error."""
    what = fail.what
    if fail.in_band or isinstance(what, str):
        return None
    if isinstance(what, int):
        return _trouble(fail), fail.retry_after
    if isinstance(what, ProviderError) and what.status is not None:
        return _trouble(fail), what.retry_after
    return None


def _trouble(fail: Fail) -> Trouble:
    what = fail.what
    message = fail.message or "The script says so."
    if isinstance(what, int):
        return Trouble(what, None, message)
    if isinstance(what, str):
        return Trouble(None, what, message)
    if isinstance(what, ProviderError):
        return Trouble(what.status, what.code, fail.message or what.message)
    if isinstance(what, HeadwaterError):
        raise Unspeakable(f"a {type(what).__name__}, which is no provider's to tell")
    raise Unspeakable(f"{what!r}: give a status, the provider's word for an error, or an OSError")


def text_of(asked: Any) -> str:
    """All strings in a request, joined; used to count its tokens."""
    if isinstance(asked, str):
        return asked + " "
    if isinstance(asked, Mapping):
        return "".join(map(text_of, asked.values()))
    return "".join(map(text_of, asked)) if isinstance(asked, list) else ""

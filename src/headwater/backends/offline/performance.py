"""Performs a turn on a decoder, as a generator that yields the seconds to wait.

All output goes through a `Decoder`, which enforces the grammar of parts and calls. Nothing here may touch an event loop
or a clock: the same turn gives the same events in the same batches every time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from headwater.backends.offline.script import Call, Cut, Fail, Finish, Say, Think, Wait
from headwater.backends.offline.tokenizer import split
from headwater.errors import ConnectionFailed, HeadwaterError, IncompleteStream
from headwater.events import ProviderItemMade
from headwater.events.messages import File, Image, ProviderItem, Source, Usage

if TYPE_CHECKING:
    from headwater.backends.offline.script import Act, Pieces
    from headwater.providers.decoder import Decoder

__all__ = ("Acts", "Pace", "Performance")

# Tokens per batch without a rate: few enough that leaving takes effect soon.
TOKENS_A_PULL = 64
# Event loop timers are accurate to about a millisecond: above this rate each one emits several tokens.
TIMERS_A_SECOND = 200.0

Acts: TypeAlias = Generator[float, None, Exception | None]
"""Yields the seconds to wait; returns the exception that the answer ends with, if any."""


class Pace:
    """Tokens per second, as a number of tokens and the pause after them. Raises ValueError for an invalid rate."""

    __slots__ = ("pause", "tokens")

    def __init__(self, rate: float | None) -> None:
        if rate is not None and not 0 <= rate < math.inf:
            raise ValueError(f"rate must be tokens per second, or 0 or None for no pauses, not {rate!r}.")
        self.tokens: int = math.ceil(rate / TIMERS_A_SECOND) if rate else TOKENS_A_PULL
        self.pause: float = self.tokens / rate if rate else 0.0


class Performance:
    """One turn being streamed. `limit` is the maximum number of tokens, including reasoning and arguments."""

    __slots__ = ("_decoder", "_finished", "_limit", "_pace", "_provider", "_reasoned", "_spent")

    def __init__(self, decoder: Decoder, *, pace: Pace, provider: str, limit: int | None = None) -> None:
        self._decoder = decoder
        self._pace = pace
        self._provider = provider
        self._limit = limit
        self._spent = 0
        self._reasoned = 0
        self._finished = False

    def acts(self, turn: Sequence[Act], input_tokens: int) -> Acts:
        """Performs the turn. If it ends well, the decoder is complete and only has to be finished."""
        last = len(turn) - 1
        for index, act in enumerate(turn):
            if isinstance(act, Cut):
                return None
            if isinstance(act, Fail):
                return self._fail(act)
            if isinstance(act, Say):
                yield from self._say(act)
            elif isinstance(act, Think):
                yield from self._think(act)
            elif isinstance(act, Call):
                yield from self._call(act, whole=index == last or not isinstance(turn[index + 1], (Cut, Fail)))
            elif isinstance(act, Wait):
                yield act.seconds
            else:
                self._rest(act)
            if self._out:
                break
        self._end(None if any(isinstance(act, Usage) for act in turn) else input_tokens)
        return None

    @property
    def _out(self) -> bool:
        """Whether the limit cut off the turn."""
        return self._limit is not None and self._spent > self._limit

    def _stream(self, pieces: Pieces, write: Callable[[str], None]) -> Generator[float, None, None]:
        for piece in split(pieces) if isinstance(pieces, str) else pieces:
            if piece:
                self._spent += 1
                if self._out:
                    return
                write(piece)
                if self._spent % self._pace.tokens == 0:
                    yield self._pace.pause

    def _say(self, act: Say) -> Generator[float, None, None]:
        decoder = self._decoder
        yield from self._stream(act.text, decoder.refusal if act.refusal else decoder.text)
        if act.signature is not None and decoder.current is not None:
            decoder.current.signature = act.signature
            decoder.close_part(decoder.current)

    def _think(self, act: Think) -> Generator[float, None, None]:
        decoder, before = self._decoder, self._spent
        yield from self._stream(act.text, lambda piece: decoder.reasoning(piece, act.kind))
        self._reasoned += self._spent - before
        if act.signature is not None or act.redacted is not None:
            part = decoder.current if decoder.current and decoder.current.kind == act.kind else None
            part = part or decoder.open_part(act.kind)
            part.signature, part.redacted = act.signature, act.redacted
            decoder.close_part(part)

    def _call(self, act: Call, *, whole: bool) -> Generator[float, None, None]:
        decoder = self._decoder
        call = decoder.start_call(act.id, act.name, act.by)
        call.custom, call.signature, call.item_id = act.custom, act.signature, act.item_id
        arguments = act.arguments
        pieces = json.dumps(arguments, ensure_ascii=False) if isinstance(arguments, dict) else arguments
        yield from self._stream(pieces, lambda piece: decoder.call_delta(call, piece))
        if whole and not self._out:
            decoder.end_call(call)

    def _rest(self, act: Act) -> None:
        decoder = self._decoder
        if isinstance(act, Finish):
            self._finished = True
            decoder.finish_reason = act.reason
            decoder.provider_finish_reason = act.said or act.reason
        elif isinstance(act, Usage):
            decoder.report(act)
        elif isinstance(act, Source):
            decoder.source(kind=act.kind, url=act.url, title=act.title, quote=act.quote, span=act.span)
        elif isinstance(act, (File, Image)):
            named: dict[str, Any] = {"ref": act.id, "name": act.name} if isinstance(act, File) else {}
            decoder.file(media_type=act.media_type, data=act.data, url=act.url, signature=act.signature, **named)
        elif isinstance(act, ProviderItem):
            # Not decoder.item: that would mark it with the decoder's own API, and this one is quoted.
            decoder.events.append(ProviderItemMade(step=decoder.place.step, api=act.api, item=act.item))

    def _fail(self, act: Fail) -> Exception | None:
        error = act.error(self._provider)
        if isinstance(error, HeadwaterError) and (act.in_band or isinstance(act.what, str)):
            self._decoder.error = error
            return None
        if isinstance(error, OSError):
            kind = IncompleteStream if self._decoder.visible else ConnectionFailed
            broken = kind(f"The connection broke: {str(error) or type(error).__name__}.")
            broken.__cause__ = error
            return broken
        return error

    def _end(self, input_tokens: int | None) -> None:
        decoder = self._decoder
        if self._out:
            self._spent -= 1  # the last one was never streamed
            decoder.finish_reason = decoder.provider_finish_reason = "length"
        elif not self._finished:
            called = any(call.by != "provider" for call in decoder.calls)
            decoder.finish_reason = decoder.provider_finish_reason = "tool_calls" if called else "stop"
        decoder.end_parts()
        if input_tokens is not None:
            decoder.report(
                Usage(
                    input_tokens=input_tokens,
                    output_tokens=self._spent,
                    reasoning_tokens=min(self._reasoned, self._spent) if self._reasoned else None,
                )
            )
        decoder.complete = decoder.ended = True

"""Replays a recording: the same bytes through the code that reads live answers, at the recorded times or without
waiting.

The model name `replay:FILE` selects one; `replay:FILE?speed=0` replays without waiting, `speed=2` twice as fast. A
request gets the answer recorded for the same request, else the next answer not used yet. Nothing is sent. FILE may also
be a saved run: see `saved_run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headwater import errors
from headwater.backends.http import HTTPBackend
from headwater.backends.replay.format import Bytes, Ended, Line, Requested, Responded, read_lines
from headwater.backends.replay.recorder import asked
from headwater.backends.replay.saved_run import answered_by, holds_a_run
from headwater.errors import ConfigurationError, ConnectionFailed, HeadwaterError, UsageError
from headwater.providers import registry
from headwater.providers.request import Endpoint, Quirks

if TYPE_CHECKING:
    from headwater.backends.base import Backend
    from headwater.providers.request import HTTPRequest

__all__ = ("Recorded", "from_name", "read_recording", "replay")


class Recorded(msgspec.Struct):
    """One exchange of a recording: request and response."""

    request: Requested
    response: Responded | None = None
    pieces: list[tuple[float, bytes]] = []
    """The bytes of each read, with its time in seconds since the request."""
    end: Ended | None = None
    played: bool = False

    @property
    def body(self) -> bytes:
        """The body, as far as it was received."""
        return b"".join(data for _, data in self.pieces)


def read_recording(path: str | Path) -> list[Recorded]:
    """Returns the exchanges of a recording, in the order of the requests. Raises InvalidRecord."""
    exchanges: dict[int, Recorded] = {}
    for line in read_lines(Path(path)):
        if isinstance(line, Requested):
            exchanges[line.exchange] = Recorded(line, pieces=[])
        elif (exchange := exchanges.get(line.exchange)) is not None:
            _take(exchange, line)
    return list(exchanges.values())


def _take(exchange: Recorded, line: Line) -> None:
    if isinstance(line, Bytes):
        exchange.pieces.append((line.at, line.data))
    elif isinstance(line, Responded):
        exchange.response = line
    elif isinstance(line, Ended):
        exchange.end = line


def from_name(name: str) -> tuple[Backend, ...]:
    """Returns the backends that replay `FILE` or `FILE?speed=N`, a recording or a saved run.

    Raises InvalidRecord, ConfigurationError.
    """
    path, mark, word = name.rpartition("?speed=")
    if not mark:
        path, word = name, "1"
    speed = _speed(word)
    if holds_a_run(path):
        return (answered_by(path, speed=speed),)
    return replay(path, speed=speed)


def _speed(word: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (speed := float(word)) < math.inf:
            return speed
    raise ConfigurationError(
        f"{word!r} is not a valid speed.",
        hint="Write ?speed=0 for no waiting, 1 for the recorded times, 2 for twice as fast.",
    )


def replay(path: str | Path, *, speed: float = 1.0) -> tuple[HTTPBackend, ...]:
    """Returns the backends of a recording, in the order of their first requests; they share the recording's answers.

    `speed` is relative to the recorded speed, 0 for no waiting. Raises InvalidRecord, and ValueError for an
    invalid speed.
    """
    if not 0 <= speed < math.inf:
        raise ValueError(f"speed must be 0 or more, not {speed!r}.")
    exchanges = read_recording(path)
    if not exchanges:
        raise errors.InvalidRecord(f"The recording {str(path)!r} holds no request.")
    tape = _Tape(str(path), exchanges, speed)
    backends: dict[tuple[str, str, str], HTTPBackend] = {}
    for exchange in exchanges:
        asked_of = exchange.request
        key = asked_of.backend
        if key not in backends:
            backends[key] = HTTPBackend(
                _endpoint(asked_of),
                asked_of.model,
                registry.load_api(asked_of.api),
                post=functools.partial(tape.post, key),
            )
    return tuple(backends.values())


def _endpoint(asked_of: Requested) -> Endpoint:
    quirks = msgspec.convert({**msgspec.to_builtins(Quirks()), **asked_of.quirks}, Quirks)
    return Endpoint(provider=asked_of.provider, api=asked_of.api, base_url=asked_of.base_url, quirks=quirks)


class _Tape:
    """The answers of a recording, and which were used."""

    def __init__(self, name: str, exchanges: list[Recorded], speed: float) -> None:
        self._name = name
        self._exchanges = exchanges
        self._speed = speed

    async def post(
        self, backend: tuple[str, str, str], request: HTTPRequest, *, connect: float | None = None
    ) -> _PlayedReply:
        exchange = self._next(backend, request)
        exchange.played = True
        begun = asyncio.get_running_loop().time()
        end = exchange.end
        if exchange.response is None:
            await self.wait(begun, end.at if end is not None else 0.0)
            raise _error(end)
        await self.wait(begun, exchange.response.at)
        return _PlayedReply(self, exchange, exchange.response, begun)

    async def wait(self, begun: float, at: float) -> None:
        """Waits until the recorded time `at`."""
        if self._speed:
            left = begun + at / self._speed - asyncio.get_running_loop().time()
            if left > 0:
                await asyncio.sleep(left)
                return
        await asyncio.sleep(0)  # other tasks get a turn, as with a real socket

    def _next(self, backend: tuple[str, str, str], request: HTTPRequest) -> Recorded:
        left = [one for one in self._exchanges if not one.played and one.request.backend == backend]
        if not left:
            had = f"{len(self._exchanges)} answer{'' if len(self._exchanges) == 1 else 's'}"
            raise UsageError(
                f"The recording {self._name!r} holds {had}, but one more was requested.",
                hint="Send the recorded requests, or record again.",
            )
        body: Any = asked(request.body)
        return next((exchange for exchange in left if exchange.request.body == body), left[0])


class _PlayedReply:
    """A recorded response."""

    def __init__(self, tape: _Tape, exchange: Recorded, head: Responded, begun: float) -> None:
        self.status = head.status
        self.headers: Mapping[str, str] = head.headers
        self._tape = tape
        self._exchange = exchange
        self._begun = begun
        self._at = 0
        self._over = False

    async def read(self) -> bytes:
        """See `Reply`."""
        pieces, end = self._exchange.pieces, self._exchange.end
        if self._at < len(pieces):
            at, data = pieces[self._at]
            await self._tape.wait(self._begun, at)
            self._at += 1
            return data
        if end is not None:
            await self._tape.wait(self._begun, end.at)
        if end is None or end.left or end.error:
            raise _error(end)
        self._over = True
        return b""

    async def read_error(self) -> bytes:
        """See `Reply`."""
        data = self._exchange.body
        await self._tape.wait(self._begun, self._exchange.pieces[-1][0] if self._exchange.pieces else 0.0)
        self._over = True
        return data

    @property
    def ended(self) -> bool:
        """See `Reply`."""
        end = self._exchange.end
        last = self._at == len(self._exchange.pieces)
        return self._over or (last and end is not None and not (end.left or end.error))

    def release(self) -> None:
        """See `Reply`."""

    def abort(self) -> None:
        """See `Reply`."""

    def shut(self) -> None:
        """See `Reply`."""


def _error(end: Ended | None) -> HeadwaterError:
    """Returns the recorded error; if the reader left or the file was truncated, an error that says so."""
    if end is None or not end.error:
        return ConnectionFailed(
            "The recording ends here: its reader stopped early.", hint="Record an answer and read it to its end."
        )
    kind: type[HeadwaterError] = errors.ConnectTimeout if end.error == "ConnectTimeout" else ConnectionFailed
    error = kind(end.message, hint=end.hint)
    error.retryable = end.retryable
    return error

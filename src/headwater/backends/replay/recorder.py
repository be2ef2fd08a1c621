"""`Recorder`: writes providers' answers to a file, byte for byte and with times.

It sits between a backend and the network and must not change the data. No key is written: values of fields with a
secret's name are left out, and the keys that were sent are removed wherever an answer repeats them.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from headwater.backends.http import HTTPBackend
from headwater.backends.private_file import new_private
from headwater.backends.replay.format import Bytes, Ended, Line, Requested, Responded, Start, as_line
from headwater.errors import ConfigurationError, HeadwaterError
from headwater.providers.redaction import HIDDEN, scrubbed, secrets_in, without_secrets
from headwater.providers.request import Quirks

if TYPE_CHECKING:
    from headwater.backends.base import Backend, Post, Reply
    from headwater.providers.request import HTTPRequest

__all__ = ("Recorder", "asked")


class Recorder:
    """Records every exchange of its backends, from any number of runs, into one file.

        with Recorder("answers.jsonl") as recorder:
            Agent(model=Model("openai/gpt-5.4").recorded(recorder)).run("Explain tides")

    The file holds requests and answers, so only its owner can read it. An existing file is replaced, also a symbolic
    link, whose target is not touched. Use it from one thread only.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        self._file: BinaryIO | None = None
        self._numbers = itertools.count(1)

    def backend(self, backend: Backend) -> HTTPBackend:
        """Returns the same backend, recorded; the first one creates or empties the file.

        Raises ConfigurationError for a backend that does not use HTTP, and if the file cannot be written.
        """
        if not isinstance(backend, HTTPBackend):
            raise ConfigurationError(
                f"{backend.model!r} sends no bytes, so there is nothing to record.",
                hint="Record a model that uses HTTP.",
            )
        if self._file is None:
            self._file = self._new_file()
        recorded = copy.copy(backend)
        recorded.post = functools.partial(self._post, backend, backend.post)
        return recorded

    def write(self, line: Start | Line) -> None:
        """Writes a line; ignored once the file is closed, as it then belongs to an abandoned run."""
        if self._file is not None and not self._file.closed:
            self._file.write(as_line(line))

    def flush(self) -> None:
        """Flush the file."""
        if self._file is not None and not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new_file(self) -> BinaryIO:
        from headwater.version import __version__

        try:
            file = new_private(self.path)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot record to {str(self.path)!r}: {error.strerror}.",
                hint="Pass the path of a writable file.",
            ) from error
        file.write(as_line(Start(by=f"headwater {__version__}")))
        return file

    async def _post(
        self, backend: HTTPBackend, post: Post, request: HTTPRequest, *, connect: float | None = None
    ) -> Reply:
        number, clock = next(self._numbers), _Clock()
        parts = urlsplit(request.url)
        secrets = secrets_in(request.headers, dict(parse_qsl(parts.query)))
        endpoint = backend.endpoint
        self.write(
            Requested(
                exchange=number,
                at=0.0,
                provider=backend.provider,
                api=backend.api,
                model=backend.model,
                base_url=scrubbed(endpoint.base_url, secrets),
                method=request.method,
                url=urlunsplit(parts._replace(query=urlencode(without_secrets(dict(parse_qsl(parts.query)))))),
                headers=_plain(request.headers, secrets),
                quirks=_differences(endpoint.quirks),
                body=asked(request.body, secrets),
            )
        )
        try:
            reply = await post(request, connect=connect)
        except HeadwaterError as error:
            self.write(_broken(number, clock(), error, secrets))
            self.flush()
            raise
        self.write(Responded(exchange=number, at=clock(), status=reply.status, headers=_plain(reply.headers, secrets)))
        return _RecordedReply(reply, self, number, clock, secrets)


class _Clock:
    """Measures seconds since its creation, by the loop's clock."""

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._begun = self._now()

    def __call__(self) -> float:
        return round(self._now() - self._begun, 6)


class _RecordedReply:
    """A response that is recorded as it is read."""

    def __init__(
        self, reply: Reply, recorder: Recorder, number: int, clock: Callable[[], float], secrets: tuple[str, ...]
    ) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self._reply = reply
        self._recorder = recorder
        self._number = number
        self._clock = clock
        self._secrets = secrets
        self._blot = _Blot(secrets)
        self._over = False

    async def read(self) -> bytes:
        """See `Reply`."""
        try:
            data = await self._reply.read()
        except HeadwaterError as error:
            self._end(_broken(self._number, self._clock(), error, self._secrets))
            raise
        if data:
            self._write(self._blot.add(self._clock(), data))
        else:
            self._end(Ended(exchange=self._number, at=self._clock()))
        return data

    async def read_error(self) -> bytes:
        """See `Reply`."""
        data = await self._reply.read_error()
        # Providers often mask part of a key; live errors are shown without it, too.
        told = scrubbed(data.decode("utf-8", "surrogateescape"), self._secrets).encode("utf-8", "surrogateescape")
        self._write([(self._clock(), told)])
        self._end(Ended(exchange=self._number, at=self._clock()))
        return data

    @property
    def ended(self) -> bool:
        """See `Reply`."""
        return self._reply.ended

    def release(self) -> None:
        """See `Reply`."""
        self._leave()
        self._reply.release()

    def abort(self) -> None:
        """See `Reply`."""
        self._leave()
        self._reply.abort()

    def shut(self) -> None:
        """See `Reply`."""
        self._reply.shut()

    def _leave(self) -> None:
        # If the whole body has arrived, its end is known without reading it.
        self._end(Ended(exchange=self._number, at=self._clock(), left=not self._reply.ended))

    def _end(self, ended: Ended) -> None:
        if not self._over:
            self._over = True
            self._write(self._blot.rest())
            self._recorder.write(ended)
            self._recorder.flush()

    def _write(self, pieces: list[tuple[float, bytes]]) -> None:
        for at, data in pieces:
            if data:
                self._recorder.write(Bytes.of(self._number, at, data))


class _Blot:
    """Removes keys from a stream of pieces, leaving "…" in the piece where a key started.

    A key may span pieces, so the last of them are held back until the next ones are known.
    """

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = [secret.encode() for secret in sorted(secrets, key=len, reverse=True)]
        self._reach = max(map(len, self._secrets), default=1) - 1
        self._held: list[tuple[float, bytes]] = []

    def add(self, at: float, data: bytes) -> list[tuple[float, bytes]]:
        """Returns the pieces that can be written now."""
        self._held.append((at, data))
        for secret in self._secrets:
            self._hide(secret)
        following = 0
        keep = len(self._held)
        while keep and following < self._reach:
            keep -= 1
            following += len(self._held[keep][1])
        ready, self._held = self._held[:keep], self._held[keep:]
        return ready

    def rest(self) -> list[tuple[float, bytes]]:
        """Returns the pieces still held back, at the end."""
        held, self._held = self._held, []
        return held

    def _hide(self, secret: bytes) -> None:
        joined = b"".join(data for _, data in self._held)
        while (begin := joined.find(secret)) >= 0:
            end, at = begin + len(secret), 0
            for number, (time, data) in enumerate(self._held):
                first, last = max(begin - at, 0), max(end - at, 0)
                if first < len(data) and last > 0:
                    mark = HIDDEN.encode() if begin >= at else b""
                    self._held[number] = (time, data[:first] + mark + data[last:])
                at += len(data)
            joined = b"".join(data for _, data in self._held)


def asked(body: bytes, secrets: tuple[str, ...] = ()) -> Any:
    """Returns a request's body as JSON, without anything that could be a key; None if it is not JSON."""
    try:
        return without_secrets(msgspec.json.decode(scrubbed(body.decode(), secrets)))
    except (UnicodeDecodeError, msgspec.DecodeError):
        return None


def _plain(headers: Mapping[str, str], secrets: tuple[str, ...]) -> dict[str, str]:
    return {name.lower(): scrubbed(value, secrets) for name, value in without_secrets(headers).items()}


def _differences(quirks: Quirks) -> dict[str, Any]:
    usual, told = msgspec.to_builtins(Quirks()), msgspec.to_builtins(quirks)
    return {name: value for name, value in told.items() if value != usual[name]}


def _broken(number: int, at: float, error: HeadwaterError, secrets: tuple[str, ...]) -> Ended:
    message, hint = scrubbed(error.message, secrets), scrubbed(error.hint, secrets)
    return Ended(
        exchange=number, at=at, error=type(error).__name__, message=message, hint=hint, retryable=error.retryable
    )

"""The file format of a recording: one JSON object per line, in chronological order.

    {"type": "recording", "v": 1}
    {"type": "request", "exchange": 1, "at": 0.0, "provider": "openai", "api": "openai-chat", "model": "gpt-5.4", …}
    {"type": "response", "exchange": 1, "at": 0.31, "status": 200, "headers": {…}}
    {"type": "bytes", "exchange": 1, "at": 0.32, "text": "data: {…}\\n\\n"}
    {"type": "end", "exchange": 1, "at": 0.98}

`at` is in seconds since the exchange's request was sent. Concurrent exchanges are interleaved. Owns the form of the
lines; it must never decide what is recorded, nor when something is replayed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from headwater.errors import InvalidRecord

__all__ = ("Bytes", "Ended", "Line", "Requested", "Responded", "Start", "as_line", "read_lines")

VERSION: Final = 1
"""The version written; a file of a later version is refused, since its bytes could have another meaning."""


class Start(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="recording"):
    """The first line of the file."""

    v: int = VERSION
    by: str = ""


class _Of(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    exchange: int
    at: float


class Requested(_Of, frozen=True, kw_only=True, tag="request"):
    """A request; possible keys are replaced by "…"."""

    provider: str
    api: str
    model: str
    base_url: str
    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    quirks: Mapping[str, Any] = {}
    """The server's deviations from its API, if any."""
    body: Any = None

    @property
    def backend(self) -> tuple[str, str, str]:
        """The backend that was asked."""
        return self.provider, self.api, self.model


class Responded(_Of, frozen=True, kw_only=True, tag="response"):
    """The head of the response."""

    status: int
    headers: Mapping[str, str] = {}


class Bytes(_Of, frozen=True, kw_only=True, tag="bytes"):
    """The bytes of one read: `text` if they are UTF-8, else `base64`."""

    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, exchange: int, at: float, data: bytes) -> Bytes:
        """Returns the line for these bytes."""
        try:
            return cls(exchange=exchange, at=at, text=data.decode())
        except UnicodeDecodeError:
            return cls(exchange=exchange, at=at, base64=base64.b64encode(data).decode())

    @property
    def data(self) -> bytes:
        """The decoded bytes."""
        if self.text is not None:
            return self.text.encode()
        return base64.b64decode(self.base64 or "", validate=True)


class Ended(_Of, frozen=True, kw_only=True, tag="end"):
    """The end: the body was complete, its reader `left`, or the connection broke with `error`."""

    left: bool = False
    error: str = ""
    message: str = ""
    hint: str = ""
    retryable: bool = False


Line: TypeAlias = Requested | Responded | Bytes | Ended

_decoder = msgspec.json.Decoder(Start | Requested | Responded | Bytes | Ended)


def as_line(value: Start | Line) -> bytes:
    """Returns the value as a line, with a line feed."""
    return msgspec.json.encode(value) + b"\n"


def read_lines(path: Path) -> list[Line]:
    """Yields the lines of a recording except the first. Raises InvalidRecord, also if the file cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidRecord(
            f"The recording {str(path)!r} cannot be read: {error.strerror}.",
            hint="Record one: headwater run --record FILE TASK.",
        ) from error
    return list(_checked(path, data.splitlines()))


def _checked(path: Path, lines: Iterable[bytes]) -> Iterator[Line]:
    begun = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = _decoder.decode(line)
            if isinstance(value, Bytes):
                _ = value.data
        except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error) as error:
            raise _invalid(path, number, str(error)) from error
        if isinstance(value, Start):
            if value.v > VERSION:
                raise _invalid(
                    path,
                    number,
                    f"it is in version {value.v} of the format, but the newest version known here is {VERSION}",
                )
            begun = True
        elif not begun:
            raise _invalid(path, number, "the first line does not say that this is a recording")
        else:
            yield value
    if not begun:
        raise _invalid(path, 1, "it is empty")


def _invalid(path: Path, number: int, why: str) -> InvalidRecord:
    return InvalidRecord(
        f"{str(path)!r} is not a recording: in line {number}, {why}.",
        hint="Record one: headwater run --record FILE TASK.",
    )

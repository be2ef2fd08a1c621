"""The file of a saved run, as bytes: a first line that says so, then the log, an event a line; plain or gzip.

Owns what stands in such a file, and where one that was cut ends. Pure: who writes and reads the bytes is the caller's.
"""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

from headwater.errors import InvalidRecord
from headwater.events.codec import decode, encode
from headwater.events.types import Event, RunStarted

__all__ = ("SUFFIXES", "first_line", "is_saved", "line", "read_saved")

SUFFIXES: Final = (".jsonl", ".jsonl.gz")
"""What a run's file is named."""

GZIP: Final = b"\x1f\x8b"
"""What gzip begins with."""


class _Header(msgspec.Struct, frozen=True, kw_only=True, tag="headwater.run"):
    """The first line."""

    v: int = 1
    by: str = ""
    saved: float = 0.0


def first_line(*, by: str, saved: float) -> bytes:
    """The line that the file begins with: `by` is what writes it, `saved` when, in Unix seconds."""
    return msgspec.json.encode(_Header(by=by, saved=saved)) + b"\n"


def line(event: Event) -> bytes:
    """The event as its line."""
    return encode(event, stamps=True) + b"\n"


def is_saved(beginning: bytes) -> bool:
    """Whether a file that begins so is a saved run's, and none of recorded bytes."""
    return beginning.startswith(GZIP) or b'"headwater.run"' in beginning.partition(b"\n")[0]


def read_saved(data: bytes, name: str) -> tuple[tuple[Event, ...], bool]:
    """The events of the file, and whether something stands after them that is no whole line.

    `name` is what the file is called. Raises InvalidRecord where it is no saved run, or holds no event.
    """
    plain, cut = _plain(data, name)
    whole, _, rest = plain.rpartition(b"\n")
    first, *lines = whole.split(b"\n")
    _check_header(first, name)
    events = tuple(map(decode, lines))
    if not events or not isinstance(events[0], RunStarted):
        raise InvalidRecord(f"{name} holds no run.", hint="It was cut before the run's first event.")
    return events, cut or bool(rest)


def _plain(data: bytes, name: str) -> tuple[bytes, bool]:
    """The bytes unpacked, and whether their end is missing."""
    if not data.startswith(GZIP):
        return data, False
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return unpacker.decompress(data), not unpacker.eof
    except zlib.error as error:
        raise InvalidRecord(f"{name} is broken: {error}.", hint="It is no gzip file any more.") from None


def _check_header(first: bytes, name: str) -> None:
    try:
        header = msgspec.json.decode(first, type=_Header)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        hint = 'Save one with agent.run("…", save="run.jsonl.gz").'
        raise InvalidRecord(f"{name} is no saved run.", hint=hint) from None
    if header.v != 1:
        raise InvalidRecord(f"{name} is of version {header.v}, which is newer than this library.", hint="Update it.")

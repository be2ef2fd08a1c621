"""The format of a saved run's file: a header line, then the log, one event per line; plain or gzip.

Owns the content of such a file, and how a truncated one is read. Pure: the caller writes and reads the bytes.
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
"""File name suffixes of saved runs."""

GZIP: Final = b"\x1f\x8b"
"""The first bytes of a gzip file."""


class _Header(msgspec.Struct, frozen=True, kw_only=True, tag="headwater.run"):
    """The header line."""

    v: int = 1
    by: str = ""
    saved: float = 0.0


def first_line(*, by: str, saved: float) -> bytes:
    """Returns the header line: `by` is the writer, `saved` the time, in Unix seconds."""
    return msgspec.json.encode(_Header(by=by, saved=saved)) + b"\n"


def line(event: Event) -> bytes:
    """Returns the event as a line."""
    return encode(event, stamps=True) + b"\n"


def is_saved(beginning: bytes) -> bool:
    """Whether a file with this beginning is a saved run, not a recording of a provider's bytes."""
    return beginning.startswith(GZIP) or b'"headwater.run"' in beginning.partition(b"\n")[0]


def read_saved(data: bytes, name: str) -> tuple[tuple[Event, ...], bool]:
    """Returns the file's events, and whether an incomplete line follows them.

    `name` is the file's name. Raises InvalidRecord if it is not a saved run, or holds no event.
    """
    plain, cut = _plain(data, name)
    whole, _, rest = plain.rpartition(b"\n")
    first, *lines = whole.split(b"\n")
    _check_header(first, name)
    events = tuple(map(decode, lines))
    if not events or not isinstance(events[0], RunStarted):
        raise InvalidRecord(f"{name} holds no events.", hint="It was truncated before the run's first event.")
    if not events[0].path:
        raise InvalidRecord(f"{name} begins with a run that has no path.", hint="It is not as headwater wrote it.")
    return events, cut or bool(rest)


def _plain(data: bytes, name: str) -> tuple[bytes, bool]:
    """Returns the decompressed bytes, and whether their end is missing."""
    if not data.startswith(GZIP):
        return data, False
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return unpacker.decompress(data), not unpacker.eof
    except zlib.error as error:
        raise InvalidRecord(f"{name} is damaged: {error}.", hint="It is not a valid gzip file any more.") from None


def _check_header(first: bytes, name: str) -> None:
    try:
        header = msgspec.json.decode(first, type=_Header)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        hint = 'Save one with agent.run("…", save="run.jsonl.gz").'
        raise InvalidRecord(f"{name} is not a saved run.", hint=hint) from None
    if header.v != 1:
        raise InvalidRecord(
            f"{name} is in version {header.v} of the format, which is newer than this library.", hint="Update it."
        )

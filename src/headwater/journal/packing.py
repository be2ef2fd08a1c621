"""An ended log as one row: its events compressed together, with or without deltas.

Owns the form of such a row, and what trimming drops. Pure: it is given lines and gives bytes.

A pack is zlib's format. Its first line is a JSON object: `end`, the log's length; `spans`, where events stand, as
[first, how many]; `hurt`, the ranges in which a reader who has read up to there has seen a part of something whose rest
was dropped, as [from, to). Then the events follow, a line each.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from headwater.errors import InvalidRecord
from headwater.journal.run_log import Span

__all__ = ("Pack", "pack", "unpack")

VERSION: Final = 1
LEVEL: Final = 6
"""zlib's own default: the higher ones take twice the time for a hundredth of the size."""

DELTAS: Final = frozenset({"text.delta", "reasoning.delta", "call.delta"})
"""What trimming drops: a step's message has all of it."""


class _Header(msgspec.Struct, frozen=True):
    v: int
    end: int
    spans: tuple[tuple[int, int], ...]
    hurt: tuple[tuple[int, int], ...] = ()


class _Head(msgspec.Struct):
    """What trimming looks at in an event."""

    type: str
    run: str = ""
    step: int = 0
    part: int | None = None
    call: str | None = None


_head: Final = msgspec.json.Decoder(_Head)
_header: Final = msgspec.json.Decoder(_Header)


class Pack(msgspec.Struct, frozen=True):
    """A pack, read."""

    end: int
    spans: tuple[Span, ...]
    hurt: tuple[tuple[int, int], ...]

    def after(self, after: int) -> tuple[tuple[Span, ...], bool]:
        """What follows that number, and whether it is all of the log, since the reader cannot go on from there."""
        if after >= self.end or any(low <= after < high for low, high in self.hurt):
            return self.spans, True
        return tuple(_from(span, after + 1) for span in self.spans if span.end > after + 1), False


def _from(span: Span, first: int) -> Span:
    return span if first <= span.first else Span(first, span.lines[first - span.first :])


def pack(lines: Sequence[bytes], *, deltas: bool = True) -> bytes:
    """A whole log as one row; without `deltas` what a step's message holds too is dropped."""
    kept, hurt = ([(0, tuple(lines))] if lines else [], ()) if deltas else _trimmed(lines)
    spans = tuple((first, len(some)) for first, some in kept)
    header = msgspec.json.encode(_Header(VERSION, len(lines), spans, hurt))
    return zlib.compress(b"\n".join([header, *(line for _, some in kept for line in some)]), LEVEL)


def unpack(data: bytes) -> Pack:
    """Read what `pack` made. Raises InvalidRecord where it is broken, or of a newer version."""
    try:
        first, *lines = zlib.decompress(data).split(b"\n")
        header = _header.decode(first)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise InvalidRecord(f"A packed log is broken: {error}.", hint="Restore it from a backup.") from error
    if header.v > VERSION:
        raise InvalidRecord(f"A log is packed in version {header.v}, which is newer than this library.")
    spans, at = [], 0
    for begin, many in header.spans:
        spans.append(Span(begin, tuple(lines[at : at + many])))
        at += many
    if at != len(lines):
        raise InvalidRecord(f"A packed log has {len(lines)} events and says {at}.", hint="Restore it from a backup.")
    return Pack(header.end, tuple(spans), header.hurt)


def _trimmed(lines: Sequence[bytes]) -> tuple[list[tuple[int, tuple[bytes, ...]]], tuple[tuple[int, int], ...]]:
    spans: list[tuple[int, list[bytes]]] = []
    dropped: dict[tuple[str, int, int | str | None], tuple[int, int]] = {}
    for number, line in enumerate(lines):
        head = _head.decode(line)
        if head.type in DELTAS:
            key = (head.run, head.step, head.part if head.call is None else head.call)
            dropped[key] = (dropped.get(key, (number, 0))[0], number)
        elif spans and spans[-1][0] + len(spans[-1][1]) == number:
            spans[-1][1].append(line)
        else:
            spans.append((number, [line]))
    hurt: list[tuple[int, int]] = []
    for low, high in sorted(one for one in dropped.values() if one[0] < one[1]):
        if hurt and low <= hurt[-1][1]:
            hurt[-1] = (hurt[-1][0], max(high, hurt[-1][1]))
        else:
            hurt.append((low, high))
    return [(first, tuple(some)) for first, some in spans], tuple(hurt)

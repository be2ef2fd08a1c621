"""Limits the number of JSON values in one frame, because memory use depends on values, not on bytes.

`{}` is two bytes on the wire and sixty-four in Python: a frame within the byte limit could fill the memory of a small
machine. Only large frames are counted, before they are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from headwater.errors import LimitExceeded

__all__ = ("LARGE", "MAX_CONTAINERS", "MAX_VALUES", "refuse_large", "refuse_many_values")

LARGE: Final = 1024 * 1024
"""Frames up to this many bytes are not counted: their values cannot exceed the limits."""

MAX_CONTAINERS: Final = 500_000
"""Maximum number of objects and lists in one frame: two hundred bytes each. The largest real frames, an answer of ten
thousand tokens with the twenty most probable ones for each, have four hundred thousand."""

MAX_VALUES: Final = 3_000_000
"""Maximum number of values in one frame: eight bytes each for numbers, fifty for short strings."""

_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def refuse_large(frames: Iterable[bytes]) -> None:
    """Raises LimitExceeded if one of the frames exceeds the limits."""
    for data in frames:
        if len(data) > LARGE:
            refuse_many_values(data)


def refuse_many_values(data: bytes) -> None:
    """Raises LimitExceeded if the JSON in `data` exceeds the limits."""
    if _within(data):
        return
    # Brackets and commas in strings are not values: above the limits, count again without strings.
    if not _within(_STRING.sub(b"", data)):
        raise LimitExceeded(
            f"One event holds more than {MAX_VALUES:,} JSON values, or {MAX_CONTAINERS:,} objects and lists.",
            limit="max_values",
            size=MAX_VALUES,
        )


def _within(data: bytes) -> bool:
    containers = data.count(b"{") + data.count(b"[")
    return containers <= MAX_CONTAINERS and containers + data.count(b",") <= MAX_VALUES

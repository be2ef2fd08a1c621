"""How much one frame may say: a bound on the values in its JSON, because memory goes by those and not by bytes.

`{}` is two bytes on the wire and sixty-four in Python: a frame within the bound of its bytes could fill the memory of a
small machine. Counting is done for large frames only, and before they are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from headwater.errors import LimitExceeded

__all__ = ("LARGE", "MAX_CONTAINERS", "MAX_VALUES", "refuse_large", "refuse_many_values")

LARGE: Final = 1024 * 1024
"""Frames up to this many bytes are not counted: whatever they hold takes less than the bounds allow."""

MAX_CONTAINERS: Final = 500_000
"""The most objects and lists in one frame: two hundred bytes each. The largest real ones, an answer of ten thousand
tokens with the twenty most probable ones for each, have four hundred thousand."""

MAX_VALUES: Final = 3_000_000
"""The most values in one frame: eight bytes each for numbers, fifty for short texts."""

_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def refuse_large(frames: Iterable[bytes]) -> None:
    """Raises LimitExceeded where one of the frames holds more values than the bounds."""
    for data in frames:
        if len(data) > LARGE:
            refuse_many_values(data)


def refuse_many_values(data: bytes) -> None:
    """Raises LimitExceeded where the JSON in `data` holds more values than the bounds."""
    if _within(data):
        return
    # Brackets and commas in texts are no values. What was counted once is counted again without the texts.
    if not _within(_STRING.sub(b"", data)):
        raise LimitExceeded(
            f"One event holds more than {MAX_VALUES:,} JSON values, or {MAX_CONTAINERS:,} objects and lists.",
            limit="max_values",
            size=MAX_VALUES,
        )


def _within(data: bytes) -> bool:
    containers = data.count(b"{") + data.count(b"[")
    return containers <= MAX_CONTAINERS and containers + data.count(b",") <= MAX_VALUES

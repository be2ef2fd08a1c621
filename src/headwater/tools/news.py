"""What a tool says on its way, as a value: how long one piece may be, and what it takes while it waits.

Pure. Who waits for whom is `progress`'s and `runtime.merge`'s.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = ("cut_news", "memory_of")

MAX_NEWS_CHARS: Final = 1_000_000
"""Characters of one piece of progress, as JSON: as many as a result may have. More is told by its beginning."""

VALUE_BYTES: Final = 64
"""What a value takes in memory beside its text: `{}` is two characters of JSON."""

_encode: Final = msgspec.json.Encoder().encode


def cut_news(data: Any) -> Any:
    """`data`, plain JSON; where that is too long its beginning, as a string that says so."""
    if isinstance(data, str):
        text = data
    elif isinstance(data, (list, dict)):
        encoded = _encode(data)
        if len(encoded) <= MAX_NEWS_CHARS:
            return data
        text = encoded.decode()
    else:
        return data
    if len(text) <= MAX_NEWS_CHARS:
        return data
    return f"{text[:MAX_NEWS_CHARS]}\n[Cut: this is the beginning of {len(text):,} characters.]"


def memory_of(data: Any) -> int:
    """About how many bytes `data`, plain JSON, takes in memory."""
    if isinstance(data, str):
        return VALUE_BYTES + len(data)
    if not isinstance(data, (list, dict)):
        return VALUE_BYTES
    told = _encode(data)
    return len(told) + VALUE_BYTES * (1 + told.count(b",") + told.count(b"[") + told.count(b"{"))

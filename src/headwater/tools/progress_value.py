"""Progress of a tool as a value: how long one piece may be, and how much memory it takes while queued.

Pure. `progress` and `runtime.merge` own the waiting.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = ("cut_progress", "memory_of")

MAX_PROGRESS_CHARS: Final = 1_000_000
"""Maximum length of one piece of progress, as JSON: as long as a result may be. Longer ones are truncated."""

VALUE_BYTES: Final = 64
"""Memory of a value besides its text: `{}` is two characters of JSON."""

_encode: Final = msgspec.json.Encoder().encode


def cut_progress(data: Any) -> Any:
    """Returns `data`, plain JSON; if it is too long, its beginning as a string that says so."""
    if isinstance(data, str):
        text = data
    elif isinstance(data, (list, dict)):
        encoded = _encode(data)
        if len(encoded) <= MAX_PROGRESS_CHARS:
            return data
        text = encoded.decode()
    else:
        return data
    if len(text) <= MAX_PROGRESS_CHARS:
        return data
    return f"{text[:MAX_PROGRESS_CHARS]}\n[Truncated: this is the beginning of {len(text):,} characters.]"


def memory_of(data: Any) -> int:
    """Estimates how many bytes `data`, plain JSON, takes in memory."""
    if isinstance(data, str):
        return VALUE_BYTES + len(data)
    if not isinstance(data, (list, dict)):
        return VALUE_BYTES
    told = _encode(data)
    return len(told) + VALUE_BYTES * (1 + told.count(b",") + told.count(b"[") + told.count(b"{"))

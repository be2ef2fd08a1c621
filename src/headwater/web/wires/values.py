"""Converts a program's own values, such as a tool's progress, to JSON for a wire."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ("plain",)


def plain(value: Any) -> Any:
    """Returns the value as JSON, or as text if it cannot be encoded."""
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError, msgspec.MsgspecError):
        return str(value)

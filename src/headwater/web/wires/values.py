"""Values of a program's own, such as what a tool reports, as the JSON in which a wire tells them."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ("plain",)


def plain(value: Any) -> Any:
    """Return the value as JSON; one that has no JSON form as text."""
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError, msgspec.MsgspecError):
        return str(value)

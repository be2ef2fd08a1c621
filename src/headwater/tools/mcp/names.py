"""The names that a server's tools have for a model: what providers accept, and unique among an agent's tools. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from typing import Final

__all__ = ("fitted", "unique")

MAX_CHARS: Final = 64
"""Characters of a tool's name that all providers accept."""

_STRANGE: Final = re.compile(r"[^a-zA-Z0-9_-]")


def fitted(name: str) -> str:
    """Returns the name with what no provider accepts replaced; one that is too long ends with a hash of it."""
    fit = _STRANGE.sub("_", name) or "_"
    if not (fit[0].isalpha() or fit[0] == "_"):
        fit = f"_{fit}"
    if len(fit) <= MAX_CHARS:
        return fit
    return f"{fit[: MAX_CHARS - 9]}_{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def unique(name: str, server: str, taken: Container[str]) -> str:
    """Returns the fitted name, with the server's as prefix where it is taken, and a number where that is taken too."""
    best = fitted(name)
    if best not in taken:
        return best
    number = 1
    best = fitted(f"{server}_{name}")
    while best in taken:
        number += 1
        best = fitted(f"{server}_{name}_{number}")
    return best

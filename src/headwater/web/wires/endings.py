"""Which ends of a run a wire tells in another way than the log does. Pure."""

from __future__ import annotations

from typing import TypeGuard

from headwater.errors import GuardBlocked
from headwater.events import Event, RunFailed

__all__ = ("is_filtered",)


def is_filtered(end: Event | None) -> TypeGuard[RunFailed]:
    """Whether a guard ended the run: these protocols tell that as a finish reason, not as an error."""
    return isinstance(end, RunFailed) and end.error.type == GuardBlocked.__name__

"""Event, the base class of everything that can happen in a run. Owns the fields that every event has."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ("Event",)


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="type", kw_only=True, omit_defaults=True):
    """The fields that every event has: its place in the log.

    `seq` counts from 0 without gaps in its log, `time` is in Unix seconds and never decreases, `run` is the id of the
    event's run and `path` the names from the outermost run down to it.
    """

    seq: int = 0
    time: float = 0.0
    run: str = ""
    path: tuple[str, ...] = ()
    extra: dict[str, Any] | None = None
    """Fields from a newer version that this one does not know; the codec writes them back in place."""

    @property
    def agent(self) -> str:
        """The name of the event's run: the last part of the path."""
        return self.path[-1] if self.path else ""

    @property
    def type(self) -> str:
        """The event's name on the wire, such as `text.delta`."""
        return type(self).__struct_config__.tag  # type: ignore[return-value]

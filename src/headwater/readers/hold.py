"""What a reader cannot take back waits until nothing can retract it: a string that was handed out, a line in a pipe.

Owns the one rule of when that is: from an attempt that says that its text may be retracted to the end of its step. It
knows nothing of what it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from headwater.events import AttemptStarted, Event, Retracted, RunCancelled, RunFailed, RunFinished, StepFinished

__all__ = ("Hold",)

T = TypeVar("T")


class Hold(Generic[T]):
    """Holds things by the run that they are of; call it with each event and what it gives rise to."""

    __slots__ = ("held",)

    def __init__(self, past: Iterable[Event] = ()) -> None:
        """`past` are the events before those that are handed out, where a log is gone on with."""
        self.held: dict[str, list[T]] = {}
        """What waits, by run; empty where nothing that comes now has to. A reader of tokens looks here first."""
        for event in past:
            self(event)

    def __call__(self, event: Event, items: Sequence[T] = ()) -> Sequence[T]:
        """What may be handed out now, in order: `items`, or what was held, or nothing yet."""
        kind = event.__class__
        if kind is AttemptStarted:
            if event.may_retract:  # type: ignore[attr-defined]
                self.held.setdefault(event.run, [])
            return items
        held = self.held.get(event.run) if self.held else None
        if held is None:
            return items
        if kind is Retracted:
            held.clear()
            return ()
        held.extend(items)
        if kind not in _SETTLING:
            return ()
        return self.held.pop(event.run)


_SETTLING = frozenset({StepFinished, RunFinished, RunFailed, RunCancelled})

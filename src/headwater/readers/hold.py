"""Holds output that cannot be retracted (a string, a line in a pipe) until nothing can retract it.

Owns the rule for that: hold from an attempt that announces a possible retraction to the end of its step. It does not
know what it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from headwater.events import AttemptStarted, Event, Retracted, RunCancelled, RunFailed, RunFinished, StepFinished

__all__ = ("Hold",)

T = TypeVar("T")


class Hold(Generic[T]):
    """Holds items by run; call it with each event and its items."""

    __slots__ = ("held",)

    def __init__(self, past: Iterable[Event] = ()) -> None:
        """`past` holds the earlier events of a resumed log."""
        self.held: dict[str, list[T]] = {}
        """The held items by run; empty if new items need not wait. A reader of tokens checks this first."""
        for event in past:
            self(event)

    def __call__(self, event: Event, items: Sequence[T] = ()) -> Sequence[T]:
        """Returns the items that may be passed on now, in order: `items`, or held ones, or nothing yet."""
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

"""The protocol of an engine. It owns no run: `drive` does all the work, and reads the run from the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Final, Protocol, TypeAlias

__all__ = ("Drive", "Executor", "Slot", "aside", "enter")

Drive: TypeAlias = Callable[[str], Awaitable[None]]
"""Drives the run of that id until it ends, waits for people, or is another process's."""


class Executor(Protocol):
    """Calls `drive` at least once for each submitted run, in a live worker."""

    async def submit(
        self,
        run: str,
        *,
        queue: str = "default",
        agent: str = "",
        not_before: float | None = None,
        priority: int = 0,
    ) -> None:
        """Submits a run of that agent. Submitting it again is harmless.

        A run that is submitted while it is driven is driven once more afterwards, so that no wake-up is lost.
        `not_before` is in Unix seconds; of two runs that wait, the one with the higher priority goes first.
        """

    async def serve(
        self, drive: Drive, *, queues: Sequence[str] = ("default",), concurrency: int = 100, name: str = ""
    ) -> None:
        """Drives the runs submitted to these queues, `concurrency` at once, until `drain` or a cancellation.

        Runs that wait for other runs (`aside`) do not count: they would otherwise keep those from being driven.
        """

    async def drain(self, seconds: float) -> None:
        """Starts no more runs; waits so many `seconds` for the active ones, then cancels them. `serve` returns."""


class Slot(Protocol):
    """One of the runs that an engine drives at once. Thread-safe."""

    def leave(self) -> None:
        """The run waits for another run, so that one more may be driven."""

    def take_back(self) -> None:
        """It goes on. More than the wanted number may be driven until others end."""


_slot: Final[ContextVar[Slot | None]] = ContextVar("headwater_slot", default=None)


def enter(slot: Slot) -> None:
    """Drives a run in that slot, in the current context."""
    _slot.set(slot)


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Around waiting for another run: a driven run that waits, also in a tool's thread, leaves its slot meanwhile."""
    slot = _slot.get()
    if slot is None:
        yield
        return
    slot.leave()
    try:
        yield
    finally:
        slot.take_back()

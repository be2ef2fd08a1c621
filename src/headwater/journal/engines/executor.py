"""The protocol of an engine. It owns no run: `drive` does all the work, and reads the run from the journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

__all__ = ("Drive", "Executor")

Drive: TypeAlias = Callable[[str], Awaitable[None]]
"""Drives the run of that id until it ends, waits for people, or is another process's."""


class Executor(Protocol):
    """Calls `drive` at least once for each run that is submitted, in a living worker."""

    async def submit(
        self, run: str, *, queue: str = "default", not_before: float | None = None, priority: int = 0
    ) -> None:
        """Have the run driven. Submitting it again does no harm.

        A run that is submitted while it is driven is driven once more afterwards, so that no wake-up is lost.
        `not_before` is in Unix seconds; of two runs that wait, the one with the higher priority goes first.
        """

    async def serve(
        self, drive: Drive, *, queues: Sequence[str] = ("default",), concurrency: int = 100, name: str = ""
    ) -> None:
        """Drive what is submitted to these queues, `concurrency` runs at once, until `drain` or a cancellation."""

    async def drain(self, seconds: float) -> None:
        """Begin nothing more; wait so many `seconds` for what is driven, then cancel it. `serve` returns."""

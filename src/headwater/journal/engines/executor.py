"""The protocol of an engine. It owns no run: `drive` does all the work, and reads the run from the journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

__all__ = ("Drive", "Executor")

Drive: TypeAlias = Callable[[str], Awaitable[None]]
"""Drives the run of that id until it ends, waits for people, or is another process's."""


class Executor(Protocol):
    """Calls `drive` at least once for each submitted run, in a live worker."""

    async def submit(
        self, run: str, *, queue: str = "default", not_before: float | None = None, priority: int = 0
    ) -> None:
        """Submits a run. Submitting it again is harmless.

        A run that is submitted while it is driven is driven once more afterwards, so that no wake-up is lost.
        `not_before` is in Unix seconds; of two runs that wait, the one with the higher priority goes first.
        """

    async def serve(
        self, drive: Drive, *, queues: Sequence[str] = ("default",), concurrency: int = 100, name: str = ""
    ) -> None:
        """Drives the runs submitted to these queues, `concurrency` at once, until `drain` or a cancellation."""

    async def drain(self, seconds: float) -> None:
        """Starts no more runs; waits so many `seconds` for the active ones, then cancels them. `serve` returns."""

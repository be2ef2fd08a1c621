"""The workflow of a run in Temporal: has the run driven each time that somebody wakes it, and ends.

Its history is one signal and one activity a drive. Temporal replays it, so it must stay deterministic; a change that
orders its commands differently needs another name.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

__all__ = ("ACTIVITY", "WORKFLOW", "DriveRun", "priority_of")

WORKFLOW: Final = "headwater.drive"
ACTIVITY: Final = "headwater.drive"

LONGEST: Final = timedelta(days=3650)
"""Temporal wants a limit for an activity: a worker that is gone is noticed by its missing heartbeats."""


def priority_of(priority: int) -> Priority:
    """Temporal's five levels, of which 1 comes first: 2 and more, 1, 0, -1, -2 and less."""
    return Priority(priority_key=3 - max(-2, min(2, priority)))


@workflow.defn(name=WORKFLOW)
class DriveRun:
    """See the module."""

    def __init__(self) -> None:
        self._at: float | None = None
        """When the run is to be driven, in Unix seconds; None: nobody woke it since the last drive began."""
        self._priority = 0

    @workflow.signal
    def wake(self, at: float, priority: int) -> None:
        """Has the run driven at that time, in Unix seconds, or at an earlier one that it waits for already."""
        self._at = at if self._at is None else min(self._at, at)
        self._priority = priority

    @workflow.run
    async def run(self, run: str, lease: float) -> None:
        """Drives the run. Its worker is dead after `lease` seconds without a heartbeat."""
        await workflow.wait_condition(lambda: self._at is not None)
        while (at := self._at) is not None:
            if (delay := at - workflow.time()) > 0:
                await self._moved(at, delay)
                continue
            self._at = None
            await workflow.execute_activity(
                ACTIVITY,
                args=[run, self._priority],
                start_to_close_timeout=LONGEST,
                heartbeat_timeout=timedelta(seconds=lease),
                retry_policy=RetryPolicy(initial_interval=timedelta(seconds=0.2), backoff_coefficient=1.0),
                priority=priority_of(self._priority),
            )

    async def _moved(self, at: float, delay: float) -> None:
        """Waits for that long, or until the run is woken for an earlier time."""
        try:
            await workflow.wait_condition(lambda: self._at != at, timeout=timedelta(seconds=max(delay, 0.001)))
        except TimeoutError:
            return

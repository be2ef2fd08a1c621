"""An await that can be interrupted from outside; every wait of a run uses it.

The only place that distinguishes a run's own stop from a cancelled task. It must not know runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ("Interruptible", "running_loop")

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Returns the event loop that is running in this thread, or None."""
    return asyncio._get_running_loop()


class Interruptible:
    """Interrupts the current await from outside, with one of headwater's exceptions.

    It works like `asyncio.timeout`: the task is cancelled and the cancellation is undone where it arrives, so that
    no caller sees a CancelledError that is not its own. One await at a time; nothing stays open between them.
    """

    __slots__ = ("_before", "_error", "_task")

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._error: BaseException | None = None
        self._before = 0

    async def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Awaits the coroutine. Raises the error passed to `interrupt`, if that came first."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._error, self._before = task, None, task.cancelling()
        try:
            result = await coroutine
        except (asyncio.CancelledError, Exception):
            self._raise_ours(task)
            raise
        finally:
            self._task = None
        self._raise_ours(task)  # the awaited code may have swallowed the cancellation
        return result

    def _raise_ours(self, task: asyncio.Task[Any]) -> None:
        error, self._error = self._error, None
        if error is not None and task.uncancel() <= self._before:
            try:
                raise error from None
            finally:
                del error  # avoids a reference cycle between this frame and the error

    def interrupt(self, error: BaseException) -> bool:
        """Interrupts the current await with `error`; returns False if there is none.

        Must be called in the loop's own thread.
        """
        task = self._task
        if task is None or self._error is not None or task.done():
            return False
        if running_loop() is not None and asyncio.current_task() is task:
            return False  # it is running, not waiting: its own code checks the state
        self._error = error
        task.cancel()
        return True

"""Merges streams: tasks put batches of events in, one reader takes them out in order of arrival.

Fair, since each task gets a batch in before any gets another one out of turn; limited, since a task that is ahead of
the reader waits, unless the reader prefers longer pieces (`backlog`). Tasks and queues cost as much time as several
tokens, so batches go through here, never single tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from headwater.backends.interrupt import Interruptible
from headwater.events import Event, ToolProgress
from headwater.runtime.backlog import MAX_CHARS_AHEAD, Joined, SlowReader
from headwater.tools.progress_value import memory_of

__all__ = ("Mux",)

MAX_BATCHES_AHEAD: Final = 4
"""Number of batches that a run may be ahead of the reader: enough that neither waits at an even pace."""

MAX_PENDING_PROGRESS: Final = 1000
"""Number of progress events the reader may be behind; beyond it the oldest are dropped."""

MAX_PENDING_PROGRESS_BYTES: Final = 16_000_000
"""Memory that these may take: a thousand of usual size, or sixteen of the largest."""


class Mux:
    """Tasks that produce events, and the queue to their reader.

    `failed` gets a task's exception. The tasks hold the run, never its stream. `slow_reader` decides about tasks that
    are ahead of the reader: "wait", or "coalesce" and "drop_progress" (see `backlog`), which let them continue.
    """

    def __init__(
        self,
        interruptible: Interruptible,
        failed: Callable[[BaseException], None],
        *,
        slow_reader: SlowReader = "wait",
    ) -> None:
        self._interruptible = interruptible
        self._failed = failed
        self._joined = None if slow_reader == "wait" else Joined(newest_only=slow_reader == "drop_progress")
        self._queue: list[Event] = []
        self._given: list[Event] = []
        self._ahead: dict[str, int] = {}
        self._progress: deque[tuple[ToolProgress, int]] = deque()
        self._progress_bytes = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self.stopped: bool = False
        """Whether the tasks were told to stop."""
        self._filled: asyncio.Event = asyncio.Event()
        self._taken: asyncio.Event = asyncio.Event()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Runs the coroutine concurrently until it ends or all are cancelled; does nothing if they were cancelled
        already."""
        if self.stopped:  # nothing would stop this one, and waiting for all of them would never end
            coroutine.close()
            return
        task = asyncio.create_task(coroutine, name=f"headwater {name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def put(self, events: list[Event]) -> None:
        """Queues events for the reader's next pull."""
        if self._joined is None:
            self._queue += events
        else:
            self._joined.add(events)
        self._filled.set()

    def put_progress(self, event: ToolProgress) -> bool:
        """`put` for a tool's progress, the oldest of which is dropped if the reader is far behind; returns False
        then."""
        if self._joined is not None:
            self.put([event])
            return True
        size = memory_of(event.data)
        dropped: list[ToolProgress] = []
        while self._progress and (
            len(self._progress) >= MAX_PENDING_PROGRESS or self._progress_bytes + size > MAX_PENDING_PROGRESS_BYTES
        ):
            oldest, less = self._progress.popleft()
            self._progress_bytes -= less
            dropped.append(oldest)
        self._progress.append((event, size))
        self._progress_bytes += size
        if dropped:
            self._drop(dropped)
        self.put([event])
        return not dropped

    def _drop(self, dropped: list[ToolProgress]) -> None:
        """Removes them from the queue, where they are in the same order: each search starts after the previous one."""
        at = 0
        for event in dropped:
            at = next(place for place in range(at, len(self._queue)) if self._queue[place] is event)
            del self._queue[at]

    async def hand(self, run: str, events: list[Event]) -> None:
        """`put` for events of a child run, waiting if it is too far ahead of the reader."""
        if self._joined is None:
            self._queue += events
            come, most = 1, MAX_BATCHES_AHEAD
        else:
            come, most = self._joined.add(events), MAX_CHARS_AHEAD
        self._filled.set()
        ahead = self._ahead[run] = self._ahead.get(run, 0) + come
        if ahead >= most:
            self._taken.clear()
            await self._taken.wait()

    async def pull(self) -> list[Event]:
        """Returns all queued events, waiting if there are none; [] once every task has ended."""
        while not (events := self.come()) and self._tasks:
            await self.more()
        return events

    @property
    def full(self) -> bool:
        """Whether anything is queued."""
        return bool(self._queue or self._joined)

    def come(self) -> list[Event]:
        """Returns all queued events, to be appended now."""
        if not self.full:
            return []
        self._given = self.take()
        return self._given

    async def more(self) -> None:
        """Waits until something is queued, or a task ends or reports that it waits."""
        self._filled.clear()
        await self._interruptible.wait(self._filled.wait())

    def take(self) -> list[Event]:
        """Returns all queued events without waiting."""
        if self._joined is not None:
            events = self._joined.take()
        else:
            events, self._queue = self._queue, []
        self._ahead.clear()
        self._progress.clear()
        self._progress_bytes = 0
        self._taken.set()
        return events

    def rest(self) -> list[Event]:
        """Returns all events still to be appended: the rest of the last batch, if its reader left inside it, and the
        queue.

        The child runs have folded them already, so their end events depend on them.
        """
        given, self._given = self._given, []
        return [*(event for event in given if not event.seq), *self.take()]

    @property
    def done(self) -> bool:
        """Whether all tasks have ended."""
        return not self._tasks

    def cancel(self) -> None:
        """Cancels every task."""
        self.stopped = True
        for task in self._tasks:
            task.cancel()

    async def settle(self) -> None:
        """Waits until every task is done."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # A cancelled task keeps its CancelledError until it is retrieved, and with it the frames of all child runs,
        # some of which refer to the task: a cycle that only the garbage collector would free.
        with contextlib.suppress(asyncio.CancelledError):
            if (error := task.exception()) is not None:
                self._failed(error)
        self._filled.set()

"""Where streams merge: tasks put batches of events in, one reader takes them out in the order in which they came.

Fair, for each task gets a batch in before any gets its next one out of turn; bounded, for whoever is ahead of the
reader waits, unless the reader has asked for longer pieces instead (`backlog`). Tasks and queues cost several tokens'
worth of time, so batches go through here, never single tokens.
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
from headwater.tools.news import memory_of

__all__ = ("Mux",)

MAX_BATCHES_AHEAD: Final = 4
"""Batches that one run may be ahead of the reader: enough that neither waits for the other at an even pace."""

MAX_PENDING_PROGRESS: Final = 1000
"""Progress events the reader may be behind; then the oldest are dropped: progress is only news."""

MAX_PENDING_PROGRESS_BYTES: Final = 16_000_000
"""What these may take in memory: a thousand of usual size, and sixteen of the largest."""


class Mux:
    """Tasks that make events, and the queue to their reader.

    `failed` is told what a task raised. The tasks hold the run, never its stream. `slow_reader` is what becomes of
    those who are ahead of the reader: "wait", or "coalesce" and "drop_progress" (see `backlog`), which let them go on.
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
        self.stopped = False
        """Whether the tasks were told to stop."""
        self._filled: asyncio.Event = asyncio.Event()
        self._taken: asyncio.Event = asyncio.Event()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Run the coroutine beside the others until it ends or all are cancelled; never, where they were."""
        if self.stopped:  # nobody would tell this one to stop, and whoever waits for all of them would wait for ever
            coroutine.close()
            return
        task = asyncio.create_task(coroutine, name=f"headwater {name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def put(self, events: list[Event]) -> None:
        """Have the reader append these, as soon as it comes."""
        if self._joined is None:
            self._queue += events
        else:
            self._joined.add(events)
        self._filled.set()

    def put_progress(self, event: ToolProgress) -> bool:
        """`put` for news of a tool, the oldest of which is dropped where the reader is far behind; False then."""
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
        """Take them out of the queue, where they stand in the same order: each is looked for behind the one before."""
        at = 0
        for event in dropped:
            at = next(place for place in range(at, len(self._queue)) if self._queue[place] is event)
            del self._queue[at]

    async def hand(self, run: str, events: list[Event]) -> None:
        """`put` what the run of that id says, which stands below, waiting where it is too far ahead of the reader."""
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
        """All that has come, waiting where nothing has; [] once every task has ended."""
        while not (events := self.come()) and self._tasks:
            await self.more()
        return events

    @property
    def full(self) -> bool:
        """Whether anything has come."""
        return bool(self._queue or self._joined)

    def come(self) -> list[Event]:
        """All that has come, to be appended now."""
        if not self.full:
            return []
        self._given = self.take()
        return self._given

    async def more(self) -> None:
        """Wait until something is put in, or a task ends or says that it waits."""
        self._filled.clear()
        await self._interruptible.wait(self._filled.wait())

    def take(self) -> list[Event]:
        """All that has come, without waiting."""
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
        """All that is still to be appended: of the last batch, where its reader left in the middle of it, and the rest.

        The runs below have folded it already, so what ends them makes no sense without it.
        """
        given, self._given = self._given, []
        return [*(event for event in given if not event.seq), *self.take()]

    @property
    def done(self) -> bool:
        """Whether no task is left."""
        return not self._tasks

    def cancel(self) -> None:
        """Tell every task to stop."""
        self.stopped = True
        for task in self._tasks:
            task.cancel()

    async def settle(self) -> None:
        """Wait until every task is done."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # One that was cancelled keeps its CancelledError until it is asked for it, and with it the frames of all runs
        # below, some of which know the task: only the garbage collector would find them.
        with contextlib.suppress(asyncio.CancelledError):
            if (error := task.exception()) is not None:
                self._failed(error)
        self._filled.set()

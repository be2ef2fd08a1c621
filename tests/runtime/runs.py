"""Scripted runs, for tests of the behavior of every run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from headwater.errors import ServerError
from headwater.events import (
    AttemptStarted,
    Event,
    RunFinished,
    RunStarted,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
)
from headwater.runtime.children import Parent
from headwater.runtime.run import Run

__all__ = ("Saying", "Team", "broken", "log_of_run")


class _Steps(Run):
    """The base of `Saying` and `Team`: a first event, and an answer that can be cut off."""

    released = 0
    """How often it was told to close its connections."""

    def _started(self) -> RunStarted:
        return RunStarted(agent_name=self.name, parent=self.parent, call=self.call)

    def _release(self) -> None:
        self.released += 1

    def _end_step(self) -> Iterator[list[Event]]:
        if self.fold.in_step is not None:
            yield [self.fold.step_end(api="", model="", finish_reason="cancelled")]


class Saying(_Steps):
    """Says words, one every so many seconds, in one step; raises `error` after them, where there is one."""

    def __init__(
        self, name: str, *words: str, pause: float = 1.0, error: Exception | None = None, **options: Any
    ) -> None:
        super().__init__(name, **options)
        self._words = words
        self._pause = pause
        self._raises = error
        self._batches = self._plan()

    def _plan(self) -> Iterator[list[Event]]:
        yield [self._started(), StepStarted(step=1), AttemptStarted(step=1), TextStarted(step=1, part=0)]
        for word in self._words:
            yield [TextDelta(step=1, part=0, text=word)]
        if self._raises is not None:
            raise self._raises
        yield [TextEnded(step=1, part=0)]
        yield [self.fold.step_end(api="", model="", finish_reason="stop")]
        yield [RunFinished(finish_reason="stop")]

    async def _advance(self) -> list[Event]:
        if self.fold.started is not None and self.fold.end is None:
            await self._interruptible.wait(asyncio.sleep(self._pause))
        events = next(self._batches, None)
        if events is None:
            self.close()
        return events or []


class Team(_Steps, Parent):
    """Reads others to their end, concurrently, as a workflow does."""

    def __init__(self, name: str, *members: Run, **options: Any) -> None:
        super().__init__(name, **options)
        self._members = members
        self._begun = False

    async def _advance(self) -> list[Event]:
        if not self._begun:
            self._begun = True
            for member in self._members:
                member.join(self, role="member")
                self.mux.spawn(self.conduct(member), member.name)
            return [self._started()]
        if self.fold.end is not None:
            self.close()
            return []
        if events := await self.mux.pull():
            return events
        return [RunFinished(finish_reason="stop", answer=tuple(member.id for member in self._members))]


async def log_of_run(run: Run, until: Callable[[Event], bool] | None = None) -> list[Event]:
    """All that the run appends, until its end or an event of which that holds."""
    log: list[Event] = []
    while events := await run.pull():
        for event in events:
            wait: Awaitable[Any] | None = run.append(event)
            if wait is not None:
                await wait
            log.append(event)
            if until is not None and until(event):
                return log
    return log


def broken() -> ServerError:
    """An error as a provider gives one."""
    return ServerError("It broke.", status=500)

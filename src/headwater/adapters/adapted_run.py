"""The run of another framework's agent: a task of its own reads the framework's stream, the run's reader sets the pace.

Owns that task. The framework's objects are entered and left in it, so that leaving the run cancels it there, and what
the framework has open is closed as the framework closes it. Runs that the framework's tools start with headwater are
linked to this one, and end with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from headwater.adapters.told import ToldRun
from headwater.adapters.told_steps import Saying
from headwater.errors import HeadwaterError
from headwater.events import Event
from headwater.events.messages import Message
from headwater.runtime.context import Origin, current_run, others_cancel
from headwater.runtime.shown import text_replaced
from headwater.schema.well_formed import all_well_formed

__all__ = ("AdaptedRun", "Tell")

MAX_AHEAD: Final = 16
"""Events that the framework may be ahead of the reader: a few reads of its connection."""


class AdaptedRun(ToldRun):
    """A run that `tell` tells: a coroutine that reads the framework's stream and awaits `turn` after each item."""

    def __init__(
        self,
        name: str,
        tell: Tell,
        input: tuple[Message, ...],
        *,
        context: Any = None,
        timeout: float | None = None,
        quiet: bool = False,
    ) -> None:
        self._told: deque[tuple[ToldRun, Saying]] = deque()
        super().__init__(name, self._told, timeout=timeout, quiet=quiet, origin=Origin.here())
        self.input: tuple[Message, ...] = all_well_formed(input)
        self._replaced = self.input is not input
        self.context = context
        self._tell: Tell | None = tell
        self._begun = False
        self._failure: BaseException | None = None
        self._taken = asyncio.Event()

    resumes = False
    """A framework cannot go on in the middle of its run: in a resumed log it is run again."""

    async def turn(self) -> None:
        """Passes on what was said; waits while the reader is behind."""
        self.mux.put([])
        while len(self._told) > MAX_AHEAD:
            self._taken.clear()
            await self._taken.wait()

    async def _advance(self) -> list[Event]:
        mux = self.mux
        if not self._begun:
            self._begun = True
            mux.spawn(self._listen(), f"adapter {self.name}")
            return [self._started(), *text_replaced(self._replaced)]
        while True:
            if self._failure is None and (events := self._said()):
                mux.put(events)
                return mux.come()
            if self._failure is not None:
                raise self._failure
            if mux.done and not self._told:
                self.close()
                return []
            await mux.more()

    def _said(self) -> list[Event]:
        """What was said so far; up to what has to see the log first."""
        said: list[Event] = []
        told, own = self._told, False
        while told:
            run, saying = told[0]
            if isinstance(saying, Event):
                events = [saying]
            elif own:
                break  # it depends on events that are not in this run's fold yet
            else:
                try:
                    events = saying()
                except BaseException as error:
                    self._failure = error
                    told.clear()
                    break
            told.popleft()
            before = len(said)
            if not self._take(run, events, said):
                break
            # What says nothing keeps nobody waiting: the reader comes back only after events.
            own = own or (run is self and len(said) > before)
        self._taken.set()
        return said

    def _take(self, run: ToldRun, events: list[Event], said: list[Event]) -> bool:
        """Adds a run's events; False: a budget is used up, and these are the last."""
        going = True
        try:
            events = [*events, *run.heard(events)]
        except HeadwaterError as error:
            self._failure, going = error, False
            self._told.clear()
        if run is not self:
            run.take(events)
        said += events
        return going

    async def _listen(self) -> None:
        tell, self._tell = self._tell, None
        assert tell is not None
        current_run.set(self)  # what the framework's tools start is linked to this run
        try:
            await tell(self)
        except asyncio.CancelledError as cancelled:
            if (error := others_cancel()) is None:
                raise
            error.__cause__ = cancelled
            self._tell_failure(error)
        except Exception as error:
            self._tell_failure(error)
        else:
            self.finish()
        self.mux.put([])

    def _tell_failure(self, error: BaseException) -> None:
        if self._successor is not None:
            self._successor.fail(error)
        self.told_all = True

        def fail() -> list[Event]:
            raise error

        self.say(fail)

    def raise_error(self) -> None:
        """See `Run`. An exception of the framework has the partial Response as `response` too, where it can."""
        error = self.error
        if error is not None and not isinstance(error, HeadwaterError) and hasattr(error, "__dict__"):
            error.__dict__.setdefault("response", self.response())
        super().raise_error()

    def _finished(self) -> None:
        self._told.clear()  # what is left is not in the log, and holds the run
        self._tell = None


Tell: TypeAlias = Callable[[AdaptedRun], Coroutine[Any, Any, None]]
"""Reads a framework's stream to its end, and tells the run."""

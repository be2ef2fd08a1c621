"""A run of a journal, read from its growing stored log, for any driver.

Leaving says nothing to the run; `cancel` stops it, wherever it is driven. What is said to it goes into its inbox. Where
the store was restored from a backup, or has dropped deltas that the reader is in the middle of, the log is read again
from its beginning (`FromLog.begin_anew`): nothing is spliced.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Literal

from headwater.durable.drive import whole_log
from headwater.durable.home import Home
from headwater.durable.saying import say_answer, say_cancel, say_steer
from headwater.errors import RunEnded, UsageError
from headwater.events import Event
from headwater.events.messages import Message
from headwater.events.questions import Answer
from headwater.journal.engines.executor import aside
from headwater.journal.run_log import Page
from headwater.runtime.ending import CancelledBy
from headwater.runtime.from_log import DrivenElsewhere
from headwater.runtime.people import Approver
from headwater.tools import pool

__all__ = ("Followed",)


class Followed(DrivenElsewhere):
    """The run with that id. `approver` answers its questions, unless someone else is faster."""

    def __init__(self, home: Home, id: str, approver: Approver | None = None) -> None:
        super().__init__(home, approver)
        self.id = id
        self._home = home
        self._pages: AsyncIterator[Page] | None = None
        self._behind = True
        """Whether more is stored than was read: what was asked there may be answered by now."""

    async def _advance(self) -> list[Event]:
        if not self._behind:
            self._ask()
        if self._pages is None:
            log = await self._interruptible.wait(self._home.log())
            self._pages = log.tail(self.id)
        try:
            with aside(), pool.aside():
                page = await self._interruptible.wait(_next(self._pages))
        except _End:
            return self._ended()
        if page.reset and self.known:
            self.begin_anew()
        self._behind = page.after < page.end - 1
        return [*page.events()]

    def _finished(self) -> None:
        super()._finished()
        pages, self._pages = self._pages, None
        close = getattr(pages, "aclose", None)
        if close is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().create_task(_closed(close))

    # --- messages to the run

    async def answer_and_wait(self, id: str, answer: Answer, kind: Literal["approval", "input"]) -> None:
        """Puts the answer into the run's inbox. Raises AlreadyAnswered, RunEnded and UnknownRun, and for a question
        that was not read here also UnknownQuestion and AnswerInvalid."""
        if all(question.id != id for question in self.open_questions):
            await self._look_up(id, kind)
        await say_answer(self._home, self.id, id, answer, kind)

    async def _look_up(self, id: str, kind: str) -> None:
        """Checks an answer against the stored log. Of a run that has ended, the inbox says so."""
        log = await self._home.log()
        if (await log.info(self.id)).over:
            return
        stored = Followed(self._home, self.id)
        for event in await whole_log(log, self.id):
            stored.append(event)
        stored.people.check(id, kind)

    def cancel(self, by: CancelledBy = "caller") -> None:
        """Stops the run, from any thread; its reader gets the end of the log. For errors see `_send`."""
        if not self.over:
            with contextlib.suppress(RunEnded):
                self._send(lambda: say_cancel(self._home, self.id))

    def steer(self, message: Message, *, agent: str | None, by: str, now: bool, key: str = "") -> bool:
        """Sends a message to the run, or to the child run of `agent`. Returns False if it has ended."""
        try:
            self._send(lambda: say_steer(self._home, self.id, message, agent=agent, by=by, now=now, key=key))
        except RunEnded:
            return False
        return True

    def park(self, *, now: bool = False) -> None:
        """Raises UsageError: the run is driven elsewhere."""
        raise UsageError("A run of a journal cannot be parked by a reader.", hint="Stop reading, or cancel it.")


async def _next(pages: AsyncIterator[Page]) -> Page:
    try:
        return await anext(pages)
    except StopAsyncIteration:
        raise _End from None


class _End(Exception):
    """The log is at its end."""


async def _closed(close: Any) -> None:
    with contextlib.suppress(RuntimeError):
        await close()

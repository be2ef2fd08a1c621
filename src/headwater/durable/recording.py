"""Stores a run that is read in this process in its journal, and delivers messages from other processes.

Owns the stored request, and the two ways in which answers reach the store. The run is recorded from its first read, if
it is the outermost of its tree.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from headwater.durable.asked import AskedFor, asked_of, context_of, plain_context
from headwater.durable.drive import hear, poster, said_by
from headwater.durable.home import home_of
from headwater.durable.inbox import Inbox
from headwater.durable.saying import say_answer
from headwater.errors import AlreadyAnswered, ConfigurationError, HeadwaterError, JournalUnavailable, RunLost
from headwater.events import Event
from headwater.events.codec import decode_message, encode
from headwater.events.messages import Message
from headwater.events.questions import Answer, Question
from headwater.journal.opening import check_url
from headwater.journal.retention import Duration, Retention, retention_of
from headwater.journal.run_log import Batch, Closed, Conflict, Request, RunLog
from headwater.journal.writer import LONGEST_PAUSE
from headwater.runtime.run import Run
from headwater.runtime.sending import Sending

__all__ = ("Recording",)

_logger: Final = logging.getLogger("headwater.journal")


class Recording:
    """The journal of one run that is read here. `options` are what the run was given beside its task."""

    def __init__(
        self,
        url: str,
        agent: str,
        task: Sequence[Message],
        options: Mapping[str, Any],
        *,
        thread: str | None = None,
        keep: Duration | Retention = None,
    ) -> None:
        check_url(url)
        self._home = home_of(url)
        self._agent = agent
        self._task = tuple(task)
        self._options = dict(options)
        self._thread = thread
        self._retention = retention_of(keep)
        self._hearing: asyncio.Task[None] | None = None
        self._sending = Sending(self._home)

    def context(self, context_from: Callable[[AskedFor], Any]) -> Any:
        """Returns the run's context. Raises ConfigurationError."""
        asked_for = AskedFor(
            run="",
            agent=self._agent,
            task=self._task,
            context=plain_context(self._options.get("context")),
            thread=self._thread,
        )
        context = context_of(asked_for, context_from)
        if inspect.isawaitable(context):
            close = getattr(context, "close", None)
            if close is not None:
                close()
            raise ConfigurationError(
                f"context_from of {self._agent!r} is a coroutine function, which cannot be awaited here.",
                hint="Make it a plain function, or start the run with agent.start(…).",
            )
        return context

    def attach(self, run: Run) -> None:
        """Stores the run from its first read, if it is the outermost of its tree."""
        run.journaling = self._begin
        if self._thread is not None:
            run.said_before = self.history  # type: ignore[attr-defined]  # a thread is an agent's alone

    def _begin(self, run: Run) -> None:
        """Called before the first read. Raises ConfigurationError if the context is not a JSON value."""
        station, options = self._home.station, self._options
        given = {name: value for name, value in options.items() if name not in ("context", "history")}
        body = asked_of(
            self._task, history=options.get("history") or (), context=options.get("context"), options=given
        ).encode()
        request = self._retention.applied(Request(agent=self._agent, body=body, thread=self._thread))
        past = run.record.events if run.record is not None else ()
        run.use_clock(station.ahead)

        async def create(log: RunLog) -> None:
            await log.create(run.id, request)
            if past:
                await _copy(log, run.id, past, by=f"{station.worker}/past")
            run.people.post = poster(log, run.id)
            self._hearing = asyncio.ensure_future(hear(log, run, Inbox(run, past)))

        def end() -> None:
            if self._hearing is not None:
                self._hearing.cancel()

        said = partial(said_by, run) if self._thread is not None else None
        station.record(run, first=len(past), begin=create, said=said, ended=end)
        run.people.posted = partial(self._posted, weakref.ref(run), station.loop, threading.get_ident())

    def _posted(
        self,
        known: weakref.ref[Run],
        loop: asyncio.AbstractEventLoop,
        thread: int,
        question: Question,
        answer: Answer,
    ) -> None:
        """Store the answer, then give it to the run; see `Sending`."""

        async def store() -> None:
            if (run := known()) is None:
                return
            await say_answer(self._home, run.id, question.id, answer, question.kind)
            with contextlib.suppress(AlreadyAnswered):  # by this same answer: the inbox was faster
                run.people.deliver(question.id, answer, question.kind)

        def failed(error: HeadwaterError) -> None:
            if isinstance(error, JournalUnavailable):
                loop.call_later(LONGEST_PAUSE, self._sending.meanwhile, store, failed)
            else:
                _logger.error("The answer to %s could not be stored: %s", question.id, error.message)

        self._sending.say(store, failed=failed, loop=loop, thread=thread)

    async def history(self, run: Run) -> tuple[Message, ...]:
        """Creates the run, and returns the messages of the earlier runs of its thread. Raises ThreadBusy."""
        log = await self._home.log()
        writing = self._home.station.writing_of(run.id)
        if writing is not None and writing.begin is not None:
            try:
                await writing.begin(log)
            except HeadwaterError as error:
                writing.refused(error)
                raise
            writing.begin = None
        return tuple([decode_message(line) for line in await log.history(run.id)])


async def _copy(log: RunLog, run: str, past: Sequence[Event], *, by: str) -> None:
    """Store the log that the run is resumed from, where its own is still empty.

    It may be called again, after an error: what was stored before is not stored twice. Raises JournalUnavailable, and
    RunLost if another process has begun the run.
    """
    if (await log.info(run)).end:
        return
    try:
        await log.append(Batch(run=run, first=0, lines=tuple(map(encode, past)), by=by))
    except (Conflict, Closed) as refused:
        raise RunLost(f"{run} is driven elsewhere. {refused}", hint="Read it with headwater.attach(id).") from None

"""The runs of a server under a journal: stored when they start, and found by id on any server of the same journal.

With a journal in PostgreSQL they are submitted to its queue, and workers drive them; with any other, this process does.
The caller's name is stored as the label `owner`. Owns what is stored of a request; the manager owns limits and readers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headwater.durable.followed import Followed
from headwater.durable.home import Home, home_of
from headwater.durable.start import request_of, store
from headwater.errors import HeadwaterError, ThreadBusy, UnknownRun
from headwater.events import Event
from headwater.events.messages import Message
from headwater.journal.opening import check_url
from headwater.journal.run_log import Request, RunInfo
from headwater.web.problems import Problem

__all__ = ("DurableRuns", "Submitted")

OWNER = "owner"
"""The label with the caller's name; anonymous callers have none."""


class Submitted(Followed):
    """A run that is stored before its first event is read."""

    def __init__(self, home: Home, request: Request) -> None:
        super().__init__(home, f"run_{os.urandom(9).hex()}")
        self._home_of_run = home
        self._request: Request | None = request
        self.stored = asyncio.Event()
        """Set once the journal has the run."""

    async def _advance(self) -> list[Event]:
        request, self._request = self._request, None
        if request is not None:
            await self._interruptible.wait(store(self._home_of_run, self.id, request))
            self.stored.set()
        return await super()._advance()


class DurableRuns:
    """The journal of a server with these members. Raises ConfigurationError if it cannot be used."""

    def __init__(self, url: str, members: Iterable[Any]) -> None:
        self.home = home_of(url)
        if check_url(url) == "postgresql":
            from headwater.durable.worker import check_queue

            check_queue(url)
            self.home.use_queue()
        for member in members:
            self.home.members.add(member)

    def submit(
        self,
        member: Any,
        task: Sequence[Message],
        *,
        owner: str | None,
        thread: str | None,
        history: Sequence[Message] = (),
        options: Mapping[str, Any],
    ) -> Submitted:
        """Returns a new run, which is stored when it is read. Raises ConfigurationError for what cannot be stored."""
        others = dict(options)
        request = request_of(
            self.home,
            member,
            task,
            context=others.pop("context", None),
            history=history,
            thread=None if thread is None else "/".join((owner or "", member.name, thread)),
            labels={} if owner is None else {OWNER: owner},
            keep=getattr(member, "keep", None),
            options=others,
        )
        return Submitted(self.home, request)

    async def find(self, id: str, owner: str | None) -> tuple[RunInfo, Followed]:
        """Returns the owner's run with that id. Raises Problem, the same for another owner's run as for no run."""
        info = await self.info(id)
        if info is None or info.request.labels.get(OWNER) != owner:
            raise Problem("unknown_run", "There is no such run.", hint="Check the id; a run may have been deleted.")
        return info, Followed(self.home, id)

    async def info(self, id: str) -> RunInfo | None:
        """Returns what the journal knows of the run; None for an unknown one. Raises Problem."""
        try:
            return await (await self.home.log()).info(id)
        except UnknownRun:
            return None
        except HeadwaterError as error:
            raise unavailable(error) from error

    async def listed(
        self, owner: str | None, *, agent: str | None, state: Any, before: str | None, limit: int
    ) -> list[RunInfo]:
        """Returns the owner's runs, newest first. Raises Problem."""
        try:
            log = await self.home.log()
            found = await log.runs(
                states=() if state is None else (state,),
                agent=agent,
                labels={} if owner is None else {OWNER: owner},
                before=before,
                limit=limit,
            )
        except HeadwaterError as error:
            raise unavailable(error) from error
        return [info for info in found if info.request.labels.get(OWNER) == owner]


def unavailable(error: BaseException) -> Problem:
    """Returns why a run could not be stored or found."""
    if isinstance(error, ThreadBusy):
        return Problem("thread_busy", error.message, hint=error.hint)
    said = error.message if isinstance(error, HeadwaterError) else str(error)
    return Problem("not_stored", said, hint="Try again soon.", retry_after=5)

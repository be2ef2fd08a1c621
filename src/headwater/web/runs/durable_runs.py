"""The runs of a server under a journal: stored when they start, and found by id on any server of the same journal.

With an engine, or a journal in PostgreSQL that was named for the server, they are submitted to it, and workers drive
them; else this process does, as it drives other runs of agents with a journal of their own.
The caller's name is stored as the label `owner`. Owns what is stored of a request; the manager owns limits and readers.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from headwater.agents.journaled import Journaled
from headwater.durable.drive import whole_log
from headwater.durable.followed import Followed
from headwater.durable.home import Home, home_of, journal_url
from headwater.durable.start import request_of, store
from headwater.errors import ConfigurationError, HeadwaterError, ThreadBusy, UnknownRun
from headwater.events import Event
from headwater.events.messages import Message
from headwater.journal.addresses import shown
from headwater.journal.opening import check_url
from headwater.journal.run_log import Request, RunInfo
from headwater.journal.wording import check_request
from headwater.web.problems import Problem

__all__ = ("DurableRuns", "Submitted", "shared_journal")

OWNER = "owner"
"""The label with the caller's name; anonymous callers have none."""

NOTES = "notes"
"""The label with what a wire noted of the request, as JSON, so that every server repeats it."""

CONVERSATION = "conversation"
"""The label with the name of a client's conversation, by which every server finds its last run."""


class Submitted(Followed):
    """A run that is stored before its first event is read."""

    def __init__(self, home: Home, request: Request) -> None:
        super().__init__(home, f"run_{os.urandom(9).hex()}")
        self._home_of_run = home
        self._request: Request | None = request
        self.stored: asyncio.Event = asyncio.Event()
        """Set once the journal has the run."""

    async def _advance(self) -> list[Event]:
        request, self._request = self._request, None
        if request is not None:
            await self._interruptible.wait(store(self._home_of_run, self.id, request))
            self.stored.set()
        return await super()._advance()


class DurableRuns:
    """The journal of a server with these members. `by_workers`: runs are submitted to workers, if the journal has a
    queue.

    Raises ConfigurationError if it cannot be used.
    """

    def __init__(self, url: str, members: Iterable[Any], *, engine: str | None = None, by_workers: bool = True) -> None:
        store = check_url(url)
        self.home: Home = home_of(url)
        if engine is not None or (by_workers and store == "postgresql"):
            self.home.use_engine(engine)
        self._members = tuple(members)
        for member in self._members:
            self.home.members.add(member)

    def adopt(self) -> None:
        """See `Manager.adopt`."""
        for member in self._members:
            self.home.members.add(member)  # again: now its event loop is the one that serves
        _ = self.home.station  # which starts the search for runs without a driver

    def submit(
        self,
        member: Any,
        task: Sequence[Message],
        *,
        owner: str | None,
        thread: str | None,
        history: Sequence[Message] = (),
        notes: Mapping[str, Any] | None = None,
        conversation: Sequence[str] | None = None,
        options: Mapping[str, Any],
    ) -> Submitted:
        """Returns a new run, which is stored when it is read. Raises ConfigurationError for what cannot be stored."""
        others = dict(options)
        labels = {} if owner is None else {OWNER: owner}
        if notes:
            labels[NOTES] = msgspec.json.encode(notes).decode()
        if conversation is not None:
            labels[CONVERSATION] = _name(conversation)
        request = request_of(
            self.home,
            member,
            task,
            context=others.pop("context", None),
            history=history,
            thread=None if thread is None else "/".join((owner or "", member.name, thread)),
            labels=labels,
            keep=getattr(member, "keep", None),
            options=others,
        )
        run = Submitted(self.home, request)
        check_request(run.id, request, None)
        return run

    async def find(self, id: str, owner: str | None) -> tuple[RunInfo, Followed]:
        """Returns the owner's run with that id. Raises Problem, the same for another owner's run as for no run."""
        info = await self.info(id)
        if info is None or info.request.labels.get(OWNER) != owner:
            raise _unknown()
        return info, Followed(self.home, id)

    def notes_of(self, info: RunInfo) -> dict[str, Any]:
        """Returns the notes with which a server started the run."""
        noted: dict[str, Any] = msgspec.json.decode(info.request.labels.get(NOTES, "{}"))
        return noted

    async def latest(self, owner: str | None, conversation: Sequence[str]) -> RunInfo | None:
        """Returns the owner's last run of the conversation. Raises Problem."""
        labels = {CONVERSATION: _name(conversation)}
        found = await self.listed(owner, agent=None, state=None, before=None, limit=1, labels=labels)
        return found[0] if found else None

    async def log_of(self, id: str) -> list[Event]:
        """Returns the stored events of the run. Raises Problem."""
        try:
            return await whole_log(await self.home.log(), id)
        except HeadwaterError as error:
            raise unavailable(error) from error

    async def info(self, id: str) -> RunInfo | None:
        """Returns what the journal knows of the run; None for an unknown one. Raises Problem."""
        try:
            return await (await self.home.log()).info(id)
        except UnknownRun:
            return None
        except HeadwaterError as error:
            raise unavailable(error) from error

    async def listed(
        self,
        owner: str | None,
        *,
        agent: str | None,
        state: Any,
        before: str | None,
        limit: int,
        labels: Mapping[str, str] | None = None,
    ) -> list[RunInfo]:
        """Returns the owner's runs, newest first. Raises Problem."""
        try:
            log = await self.home.log()
            found = await log.runs(
                states=() if state is None else (state,),
                agent=agent,
                labels={**(labels or {}), **({} if owner is None else {OWNER: owner})},
                before=before,
                limit=limit,
            )
        except UnknownRun as error:
            raise _unknown() from error
        except HeadwaterError as error:
            raise unavailable(error) from error
        return [info for info in found if info.request.labels.get(OWNER) == owner]


def shared_journal(members: Iterable[Any]) -> str:
    """Returns the URL of the journal that all members have. Raises ConfigurationError if they do not share one."""
    urls = {one.name: journal_url(one.journal) if isinstance(one, Journaled) else None for one in members}
    (url, *others) = dict.fromkeys(urls.values())
    if url is None or others:
        has = ", ".join(f"{name!r} has {shown(one) if one else 'none'}" for name, one in urls.items())
        raise ConfigurationError(
            f"The agents that are served together do not share one journal: {has}.",
            hint="Name one for all their runs: router(…, journal=URL). Or make a router for each journal.",
        )
    return url


def _name(conversation: Sequence[str]) -> str:
    """Returns the conversation as a label. A label is short; a client's id may be of any length."""
    return hashlib.sha256(msgspec.json.encode(conversation)).hexdigest()


def _unknown() -> Problem:
    return Problem("unknown_run", "There is no such run.", hint="Check the id; a run may have been deleted.")


def unavailable(error: BaseException) -> Problem:
    """Returns why a run could not be stored or found."""
    if isinstance(error, ThreadBusy):
        return Problem("thread_busy", error.message, hint=error.hint)
    said = error.message if isinstance(error, HeadwaterError) else str(error)
    return Problem("not_stored", said, hint="Try again soon.", retry_after=5)

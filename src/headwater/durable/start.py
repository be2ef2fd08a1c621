"""Starts a run that needs no reader: it is stored, then driven here until another process takes over.

Owns the options of a start. Two starts with the same key are one run: the second changes neither its request nor when
it is driven.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from headwater.durable.asked import asked_of
from headwater.durable.drive import Drivable
from headwater.durable.home import Home, home_of, journal_url
from headwater.durable.members import driving_loop
from headwater.durable.run_ref import RunRef, either
from headwater.errors import ConfigurationError
from headwater.events.messages import Message
from headwater.journal.retention import Duration, Retention, retention_of
from headwater.journal.run_log import Request

__all__ = ("request_of", "started", "store")


def started(
    member: Drivable,
    journal: str | None,
    task: Sequence[Message],
    *,
    key: str | None = None,
    context: Any = None,
    history: Sequence[Message] = (),
    thread: str | None = None,
    when_busy: Literal["raise", "queue"] = "raise",
    queue: str = "default",
    priority: int = 0,
    not_before: float | None = None,
    labels: Mapping[str, str] | None = None,
    keep: Duration | Retention = None,
    options: Mapping[str, Any],
) -> RunRef[Any]:
    """Store the run and have it driven; see `Agent.start`. In an event loop what is returned is to be awaited.

    Raises ConfigurationError where no journal is named, or something has no JSON form; ThreadBusy.
    """
    url = journal_url(journal)
    if url is None:
        raise ConfigurationError(
            f"{member.name!r} has no journal, so a run of it cannot be started without a reader.",
            hint='Set one: Agent(journal="sqlite:///runs.db"), or set HEADWATER_JOURNAL.',
        )
    if when_busy not in ("raise", "queue"):
        raise ConfigurationError(f"when_busy is {when_busy!r}.", hint='Pass "raise" or "queue".')
    home = home_of(url)
    request = request_of(
        home,
        member,
        task,
        context=context,
        history=history,
        thread=thread,
        queue=queue,
        priority=priority,
        not_before=not_before,
        labels=labels,
        keep=keep,
        options=options,
    )
    loop = driving_loop()
    return either(home, lambda: _start(home, request, key, when_busy, loop))


def request_of(
    home: Home,
    member: Drivable,
    task: Sequence[Message],
    *,
    context: Any = None,
    history: Sequence[Message] = (),
    thread: str | None = None,
    queue: str = "default",
    priority: int = 0,
    not_before: float | None = None,
    labels: Mapping[str, str] | None = None,
    keep: Duration | Retention = None,
    options: Mapping[str, Any],
) -> Request:
    """Returns the request of a run of that member, which this process knows from now on.

    Raises ConfigurationError if something has no JSON form, or another agent has the name.
    """
    if labels is not None and not isinstance(labels, Mapping):
        raise ConfigurationError(f"labels is {labels!r}.", hint='Pass a dict of strings: {"team": "billing"}.')
    asked = asked_of(task, history=history, context=context, options=options)
    asked.run_options()
    home.members.add(member)
    request = Request(
        agent=member.name,
        body=asked.encode(),
        thread=thread,
        queue=queue,
        priority=priority,
        not_before=not_before,
        labels=dict(labels or {}),
    )
    return retention_of(keep).applied(request)


async def store(home: Home, run: str, request: Request) -> None:
    """Stores a new run under that id and has it driven. Raises ThreadBusy, JournalUnavailable."""
    log = await home.log()
    await log.create(run, request)
    home.submit_request(run, request, on=driving_loop())


async def _start(
    home: Home,
    request: Request,
    key: str | None,
    when_busy: Literal["raise", "queue"],
    loop: asyncio.AbstractEventLoop | None,
) -> RunRef[Any]:
    log = await home.log()
    created = await log.create(f"run_{os.urandom(9).hex()}", request, key=key, when_busy=when_busy)
    info = None if created.new else await log.info(created.run)
    if info is None or info.state == "queued":  # a started run is found by the search for due runs
        stands = request if info is None else info.request
        home.submit_request(created.run, stands, on=loop)
    return RunRef(home, created.run, new=created.new)

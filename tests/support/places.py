"""A place where runs are driven, for tests: one event loop, one store, and the members that are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.durable.asked import asked_of
from headwater.durable.drive import Drivable
from headwater.durable.turns import Turns
from headwater.events import Event
from headwater.events.messages import Message
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Request, RunLog
from headwater.journal.writer import Writer

__all__ = ("Place", "stored", "submitted")

OF_THE_REQUEST = ("thread", "labels", "queue", "not_before")


class Place:
    """One worker on one event loop; see `durable.drive.Place`."""

    def __init__(self, log: RunLog, *members: Any, worker: str = "w") -> None:
        self.store = log
        self.worker = worker
        self.members: Mapping[str, Drivable] = {member.name: member for member in members}
        self.writer = Writer(self.log)
        self.turns = Turns()

    async def log(self) -> RunLog:
        return self.store

    async def next_of_thread(self, thread: str) -> None:
        pass


async def submitted(log: RunLog, agent: Any, run: str = "run_1", *, task: str = "go", **more: Any) -> str:
    """Store a run of the agent, and return its id."""
    request: dict[str, Any] = {name: more.pop(name) for name in OF_THE_REQUEST if name in more}
    body = asked_of([Message.user(task)], context=more.pop("context", None), options=more).encode()
    await log.create(run, Request(agent=agent.name, body=body, **request))
    return run


async def stored(log: RunLog | MemoryLog, run: str = "run_1") -> list[Event]:
    """The run's log as the store has it."""
    events: list[Event] = []
    while True:
        page = await log.read(run, len(events) - 1)
        events += page.events()
        if page.after >= page.end - 1:
            return events

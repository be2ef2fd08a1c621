"""Hints between processes: which process follows which run, so that a writer can notify it at once.

Owns the NOTIFY traffic. A hint only wakes a reader sooner: if it is lost, readers find the events when they poll.

Every process listens to `headwater`, where readers announce which runs they follow, and to its own channel. A writer
notifies the channels of the processes that follow the run, outside of any transaction of the log, and groups the hints
that were added during the previous notification. At start a process notifies itself over another connection. If that
does not arrive, there is a pooler in between: the process logs it and only polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

import msgspec
import psycopg

from headwater.errors import HeadwaterError
from headwater.journal.addresses import shown
from headwater.journal.postgres.connection import Connection, Database, connect

__all__ = ("Hints",)

logger: Final = logging.getLogger("headwater.journal")

ALL: Final = "headwater"
"""The channel of the announcements."""

AGAIN: Final = 5.0
"""Seconds between two announcements of the same run; it is forgotten if it is not repeated for three times as long."""

GATHER: Final = 0.02
"""Seconds for which new readers gather before they are announced."""

LARGEST: Final = 7000
"""Bytes of a notification: PostgreSQL takes 8000."""

HEARD_WITHIN: Final = 2.0
"""Seconds within which a process must receive its own notification."""


class _Announced(msgspec.Struct, frozen=True):
    to: str
    runs: list[str]


_announced: Final = msgspec.json.Decoder(_Announced)


class Hints:
    """The hints of one store: `woken` is called for each hint received, `followed` returns the followed runs."""

    def __init__(
        self, url: str, sending: Connection, *, woken: Callable[[], None], followed: Callable[[], set[str]]
    ) -> None:
        self._url = url
        self._sending = sending
        self._woken = woken
        self._followed = followed
        self._channel = f"headwater_{secrets.token_hex(6)}"
        self._followers: dict[str, dict[str, float]] = {}
        self._told: set[str] = set()
        self._dirty: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sender: asyncio.Task[None] | None = None
        self._announcer = asyncio.Event()
        self.heard: asyncio.Event = asyncio.Event()
        """Set once this process has received its own notification."""

    def start(self) -> None:
        """Starts to listen, without waiting."""
        for work in (self._listen, self._announce):
            self._begin(work())

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name="headwater journal hints")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def follow(self) -> None:
        """Called when a reader starts to follow a run."""
        self._announcer.set()

    def appended(self, runs: Iterable[str]) -> None:
        """Notifies the followers of these runs about new events."""
        now = asyncio.get_running_loop().time()
        for run in runs:
            for channel, until in self._followers.get(run, {}).items():
                if until > now:
                    self._dirty.add(channel)
        if self._dirty and self._sender is None:
            self._sender = self._begin(self._send())

    async def _send(self) -> None:
        try:
            while self._dirty:
                channels, self._dirty = sorted(self._dirty), set()
                await self._notify([(channel, "") for channel in channels])
        finally:
            self._sender = None

    async def _notify(self, said: list[tuple[str, str]]) -> None:
        with contextlib.suppress(HeadwaterError):
            await self._sending.do(lambda db: _notify(db, said))

    async def _listen(self) -> None:
        said = False
        while True:
            try:
                db = await connect(self._url)
            except HeadwaterError:
                await asyncio.sleep(AGAIN)
                continue
            try:
                await db.execute(f'listen "{ALL}"', prepare=False)
                await db.execute(f'listen "{self._channel}"', prepare=False)
                checking = None if said else self._begin(self._hear_myself())
                said = True
                async for notification in db.notifies():
                    self._take(notification.channel, notification.payload)
                if checking is not None:
                    checking.cancel()
            except (psycopg.Error, OSError):
                pass
            finally:
                await db.close()
            self._woken()  # notifications sent meanwhile were lost
            await asyncio.sleep(1.0)

    async def _hear_myself(self) -> None:
        await self._notify([(self._channel, "me")])
        try:
            async with asyncio.timeout(HEARD_WITHIN):
                await self.heard.wait()
        except TimeoutError:
            logger.warning(
                "The journal %s delivers no notifications (a pooler in transaction mode?); readers poll instead.",
                shown(self._url),
            )

    def _take(self, channel: str, payload: str) -> None:
        if channel == self._channel:
            if payload == "me":
                self.heard.set()
            self._woken()
            return
        with contextlib.suppress(msgspec.DecodeError):
            announced = _announced.decode(payload)
            if announced.to != self._channel:
                until = asyncio.get_running_loop().time() + 3 * AGAIN
                for run in announced.runs:
                    self._followers.setdefault(run, {})[announced.to] = until

    async def _announce(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN):
                    await self._announcer.wait()
                await asyncio.sleep(GATHER)
            new = self._announcer.is_set()
            self._announcer.clear()
            self._forget()
            runs = self._followed()
            if wanted := runs - self._told if new else runs:
                self._told = runs
                await self._notify(list(self._said(wanted)))

    def _said(self, runs: set[str]) -> Iterable[tuple[str, str]]:
        some: list[str] = []
        size = 0
        for run in sorted(runs):
            if size + len(run.encode()) + 3 > LARGEST:
                yield ALL, msgspec.json.encode(_Announced(self._channel, some)).decode()
                some, size = [], 0
            some.append(run)
            size += len(msgspec.json.encode(run)) + 1
        yield ALL, msgspec.json.encode(_Announced(self._channel, some)).decode()

    def _forget(self) -> None:
        now = asyncio.get_running_loop().time()
        for run, channels in list(self._followers.items()):
            left = {channel: until for channel, until in channels.items() if until > now}
            if left:
                self._followers[run] = left
            else:
                del self._followers[run]

    async def close(self) -> None:
        """Stops listening and notifying."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _notify(db: Database, said: list[tuple[str, str]]) -> None:
    channels, payloads = [one for one, _ in said], [other for _, other in said]
    await db.execute("select pg_notify(c, p) from unnest(%s::text[], %s::text[]) as t(c, p)", (channels, payloads))

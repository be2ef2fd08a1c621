"""The log of a run on another server, read over server-sent events to the run's end, over any number of connections.

Theory of operation. An event's id is its number in the log. A broken connection is replaced by one that requests
the events after the last one received. Duplicate events are dropped; a gap in the numbers is a broken stream, and the
rest is requested again. So `pull` returns the log, each event once and in order, or raises.
Owns the connection, the idle clock and the limit on reconnecting. It must never invent an event.
"""

from __future__ import annotations

import asyncio
from array import array
from typing import Any, Final, NoReturn

import msgspec

from headwater.backends.base import Reply
from headwater.backends.jitter import jitter
from headwater.backends.remote.server import RemoteServer
from headwater.errors import (
    ConnectionFailed,
    HeadwaterError,
    IdleTimeout,
    IncompleteStream,
    InvalidRecord,
    MalformedResponse,
    ProviderError,
)
from headwater.events import Event, RunCancelled, RunFailed, RunFinished, Unknown
from headwater.events.codec import decode
from headwater.providers.framing.sse import Frame, SSEDecoder

__all__ = ("IDLE_SECONDS", "RECONNECT_SECONDS", "RemoteLog")

IDLE_SECONDS: Final = 45.0
"""Silence after which a connection counts as dead: a server sends a comment every 15 seconds."""

RECONNECT_SECONDS: Final = 120.0
"""Seconds of reconnecting before reading fails: enough for the restart of a server."""

FIRST_DELAY: Final = 0.25
"""Seconds before the first new connection; each one after that waits twice as long."""

MAX_DELAY: Final = 8.0
"""The longest pause between two connections, so that a restarted server is found soon."""

MAX_RETRY_AFTER: Final = 30.0
"""The longest pause that a server can ask for with Retry-After."""

_STREAM: Final = {"Accept": "text/event-stream"}


class RemoteLog:
    """The log of one run. `start` is the body of the request that starts the run; None: the address has its id.

    `idle_timeout` is how long a connection may be silent, `reconnect_timeout` how long reconnecting may take; seconds.
    """

    def __init__(
        self,
        server: RemoteServer,
        *,
        start: Any = None,
        idle_timeout: float = IDLE_SECONDS,
        reconnect_timeout: float = RECONNECT_SECONDS,
    ) -> None:
        self.server = server
        self.run: str = server.address.run
        """The run's id; empty until the server has sent it."""
        self.over: bool = False
        """Whether the log has ended."""
        self.connections: int = 0
        """Number of connections so far."""
        self._start = start
        self._idle = idle_timeout
        self._patience = reconnect_timeout
        self._reply: Reply | None = None
        self._decoder = SSEDecoder()
        self._times = array("d")
        """The time of each event, by its number: distinguishes a duplicate from an event of another log."""
        self._root = ""
        self._fresh = True
        """Whether this connection has only received its first bytes, which any proxy can send."""
        self._connected = False
        self._tries = 0
        self._good_at = 0.0
        """The time of the last data, by the loop's clock."""

    @property
    def run_url(self) -> str:
        """The URL of the run; requires the run's id."""
        return msgspec.structs.replace(self.server.address, run=self.run).run_url

    def place(self, action: str = "") -> str:
        """Returns the path of the run or of an action on it, below the server's address; requires the run's id."""
        path = self.run_url.removeprefix(self.server.address.base)
        return f"{path}/{action}" if action else path

    async def pull(self) -> list[Event]:
        """Waits for the next events and returns them; [] after the end of the log.

        Raises UnknownRun if the server has no such run, AuthenticationFailed, and ConnectionFailed if the server was
        not reachable for too long.
        """
        while not self.over:
            try:
                if self._reply is None:
                    await self._open()
                elif events := await self._read(self._reply):
                    return events
            except HeadwaterError as error:
                await self._lost(error)
        return []

    def abort(self) -> None:
        """Stops reading: the connection is closed when this returns. Never waits; may be called twice."""
        self.over = True
        self._let_go()

    def shut(self) -> None:
        """Closes the connection, from any thread, while the loop is idle; `abort` follows later."""
        if self._reply is not None:
            self._reply.shut()

    # --- connections

    async def _open(self) -> None:
        if not self._connected and not self._tries:
            self._good_at = asyncio.get_running_loop().time()
        reply = await self._request()
        if self.over:
            reply.abort()
            return
        if reply.status == 204:
            reply.release()
            self.over = True  # the run has ended, and its whole log was read
            return
        if reply.status // 100 != 2:
            raise self._refused(await self.server.refused(reply))
        if not reply.headers.get("content-type", "").startswith("text/event-stream"):
            reply.abort()
            raise self._refused(self.server.no_headwater(reply))
        self.run = self.run or reply.headers.get("headwater-run", "")
        if not self.run:
            reply.abort()
            raise self._refused(self.server.no_headwater(reply))
        self._reply, self._decoder = reply, SSEDecoder()
        self._fresh = self._connected = True
        self._start = None

    async def _request(self) -> Reply:
        self.connections += 1
        if self._start is not None:
            return await self._begin()
        headers = {**_STREAM, "Last-Event-ID": str(len(self._times) - 1)} if self._times else _STREAM
        try:
            async with asyncio.timeout(self._idle):
                return await self.server.open("GET", self.place("events"), headers=headers)
        except TimeoutError:
            raise self._silent() from None

    async def _begin(self) -> Reply:
        """Starts the run. Sent once: a second request would start a second run."""
        start, self._start = self._start, None
        try:
            async with asyncio.timeout(self._idle):
                return await self.server.open("POST", "/runs", headers=_STREAM, body=start)
        except TimeoutError:
            error: HeadwaterError = self._silent()
        except ConnectionFailed as failed:
            error = failed
        error.hint = f"{error.hint} If the request arrived, the run continues: GET /runs lists it."
        raise error

    def _refused(self, error: HeadwaterError) -> HeadwaterError:
        if self._connected and isinstance(error, MalformedResponse):
            error.retryable = True  # it was a headwater server: a proxy answers during its restart
        return error

    async def _lost(self, error: HeadwaterError) -> None:
        """Waits until the next connection is due. Raises if it cannot succeed, or was tried for too long."""
        self._let_go()
        if self.over:
            return
        if not (error.retryable and self._connected):
            raise error
        loop = asyncio.get_running_loop()
        silent = loop.time() - self._good_at
        if silent >= self._patience:
            self._give_up(error)
        delay = min(MAX_DELAY, FIRST_DELAY * 2.0**self._tries) * (0.5 + jitter() / 2)
        if isinstance(error, ProviderError) and error.retry_after is not None:
            delay = max(delay, min(error.retry_after, MAX_RETRY_AFTER))
        self._tries = min(self._tries + 1, 30)
        await asyncio.sleep(min(delay, max(self._patience - silent, 0.0)))

    def _give_up(self, error: HeadwaterError) -> NoReturn:
        raise ConnectionFailed(
            f"Reconnecting to the run {self.run} failed for {self._patience:g} s. The last attempt: {error.message}",
            hint="The run may continue without this reader: attach to it again. To find out what delays the stream:"
            " headwater probe URL",
        ) from None

    def _silent(self) -> IdleTimeout:
        return IdleTimeout(
            f"Nothing came from {self.server.host} for {self._idle:g} s; a server sends a comment every 15 s.",
            hint="Find out what delays the stream: headwater probe URL.",
            clock="idle",
            seconds=self._idle,
        )

    def _let_go(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.abort()

    # --- received events

    async def _read(self, reply: Reply) -> list[Event]:
        try:
            async with asyncio.timeout(self._idle):
                data = await reply.read()
        except TimeoutError:
            raise self._silent() from None
        if not data:
            raise IncompleteStream(
                f"{self.server.host} ended the stream before the run's end.", hint="It may have been restarted."
            )
        events: list[Event] = []
        try:
            for frame in self._decoder.feed(data):
                self._take(frame, events)
                if self.over:
                    break
        except ConnectionFailed:
            if not events:
                raise
            self._let_go()  # earlier events are complete, and the rest is requested again
        if events or not self._fresh:
            self._good_at, self._tries = asyncio.get_running_loop().time(), 0
        self._fresh = False
        return events

    def _take(self, frame: Frame, events: list[Event]) -> None:
        """Handles one server-sent event: the next of the log, a duplicate, or `reset`."""
        name, data = frame
        if name == "reset":
            return  # the log from its start follows: the times distinguish duplicates from another log
        try:
            event = _event(data)
        except InvalidRecord:
            raise self._broken("contains something that is not an event") from None
        place, times = event.seq, self._times
        if place > len(times):
            raise self._broken(f"continues with event {place} instead of {len(times)}")
        if place < len(times):
            if times[place] != event.time:
                raise self._replaced(place)
            return
        times.append(event.time)
        events.append(event)
        self._root = self._root or event.run
        if event.run == self._root and isinstance(event, (RunFinished, RunFailed, RunCancelled)):
            self.over = True
            self._let_go()

    def _broken(self, what: str) -> ConnectionFailed:
        return ConnectionFailed(
            f"The stream from {self.server.host} {what}.", hint="A proxy changes it, or leaves out parts."
        )

    def _replaced(self, place: int) -> MalformedResponse:
        return MalformedResponse(
            f"{self.server.host} now has another log of the run {self.run}: its event {place} is not the one that was"
            " read.",
            hint="What was read so far is not part of that log. Attach again to read it from its start.",
            provider=self.server.host,
        )

    def __repr__(self) -> str:
        return f"RemoteLog({self.server!r}, {self.run!r}, {len(self._times)} events)"


def _event(data: bytes) -> Event:
    """Returns the event in a frame. Raises InvalidRecord."""
    if b'"unwritable"' not in data:
        return decode(data)
    body = msgspec.json.decode(data)  # an event that the server could not encode: its number, and why
    if not (isinstance(body, dict) and "unwritable" in body and isinstance(body.get("type"), str)):
        return decode(data)
    told = {name: body.get(name, otherwise) for name, otherwise in (("seq", 0), ("time", 0.0), ("run", ""))}
    return Unknown(name=body["type"], body=body, path=tuple(body.get("path", ())), **told)

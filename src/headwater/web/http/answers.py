"""Responses: JSON, problems in the native format, and streams that end when the run ends or the reader disconnects.

Owns how a stream is sent: one task per reader, another that detects its disconnect, and only a write per token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headwater.web.problems import Problem
from headwater.web.runs.latest import told_to_the_end
from headwater.web.runs.live_run import LiveRun, Reading
from headwater.web.runs.manager import Manager
from headwater.web.wires.wire import Wire

__all__ = (
    "ABORT",
    "DIRECT",
    "AnswerThatWaits",
    "StreamAnswer",
    "json_answer",
    "problem_answer",
    "problem_headers",
    "words_answer",
)

ABORT: Final = "headwater.abort"
"""The scope extension with which our own server closes a connection without waiting for its reader."""

DIRECT: Final = "headwater.direct"
"""The scope extension of our own server that returns, for its `send`, what writes without a task: `Reading.direct`."""

_STREAM_HEADERS: Final = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
"""Tells proxies not to cache, transform or buffer the stream."""

_NOTHING_KEPT: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Returns a JSON response."""
    return Response(
        msgspec.json.encode(value, enc_hook=str), status, {**_NOTHING_KEPT, **(headers or {})}, "application/json"
    )


def problem_answer(problem: Problem) -> Response:
    """Returns a problem in the format of the native routes."""
    return json_answer(problem.body(), problem.status, problem_headers(problem))


def words_answer(problem: Problem) -> Response:
    """Returns a problem as plain text, for clients that show the body of an error unchanged."""
    said = f"{problem.message} {problem.hint}".strip()
    return Response(said, problem.status, problem_headers(problem), "text/plain")


def problem_headers(problem: Problem) -> dict[str, str]:
    """Returns the headers of a problem."""
    headers = {}
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    if problem.closes:
        headers["connection"] = "close"
    return headers


class StreamAnswer(Response):
    """Streams a run over a wire, live, starting at `position`."""

    def __init__(
        self, manager: Manager, live: LiveRun, wire: Wire, position: int = 0, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status_code = 200
        self.background: None = None
        self.init_headers(
            {"content-type": wire.media_type, **_STREAM_HEADERS, "headwater-run": live.id, **(headers or {})}
        )
        self._manager = manager
        self.live = live
        self._wire = wire
        self._position = position
        self._extensions: Mapping[str, Any] = {}
        """Those of the scope."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the base class."""
        reader = asyncio.current_task()
        assert reader is not None
        reading = self._manager.read(self.live, self._wire, self._position)
        self._extensions = scope.get("extensions") or {}
        left = complete = False

        def leave() -> None:
            nonlocal left
            left = True
            self.live.leaving(reading)
            reader.cancel()

        def cut_off() -> None:
            if abort := self._extensions.get(ABORT):
                abort()
            leave()

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            leave()

        listening = asyncio.create_task(listen(), name="headwater reader leaves")
        idle: set[asyncio.Task[None]] = set()

        async def told_idle(data: bytes) -> None:
            if not reading.given:  # else the run has gone on, and its bytes may stop within a frame
                await self.tell_idle(data, send)

        def tell_idle(data: bytes) -> None:
            idle.add(task := asyncio.create_task(told_idle(data)))
            task.add_done_callback(idle.discard)

        reading.on_stall, reading.on_idle = cut_off, tell_idle
        try:
            await self.answer(scope, reading, send)
            complete = True
        except asyncio.CancelledError:
            if not left:
                raise
            reader.uncancel()
        finally:
            listening.cancel()
            for task in idle:
                task.cancel()
            self.left(complete=complete)
            self._manager.leave(reading)

    async def begin(self, send: Send) -> None:
        """Sends the response headers."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

    async def tell_idle(self, data: bytes, send: Send) -> None:
        """Sends a heartbeat while the reader waits for the run."""
        await send({"type": "http.response.body", "body": data, "more_body": True})

    async def answer(self, scope: Scope, reading: Reading, send: Send) -> None:
        """Sends the whole stream."""
        await self.begin(send)
        if scope["method"] != "HEAD":
            await self.tell(reading, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def tell(self, reading: Reading, send: Send) -> None:
        """Sends data as it arrives, until the end of the stream; the response has begun."""
        last, end = self._wire.last, b""
        direct = self._extensions.get(DIRECT)
        write = reading.direct = direct(send) if direct and not last else None
        async for data in reading:
            if write is None or not write(data):
                await send({"type": "http.response.body", "body": data, "more_body": True})
            if last:
                end = (end + data)[-len(last) :]
                if end == last and await self.ends(send):
                    return

    async def ends(self, send: Send) -> bool:
        """Called after the wire's `last` bytes: whether the stream ends here. It may send more before."""
        return True

    def left(self, *, complete: bool) -> None:
        """Called when the reader has left; `complete` says whether it received the whole stream."""


class AnswerThatWaits(StreamAnswer):
    """A stream that may end before its run: when the run waits for a person."""

    def left(self, *, complete: bool) -> None:
        """See the base class."""
        if complete:
            told_to_the_end(self.live)

"""Answers that a provider computes in the background: a broken stream is taken up again, within one attempt.

Owns the second and further connections of such an answer: `post` puts them behind one `Reply`, so that who reads it
sees one stream without a gap or a repetition. An answer that is left before its end is cancelled at the provider. It
knows OpenAI's Responses API, which is the only one that has this, and must never send a request that makes an answer.
https://platform.openai.com/docs/guides/background
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec

from headwater.backends.interrupt import running_loop
from headwater.backends.loop_end import LAST_SECONDS, before_end
from headwater.errors import ConnectionFailed, ConnectTimeout, HeadwaterError
from headwater.providers.framing.sse import SSEDecoder
from headwater.providers.request import HTTPRequest

if TYPE_CHECKING:
    from headwater.backends.base import Post, Reply

__all__ = ("resuming",)

TRIES: Final = 5
"""How often a connection is made again without an event in between, before the attempt fails."""

FIRST_WAIT_SECONDS: Final = 0.5
"""How long to wait before the second of them; it doubles with each further one."""

CANCEL_SECONDS: Final = 10.0
"""How long to try to cancel an answer at the provider; nobody waits for it."""

_TERMINAL: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}
)


class _Response(msgspec.Struct, gc=False):
    id: str | None = None


class _Head(msgspec.Struct, gc=False):
    """The fields of a frame that say where it stands in its stream."""

    type: str = ""
    sequence_number: int | None = None
    response: _Response | None = None


_decode = msgspec.json.Decoder(_Head).decode


def resuming(post: Post, told: Callable[[str], None]) -> Post:
    """Returns `post` for an answer in the background; `told` is called with what happened to its connection."""
    return partial(_post, post, told)


async def _post(
    post: Post, told: Callable[[str], None], request: HTTPRequest, *, connect: float | None = None
) -> Reply:
    reply = await post(request, connect=connect)
    streams = reply.headers.get("content-type", "").startswith("text/event-stream")
    return _Resumed(reply, post, request, connect, told) if reply.status == 200 and streams else reply


class _Resumed:
    """See `Reply`: the connections of one answer, one after the other."""

    def __init__(
        self, reply: Reply, post: Post, request: HTTPRequest, connect: float | None, told: Callable[[str], None]
    ) -> None:
        self.status = reply.status
        self.headers: Mapping[str, str] = reply.headers
        self._reply = reply
        self._post = post
        self._request = request
        self._connect = connect
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._frames = SSEDecoder()
        self._id: str | None = None
        self._last = -1
        """The number of the last event."""
        self._complete = False
        self._left = False
        self._tries = 0

    async def read(self) -> bytes:
        """See `Reply`."""
        while True:
            failure: ConnectionFailed | None = None
            try:
                data = await self._reply.read()
            except ConnectionFailed as error:
                failure, data = error, b""
            if data:
                if passed := self._sorted(self._frames.feed(data)):
                    return passed
            elif self._complete or self._id is None or self._left:
                if failure is not None:
                    raise failure
                return self._sorted(self._frames.finish())
            else:
                await self._take_up(failure)

    def _sorted(self, frames: list[tuple[str, bytes]]) -> bytes:
        """Returns the frames that are new."""
        out: list[bytes] = []
        for name, payload in frames:
            try:
                head = _decode(payload)
            except msgspec.DecodeError:
                head = _Head()
            number = head.sequence_number
            if number is not None:
                if number <= self._last:
                    continue  # sent again after the connection was made again
                self._last, self._tries = number, 0
            if self._id is None and head.response is not None:
                self._id = head.response.id
            self._complete = self._complete or (head.type or name) in _TERMINAL
            lines = b"\n".join(b"data: " + line for line in payload.split(b"\n"))
            out.append((b"event: %s\n" % name.encode() if name else b"") + lines + b"\n\n")
        return b"".join(out)

    async def _take_up(self, failure: ConnectionFailed | None) -> None:
        """Connects again and continues after the last event. Raises ConnectionFailed if that is not possible."""
        self._reply.abort()
        while self._tries < TRIES:
            self._tries += 1
            if self._tries > 1:
                await asyncio.sleep(FIRST_WAIT_SECONDS * 2.0 ** (self._tries - 2))
            with contextlib.suppress(ConnectionFailed, ConnectTimeout):
                reply = await self._post(self._again(), connect=self._connect)
                if self._left:
                    reply.abort()
                    break
                if reply.status == 200:
                    self._reply, self._frames = reply, SSEDecoder()
                    self._told(f"The connection broke after event {self._last}, and was taken up again there.")
                    return
                reply.abort()
                if reply.status not in (408, 409, 429) and reply.status < 500:
                    break
        raise failure or ConnectionFailed(
            "The answer goes on in the background, but its stream could not be taken up again.",
            hint="The network or the provider cut it off.",
        )

    def _again(self) -> HTTPRequest:
        return self._about("", stream="true", starting_after=str(self._last))

    def _about(self, tail: str, **query: str) -> HTTPRequest:
        """Returns a request about the answer."""
        parts = urlsplit(self._request.url)
        path = f"{parts.path}/{quote(self._id or '', safe='')}{tail}"
        url = urlunsplit(parts._replace(path=path, query=urlencode([*parse_qsl(parts.query), *query.items()])))
        headers = {name: value for name, value in self._request.headers.items() if name.lower() != "content-type"}
        return HTTPRequest(method="POST" if tail else "GET", url=url, headers=headers, body=b"")

    async def read_error(self) -> bytes:
        """See `Reply`."""
        return await self._reply.read_error()

    @property
    def ended(self) -> bool:
        """See `Reply`."""
        return self._reply.ended

    def release(self) -> None:
        """See `Reply`."""
        self._reply.release()
        self._stop()

    def abort(self) -> None:
        """See `Reply`."""
        self._reply.abort()
        self._stop()

    def shut(self) -> None:
        """See `Reply`."""
        self._reply.shut()

    def _stop(self) -> None:
        """Cancels the answer at the provider, if it is not complete."""
        if self._left or self._complete or self._id is None:
            return
        self._left = True
        cancel_soon(self._loop, self._about("/cancel"), self._post)


# --- cancelling

_Cancel = tuple[HTTPRequest, "Post"]
_pending: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, _Cancel]] = weakref.WeakKeyDictionary()
"""What is still to be sent on each loop."""
_tasks: set[asyncio.Task[None]] = set()


def cancel_soon(loop: asyncio.AbstractEventLoop, request: HTTPRequest, post: Post) -> None:
    """Sends a request on the loop that nobody waits for: at once if it runs, at the latest when it ends."""
    if loop.is_closed():
        return
    pending = _pending.setdefault(loop, {})
    pending[id(request)] = (request, post)
    before_end(loop, partial(_send_all, pending), what="background answers")
    if running_loop() is loop or not loop.is_running():
        _begin(loop, pending, id(request))
    else:
        with contextlib.suppress(RuntimeError):  # it has been closed meanwhile
            loop.call_soon_threadsafe(_begin, loop, pending, id(request))


def _begin(loop: asyncio.AbstractEventLoop, pending: dict[int, _Cancel], key: int) -> None:
    task = loop.create_task(_send(pending, key), name="headwater cancels an answer")
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _send(pending: dict[int, _Cancel], key: int) -> None:
    if key not in pending:
        return
    request, post = pending[key]
    try:
        await _sent(request, post, CANCEL_SECONDS)
    except asyncio.CancelledError:  # only by `asyncio.run` at its end, which waits for this task
        with contextlib.suppress(asyncio.CancelledError):
            await _sent(request, post, LAST_SECONDS)
    pending.pop(key, None)


async def _sent(request: HTTPRequest, post: Post, seconds: float) -> None:
    with contextlib.suppress(HeadwaterError, TimeoutError):
        async with asyncio.timeout(seconds):
            reply = await post(request, connect=seconds)
            await reply.read_error()
            reply.abort()


async def _send_all(pending: dict[int, _Cancel]) -> None:
    for key in [*pending]:
        await _send(pending, key)

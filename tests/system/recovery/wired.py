"""A provider's bytes without a network, so that its clocks can be tried in virtual time.

    source = wired("anthropic", [b"…", 2.0, b": comment", ConnectionFailed("gone")])

Each request gets the next of the bodies: bytes come as they stand, numbers are seconds in which nothing comes, an
error breaks the connection. What the bytes say is `headwater.testing`'s to write.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from headwater.backends.http import HTTPBackend
from headwater.backends.offline import Say
from headwater.errors import ConnectTimeout, HeadwaterError
from headwater.events.messages import Usage
from headwater.providers import registry
from headwater.providers.request import HTTPRequest
from headwater.testing.wires import WIRES

__all__ = ("APIS", "Body", "Refusal", "opening", "saying", "wired")

Body: TypeAlias = Sequence[Any]
"""Of bytes, seconds and errors."""

APIS: Mapping[str, str] = {
    "openai-chat": "openai-chat/gpt-5.4",
    "openai-responses": "openai-responses/gpt-5.4",
    "anthropic": "anthropic/claude-sonnet-5",
    "gemini": "gemini/gemini-flash-latest",
    "ollama": "ollama/llama3.2",
}


ASKED: Mapping[str, Any] = {"stream_options": {"include_usage": True}}
"""What every request says that a wire wants to know."""


class Refusal:
    """An answer that is an HTTP error."""

    def __init__(self, status: int, body: bytes = b"{}", **headers: str) -> None:
        self.status = status
        self.body = body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class _Reply:
    def __init__(self, body: Body, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.closed = False
        self._rest = list(body)

    async def read(self) -> bytes:
        while self._rest and not self.closed:
            item = self._rest.pop(0)
            if isinstance(item, HeadwaterError):
                raise item
            if not isinstance(item, bytes):
                await asyncio.sleep(item)
            elif item:
                return item
        return b""

    async def read_error(self) -> bytes:
        return await self.read()

    @property
    def ended(self) -> bool:
        return not self._rest

    def release(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def shut(self) -> None:
        self.closed = True


class Wired(HTTPBackend):
    """A model whose provider is a list of bodies; `replies` are those it has given, `connects` what it was allowed."""

    def __init__(self, api: str, bodies: Sequence[Body | Refusal], *, connecting: float = 0.0, key: str = "k") -> None:
        resolved = registry.resolve(APIS[api], api_key=key, env={})
        super().__init__(resolved.endpoint, resolved.model, registry.load_api(api), connect=10.0, post=self._answer)
        self.replies: list[_Reply] = []
        self.connects: list[float | None] = []
        self._bodies = list(bodies)
        self._connecting = connecting

    async def _answer(self, request: HTTPRequest, *, connect: float | None = None) -> _Reply:
        self.connects.append(connect)
        await asyncio.sleep(min(self._connecting, math.inf if connect is None else connect))
        if connect is not None and self._connecting > connect:
            raise ConnectTimeout("No connection.", clock="connect", seconds=connect)
        body = self._bodies.pop(0)
        reply = (
            _Reply([body.body], body.status, body.headers)
            if isinstance(body, Refusal)
            else _Reply(body, 200, {"content-type": WIRES[api_of(self)].content_type})
        )
        self.replies.append(reply)
        return reply


def api_of(source: HTTPBackend) -> str:
    """The API it speaks."""
    return source.api


def wired(api: str, *bodies: Body | Refusal, connecting: float = 0.0, key: str = "k") -> Wired:
    """A model that answers with these bodies, one a request; each connection takes `connecting` seconds.

    `key` is what it is asked with.
    """
    return Wired(api, bodies, connecting=connecting, key=key)


def opening(api: str) -> bytes:
    """What comes before anything is said."""
    return WIRES[api](APIS[api], {}).head(Usage(input_tokens=3))


def saying(api: str, *pieces: Any, end: bool = True) -> list[Any]:
    """A body that says the pieces; numbers are pauses between them, bytes stand as they are."""
    wire: Any = WIRES[api](APIS[api], ASKED)
    block = Say([piece for piece in pieces if isinstance(piece, str)])
    body: list[Any] = [wire.head(Usage(input_tokens=3)) + wire.open(block)]
    body += [wire.piece(block, piece) if isinstance(piece, str) else piece for piece in pieces]
    if end:
        usage = Usage(input_tokens=3, output_tokens=len(block.text))
        body.append(wire.close(block) + wire.end("stop", None, usage))
    return body

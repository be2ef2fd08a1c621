"""Reading a stream only to measure how it arrives: of a headwater server, or of any API like OpenAI's.

The request accepts compression, as browsers and most clients do, so that a proxy that compresses is seen. Owns the
clock and the reading; what is measured stands in `measured`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

from headwater.backends import transport
from headwater.backends.base import Reply
from headwater.backends.http import secrets_of
from headwater.backends.measured import Arrived, Measured, Read
from headwater.backends.remote.log import RemoteLog
from headwater.backends.remote.server import CONNECT_SECONDS, RemoteServer
from headwater.errors import HeadwaterError
from headwater.providers.framing.sse import SSEDecoder
from headwater.providers.redaction import Scrubber
from headwater.providers.request import HTTPRequest, Secret

__all__ = ("probe_chat", "probe_run")

_ACCEPT: Final = {"Accept": "text/event-stream", "Accept-Encoding": "gzip, deflate"}

MAX_ERROR_CHARS: Final = 300
"""Characters of a refusal's body that are shown."""

Look = Callable[[str, bytes], tuple[float | None, str]]
"""What an event says: its stamp, and the name of the end if it is one."""


async def probe_run(server: RemoteServer, *, agent: str | None, task: str, seconds: float) -> Measured:
    """Measure the run that the server's address names, or start one: with this agent (None: the first), on this task.

    A run that is started here is cancelled if it takes longer than `seconds`.
    """
    address = server.address
    known = -1
    if address.run:
        measured = Measured(url=f"{address.run_url}/events", method="GET", kind="headwater")
        try:
            async with asyncio.timeout(seconds):
                known = await _known(server)
        except TimeoutError:
            measured.reads, measured.events = [], []
            return measured
        path, body = RemoteLog(server).place("events"), None
    else:
        measured = Measured(url=f"{address.base}/runs", method="POST", kind="headwater")
        path, body = "/runs", {"input": task, "on_disconnect": "cancel"}
        if agent is not None:
            body["agent"] = agent
    root = ""

    def look(name: str, data: bytes) -> tuple[float | None, str]:
        nonlocal root
        event = _object(data)
        run, stamp, seq = event.get("run", ""), event.get("time"), event.get("seq")
        root = root or run
        live = isinstance(stamp, (int, float)) and isinstance(seq, int) and seq > known
        end = name if run == root and name in ("run.finished", "run.failed", "run.cancelled") else ""
        return float(stamp) if live else None, end  # type: ignore[arg-type]

    async def open_() -> Reply:
        return await server.open(measured.method, path, headers=_ACCEPT, body=body)

    return await _measure(measured, open_, look, seconds)


async def probe_chat(base_url: str, *, model: str, key: str | None, task: str, seconds: float) -> Measured:
    """Measure a chat completion of an API like OpenAI's, whose base URL ends in /v1 in most cases."""
    url = f"{base_url.rstrip('/')}/chat/completions"
    measured = Measured(url=url.partition("?")[0], method="POST", kind="chat")
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": task}]}
    headers = {**_ACCEPT, "Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {Secret(key).reveal()}"
    request = HTTPRequest(url=url, headers=headers, body=msgspec.json.encode(body))

    def look(name: str, data: bytes) -> tuple[float | None, str]:
        if data.strip() == b"[DONE]":
            return None, "[DONE]"
        event = _object(data)
        if event.get("error"):
            measured.problem = Scrubber(lambda: secrets_of(request)).words(f"The API reports: {event['error']}")
        return None, ""

    async def open_() -> Reply:
        try:
            return await transport.post(request, connect=CONNECT_SECONDS)
        except HeadwaterError as error:
            Scrubber(lambda: secrets_of(request)).error(error)
            raise

    return await _measure(measured, open_, look, seconds, hide=lambda: secrets_of(request))


async def _known(server: RemoteServer) -> int:
    """The number of the last event that the run had before it is read: what came earlier was not held back."""
    path = RemoteLog(server).place("events").removesuffix("/events")
    reply = await server.open("GET", path, headers={"Accept": "application/json"})
    if reply.status // 100 != 2:
        raise await server.refused(reply)
    data = await reply.read_error()
    reply.release()
    seq = _object(data).get("seq")
    if not isinstance(seq, int):
        raise server.no_headwater(reply)
    return seq


async def _measure(
    measured: Measured, open_: Callable[[], Any], look: Look, seconds: float, *, hide: Callable[[], Any] = tuple
) -> Measured:
    transport.import_client()  # which takes time, and is nobody's delay
    loop = asyncio.get_running_loop()
    began = loop.time()
    measured.reads, measured.events = [], []
    reply: Reply | None = None
    try:
        async with asyncio.timeout(seconds):
            reply = await open_()
            measured.head_at = loop.time() - began
            measured.status, measured.headers = reply.status, dict(reply.headers)
            if reply.status // 100 != 2:
                said = (await reply.read_error())[:MAX_ERROR_CHARS].decode("utf-8", "replace")
                measured.problem = Scrubber(hide).words(" ".join(said.split()))
                return measured
            await _read(measured, reply, look, began)
    except TimeoutError:
        pass  # it was read for long enough
    except HeadwaterError as error:
        measured.problem = error.message
    finally:
        if reply is not None:
            reply.abort()
    return measured


async def _read(measured: Measured, reply: Reply, look: Look, began: float) -> None:
    loop, decoder, before = asyncio.get_running_loop(), SSEDecoder(), b"\n"
    while data := await reply.read():
        at = loop.time() - began
        comments = (before + data).count(b"\n:")
        before = data[-1:]
        frames = decoder.feed(data)
        for name, payload in frames:
            stamp, end = look(name, payload)
            if name != "reset":
                measured.events.append(Arrived(at, stamp))
            measured.end = measured.end or end
        measured.reads.append(Read(at, len(data), len(frames), comments))
    measured.ended_at = loop.time() - began


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

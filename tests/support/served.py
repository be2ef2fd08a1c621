"""An application behind a real socket, in the test's own event loop; and a parser for server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import uvicorn

from headwater.web.server import config

__all__ = ("Served", "Sent", "read_events", "sent_events", "served")


class Served(NamedTuple):
    """A running server, and a client."""

    url: str
    port: int
    client: httpx.AsyncClient
    server: uvicorn.Server


@contextlib.asynccontextmanager
async def served(app: Any, *, own: bool = True, **options: Any) -> AsyncIterator[Served]:
    """Serves the application on a port; `own` uses headwater's server, else plain uvicorn. Signals stay with the
    test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        quiet = {"log_level": "warning", "lifespan": "off", **options}
        made = config(app, host="127.0.0.1", port=port, **quiet) if own else uvicorn.Config(app, port=port, **quiet)
        server = uvicorn.Server(made)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        url = f"http://127.0.0.1:{port}"
        try:
            while not server.started:  # noqa: ASYNC110  # uvicorn tells of it in no other way
                await asyncio.sleep(0.01)
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
            async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits, trust_env=False) as client:
                yield Served(url, port, client, server)
        finally:
            server.should_exit = True
            await task
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)


class Sent(NamedTuple):
    """A server-sent event."""

    id: str | None
    event: str
    data: str


def sent_events(text: str) -> list[Sent]:
    """Returns the events in a stream; anything after the last empty line is incomplete."""
    events: list[Sent] = []
    last: str | None = None
    kind = "message"
    data: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append(Sent(last, kind, "\n".join(data)))
            kind, data = "message", []
        elif name == "id":
            last = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
    return events


async def read_events(response: httpx.Response, most: int | None = None) -> list[Sent]:
    """Yields the events of a stream as they arrive, to its end, or that many of them."""
    text = ""
    async for part in response.aiter_text():
        text += part
        if most is not None and len(events := sent_events(text)) >= most:
            return events[:most]
    return sent_events(text)

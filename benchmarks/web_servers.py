"""The measured servers, one for each way of serving, with tokens at 50 a second.

* `floor`: every prepared frame, written to each transport by one timer per run;
* `headwater`: an agent behind `headwater.web.router` on the server of `headwater serve`;
* `sse-starlette`: FastAPI with sse-starlette's EventSourceResponse, a queue for each reader;
* `fastapi`: the same with FastAPI's own EventSourceResponse.

    python -m benchmarks.web_servers KIND    prints its port, then serves until it is killed
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

__all__ = ("KINDS", "RATE")

RATE = 50.0
KINDS = ("floor", "headwater", "sse-starlette", "fastapi")
TEXT = " ".join(f"word{number}" for number in range(5000))


def _event(seq: int) -> str:
    """A token in the format of our events, which another program would send too."""
    told = {"v": 1, "type": "text.delta", "seq": seq, "time": 1795992000.123456, "run": "run_0123456789abcdef01"}
    return json.dumps({**told, "path": ["plain"], "step": 1, "part": 0, "text": f" word{seq}"}, separators=(",", ":"))


def _bound() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    print(listener.getsockname()[1], flush=True)
    return listener


# --- the floor


async def floor() -> None:
    """`GET /<run>`: the frames of that run."""
    readers: dict[bytes, set[asyncio.Transport]] = {}

    class Reader(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport: asyncio.Transport = transport

        def data_received(self, data: bytes) -> None:
            run = data.split(b" ", 2)[1]
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            if run not in readers:
                readers[run] = set()
                tell(readers[run], 0, loop.time() + random.random() / RATE)
            readers[run].add(self.transport)

        def connection_lost(self, error: Exception | None) -> None:
            for those in readers.values():
                those.discard(self.transport)

    loop = asyncio.get_running_loop()

    def tell(those: set[asyncio.Transport], seq: int, at: float) -> None:
        frame = f"id: {seq}\nevent: text.delta\ndata: {_event(seq)}\n\n".encode()
        chunk = b"%x\r\n%b\r\n" % (len(frame), frame)
        for transport in those:
            transport.write(chunk)
        loop.call_at(at + 1 / RATE, tell, those, seq + 1, at + 1 / RATE)

    server = await loop.create_server(Reader, sock=_bound())
    await server.serve_forever()


# --- headwater


async def headwater() -> None:
    """An agent, served like `headwater serve` does."""
    import uvicorn

    from headwater import Agent
    from headwater.backends.offline import OfflineModel
    from headwater.web import router
    from headwater.web.server import config

    agent: Agent[Any, Any] = Agent(name="plain", model=OfflineModel(lambda request: [TEXT], rate=RATE))
    made = config(router(agent), host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    await uvicorn.Server(made).serve(sockets=[_bound()])


# --- FastAPI


class _Runs:
    """Runs with a queue for each reader, as programs around these libraries do it."""

    def __init__(self) -> None:
        self._readers: dict[str, set[asyncio.Queue[tuple[int, str]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, run: str) -> AsyncIterator[tuple[int, str]]:
        """The run's tokens from now on."""
        if run not in self._readers:
            self._readers[run] = set()
            self._tasks.add(asyncio.create_task(self._tell(self._readers[run])))
        queue: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        self._readers[run].add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._readers[run].discard(queue)

    async def _tell(self, readers: set[asyncio.Queue[tuple[int, str]]]) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + random.random() / RATE
        for seq in range(10**9):
            await asyncio.sleep(max(0.0, at - loop.time()))
            at += 1 / RATE
            told = (seq, _event(seq))
            for queue in readers:
                queue.put_nowait(told)


async def peer(kind: str) -> None:
    """FastAPI with one of the two ways to send events."""
    import uvicorn
    from fastapi import FastAPI

    app, runs = FastAPI(), _Runs()
    if kind == "sse-starlette":
        from sse_starlette import EventSourceResponse, ServerSentEvent

        @app.get("/{run}")
        async def events(run: str) -> EventSourceResponse:
            async def told() -> AsyncIterator[ServerSentEvent]:
                async for seq, data in runs.read(run):
                    yield ServerSentEvent(id=str(seq), event="text.delta", data=data)

            return EventSourceResponse(told())
    else:
        from fastapi.sse import EventSourceResponse as OwnResponse
        from fastapi.sse import ServerSentEvent as OwnEvent

        @app.get("/{run}", response_class=OwnResponse)
        async def own_events(run: str) -> AsyncIterator[OwnEvent]:
            async for seq, data in runs.read(run):
                yield OwnEvent(id=str(seq), event="text.delta", raw_data=data)

    made = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    await uvicorn.Server(made).serve(sockets=[_bound()])


if __name__ == "__main__":
    asked = sys.argv[1]
    asyncio.run(floor() if asked == "floor" else headwater() if asked == "headwater" else peer(asked))

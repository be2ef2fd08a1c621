"""A small provider: Chat Completions over a real socket, in a thread of its own, paced, and aware of who went away.

What it answers is named by the model that is asked for: see `PacedServer._answer`. The first tokens come at once, so
that a test need not wait for something to leave; all others at PACE_SECONDS. It knows nothing of what is tested.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import queue
import ssl
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

__all__ = ("AT_ONCE", "FEW", "PACE_SECONDS", "SOON", "Exchange", "PacedServer")

AT_ONCE = 4
"""Tokens that come without a pause."""

PACE_SECONDS = 0.02
"""Between the tokens that follow; about what a hosted model takes."""

FEW = 10
"""Tokens that may have been sent past what was read when somebody leaves: the time of a loaded machine to hear of it.
Endless answers go on for a thousand times as many."""

SOON = 30.0
"""Seconds after which a test has failed; none waits that long where all is well."""


class Exchange:
    """One request, as the server saw it."""

    def __init__(self, connection: int, headers: dict[str, str], body: dict[str, Any]) -> None:
        self.connection = connection
        self.headers = headers
        self.body = body
        self.sent = 0
        """Tokens written so far."""
        self.gone = threading.Event()
        """Set when the client closed the connection before the answer was whole."""
        self.done = threading.Event()
        """Set when the answer was written whole."""

    def wait_gone(self) -> bool:
        """Whether the client has gone away by now: waits in the caller's thread, so that no loop of its helps."""
        return self.gone.wait(SOON)

    def wait_sent(self, tokens: int) -> bool:
        """Wait, in the caller's thread, until so many tokens were written."""
        end = time.monotonic() + SOON
        while self.sent < tokens and time.monotonic() < end:
            time.sleep(0.001)
        return self.sent >= tokens


class PacedServer:
    """Runs while entered. `exchanges` are all requests so far; `next()` waits for the next one not yet taken."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._arrived: queue.SimpleQueue[Exchange] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="paced server")
        self._tasks: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> PacedServer:
        self._thread.start()
        self._ready.wait(SOON)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SOON)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}/v1"

    def next(self) -> Exchange:
        """The next request not yet taken; waits for it. Raises queue.Empty."""
        return self._arrived.get(timeout=SOON)

    def forget(self) -> None:
        """Begin anew, for the next test."""
        self.exchanges.clear()
        while not self._arrived.empty():
            self._arrived.get()

    # --- in the server's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._connected, "localhost", 0, ssl=self._tls, backlog=2048)
        )
        self.port = server.sockets[0].getsockname()[1]
        # Where localhost has two addresses, both must have the port that is told.
        for sock in server.sockets[1:]:
            if sock.getsockname()[1] != self.port:
                sock.close()
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number = next(self._numbers)
        self.connections += 1
        try:
            await self._serve(number, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = b""
        while True:
            head = began + await reader.readuntil(b"\r\n\r\n")
            lines = head.decode().split("\r\n")[1:]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            exchange = Exchange(number, headers, body)
            self.exchanges.append(exchange)
            self._arrived.put(exchange)
            # Nothing is sent ahead of an answer, so whatever can be read now says that the client is gone.
            left = asyncio.ensure_future(reader.read(1))
            answer = asyncio.ensure_future(self._write(exchange, writer))
            await asyncio.wait({left, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                exchange.gone.set()
                answer.cancel()
                await asyncio.wait({answer})
                left.exception()
                return
            if answer.exception() is not None:
                exchange.gone.set()
                left.cancel()
                return
            exchange.done.set()
            began = await left
            if not began:
                return

    async def _write(self, exchange: Exchange, writer: asyncio.StreamWriter) -> None:
        async for said in self._answer(exchange.body):
            if isinstance(said, bytes):
                writer.write(said)
            else:
                if said == "":
                    continue
                data = said if isinstance(said, str) else json.dumps(said)
                line = f"data: {data}\n\n".encode()
                writer.write(b"%x\r\n%s\r\n" % (len(line), line))
                exchange.sent += 1
            await writer.drain()

    async def _answer(self, body: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str | bytes]:
        """What is said to a request, by the model's name.

        silent: nothing at all. mute: a response's head and no token. words: tokens without an end. short: three
        tokens. echo: the task, in pieces. cut: as short, without the end. tools: each tool offered called once, then
        as short. talk: as tools, with words before the calls.
        """
        model = body["model"]
        if model == "silent":
            await asyncio.sleep(3600)
        yield (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        if model == "mute":
            await asyncio.sleep(3600)
        finish = "stop"
        if model in ("tools", "talk") and body["messages"][-1]["role"] != "tool":
            if model == "talk":
                yield _delta({"content": "I will look. "})
            for index, tool in enumerate(body["tools"]):
                given = json.dumps(dict.fromkeys(tool["function"]["parameters"].get("required", ()), "Go."))
                call = {"type": "function", "function": {"name": tool["function"]["name"], "arguments": given}}
                yield _delta({"tool_calls": [{"index": index, "id": f"c{index}", **call}]})
            finish = "tool_calls"
        elif model == "echo":
            for piece in body["messages"][-1]["content"].split(","):
                yield _delta({"content": piece})
                await asyncio.sleep(0)
        elif model == "words":
            for number in itertools.count():
                yield _delta({"content": f"word{number} "})
                if number >= AT_ONCE - 1:
                    await asyncio.sleep(PACE_SECONDS)
        else:
            for number in range(3):
                yield _delta({"content": f"word{number} "})
        if model == "cut":
            yield b"0\r\n\r\n"
            return
        yield _delta({}, finish)
        yield {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}, "model": "m"}
        yield "[DONE]"
        yield b"0\r\n\r\n"


def _delta(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}

"""A provider for many at once: Chat Completions over real sockets, in a process of its own, so that it takes no turn of
the loop that is measured.

The model's name says what is answered: `steady-20` twenty tokens at PACE_SECONDS each, `blast-20000` as many as that at
once, `endless` tokens at that pace for as long as someone listens. Each token is the time at which it was sent.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

__all__ = ("PACE_SECONDS", "Crowd")

PACE_SECONDS = 0.02
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n"


class Crowd:
    """The process, while entered."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # its input ends, and with it the process

    def counts(self) -> dict[str, int]:
        """How many requests came, are being answered, and were left; how many bytes were sent."""
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.url, timeout=10) as reply:
            counts: dict[str, int] = json.load(reply)
        return counts

    def until_idle(self, seconds: float = 5.0) -> dict[str, int]:
        """The counts, once nothing is being answered, or after so many seconds."""
        end = time.monotonic() + seconds
        while (counts := self.counts())["open"] and time.monotonic() < end:
            time.sleep(0.01)
        return counts


# --- in the process


class _Server:
    def __init__(self) -> None:
        self.counts = {"asked": 0, "open": 0, "left": 0, "most": 0, "bytes": 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET"):
                    body = json.dumps(self.counts).encode()
                    writer.write(HEAD % b"application/json" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
                    continue
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                request = json.loads(await reader.readexactly(int(length.partition(b":")[2])))
                await self._answer(request["model"], reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, model: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts = self.counts
        counts["asked"] += 1
        counts["open"] += 1
        counts["most"] = max(counts["most"], counts["open"])
        whole = False
        try:
            await self._write(model, reader, writer)
            whole = True
        finally:
            counts["open"] -= 1
            counts["left"] += not whole

    async def _write(self, model: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, _, count = model.partition("-")
        writer.write(HEAD % b"text/event-stream")
        for number in range(int(count or 10**9)):
            self._say(writer, {"choices": [{"index": 0, "delta": {"content": f"{time.monotonic():.6f} "}}]})
            await writer.drain()
            if reader.at_eof():
                raise ConnectionResetError
            if kind != "blast":
                await asyncio.sleep(PACE_SECONDS)
            elif number % 20 == 0:
                await asyncio.sleep(0)  # `drain` alone never lets the others have a turn while the client keeps up
        self._say(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._say(writer, {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def _say(self, writer: asyncio.StreamWriter, chunk: dict[str, Any]) -> None:
        line = b"data: %s\n\n" % json.dumps({"id": "c", "object": "chat.completion.chunk", **chunk}).encode()
        writer.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.counts["bytes"] += len(line)


async def _main() -> None:
    server = await asyncio.start_server(_Server().serve, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())

"""What a reader costs: one run at 50 tokens a second and many readers, against a bare `transport.write` of the same.

    python -m benchmarks.web_readers            # 200 readers, 5 s

Prints microseconds of CPU a token and reader of a server of ours and of the floor, their ratio, and bytes a reader.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import time
from typing import Any

RATE = 50.0
TEXT = " ".join(f"word{number}" for number in range(5000))


def agent() -> Any:
    """Who speaks, at an even pace."""
    from headwater import Agent
    from headwater.backends.offline import OfflineModel

    return Agent(name="plain", model=OfflineModel(lambda request: [TEXT], rate=RATE))


async def ours() -> None:
    """Serve the agent as users do."""
    import socket

    import uvicorn

    from headwater.web import router
    from headwater.web.server import config

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        print(listener.getsockname()[1], flush=True)
        server = uvicorn.Server(config(router(agent()), host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
        await server.serve(sockets=[listener])


async def floor() -> None:
    """The same frames, written to every transport as they come, by whoever pulls the run."""
    from headwater.web.native.wire import sse_frame

    transports: set[asyncio.Transport] = set()

    class Reader(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            transports.add(self.transport)

        def connection_lost(self, error: Exception | None) -> None:
            transports.discard(self.transport)

    server = await asyncio.get_running_loop().create_server(Reader, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    run = agent().run_stream("Go.").claim()
    while events := await run.pull():
        for event in events:
            run.append(event)
        frame = b"".join(map(sse_frame, events))
        chunk = b"%x\r\n%b\r\n" % (len(frame), frame)
        for transport in transports:
            transport.write(chunk)


class Counted(asyncio.Protocol):
    """A reader who counts."""

    events = 0

    def __init__(self, path: bytes) -> None:
        self._path = path

    def connection_made(self, transport: Any) -> None:
        """Ask for the events."""
        self.transport = transport
        transport.write(b"GET %b HTTP/1.1\r\nhost: localhost\r\n\r\n" % self._path)

    def data_received(self, data: bytes) -> None:
        """Count them."""
        Counted.events += data.count(b"data:")


def usage(process: int) -> tuple[float, int]:
    """Seconds of CPU and bytes of memory of a process."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * resource.getpagesize()


async def measure(kind: str, readers: int, seconds: float) -> tuple[float, float]:
    """Microseconds of CPU a token and reader, and bytes a reader."""
    command = [sys.executable, "-m", "benchmarks.web_readers", "--serve", kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220  # nothing else runs here yet
    assert process.stdout is not None
    port = int(process.stdout.readline())
    loop = asyncio.get_running_loop()
    try:
        path = b"/"
        if kind == "ours":
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            body = b'{"input":"Go."}'
            head = b"POST /runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            writer.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
            answer = await reader.readuntil(b'"state"')
            path = b"/runs/%b/events" % answer.partition(b'"run_id":"')[2].partition(b'"')[0]
            writer.close()
        await asyncio.sleep(0.5)
        _, before = usage(process.pid)
        for number in range(readers):
            await loop.create_connection(lambda: Counted(path), "127.0.0.1", port)
            if number % 20 == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(2)
        _, after = usage(process.pid)
        Counted.events = 0
        (began, _), since = usage(process.pid), time.perf_counter()
        await asyncio.sleep(seconds)
        ended, _ = usage(process.pid)
        told = Counted.events / readers / (time.perf_counter() - since)
        assert told > 0.3 * RATE, f"it could not keep up: {told:.1f} tokens a second and reader"
        return (ended - began) / Counted.events * 1e6, (after - before) / readers
    finally:
        process.kill()
        process.wait()


async def main(readers: int, seconds: float) -> None:
    """Measure both, in turn."""
    found = {kind: await measure(kind, readers, seconds) for kind in ("floor", "ours", "floor", "ours")}
    for kind, (cpu, memory) in found.items():
        print(f"{kind}: {cpu:.1f} µs a token and reader, {memory / 1000:.1f} kB a reader")
    print(f"{found['ours'][0] / found['floor'][0]:.2f} times the floor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=["ours", "floor"])
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(ours() if asked.serve == "ours" else floor())
    else:
        asyncio.run(main(asked.readers, asked.seconds))

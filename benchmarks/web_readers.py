"""The cost of a reader of a server: tokens at 50 a second, sent to many readers, relative to a bare `transport.write`.

The server's CPU time per delivered token, and its memory per reader, for one run with 200 readers and for 100 runs with
one reader each; compared with FastAPI with sse-starlette, and with its own server-sent events.

    python -m benchmarks.web_readers [--quick]
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from benchmarks.lab import ROOT, Lab, Table, median
from benchmarks.web_servers import KINDS, RATE

__all__ = ("measure",)

NAMES = {
    "floor": "transport.write",
    "headwater": "headwater",
    "sse-starlette": "FastAPI + sse-starlette",
    "fastapi": "FastAPI's own",
}
SECONDS = 4.0
ROUNDS = 3
TRIES = 5
SHAPES = ((1, 200), (100, 100))
"""The number of runs, and the total number of readers."""


class _Found(NamedTuple):
    cpu: float
    """Seconds per token and reader."""
    memory: float
    """Bytes per reader."""
    rate: float
    """Tokens per second that a reader received."""


class _Counted(asyncio.Protocol):
    """A reader that counts tokens."""

    events = 0

    def __init__(self, request: bytes) -> None:
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        _Counted.events += data.count(b"data:")


def _usage(process: int) -> tuple[float, int]:
    """Seconds of CPU and bytes of memory of a process."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def _start(accept: bytes) -> bytes:
    body = b'{"input":"Go."}'
    head = b"POST /runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: %b\r\n" % accept
    return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)


async def _requests(kind: str, port: int, runs: int, readers: int) -> Sequence[bytes]:
    """The request of each reader."""
    if kind != "headwater":
        return [b"GET /run%d HTTP/1.1\r\nhost: localhost\r\n\r\n" % (number % runs) for number in range(readers)]
    if runs == readers:
        return [_start(b"text/event-stream")] * readers
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_start(b"application/json"))
    answer = await reader.readuntil(b'"state"')
    writer.close()
    run = answer.partition(b'"run_id":"')[2].partition(b'"')[0]
    return [b"GET /runs/%b/events HTTP/1.1\r\nhost: localhost\r\n\r\n" % run] * readers


async def _reader(port: int, request: bytes, seconds: float = 0.0) -> asyncio.Transport:
    """A reader that has sent its request, after that many seconds."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(partial(_Counted, request), "127.0.0.1", port)
    await asyncio.sleep(seconds)
    return transport


async def _measure(lab: Lab, kind: str, runs: int, readers: int, seconds: float) -> _Found:
    command = [*lab.pinned(), sys.executable, "-m", "benchmarks.web_servers", kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)  # noqa: ASYNC220  # nothing else runs here
    assert process.stdout is not None
    made: list[asyncio.Transport] = []
    try:
        port = int(process.stdout.readline())
        if kind not in ("floor", "headwater"):  # imports of the first request do not belong to a reader
            (await _reader(port, b"GET /warm HTTP/1.1\r\nhost: localhost\r\n\r\n", min(seconds, 0.5))).abort()
        requests = await _requests(kind, port, runs, readers)
        await asyncio.sleep(min(seconds, 1.0))
        _, before = _usage(process.pid)
        for number, request in enumerate(requests):
            made.append(await _reader(port, request))
            if number % 20 == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(min(seconds, 1.5))
        _, after = _usage(process.pid)
        _Counted.events = 0
        (began, _), since = _usage(process.pid), time.perf_counter()
        await asyncio.sleep(seconds)
        ended, _ = _usage(process.pid)
        rate = _Counted.events / readers / (time.perf_counter() - since)
        if rate < 0.3 * RATE and kind in ("floor", "headwater"):  # FastAPI's joins nothing, and falls behind
            raise RuntimeError(f"{kind} did not keep up: {rate:.1f} tokens a second and reader.")
        return _Found((ended - began) / _Counted.events, (after - before) / readers, rate)
    finally:
        for transport in made:
            transport.abort()
        process.kill()
        process.wait()
        process.stdout.close()


def _kept_up(lab: Lab, kind: str, runs: int, readers: int, seconds: float) -> _Found:
    """The measurement, repeated if other work on the machine slowed the server down: it joins pending tokens."""
    for _ in range(TRIES - 1):
        with suppress(RuntimeError):
            return asyncio.run(_measure(lab, kind, runs, readers, seconds))
    return asyncio.run(_measure(lab, kind, runs, readers, seconds))


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """By server and shape."""
    shapes, seconds, rounds = (((1, 5), (3, 3)), 0.25, 1) if quick else (SHAPES, SECONDS, ROUNDS)
    there = importlib.util.find_spec("fastapi") is not None and importlib.util.find_spec("sse_starlette") is not None
    kinds = KINDS if there else KINDS[:2]
    rows, bars = [], []
    with suppress(AttributeError):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for runs, readers in shapes:
        found: dict[str, list[_Found]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind in kinds:
                found[kind].append(_kept_up(lab, kind, runs, readers, seconds))
        shape = f"{runs} run{'s' if runs > 1 else ''}, {readers} readers"
        for kind in kinds:
            cost = median(one.cpu for one in found[kind])
            pairs = zip(found[kind], found["floor"], strict=True)
            ratio = median(one.cpu / bare.cpu if bare.cpu else 0.0 for one, bare in pairs)
            memory = median(one.memory for one in found[kind])
            rate = median(one.rate for one in found[kind])
            shown = f"**{ratio:.2f}**" if kind == "headwater" else f"{ratio:.2f}"
            rows.append((shape, NAMES[kind], f"{cost * 1e6:.1f}", shown, f"{memory / 1e3:.1f}", f"{rate:.0f}"))
            if runs == 1:
                bars.append((NAMES[kind], ratio))
    columns = (
        "shape",
        "server",
        "µs a token and reader",
        "÷ transport.write",
        "kB a reader",
        "tokens a second and reader",
    )
    title = f"Readers of a server, {RATE:.0f} tokens a second"
    return [Table("web-readers", title, columns, rows, bars=bars, unit="one run: times a bare transport.write")]


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("web_readers")

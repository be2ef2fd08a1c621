"""Inputs without end, or far too large: the error for each, and how much memory it takes.

    python -m tests.system.faults.bounds

The provider runs here; whoever asks it runs in a process of its own, whose peak is measured over what it held before.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from headwater import Agent, Model, Timeouts, tool
from headwater.errors import HeadwaterError
from headwater.events import ToolFinished, ToolProgress, Warned
from headwater.testing import (
    Body,
    Bomb,
    Call,
    Endlessly,
    Faulty,
    Headers,
    ProviderSimulator,
    Received,
    Say,
    ServedTurn,
)
from tests.support.paths import ROOT

__all__ = ("BOUNDS", "Bound", "Measured", "measure")


MEGABYTE: Final = 1 << 20


class Measured(msgspec.Struct):
    """How it ended, and the most memory it took beyond the start, in megabytes."""

    said: str
    megabytes: float
    seconds: float = 0.0


class Bound(msgspec.Struct, frozen=True):
    """Something too large: what is served, who asks, and what must come of it."""

    name: str
    serve: Callable[[], ServedTurn]
    ask: Callable[[Model], Coroutine[Any, Any, str]]
    promised: str
    """A word of the message."""
    megabytes: float
    """At most."""
    api: str = "openai-chat"
    slow: bool = False
    """Whether it takes too long for the suite."""


# --- who asks, in the other process


async def _run(model: Model) -> str:
    try:
        response = await Agent(model=model).arun("Go")
    except HeadwaterError as error:
        limit = getattr(error, "limit", "")
        return f"{type(error).__name__}{f' ({limit})' if limit else ''}: {error.message:.200}"
    return f"no error, {len(str(response)):,} characters"


async def _tool_result(model: Model) -> str:
    @tool
    def export() -> str:
        """Give all there is."""
        return "x" * (100 * MEGABYTE)

    said = ""
    stream = Agent(model=model, tools=[export]).run_stream("Go")
    async for event in stream.events():
        if isinstance(event, ToolFinished):
            size = event.truncated_from or 0
            said = f"truncated from {size:,} to {len(str(event.result)):,} characters, and the model is told"
    return said


async def _progress(model: Model) -> str:
    def export() -> Iterator[str]:
        """Give all there is."""
        for number in range(1000):
            yield f"{number} {'x' * MEGABYTE}"

    said = ""
    stream = Agent(model=model, tools=[export]).run_stream("Go")
    async for event in stream.events():
        if isinstance(event, ToolProgress):
            await asyncio.sleep(0.001)
        if isinstance(event, Warned):
            said = f"{event.code}: {event.message}"
    return said


async def _unread(model: Model) -> str:
    stream = Agent(model=model).run_stream("Go")
    async for _ in stream:
        await asyncio.sleep(3.0)  # others run meanwhile; this reader does not
        break
    return "the provider is held back"


def _error_body() -> ServedTurn:
    return Faulty(Body(b"<p>no</p>" * 5 * MEGABYTE, status=500), Headers({"Content-Type": "text/plain"}))


def _sentences() -> ServedTurn:
    return Faulty(Say(["A river begins somewhere in the hills. "]), Endlessly())


def _one_tool(received: Received) -> ServedTurn:
    sent = json.dumps(received.json)
    if '"tool"' in sent:
        return f"The request had {len(sent):,} characters."
    return Call("export")


BOUNDS: Final = (
    Bound("endless line", lambda: Faulty("Hi.", Endlessly("line")), _run, "max_event_bytes", 140),
    Bound("endless event of many lines", lambda: Faulty("Hi.", Endlessly("event")), _run, "max_event_bytes", 140),
    Bound(
        "endless line (JSON lines)", lambda: Faulty("Hi.", Endlessly("line")), _run, "max_line_bytes", 140, api="ollama"
    ),
    Bound(
        "endless chunk (JSON array)",
        lambda: Body(b'[{"a":"' + b"a" * (70 * MEGABYTE)),
        _run,
        "max_event_bytes",
        220,
        api="gemini",
    ),
    Bound("endless answer", lambda: Faulty(Say(["word " * 4000]), Endlessly()), _run, "max_said_chars", 400),
    Bound("endless answer, a sentence a token", _sentences, _run, "max_said_chars", 600, slow=True),
    Bound("header of 1 MB", lambda: Faulty("Hi.", Headers({"X-Long": "a" * MEGABYTE})), _run, "ConnectionFailed", 20),
    Bound("error's body of 45 MB", _error_body, _run, "HTTP 500", 20),
    Bound("compressed bomb, 1 MB that becomes 1 GB", lambda: Faulty("Hi.", Bomb()), _run, "max_event_bytes", 140),
    Bound("tool result of 100 MB", lambda: _one_tool, _tool_result, "truncated from 104,857,600", 450),
    Bound("tool progress of 1 GB", lambda: _one_tool, _progress, "progress_dropped", 120),
    Bound("reader that never reads", lambda: Faulty(Say(["word " * 4000]), Endlessly()), _unread, "held back", 20),
)


# --- measuring


def measure(bound: Bound) -> Measured:
    """Ask in a process of its own."""
    served = bound.serve()
    begun = time.monotonic()
    with ProviderSimulator(_first_warm(served)) as provider:
        process = subprocess.run(
            [sys.executable, "-m", "tests.system.faults.bounds", bound.name, str(provider.port)],
            cwd=ROOT,
            env={**os.environ, "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        sent = max(received.sent for received in provider.requests)
    if process.returncode != 0:
        return Measured(process.stderr[-2000:], 0.0)
    measured = msgspec.json.decode(process.stdout, type=Measured)
    measured.seconds = time.monotonic() - begun
    if bound.ask is _unread:
        measured.said += f" after {sent / MEGABYTE:.1f} MB"
    return measured


def _first_warm(served: ServedTurn) -> Callable[[Received], ServedTurn]:
    begun: list[Received] = []

    def respond(received: Received) -> ServedTurn:
        begun.append(received)
        return "Warm." if len(begun) == 1 else served

    return respond


def _peak() -> float:
    """The most memory this process has held, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MEGABYTE if sys.platform == "darwin" else 1024)


def _child(name: str, port: int) -> Measured:
    bound = next(bound for bound in BOUNDS if bound.name == name)
    elsewhere = ProviderSimulator([])
    elsewhere._server.port = port
    model = elsewhere.model(bound.api, retries=0, timeouts=Timeouts(idle=60.0))

    async def main() -> Measured:
        await _run(model)
        before = _peak()
        said = await bound.ask(model)
        return Measured(said, _peak() - before)

    return asyncio.run(main())


def main() -> int:
    """Measure all and print a table; 1 where something is not as promised."""
    if len(sys.argv) == 3:
        sys.stdout.buffer.write(msgspec.json.encode(_child(sys.argv[1], int(sys.argv[2]))))
        return 0
    good = True
    print("| input | result | peak memory | time |\n|---|---|---:|---:|")
    for bound in BOUNDS:
        measured = measure(bound)
        print(
            f"| {bound.name} | {measured.said} | {measured.megabytes:.0f} MB | {measured.seconds:.1f} s |", flush=True
        )
        good = good and bound.promised in measured.said and measured.megabytes <= bound.megabytes
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""The page in Chromium: bytes, time to its first paint, and what a frame costs while 200 agents stream.

The agents' log is recorded once and played to the page by a server at 10,000 events a second. A trace of the browser's
main thread says how long it computed per frame. It is CPU time of that thread, so that other programs of the machine do
not count; the time to the first paint is measured by the clock.

    python -m benchmarks.web_page [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.lab import Lab, Table, median

__all__ = ("measure",)

AGENTS = 200
EVENTS_A_SECOND = 10_000
WRITES_A_SECOND = 100
PAINTS = 9
PARAGRAPHS = 20
"""How much each agent says: enough for several seconds at that rate."""

COMPUTES = frozenset(
    {
        *("EvaluateScript", "EventDispatch", "FireAnimationFrame", "FunctionCall", "RunMicrotasks", "TimerFire"),
        *("v8.callFunction", "v8.run", "MajorGC", "MinorGC", "V8.GC_MC_INCREMENTAL", "ParseHTML"),
        *("UpdateLayoutTree", "Layout", "PrePaint", "IntersectionObserverController::computeIntersections"),
    }
)
"""The trace's names for scripting and layout."""
FRAME = "FireAnimationFrame"
"""The page draws once in each frame that has news."""
TASK = "RunTask"


class Frames(NamedTuple):
    """What the main thread did while the run played, in milliseconds of its CPU time."""

    computed: list[float]
    """Scripting and layout from the start of each frame to the start of the next one."""
    longest: float
    """The longest task."""
    seconds: float


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """The page's size, its first paint, and its frames."""
    from tests.support.chromium import browser, found

    from headwater.web.page import bundle

    packed = sum(len(gzip.compress(one.encode(), 9)) for one in (bundle.index(), bundle.script(), bundle.style()))
    rows = [("compressed size of the page", f"{packed / 1000:.1f} kB", "< 60 kB")]
    if found() is not None:
        agents, paragraphs, paints = (20, 1, 1) if quick else (AGENTS, PARAGRAPHS, PAINTS)
        log = recorded(agents, paragraphs)
        with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as chromium, _serving(log) as url:
            first = median(_first_paint(chromium.page(), url) for _ in range(paints))
            frames = _frames(chromium.page(), url)
        computed = sorted(frames.computed)
        rate = len(log) / frames.seconds
        rows += [
            ("first paint on loopback, median", f"{first:.0f} ms", "< 300 ms"),
            (f"{agents} agents, {rate:,.0f} events a second: scripting and layout a frame, median",
             f"{computed[len(computed) // 2]:.1f} ms", ""),
            ("the same, p95", f"{computed[int(len(computed) * 0.95)]:.1f} ms", "≤ 8 ms"),
            ("frames", f"{len(computed)}, {len(computed) / frames.seconds:.0f} a second", ""),
            ("longest task", f"{frames.longest:.0f} ms", "≤ 50 ms"),
        ]  # fmt: skip
    return [Table("web-page", "The page", ("", "measured", "goal"), rows)]


def recorded(agents: int, paragraphs: int) -> list[bytes]:
    """The log of so many agents side by side, as server-sent events."""
    from tests.system.page.scene import harbour_fleet, log_of

    from headwater.web.native.wire import sse_frame

    return [sse_frame(event) for event in log_of(harbour_fleet(agents, paragraphs=paragraphs), "Where is each boat?")]


# --- the server


@contextlib.contextmanager
def _serving(log: Sequence[bytes]) -> Iterator[str]:
    """The address of a server of the page, which plays the log at `/runs/recorded/events`."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Mount, Route

    from headwater import Agent
    from headwater.testing import ScriptedModel
    from headwater.web import router

    async def play(request: Request) -> StreamingResponse:
        return StreamingResponse(_paced(log), media_type="text/event-stream")

    agent: Agent[Any, Any] = Agent(name="recorded", model=ScriptedModel(["Hello."]))
    app = Starlette(routes=[Route("/runs/recorded/events", play), Mount("/", router(agent))])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), name="the server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


async def _paced(log: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yields the log at its rate, as many events at once as are due."""
    begun, sent = time.monotonic(), 0
    while sent < len(log):
        due = min(len(log), int((time.monotonic() - begun) * EVENTS_A_SECOND) + 1)
        if due > sent:
            yield b"".join(log[sent:due])
            sent = due
        await asyncio.sleep(1 / WRITES_A_SECOND)


# --- the browser


def _first_paint(page: Any, url: str) -> float:
    """Milliseconds from the navigation to the first paint with content."""
    page.go(url)
    entry = "performance.getEntriesByName('first-contentful-paint')[0]"
    return float(page.until(f"{entry} && {entry}.startTime"))


def _frames(page: Any, url: str) -> Frames:
    """Opens the run, and traces the browser until its end is shown."""
    page.go(url)
    page.until("document.querySelector('.card') !== null")
    page.begin_trace("devtools.timeline", "disabled-by-default-devtools.timeline", "v8")
    begun = time.monotonic()
    page.run("location.hash = 'run=recorded'; 0")
    page.until("document.querySelector('.how.done') !== null")
    seconds = time.monotonic() - begun
    return _read(page.end_trace(), seconds)


def _read(trace: Iterable[dict[str, Any]], seconds: float) -> Frames:
    """Adds up the page's main thread: that of all renderers' which computed most."""
    threads: dict[tuple[int, int], list[dict[str, Any]]] = {}
    names = {}
    for event in trace:
        key = event["pid"], event["tid"]
        if event["name"] == "thread_name":
            names[key] = event["args"]["name"]
        elif event["name"] in COMPUTES or event["name"] in (FRAME, TASK):
            threads.setdefault(key, []).append(event)
    mains = [events for key, events in threads.items() if names.get(key) == "CrRendererMain"]
    events = max(mains, key=lambda one: sum(event.get("tdur", 0) for event in one))
    starts = sorted(event["tts"] for event in events if event["name"] == FRAME)
    computed = [0.0] * max(0, len(starts) - 1)
    at, until = 0, 0
    for event in sorted(
        (one for one in events if one["name"] in COMPUTES and "tdur" in one), key=lambda one: one["tts"]
    ):
        begin, end = max(event["tts"], until), event["tts"] + event["tdur"]  # nested ones count once
        if end <= begin:
            continue
        until = end
        while at < len(computed) and starts[at + 1] <= begin:
            at += 1
        if at < len(computed) and begin >= starts[0]:
            computed[at] += (end - begin) / 1000
    longest = max(event.get("tdur", 0) for event in events if event["name"] == TASK) / 1000
    return Frames(computed, longest, seconds)


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("web_page")

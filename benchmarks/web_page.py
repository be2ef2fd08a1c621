"""The page in Chromium: bytes, time to its first paint, and what a frame costs while 200 agents stream.

The agents' log is recorded once, and each frame hands the page the events that 10,000 a second bring to it; the page's
clock counts these frames. So every machine draws the same frames, however busy it is. A trace of the browser's main
thread says how long it computed per frame, in CPU time of that thread, so that other programs of the machine do not
count; the time to the first paint is measured by the clock.

    python -m benchmarks.web_page [--quick]
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.lab import Lab, Table, median

__all__ = ("measure",)

AGENTS = 200
EVENTS_A_SECOND = 10_000
FRAMES_A_SECOND = 60
PAINTS = 9
PARAGRAPHS = 20
"""How much each agent says: enough for several seconds at that rate."""
PATIENCE = 600.0
"""How many seconds all frames may take on a busy machine, which counts for nothing."""

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

FEED = """
(() => {
  const [begun, ask, now] = [Date.now(), window.fetch, performance.now()];
  const frame = window.requestAnimationFrame.bind(window);
  let [frames, due, pieces, into] = [0, [], [], null];
  performance.now = () => now + frames * 1000 / RATE;
  Date.now = () => begun + frames * 1000 / RATE;
  window.requestAnimationFrame = (draw) => due.push(draw);
  const next = () => {
    frames += 1;
    due.splice(0).forEach((draw) => draw());
    if (pieces.length) into.enqueue(pieces.shift());
    else if (into) into = into.close();
    frame(next);
  };
  frame(next);
  const feed = (async () => {
    const bytes = new Uint8Array(await (await ask("recorded/log")).arrayBuffer());
    const ends = await (await ask("recorded/ends")).json();
    return (window.fed = ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end)));
  })();
  window.fetch = async (...request) => {
    if (!String(request[0]).endsWith("/runs/recorded/events")) return ask(...request);
    pieces = [...(await feed)];
    return new Response(new ReadableStream({ start: (one) => void (into = one) }));
  };
})();
""".replace("RATE", str(FRAMES_A_SECOND))
"""Hands the page its events by the frame, and a clock that counts frames. It has fetched them before:
that is no work of the page's."""
TASK = "RunTask"


class Frames(NamedTuple):
    """What the main thread did while the run played, in milliseconds of its CPU time."""

    computed: list[float]
    """Scripting and layout from the start of each frame to the start of the next one."""
    longest: float
    """The longest task."""


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
        rows += [
            ("first paint on loopback, median", f"{first:.0f} ms", "< 300 ms"),
            (f"{agents} agents, {EVENTS_A_SECOND:,} events a second: scripting and layout a frame, median",
             f"{computed[len(computed) // 2]:.1f} ms", ""),
            ("the same, p95", f"{computed[int(len(computed) * 0.95)]:.1f} ms", "≤ 8 ms"),
            ("frames", f"{len(computed)}", ""),
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
    """The address of a server of the page, which has the log, and where the events of each frame end in it."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Mount, Route

    from headwater import Agent
    from headwater.testing import ScriptedModel
    from headwater.web import router

    frame = EVENTS_A_SECOND // FRAMES_A_SECOND
    frames = [b"".join(log[at : at + frame]) for at in range(0, len(log), frame)]

    async def play(request: Request) -> Response:
        return Response(b"".join(frames), media_type="text/event-stream")

    async def ends(request: Request) -> Response:
        return JSONResponse([*itertools.accumulate(map(len, frames))])

    agent: Agent[Any, Any] = Agent(name="recorded", model=ScriptedModel(["Hello."]))
    app = Starlette(routes=[Route("/recorded/log", play), Route("/recorded/ends", ends), Mount("/", router(agent))])
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


# --- the browser


def _first_paint(page: Any, url: str) -> float:
    """Milliseconds from the navigation to the first paint with content."""
    page.go(url)
    entry = "performance.getEntriesByName('first-contentful-paint')[0]"
    return float(page.until(f"{entry} && {entry}.startTime"))


def _frames(page: Any, url: str) -> Frames:
    """Opens the run, and traces the browser until its end is shown."""
    page.ask("Page.addScriptToEvaluateOnNewDocument", source=FEED)
    page.go(url)
    page.until("document.querySelector('.card') !== null && window.fed !== undefined")
    page.begin_trace("devtools.timeline", "disabled-by-default-devtools.timeline", "v8")
    page.run("location.hash = 'run=recorded'; 0")
    page.until("document.querySelector('.how.done') !== null", patience=PATIENCE)
    return _read(page.end_trace())


def _read(trace: Iterable[dict[str, Any]]) -> Frames:
    """Adds up the page's main thread: that of all renderers' which computed most."""
    threads: dict[tuple[int, int], list[dict[str, Any]]] = {}
    names = {}
    for event in trace:
        key = event["pid"], event["tid"]
        if event["name"] == "thread_name":
            names[key] = event["args"]["name"]
        elif "tts" in event and (event["name"] in COMPUTES or event["name"] in (FRAME, TASK)):
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
    return Frames(computed, longest)


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("web_page")

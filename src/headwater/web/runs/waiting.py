"""Waits for the end of a run as a reader without output: a disconnect counts as for any reader.

The waiting also ends when the run needs answers from people, which a client that waits for the end cannot give.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from starlette.requests import Request

from headwater.events import Event
from headwater.web.runs.latest import answered_before_its_end
from headwater.web.runs.live_run import LiveRun
from headwater.web.runs.manager import Manager
from headwater.web.wires.wire import Wire

__all__ = ("run_to_its_end",)


def _nothing(event: Event) -> bytes:
    return b""


_SILENT: Final = Wire(key="silent", make=lambda: _nothing, media_type="", anywhere=True)


async def run_to_its_end(manager: Manager, live: LiveRun, request: Request) -> bool:
    """Waits until the run has ended, or needs answers. Returns False if the client disconnects first."""
    reading = manager.read(live, _SILENT)

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async def read() -> None:
        async for _ in reading:
            pass

    async def needed() -> None:
        while not (live.over or await manager.needs_answers(live)):
            news = live.news()
            try:
                await news
            finally:
                live.no_news(news)

    needing = asyncio.create_task(needed())
    leaving, ending = asyncio.create_task(listen()), asyncio.create_task(read())
    try:
        await asyncio.wait({leaving, ending, needing}, return_when=asyncio.FIRST_COMPLETED)
        if needing.done():
            answered_before_its_end(live)
        return ending.done() or needing.done()
    finally:
        for task in (leaving, ending, needing):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        manager.leave(reading)

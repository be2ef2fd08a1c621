"""Handles the signals that stop a server, so that its runs stop too.

A server closes its connections before its lifespan ends, and a router in another program has no lifespan. So the
manager handles the signal itself, and must always call the previous handler as well. Only the main thread can handle
signals; in other threads this does nothing.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import weakref
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final

from headwater.web.runs.manager import Manager

__all__ = ("SIGNALS", "hear")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def hear(manager: Manager) -> None:
    """Stops the manager's runs on a stop signal. Call it in the manager's event loop."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop, known = asyncio.get_running_loop(), weakref.ref(manager)
    for number in SIGNALS:
        before = signal.getsignal(number)
        if before is None or before is signal.SIG_IGN:
            continue  # leave signals that are ignored or handled outside Python
        signal.signal(number, _handler(loop, known, before))


def _handler(
    loop: asyncio.AbstractEventLoop, known: weakref.ref[Manager], before: Any
) -> Callable[[int, FrameType | None], None]:
    def die(number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def handle(number: int, frame: FrameType | None) -> None:
        manager = known()
        alive = not loop.is_closed()
        if manager is not None and alive:
            loop.call_soon_threadsafe(_stop, manager, None if callable(before) else partial(die, number))
        if callable(before):
            before(number, frame)
        elif manager is None or not alive:
            die(number)

    return handle


def _stop(manager: Manager, then: Callable[[], None] | None) -> None:
    """Starts to stop the runs; `then` ends the process if there was no other handler."""
    if manager.draining:
        if then is not None:
            then()
        return

    async def stop() -> None:
        await manager.shutdown()
        if then is not None:
            then()

    stopping = asyncio.ensure_future(stop())
    _stopping.add(stopping)  # the loop keeps only weak references to tasks
    stopping.add_done_callback(_stopping.discard)


_stopping: set[asyncio.Future[None]] = set()

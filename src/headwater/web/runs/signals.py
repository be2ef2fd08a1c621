"""The signals by which a server is told to stop, heard by the runs too.

A server ends its connections before it ends its lifespan, and a router in another program has none: so the manager must
hear of the signal itself, while whoever heard it before still does. Only the main thread can hear signals; elsewhere
nothing is done.
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
    """Have the manager stop its runs where the process is told to stop. Call it in the manager's event loop."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop, known = asyncio.get_running_loop(), weakref.ref(manager)
    for number in SIGNALS:
        before = signal.getsignal(number)
        if before is None or before is signal.SIG_IGN:
            continue  # it is heard by what is no Python, or by nobody, and that is to stay so
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
    """Begin to stop the runs; `then` ends the process, where nobody else heard the signal."""
    if manager.draining:
        if then is not None:
            then()
        return

    async def stop() -> None:
        await manager.shutdown()
        if then is not None:
            then()

    stopping = asyncio.ensure_future(stop())
    _stopping.add(stopping)  # the loop itself holds tasks weakly
    stopping.add_done_callback(_stopping.discard)


_stopping: set[asyncio.Future[None]] = set()

"""A line that is typed at the terminal, read while the event loop goes on.

Owns the reading alone; what a line means is its reader's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable

__all__ = ("forget_what_was_typed", "in_thread", "read_line")


async def read_line() -> str | None:
    """The next line that is typed; None at the end of standard input (Ctrl-D). The event loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()
    file = sys.stdin.fileno()

    def read() -> None:
        loop.remove_reader(file)
        try:
            data = os.read(file, 65_536)  # a terminal hands out a line at a time
        except OSError:
            data = b""
        if not done.done():
            done.set_result(data)

    try:
        loop.add_reader(file, read)
    except NotImplementedError:  # an event loop that cannot: Windows
        line = await in_thread(lambda: sys.stdin.readline() or None)
        return None if line is None else line.rstrip("\r\n")
    try:
        data = await done
    finally:
        loop.remove_reader(file)
    return data.decode("utf-8", "replace").rstrip("\r\n") if data else None


def forget_what_was_typed() -> None:
    """Throw away what was typed before the question was there: it was no answer to it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def in_thread(function: Callable[[], str | None]) -> str | None:
    """What the function returns, from a thread that keeps no program from ending: nobody may ever type a line."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str | None] = loop.create_future()

    def settle(said: str | None) -> None:
        if not done.done():
            done.set_result(said)

    def work() -> None:
        # Where the program ends while the line is waited for, this frame is never left, and what it holds never let go
        # of: Python would want the file's lock to do that, which the reading has, and would abort instead.
        held = sys.stdin
        said = function()
        del held
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(settle, said)

    threading.Thread(target=work, name="headwater-input", daemon=True).start()
    return await done

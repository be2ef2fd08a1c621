"""Reading a line from the terminal while the event loop continues.

Owns only the reading, not the meaning of a line.
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
    """The next line from the terminal; None at the end of standard input (Ctrl-D). Does not block the event loop."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()
    file = sys.stdin.fileno()

    def read() -> None:
        loop.remove_reader(file)
        try:
            data = os.read(file, 65_536)  # a terminal returns one line at a time
        except OSError:
            data = b""
        if not done.done():
            done.set_result(data)

    try:
        loop.add_reader(file, read)
    except NotImplementedError:  # not supported by the event loop: Windows
        line = await in_thread(lambda: sys.stdin.readline() or None)
        return None if line is None else line.rstrip("\r\n")
    try:
        data = await done
    finally:
        loop.remove_reader(file)
    return data.decode("utf-8", "replace").rstrip("\r\n") if data else None


def forget_what_was_typed() -> None:
    """Discard input that was typed before the question, because it cannot be an answer to it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def in_thread(function: Callable[[], str | None]) -> str | None:
    """Run the function in a daemon thread, which does not keep the program from exiting: a line may never come."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str | None] = loop.create_future()

    def settle(said: str | None) -> None:
        if not done.done():
            done.set_result(said)

    def work() -> None:
        # If the program exits while this waits, the frame is never left and its reference never released: to release
        # it, Python would need the file's lock, which the reading thread holds, and would abort.
        held = sys.stdin
        said = function()
        del held
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nothing waits for the line
            loop.call_soon_threadsafe(settle, said)

    threading.Thread(target=work, name="headwater-input", daemon=True).start()
    return await done

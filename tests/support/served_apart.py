"""An application behind a real socket, served by a thread of its own: for plain code, which would hold up a loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.served import Served, served

__all__ = ("served_apart",)


@contextlib.contextmanager
def served_apart(make: Callable[[], Any], **options: Any) -> Iterator[Served]:
    """The application that `make` makes, in a thread with a loop of its own."""
    began = threading.Event()
    found: list[Served] = []
    ends: list[Callable[[], Any]] = []

    async def main() -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        ends.append(lambda: loop.call_soon_threadsafe(end.set))
        async with served(make(), **options) as server:
            found.append(server)
            began.set()
            await end.wait()

    def serve() -> None:
        try:
            asyncio.run(main())
        finally:
            began.set()

    thread = threading.Thread(target=serve, name="served apart")
    thread.start()
    try:
        assert began.wait(30)
        yield found[0]
    finally:
        for end in ends:
            end()
        thread.join(30)

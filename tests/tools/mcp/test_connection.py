from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from headwater.errors import MCPUnavailable
from headwater.testing import run_virtual
from headwater.tools.mcp.connection import Connection
from headwater.tools.mcp.session import Session

HERE: ContextVar[str] = ContextVar("here", default="")


class Servers:
    """Counts what is opened and closed, and by which task."""

    def __init__(self, *, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.opened = self.closed = 0
        self.contexts: list[str] = []
        self._seconds = seconds
        self._error = error

    @asynccontextmanager
    async def open(self, session: Session) -> AsyncIterator[Any]:
        task = asyncio.current_task()
        await asyncio.sleep(self._seconds)
        if self._error is not None:
            raise self._error
        self.opened += 1
        self.contexts.append(HERE.get())
        try:
            yield self
        finally:
            assert asyncio.current_task() is task
            self.closed += 1


def connection(servers: Servers, seconds: float | None = 60.0) -> Connection:
    return Connection(
        "it", servers.open, seconds=seconds, told=lambda error, written: MCPUnavailable(f"it: {error}.", server="it")
    )


def test_all_that_ask_at_once_share_one() -> None:
    async def main() -> None:
        servers = Servers(seconds=1)
        one = connection(servers)
        sessions = await asyncio.gather(*(one.session() for _ in range(10)))
        assert len(set(map(id, sessions))) == 1
        await one.close()
        assert (servers.opened, servers.closed) == (1, 1)

    run_virtual(main())


def test_one_that_is_cancelled_while_it_waits_leaves_it_to_others() -> None:
    async def main() -> None:
        servers = Servers(seconds=1)
        one = connection(servers)
        first = asyncio.create_task(one.session())
        second = asyncio.create_task(one.session())
        await asyncio.sleep(0.5)
        first.cancel()
        await second
        assert servers.opened == 1
        await one.close()

    run_virtual(main())


def test_it_lives_in_a_context_of_its_own() -> None:
    async def main() -> None:
        servers = Servers()
        one = connection(servers)
        HERE.set("a run")
        await one.session()
        assert servers.contexts == [""]
        await one.close()

    run_virtual(main())


def test_a_lost_one_is_made_again_once_for_all() -> None:
    async def main() -> None:
        servers = Servers()
        one = connection(servers)
        session = await one.session()
        one.lost(session)
        again = await asyncio.gather(*(one.session() for _ in range(5)))
        one.lost(session)  # reported again, by another call on it
        assert set(map(id, again)) == {id(await one.session())}
        await one.close()
        assert (servers.opened, servers.closed) == (2, 2)

    run_virtual(main())


def test_one_that_takes_too_long_is_unavailable_and_tried_again_later() -> None:
    async def main() -> None:
        servers = Servers(seconds=100)
        one = connection(servers, seconds=5)
        for _ in range(2):
            with pytest.raises(MCPUnavailable, match="no answer in 5 seconds"):
                await one.session()

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(10)


def test_the_error_of_a_failed_connection_is_raised() -> None:
    async def main() -> None:
        with pytest.raises(MCPUnavailable, match="broken"):
            await connection(Servers(error=OSError("broken"))).session()

    run_virtual(main())


def test_closing_while_it_connects_does_not_wait_for_it() -> None:
    async def main() -> None:
        one = connection(Servers(seconds=100))
        asking = asyncio.create_task(one.session())
        await asyncio.sleep(1)
        await one.close()
        with pytest.raises(MCPUnavailable):
            await asking

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(1)


@pytest.mark.parametrize("own", [True, False])
def test_it_is_closed_with_its_loop(own: bool) -> None:
    servers = Servers()

    async def main() -> None:
        await connection(servers).session()

    if own:
        asyncio.run(main())
    else:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    gc.collect()
    assert (servers.opened, servers.closed) == (1, 1)

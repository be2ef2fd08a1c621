from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from headwater.readers.kept_loop import kept_loop
from tests.system.cancellation.left import Census, look_ups_done, no_tasks
from tests.system.cancellation.server import PacedServer

Run = Callable[[Coroutine[Any, Any, None]], None]


async def _nothing() -> None: ...


@pytest.fixture(scope="session")
def paced() -> Iterator[PacedServer]:
    _uvloop(_nothing())  # the first loop of its opens pipes that the process keeps
    with PacedServer() as server:
        yield server


@pytest.fixture
def server(paced: PacedServer, monkeypatch: pytest.MonkeyPatch) -> PacedServer:
    """The server, with nothing of the test before, and no proxy on the way to it."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    paced.forget()
    return paced


@pytest.fixture
def census(server: PacedServer) -> Iterator[Census]:
    """Nothing may be left of what the test did."""
    kept_loop()  # it is this thread's, not the test's
    census = Census(server.port)
    yield census
    census.assert_same()


def _asyncio(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def _debug(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main, debug=True)


def _uvloop(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


@pytest.fixture(params=[_asyncio, _debug, _uvloop], ids=["asyncio", "debug", "uvloop"])
def run(request: pytest.FixtureRequest, census: Census) -> Run:
    """Runs a coroutine in every kind of loop; no task may be left in it, and nothing at all after it."""

    def checked(main: Coroutine[Any, Any, None]) -> None:
        async def alone() -> None:
            await main
            await look_ups_done()
            no_tasks()

        request.param(alone())

    return checked

"""Leaving a run of another server, in every way: the connection is closed, and nothing is left here of it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest
import uvloop

from headwater import AgentStream, Remote, attach
from headwater.events import RunCancelled
from headwater.readers.kept_loop import kept_loop
from headwater.web import router
from tests.support.members import paced
from tests.support.served import Served
from tests.support.served_apart import served_apart
from tests.system.cancellation.left import Census, look_ups_done, no_tasks

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    kept_loop()  # it is this thread's, not the test's
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))  # the first loop of its opens pipes that the process keeps
    with served_apart(lambda: router(paced("a", 100_000, 0.01))) as served:
        yield served


@pytest.fixture
def census(server: Served, small_heap: None) -> Iterator[Census]:
    """Nothing may be left of what the test did."""
    census = Census(server.port)
    yield census
    gc.collect()
    census.assert_same()


@pytest.fixture(params=["asyncio", "debug", "uvloop"])
def run(request: pytest.FixtureRequest, census: Census) -> Run:
    """Runs a coroutine in every kind of loop; no task may be left in it."""

    def checked(main: Coroutine[Any, Any, None]) -> None:
        async def alone() -> None:
            await main
            await look_ups_done()
            no_tasks()

        factory = uvloop.new_event_loop if request.param == "uvloop" else None
        with asyncio.Runner(debug=request.param == "debug", loop_factory=factory) as runner:
            runner.run(alone())

    return checked


def stream(server: Served) -> AgentStream[Any, Any]:
    return Remote(server.url, on_disconnect="cancel").run_stream("Go.")


async def has_left(server: Served, left: AgentStream[Any, Any]) -> None:
    """The server has seen that nobody reads any more: it cancels the run."""
    events = [event async for event in attach(f"{server.url}/runs/{left.run_id}").events()]
    assert isinstance(events[-1], RunCancelled)
    assert events[-1].by == "left"


Leave = Callable[[AgentStream[Any, Any]], Awaitable[None]]


async def by_break(reading: AgentStream[Any, Any]) -> None:
    async for chunk in reading:
        if chunk.content:
            break


async def by_an_error(reading: AgentStream[Any, Any]) -> None:
    with suppress(LookupError):
        async for chunk in reading.text():
            raise LookupError(chunk)


async def by_closing(reading: AgentStream[Any, Any]) -> None:
    async with reading:
        async for event in reading.events():
            if event.type == "text.delta":
                break
        await reading.aclose()


async def by_closing_the_iterator(reading: AgentStream[Any, Any]) -> None:
    async with aclosing(aiter(reading)) as chunks:  # type: ignore[type-var]
        await anext(chunks)


async def by_cancelling_the_task(reading: AgentStream[Any, Any]) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in reading:
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def by_dropping_it(reading: AgentStream[Any, Any]) -> None:
    await anext(reading)
    reading._next = None
    gc.collect()


LEAVES: list[Leave] = [
    by_break,
    by_an_error,
    by_closing,
    by_closing_the_iterator,
    by_cancelling_the_task,
    by_dropping_it,
]


@pytest.mark.parametrize("leave", LEAVES, ids=lambda leave: leave.__name__)
def test_leaving_leaves_nothing(leave: Leave, run: Run, server: Served) -> None:
    async def main() -> None:
        reading = stream(server)
        await leave(reading)
        assert reading.response.partial
        await has_left(server, reading)

    run(main())


def test_leaving_while_it_connects(run: Run, server: Served) -> None:
    async def main() -> None:
        for turns in range(12):
            task = asyncio.create_task(stream(server).result())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    run(main())


def test_leaving_while_it_waits_to_reconnect(run: Run, server: Served) -> None:
    async def main() -> None:
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """Says hello once, and refuses whoever comes back."""
            await reader.readuntil(b"\r\n\r\n")
            if not begun.done():
                head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n"
                writer.write(head)
                begun.set_result(None)
            writer.close()
            await writer.wait_closed()

        hostile = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = hostile.sockets[0].getsockname()[1]
        task = asyncio.create_task(attach(f"http://127.0.0.1:{port}/runs/x").result())
        await begun
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        hostile.close()
        await hostile.wait_closed()

    run(main())


def test_cancelling_leaves_nothing(run: Run, server: Served) -> None:
    async def main() -> None:
        reading = stream(server)
        async for chunk in reading:
            if chunk.content:
                reading.cancel()
        assert reading.response.finish_reason == "cancelled"

    run(main())


def test_sync_code_leaves_nothing(census: Census, server: Served) -> None:
    reading = stream(server)
    for chunk in reading:
        if chunk.content:
            break
    other = stream(server)
    for chunk in other:
        if chunk.content:
            other.cancel()
    assert other.response.finish_reason == "cancelled"
    with stream(server) as last:
        next(last)
    del reading, other, last
    kept_loop().close()  # with the connections that it keeps for the next call


def test_sync_code_in_a_thread_leaves_nothing(census: Census, server: Served) -> None:
    def read() -> None:
        for chunk in stream(server):
            if chunk.content:
                break

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

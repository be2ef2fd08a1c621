"""Leaving an `async for` is cancelling: the provider is told before the next statement runs, and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest

from headwater import Agent, AgentStream, StreamChunk
from headwater.workflows import ConcurrentWorkflow, SequentialWorkflow
from tests.system.cancellation.conftest import Run
from tests.system.cancellation.left import assert_partial, assert_told
from tests.system.cancellation.server import Exchange, PacedServer

READ = 3
"""Chunks that are read before leaving."""


class Reading:
    """One stream, and what was seen of it."""

    def __init__(self, server: PacedServer) -> None:
        self.server = server
        self.stream: AgentStream[str] = Agent(model="words", base_url=server.url, api_key="k").run_stream("Go.")
        self.seen: list[str] = []
        self.told = False

    def note(self, chunk: StreamChunk) -> bool:
        """Keep what was seen; whether it is time to leave."""
        assert not chunk.is_final
        self.seen.append(chunk.content)
        return len(self.seen) == READ

    def check_told(self) -> Exchange:
        """To be called right after leaving, with no await in between: it blocks the loop until the server knows."""
        exchange = self.server.next()
        assert_told(exchange, self.seen)
        self.told = True
        return exchange


Leave = Callable[[Reading], Awaitable[None]]


async def by_break(reading: Reading) -> None:
    async for chunk in reading.stream:
        if reading.note(chunk):
            break
    reading.check_told()


async def by_return(reading: Reading) -> None:
    async def read() -> str:
        async for chunk in reading.stream:
            if reading.note(chunk):
                return "left"
        return "read"

    assert await read() == "left"
    reading.check_told()


async def by_an_exception_in_the_body(reading: Reading) -> None:
    with suppress(ZeroDivisionError):
        async for chunk in reading.stream:
            if reading.note(chunk):
                raise ZeroDivisionError
    reading.check_told()


async def by_task_cancel(reading: Reading) -> None:
    """The reader waits for a token when it is cancelled."""
    enough = asyncio.Event()

    async def read() -> None:
        async for chunk in reading.stream:
            if reading.note(chunk):
                enough.set()

    task = asyncio.create_task(read())
    await enough.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    reading.check_told()


async def by_task_cancel_in_the_body(reading: Reading) -> None:
    """The reader is at something of its own when it is cancelled."""
    enough = asyncio.Event()

    async def read() -> None:
        async for chunk in reading.stream:
            if reading.note(chunk):
                enough.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The task has ended and its frame is gone with it.
    reading.check_told()


async def by_a_timeout(reading: Reading) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(None) as clock:
            async for chunk in reading.stream:
                if reading.note(chunk):
                    clock.reschedule(0)
    reading.check_told()


async def by_a_timeout_in_the_body(reading: Reading) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(None) as clock:
            async for chunk in reading.stream:
                if reading.note(chunk):
                    clock.reschedule(0)
                    await asyncio.Event().wait()
    reading.check_told()


async def by_a_task_group_that_fails(reading: Reading) -> None:
    enough = asyncio.Event()

    async def read() -> None:
        async for chunk in reading.stream:
            if reading.note(chunk):
                enough.set()

    async def fail() -> None:
        await enough.wait()
        raise ZeroDivisionError

    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            group.create_task(fail())
    reading.check_told()


async def by_aclose_of_the_stream(reading: Reading) -> None:
    async for chunk in reading.stream:
        if reading.note(chunk):
            await reading.stream.aclose()
            break
    reading.check_told()


async def by_aclose_of_the_iterator(reading: Reading) -> None:
    iterator: Any = aiter(reading.stream)
    while not reading.note(await anext(iterator)):
        pass
    await iterator.aclose()
    reading.check_told()
    with pytest.raises(StopAsyncIteration):
        await anext(iterator)


async def by_async_with(reading: Reading) -> None:
    async with reading.stream as stream:
        iterator = aiter(stream)
        while not reading.note(await anext(iterator)):
            pass
    reading.check_told()


async def by_an_exception_in_async_with(reading: Reading) -> None:
    with suppress(ZeroDivisionError):
        async with reading.stream as stream:
            async for chunk in stream:
                if reading.note(chunk):
                    raise ZeroDivisionError
    reading.check_told()


async def by_letting_go_of_the_iterator(reading: Reading) -> None:
    iterator = aiter(reading.stream)
    while not reading.note(await anext(iterator)):
        pass
    del iterator
    reading.check_told()


async def by_garbage_collection_of_a_cycle(reading: Reading) -> None:
    iterator = aiter(reading.stream)
    while not reading.note(await anext(iterator)):
        pass
    cycle: list[Any] = [iterator]
    cycle.append(cycle)
    del iterator, cycle
    gc.collect()
    reading.check_told()


async def by_leaving_events(reading: Reading) -> None:
    async for event in reading.stream.events():
        if event.type == "text.delta":
            reading.seen.append(event.text)
            if len(reading.seen) == READ:
                break
    reading.check_told()


async def by_leaving_text(reading: Reading) -> None:
    async for text in reading.stream.text():
        reading.seen.append(text)
        if len(reading.seen) == READ:
            break
    reading.check_told()


async def by_leaving_a_selection(reading: Reading) -> None:
    async for chunk in reading.stream.select(agent="agent"):
        if reading.note(chunk):
            break
    reading.check_told()


async def by_break_out_of_two_generators(reading: Reading) -> None:
    """A user's own generator around the stream, closed as the language says it is to be."""

    async def shout() -> Any:
        async for chunk in reading.stream:
            yield chunk

    async with aclosing(shout()) as shouted:
        async for chunk in shouted:
            if reading.note(chunk):
                break
    reading.check_told()


WAYS: list[Leave] = [way for name, way in sorted(globals().items()) if name.startswith("by_")]


@pytest.fixture(params=[True, False], ids=["gc", "no-gc"])
def collected(request: pytest.FixtureRequest) -> Iterator[bool]:
    """With the cyclic collector, and without it."""
    if not request.param:
        gc.disable()
    yield request.param
    gc.enable()


@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)
def test_leaving_tells_the_provider_before_the_next_statement(
    leave: Leave, run: Run, server: PacedServer, collected: bool
) -> None:
    async def main() -> None:
        reading = Reading(server)
        await leave(reading)
        assert reading.told
        assert_partial(reading.stream.response, reading.seen)
        assert_partial(await reading.stream.result(), reading.seen)

    run(main())


def test_leaving_a_stream_without_a_variable_tells_the_provider_too(
    run: Run, server: PacedServer, collected: bool
) -> None:
    async def main() -> None:
        seen: list[str] = []
        async for chunk in Agent(model="words", base_url=server.url, api_key="k").run_stream("Go."):
            seen.append(chunk.content)
            if len(seen) == READ:
                break
        assert_told(server.next(), seen)

    run(main())


@pytest.mark.parametrize("shape", [ConcurrentWorkflow, SequentialWorkflow], ids=lambda shape: shape.__name__)
def test_leaving_a_workflow_closes_every_request(shape: Any, run: Run, server: PacedServer) -> None:
    async def main() -> None:
        members = [Agent(name=name, model="words", base_url=server.url, api_key="k") for name in ("one", "two")]
        speaks = {"one", "two"} if shape is ConcurrentWorkflow else {"one"}
        stream = shape(agents=members).run_stream("Go.")
        heard: dict[str, list[str]] = {name: [] for name in speaks}
        async for chunk in stream:
            heard[chunk.agent].append(chunk.content)
            if all(heard.values()):
                break
        for _ in speaks:
            assert_told(server.next(), [])
        assert stream.response.partial
        await stream.aclose()

    run(main())


def test_an_iterator_that_is_collected_in_another_thread(run: Run, server: PacedServer) -> None:
    """The collector runs in whatever thread happens to allocate."""

    async def main() -> None:
        reading = Reading(server)
        iterator = aiter(reading.stream)
        while not reading.note(await anext(iterator)):
            pass
        held = [iterator]
        del iterator
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
        reading.check_told()
        await asyncio.sleep(0.01)  # turns of the loop, in which what is left of it is let go of
        assert_partial(await reading.stream.result(), reading.seen)

    run(main())

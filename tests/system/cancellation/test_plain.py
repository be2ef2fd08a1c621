"""Leaving a plain `for` is cancelling too: the provider is told before the next statement runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headwater import Agent, AgentStream, ToolContext
from headwater.errors import Cancelled, LoopMisuse
from tests.system.cancellation.left import Census, assert_partial, assert_told, assert_valid
from tests.system.cancellation.server import SOON, PacedServer

READ = 3
"""Chunks that are read before leaving."""


class Reading:
    """One stream, and what was seen of it."""

    def __init__(self, server: PacedServer) -> None:
        self.server = server
        self.stream: AgentStream[str] = agent(server).run_stream("Go.")
        self.seen: list[str] = []
        self.told = False

    def note(self, content: str) -> bool:
        self.seen.append(content)
        return len(self.seen) == READ

    def check_told(self) -> None:
        """To be called right after leaving; from here on the kept loop is not turned any more."""
        assert_told(self.server.next(), self.seen)
        self.told = True


def agent(server: PacedServer, model: str = "words", *tools: Any) -> Agent[Any, str]:
    return Agent(model=model, base_url=server.url, api_key="k", tools=tools)


def by_break(reading: Reading) -> None:
    for chunk in reading.stream:
        if reading.note(chunk.content):
            break
    reading.check_told()


def by_return(reading: Reading) -> None:
    def read() -> str:
        for chunk in reading.stream:
            if reading.note(chunk.content):
                return "left"
        return "read"

    assert read() == "left"
    reading.check_told()


def by_an_exception(reading: Reading) -> None:
    def read() -> None:
        for chunk in reading.stream:
            if reading.note(chunk.content):
                raise ZeroDivisionError

    with contextlib.suppress(ZeroDivisionError):
        read()
    # The exception's traceback is gone with it, and so is the frame that held the iterator.
    reading.check_told()


def by_with(reading: Reading) -> None:
    with reading.stream as stream:
        iterator = iter(stream)
        while not reading.note(next(iterator).content):
            pass
    reading.check_told()


def by_an_exception_in_with(reading: Reading) -> None:
    def read() -> None:
        with reading.stream as stream:
            for chunk in stream:
                if reading.note(chunk.content):
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        read()
    # Whoever keeps the exception keeps its traceback, and with that the iterator: `with` has closed it all the same.
    reading.check_told()
    del caught


def by_close(reading: Reading) -> None:
    for chunk in reading.stream:
        if reading.note(chunk.content):
            reading.stream.close()
            reading.check_told()


def by_letting_go_of_the_iterator(reading: Reading) -> None:
    iterator = iter(reading.stream)
    while not reading.note(next(iterator).content):
        pass
    del iterator
    reading.check_told()


def by_closing_the_iterator(reading: Reading) -> None:
    iterator: Any = iter(reading.stream)
    while not reading.note(next(iterator).content):
        pass
    iterator.close()
    reading.check_told()


def by_leaving_events(reading: Reading) -> None:
    for event in reading.stream.events():
        if event.type == "text.delta" and reading.note(event.text):
            break
    reading.check_told()


def by_leaving_text(reading: Reading) -> None:
    for text in reading.stream.text():
        if reading.note(text):
            break
    reading.check_told()


def by_leaving_a_selection(reading: Reading) -> None:
    for chunk in reading.stream.select(agent="agent"):
        if reading.note(chunk.content):
            break
    reading.check_told()


WAYS = [way for name, way in sorted(globals().items()) if name.startswith("by_")]


@pytest.fixture(params=[True, False], ids=["gc", "no-gc"])
def collected(request: pytest.FixtureRequest) -> Iterator[bool]:
    if not request.param:
        gc.disable()
    yield request.param
    gc.enable()


@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)
def test_leaving_tells_the_provider_before_the_next_statement(
    leave: Callable[[Reading], None], server: PacedServer, census: Census, collected: bool
) -> None:
    reading = Reading(server)
    leave(reading)
    assert reading.told
    census.assert_same()
    assert_partial(reading.stream.response, reading.seen)
    assert_partial(reading.stream.result_sync(), reading.seen)


def test_the_answer_is_everything_that_was_read(server: PacedServer) -> None:
    stream = agent(server, "short").run_stream("Go.")
    chunks = list(stream)
    assert "".join(chunk.content for chunk in chunks) == stream.response.transcript == "word0 word1 word2 "
    assert [chunk.is_final for chunk in chunks] == [False, False, False, True]
    assert chunks[-1].metadata is not None
    assert chunks[-1].metadata["tokens"] == {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
    assert not stream.response.partial
    assert not server.next().gone.is_set()


def test_consecutive_runs_share_one_connection(server: PacedServer) -> None:
    for _ in range(3):
        agent(server, "short").run_sync("Go.")
        list(agent(server, "short").run_stream("Go."))
    assert len(server.exchanges) == 6
    assert len({exchange.connection for exchange in server.exchanges}) == 1


def test_cancel_from_another_thread_reaches_a_reader_that_waits(server: PacedServer, census: Census) -> None:
    stream = agent(server).run_stream("Go.")
    seen: list[Any] = []
    thread: threading.Thread | None = None
    for chunk in stream:
        seen.append(chunk)
        if len(seen) == READ:
            # It is called once the reader waits again; where it is not yet waiting, that is as good.
            thread = threading.Thread(target=stream.cancel)
            thread.start()
    assert thread is not None
    thread.join()
    assert [chunk.is_final for chunk in seen].count(True) == 1
    assert seen[-1].finish_reason == "cancelled"
    texts = [chunk.content for chunk in seen if chunk.content]
    assert_told(server.next(), texts)
    assert_partial(stream.response, texts)


def test_cancel_from_another_thread_reaches_a_reader_that_is_busy(server: PacedServer, census: Census) -> None:
    """The loop stands still while the body works, so it could not hear of it: the server must all the same."""
    stream = agent(server).run_stream("Go.")
    seen: list[Any] = []
    for chunk in stream:
        seen.append(chunk)
        if len(seen) == READ:
            thread = threading.Thread(target=stream.cancel)
            thread.start()
            thread.join()
            assert_told(server.next(), [chunk.content for chunk in seen])
    assert [chunk.is_final for chunk in seen].count(True) == 1
    assert seen[-1].finish_reason == "cancelled"
    assert_partial(stream.response, [chunk.content for chunk in seen if chunk.content])


@pytest.mark.parametrize("model", ["silent", "mute", "words"])
def test_cancel_from_another_thread_ends_what_blocks(model: str, server: PacedServer, census: Census) -> None:
    stream = agent(server, model).run_stream("Go.")
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(stream.result_sync()), name="blocked")
    thread.start()
    exchange = server.next()
    if model == "words":
        assert exchange.wait_sent(READ)
    stream.cancel()
    thread.join(SOON)
    assert not thread.is_alive()
    assert exchange.wait_gone()
    assert answers[0].partial
    assert answers[0].finish_reason == "cancelled"
    assert_valid(answers[0].messages)


def test_a_callback_can_cancel_a_blocking_run(server: PacedServer, census: Census) -> None:
    """`run_sync` gives no handle: what stops it is a callback, or the outer run."""
    texts: list[str] = []

    def note(token: str) -> None:
        texts.append(token)
        if len(texts) == READ:
            from headwater.runtime.context import current_run
            from headwater.runtime.run import Run

            run = current_run.get()
            assert isinstance(run, Run)
            run.cancel()

    response = agent(server).run_sync("Go.", streaming_callback=note)
    assert_partial(response, texts)
    assert_told(server.next(), texts)


def test_leaving_while_a_sync_tool_runs_cancels_the_tool(server: PacedServer) -> None:
    told = threading.Event()

    def wait(ctx: ToolContext[Any]) -> None:
        """Wait."""
        ctx.emit("begun")
        while not ctx.cancelled:
            threading.Event().wait(0.001)
        told.set()

    stream = agent(server, "talk", wait).run_stream("Go.")
    for event in stream.events():
        if event.type == "tool.progress":
            break
    assert told.wait(SOON)
    assert stream.response.text == "I will look. "
    assert_valid(stream.response.messages)
    assert stream.response.messages[-1].role == "tool"


def test_leaving_while_an_async_tool_runs_ends_the_tool(server: PacedServer) -> None:
    told = threading.Event()

    async def wait(ctx: ToolContext[Any]) -> None:
        """Wait."""
        ctx.emit("begun")
        try:
            await asyncio.Event().wait()
        finally:
            told.set()

    stream = agent(server, "talk", wait).run_stream("Go.")
    for event in stream.events():
        if event.type == "tool.progress":
            break
    assert told.is_set()  # before the next statement, for the loop stands still from here on


@pytest.fixture
def connected(server: PacedServer) -> None:
    """The kept loop has a connection that it keeps: it is not the test's."""
    agent(server, "short").run_sync("Go.")
    server.forget()


@pytest.mark.usefixtures("connected", "census")
def test_an_iterator_that_is_collected_inside_a_running_loop(server: PacedServer) -> None:
    """A half-read plain iterator may be collected anywhere, also where its loop cannot be turned."""
    reading = Reading(server)
    iterator = iter(reading.stream)
    while not reading.note(next(iterator).content):
        pass
    held = [iterator]
    del iterator

    async def main() -> None:
        held.clear()
        reading.check_told()

    asyncio.run(main())
    agent(server, "short").run_sync("Go.")  # the kept loop goes on as before


@pytest.mark.usefixtures("connected", "census")
def test_an_iterator_that_is_collected_in_another_thread(server: PacedServer) -> None:
    reading = Reading(server)
    iterator = iter(reading.stream)
    while not reading.note(next(iterator).content):
        pass
    held = [iterator]
    del iterator
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join(SOON)
    reading.check_told()
    agent(server, "short").run_sync("Go.")


def test_sync_calls_inside_a_running_loop_raise_an_error_with_advice(server: PacedServer) -> None:
    async def main() -> None:
        stream = agent(server).run_stream("Go.")
        with pytest.raises(LoopMisuse, match="async for chunk in"):
            iter(stream)
        with pytest.raises(LoopMisuse, match="async for"):
            iter(stream.text())
        with pytest.raises(LoopMisuse, match=r"await stream\.result"):
            stream.result_sync()
        with pytest.raises(LoopMisuse, match=r"await agent\.run"):
            agent(server).run_sync("Go.")

    asyncio.run(main())
    assert server.exchanges == []


def test_a_stream_is_read_once(server: PacedServer) -> None:
    stream = agent(server, "short").run_stream("Go.")
    iterator = iter(stream)
    next(iterator)
    with pytest.raises(LoopMisuse, match="read already, or is being read"):
        next(iter(stream))
    with pytest.raises(LoopMisuse, match="not ended yet"):
        _ = stream.response
    with pytest.raises(LoopMisuse, match="being read elsewhere"):
        stream.result_sync()
    list(iterator)
    assert stream.result_sync() == "word0 word1 word2 "


def test_a_task_that_cancels_itself_is_not_reported_as_an_outside_cancellation(
    server: PacedServer, census: Census
) -> None:
    """Code that runs inside the kept loop can cancel its task; plain code then hears a word of ours."""

    async def cancel_the_loop(token: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(Cancelled) as caught:
        agent(server).run_sync("Go.", streaming_callback=cancel_the_loop)
    assert caught.value.response.partial
    assert server.next().wait_gone()

from __future__ import annotations

import asyncio
import copy
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from headwater import Agent, AgentStream, StreamChunk
from headwater.backends.offline import Call, Fail, Say
from headwater.errors import ConfigurationError, HeadwaterError, LoopMisuse, UnknownQuestion
from headwater.events import Event
from headwater.readers.kept_loop import kept_loop
from headwater.testing import check_log
from tests.support.streams import scripted
from tests.support.talk import talk

# --- results


def test_a_result_reads_an_unread_stream() -> None:
    async def main() -> None:
        stream = talk().run_stream("Go.")
        response = await stream.result()
        assert response == "It is there."
        assert await stream.result() == response == await stream
        assert copy.copy(response).transcript == response.transcript

    asyncio.run(main())
    stream = talk().run_stream("Go.")
    assert stream.result_sync() == stream.result_sync() == stream.response == "It is there."


def test_a_result_after_leaving_is_the_partial() -> None:
    async def main() -> None:
        stream = talk().run_stream("Go.")
        async for _ in stream.text():
            break
        response = await stream.result()
        assert (response.text, response.partial, response.finish_reason) == ("I ", True, "cancelled")

    asyncio.run(main())


def test_a_streams_state() -> None:
    async def main() -> None:
        stream = talk().run_stream("Go.")
        assert repr(stream) == "<AgentStream not begun>"
        with pytest.raises(LoopMisuse, match="not ended yet"):
            _ = stream.response
        async for _ in stream:
            assert repr(stream) == "<AgentStream going on>"
            with pytest.raises(LoopMisuse, match="not ended yet"):
                _ = stream.response
            with pytest.raises(LoopMisuse, match="being read elsewhere"):
                await stream.result()
            with pytest.raises(LoopMisuse, match="is being read"):
                aiter(stream)
            break
        assert repr(stream) == "<AgentStream over>"
        with pytest.raises(LoopMisuse, match="read already"):
            aiter(stream)

    asyncio.run(main())


def test_an_unread_stream_sends_no_request() -> None:
    agent = scripted("Hello.")
    stream = agent.run_stream("Go.")
    stream.close()
    del stream
    model: Any = agent.model
    assert model.requests == ()


def test_a_stream_without_a_model_raises_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWATER_MODEL", raising=False)
    stream = Agent(model="no-such-provider/x").run_stream("Go.")
    with pytest.raises(HeadwaterError, match="no-such-provider"):
        list(stream)


# --- sync reading in other threads: servers ask for each piece in any free thread


def test_the_thread_that_began_a_reading_may_end_before_it() -> None:
    streams: list[tuple[AgentStream[str], Iterator[StreamChunk]]] = []

    def begin() -> None:
        stream = talk().run_stream("Go.")
        chunks = iter(stream)
        assert next(chunks).content == "I "
        streams.append((stream, chunks))

    _in_thread(begin)
    [(stream, chunks)] = streams
    rest = list(chunks)
    assert rest[-1].is_final
    assert stream.response.transcript == "I " + "".join(chunk.content for chunk in rest)
    stream.close()


def test_readings_started_in_one_thread_continue_in_others() -> None:
    async def meet(token: str) -> None:
        if token == "b.":
            together.wait()

    def begin() -> None:
        for _ in range(2):
            chunks = iter(scripted([Say(["a ", "b."])]).run_stream("Go.", streaming_callback=meet))
            assert next(chunks).content == "a "
            begun.append(chunks)

    def read(chunks: Iterator[StreamChunk]) -> None:
        texts.extend(chunk.content for chunk in chunks if chunk.content)

    together = threading.Barrier(2, timeout=5)
    begun: list[Iterator[StreamChunk]] = []
    texts: list[str] = []
    _in_thread(begin)
    threads = [threading.Thread(target=read, args=(chunks,)) for chunks in begun]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["b.", "b."]


def _in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


# --- several threads at once


def _at_begin(agent: Agent[Any, Any], act: Callable[[], object]) -> None:
    """Runs `act` in another thread while the run starts and has no events yet."""

    def instructions() -> str:
        _in_thread(act)
        return ""

    agent.instructions = instructions


def test_a_result_during_another_threads_start_is_refused() -> None:
    agent = talk()
    stream = agent.run_stream("Go.")
    refused: list[str] = []

    def ask() -> None:
        for _ in range(3):
            with pytest.raises(LoopMisuse, match="being read elsewhere"):
                stream.result_sync()
            refused.append("result")
        with pytest.raises(LoopMisuse, match="is being read"):
            next(stream)

    _at_begin(agent, ask)
    assert stream.result_sync() == "It is there."
    assert refused == ["result"] * 3
    _in_thread(lambda: refused.append(stream.result_sync().text))
    assert refused[-1] == "It is there."


def test_a_piece_is_asked_for_by_one_thread_at_a_time() -> None:
    agent = talk()
    stream = agent.run_stream("Go.")

    def ask() -> None:
        with pytest.raises(LoopMisuse, match="by another thread"):
            next(stream)

    _at_begin(agent, ask)
    assert next(stream).content == "I "
    stream.close()


@pytest.mark.parametrize("when", ["run.started", "text.delta", "tool.started", "run.finished"])
def test_closing_in_another_thread_ends_the_reading_of_this_one(when: str) -> None:
    log: list[Event] = []

    def watch(event: Event) -> None:
        log.append(event)
        if event.type == when:
            for _ in range(3):
                _in_thread(stream.close)

    stream = talk().run_stream("Go.", on_event=watch)
    chunks = list(stream)
    check_log(log)
    cancelled = when != "run.finished"
    assert log[-1].type == ("run.cancelled" if cancelled else "run.finished")
    assert (chunks[-1].is_final, chunks[-1].finish_reason) == (True, "cancelled" if cancelled else "stop")
    assert stream.result_sync().partial is cancelled


def test_closing_before_it_is_read_leaves_nothing_to_read() -> None:
    agent = talk()
    stream = agent.run_stream("Go.")
    _at_begin(agent, stream.close)
    assert [chunk.finish_reason for chunk in stream] == ["cancelled"]


def test_what_the_thread_that_read_has_left_is_closed_by_any() -> None:
    log: list[Event] = []
    stream = talk().run_stream("Go.", on_event=log.append)
    _in_thread(lambda: next(stream))
    threads = [threading.Thread(target=stream.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_log(log)
    assert log[-1].type == "run.cancelled"


# --- nothing keeps anything alive


def test_a_half_read_stream_is_not_a_reference_cycle() -> None:
    async def main() -> None:
        gc.collect()
        gc.disable()
        try:
            stream = talk().run_stream("Go.")
            reader = aiter(stream)
            await anext(reader)
            run = weakref.ref(stream._run)  # what it must release
            del reader, stream
            assert run() is None
        finally:
            gc.enable()

    asyncio.run(main())


def test_a_stream_left_while_its_tools_run_is_not_a_reference_cycle() -> None:
    async def never() -> None:
        """Never."""
        await asyncio.sleep(60)

    async def main() -> None:
        gc.collect()
        gc.disable()
        try:
            stream = scripted(Call("never"), tools=[never]).run_stream("Go.")
            async for event in stream.events():
                if event.type == "tool.started":
                    break
            await stream.aclose()
            await asyncio.sleep(0)
            run = weakref.ref(stream._run)
            del stream, event
            assert run() is None
        finally:
            gc.enable()

    asyncio.run(main())


def test_a_stream_read_to_its_end_is_not_a_reference_cycle() -> None:
    def let_go() -> None:
        stream = talk().run_stream("Go.", streaming_callback=lambda token: None, on_event=lambda event: None)
        for _ in stream:
            pass
        run = weakref.ref(stream._run)
        del stream
        assert run() is None

    gc.collect()
    gc.disable()
    # While it stands first, asyncio keeps the cancelled timers behind it (a tool's clock), and each its context.
    first = kept_loop().loop.call_later(1, int)
    try:
        let_go()
    finally:
        first.cancel()
        gc.enable()


def test_readers_of_other_shapes_of_the_same_stream_are_refused() -> None:
    async def main() -> None:
        stream: AgentStream[Any] = talk().run_stream("Go.")
        texts = aiter(stream.text())
        await anext(texts)
        for other in (stream, stream.events(), stream.text()):
            with pytest.raises(LoopMisuse):
                aiter(other)

    asyncio.run(main())


@pytest.mark.parametrize("id", [None, 3, [], {}, b"x"])
def test_the_id_of_a_question_is_text(id: Any) -> None:
    stream = scripted("So.").run_stream("Go.")
    for answer in (stream.approve, stream.deny, stream.decline, partial(stream.answer, content=1)):
        with pytest.raises(UnknownQuestion, match="is text, not"):
            answer(id)
    assert stream.result_sync() == "So."


@pytest.mark.parametrize("agent", [3, b"writer", ["writer"]])
def test_who_is_steered_is_a_name(agent: Any) -> None:
    stream = scripted("So.").run_stream("Go.")
    with pytest.raises(ConfigurationError, match="agent is"):
        stream.steer("Stop.", agent=agent)
    assert stream.result_sync() == "So."


def test_a_chunk_is_a_plain_value() -> None:
    chunk = StreamChunk("a", "a")
    assert chunk == StreamChunk("a", "a")
    assert not hasattr(chunk, "__dict__")


def test_an_error_of_a_script_is_raised_unchanged() -> None:
    with pytest.raises(HeadwaterError, match="quota"):
        scripted(Fail(402, "quota")).run_stream("Go.").result_sync()


def test_an_iterator_that_was_never_started_leaves_the_stream_to_others() -> None:
    async def main() -> None:
        stream = Agent(model="offline").run_stream("Go.")
        aiter(stream)
        assert await stream.result()

    asyncio.run(main())


# --- an iterator itself


def test_a_stream_is_an_iterator_in_both_worlds() -> None:
    stream = scripted("Hello.").run_stream("Go.")
    assert isinstance(stream, AsyncIterator)
    assert isinstance(stream, Iterator)
    first = next(stream)
    assert first.text == first.content
    rest = list(stream)  # goes on where `next` stood
    assert first.content + "".join(chunk.content for chunk in rest) == "Hello."
    assert rest[-1].is_final
    assert next(stream, None) is None


def test_async_for_continues_after_anext() -> None:
    async def main() -> None:
        stream = scripted(Say(["a", "b", "c"])).run_stream("Go.")
        assert (await anext(stream)).content == "a"
        assert (await anext(stream)).content == "b"
        assert [chunk.content async for chunk in stream] == ["c", ""]
        assert await anext(stream, None) is None
        assert await stream.result() == "abc"

    asyncio.run(main())


def test_to_the_end_by_anext_alone() -> None:
    async def main() -> None:
        stream = scripted(Say(["a", "b"])).run_stream("Go.")
        assert [(await anext(stream)).content for _ in range(3)] == ["a", "b", ""]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert not stream.response.partial

    asyncio.run(main())


def test_leaving_the_loop_ends_what_anext_began() -> None:
    async def main() -> None:
        stream = scripted(Say(["a", "b", "c"])).run_stream("Go.")
        await anext(stream)
        async for _ in stream:
            break
        assert stream.response.partial

    asyncio.run(main())


def test_letting_go_of_a_stream_ends_what_anext_began() -> None:
    async def main() -> None:
        stream = scripted(Say(["a", "b", "c"])).run_stream("Go.")
        await anext(stream)
        run: Any = stream._run
        del stream
        assert run.over

    asyncio.run(main())


def test_one_way_of_continuing_at_a_time() -> None:
    async def main() -> None:
        stream = scripted("Hello.").run_stream("Go.")
        await anext(stream)
        with pytest.raises(LoopMisuse):
            next(stream)
        await stream.aclose()

    asyncio.run(main())
    stream = scripted("Hello.").run_stream("Go.")
    next(stream)
    with pytest.raises(LoopMisuse):
        asyncio.run(_first(stream))


async def _first(stream: Any) -> Any:
    return await anext(stream)


def test_a_thread_that_cancels_a_stream_cancels_the_run_that_is_read() -> None:
    async def main() -> None:
        for _ in range(200):
            stream = scripted("Hello there.").run_stream("Go.")
            thread = threading.Thread(target=stream.cancel)
            thread.start()
            log = [event async for event in stream.events()]
            thread.join()
            assert {event.run for event in log} == {stream.run_id}
            assert stream.response is not None

    asyncio.run(main())

from __future__ import annotations

import asyncio
import copy
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from headwater import Agent, AgentStream, StreamChunk, ToolContext
from headwater.backends.offline import Call, Cut, Fail, Finish, Say, Think, Wait
from headwater.errors import HeadwaterError, IncompleteStream, LoopMisuse
from headwater.events import Event, RunCancelled, TextDelta, TextEnded
from headwater.readers.kept_loop import kept_loop
from headwater.testing import check_log
from tests.support.streams import log_of, scripted, types_of
from tests.support.virtual import run_virtual


async def look() -> str:
    """Look. (In the loop, for a thread may be at its last words of a call when the run has ended.)"""
    return "seen"


def _talk(**more: Any) -> Agent[Any, Any]:
    return scripted(
        [Think("Hm."), Say(["I ", "look."]), Call("look")],
        Call("look"),
        [Say(["It ", "is ", "there."])],
        tools=[look],
        **more,
    )


# --- what is handed out


def test_chunks_are_the_transcript_and_only_the_last_is_final() -> None:
    async def main() -> None:
        stream = _talk().run_stream("Go.")
        chunks = [chunk async for chunk in stream]
        assert [chunk.content for chunk in chunks if chunk.content] == ["I ", "look.", "\n\nIt ", "is ", "there."]
        assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["tool_calls", "tool_calls", "stop"]
        assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert all(chunk.delta == chunk.content for chunk in chunks)
        response = stream.response
        assert response.transcript == "".join(chunk.content for chunk in chunks) == "I look.\n\nIt is there."
        assert response.text == response == "It is there."
        assert response.reasoning == "Hm."
        final = chunks[-1].metadata
        assert final is not None
        assert set(final) == {"model", "provider", "tokens", "time_to_first_token", "duration"}
        assert final["tokens"] == response.usage.to_dict()
        assert {chunk.agent for chunk in chunks} == {"agent"}
        assert isinstance(chunks[0].event, TextDelta)

    asyncio.run(main())


def test_text_is_the_same_in_strings() -> None:
    async def main() -> None:
        stream = _talk().run_stream("Go.")
        assert [text async for text in stream.text()] == ["I ", "look.", "\n\nIt ", "is ", "there."]

    asyncio.run(main())
    assert list(_talk().run_stream("Go.").text()) == ["I ", "look.", "\n\nIt ", "is ", "there."]


def test_events_are_the_log_numbered_and_timed_and_owned() -> None:
    log = asyncio.run(log_of(_talk(name="writer").run_stream("Go.")))
    assert [event.seq for event in log] == list(range(len(log)))
    assert len({event.run for event in log}) == 1
    assert {event.path for event in log} == {("writer",)}
    assert types_of(log, "run.") == ["run.started", "run.finished"]
    assert all(event.time > 0 for event in log)
    plain: list[Event] = list(_talk().run_stream("Go.").events())
    assert [event.type for event in plain] == [event.type for event in log]


def test_a_refusal_is_no_text() -> None:
    async def main() -> None:
        stream = scripted([Say("I will not.", refusal=True), Finish("refusal")]).run_stream("Go.")
        chunks = [chunk async for chunk in stream]
        assert [(chunk.content, chunk.finish_reason) for chunk in chunks] == [("", "refusal")]
        assert chunks[-1].metadata is not None
        assert chunks[-1].metadata["refusal"] == "I will not."
        assert (stream.response.text, stream.response.refusal) == ("", "I will not.")

    asyncio.run(main())


def test_an_error_comes_after_all_that_was_said_before_it() -> None:
    async def main() -> None:
        stream = scripted([Say(["So ", "far"]), Cut()]).run_stream("Go.")
        seen = []

        async def read() -> None:
            async for chunk in stream:
                seen.append(chunk)  # noqa: PERF401  # what came before the error is what is looked at

        with pytest.raises(IncompleteStream) as caught:
            await read()
        assert [chunk.content for chunk in seen] == ["So ", "far"]
        assert not any(chunk.is_final for chunk in seen)
        assert caught.value.response.text == "So far"
        assert caught.value.response.partial
        assert stream.response == caught.value.response
        with pytest.raises(IncompleteStream):
            await stream.result()

    asyncio.run(main())
    with pytest.raises(IncompleteStream):
        list(scripted([Say(["So ", "far"]), Cut()]).run_stream("Go."))


def test_what_is_taken_back_is_told() -> None:
    async def main() -> None:
        agent = scripted([Say(["So ", "far"]), Cut()], Say(["Anew."]), on_interrupted="restart")
        stream = agent.run_stream("Go.")
        chunks = [chunk async for chunk in stream]
        said = [(chunk.content, chunk.finish_reason) for chunk in chunks]
        assert said == [("So ", None), ("far", None), ("", "retracted"), ("Anew.", None), ("", "stop")]
        assert stream.response.transcript == "Anew."
        # Strings cannot be taken back: they are held until nothing can be any more.
        agent = scripted([Say(["So ", "far"]), Cut()], [Say(["A", "new."])], on_interrupted="restart")
        assert [text async for text in agent.run_stream("Go.").text()] == ["Anew."]

    run_virtual(main())


# --- results


def test_a_result_drains_what_nobody_has_read() -> None:
    async def main() -> None:
        stream = _talk().run_stream("Go.")
        response = await stream.result()
        assert response == "It is there."
        assert await stream.result() == response == await stream
        assert copy.copy(response).transcript == response.transcript

    asyncio.run(main())
    stream = _talk().run_stream("Go.")
    assert stream.result_sync() == stream.result_sync() == stream.response == "It is there."


def test_a_result_after_leaving_is_the_partial() -> None:
    async def main() -> None:
        stream = _talk().run_stream("Go.")
        async for _ in stream.text():
            break
        response = await stream.result()
        assert (response.text, response.partial, response.finish_reason) == ("I ", True, "cancelled")

    asyncio.run(main())


def test_a_stream_says_where_it_stands() -> None:
    async def main() -> None:
        stream = _talk().run_stream("Go.")
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


def test_a_stream_that_nobody_reads_asks_nobody() -> None:
    agent = scripted("Hello.")
    stream = agent.run_stream("Go.")
    stream.close()
    del stream
    model: Any = agent.model
    assert model.requests == ()


def test_a_stream_without_a_model_says_so_where_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWATER_MODEL", raising=False)
    stream = Agent(model="no-such-provider/x").run_stream("Go.")
    with pytest.raises(HeadwaterError, match="no-such-provider"):
        list(stream)


# --- leaving between any two events


async def _tells(ctx: ToolContext[Any]) -> AsyncIterator[int]:
    """Tell."""
    for number in range(3):
        yield number


def _eventful() -> Agent[Any, Any]:
    inner = scripted([Say(["Wait ", "a "]), Call("look")], "Done.", name="inner", tools=[look])
    return scripted(
        [Think("Hm."), Say(["I ", "ask."]), Call("inner", {"task": "x"}), Call("tells"), Call("inner", {"task": "y"})],
        [Say(["So."])],
        tools=[inner, tells],
    )


tells = _tells
tells.__name__ = "tells"


@pytest.mark.parametrize("how", ["break", "aclose", "aclose and read on", "cancel", "task cancel"])
def test_the_log_is_whole_wherever_it_is_left(how: str) -> None:
    async def left_at(place: int) -> tuple[list[Event], bool]:
        log: list[Event] = []
        stream = _eventful().run_stream("Go.", on_event=log.append)

        async def read() -> int:
            seen = 0
            async for _ in stream.events():
                seen += 1
                if seen == place:
                    if how == "break":
                        break
                    if how.startswith("aclose"):
                        await stream.aclose()
                        if how == "aclose":
                            break
                    elif how == "cancel":
                        stream.cancel()
                    else:
                        task.cancel()
            return seen

        task = asyncio.create_task(read())
        await asyncio.wait([task])
        if not task.cancelled():
            seen = task.result()
            assert seen == (len(log) if how == "cancel" else place) or seen < place
            if how == "aclose and read on":
                assert seen <= place
        check_log(log)
        await stream.aclose()
        assert len([event for event in log if event.type.startswith("run.") and event.path == ("agent",)]) == 2
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return log, len(log) < place

    async def main() -> None:
        for place in range(1, 1000):
            _, beyond = await left_at(place)
            if beyond:
                assert place > 30
                return
        raise AssertionError("there was no end")

    asyncio.run(main())


def test_leaving_in_the_middle_of_the_end_keeps_the_end_whole() -> None:
    async def main() -> None:
        log: list[Event] = []
        stream = scripted(["a", Wait(5), "b"]).run_stream("Go.", on_event=log.append)
        async for event in stream.events():
            if isinstance(event, TextDelta):
                stream.cancel()
            if isinstance(event, TextEnded):
                break
        check_log(log)
        assert isinstance(log[-1], RunCancelled)
        assert (log[-1].by, stream.response.text) == ("caller", "a")

    run_virtual(main())


def test_a_task_cancelled_in_a_callback_leaves_a_whole_log() -> None:
    async def main() -> None:
        log: list[Event] = []
        waits = asyncio.Event()

        async def wait(token: str) -> None:
            waits.set()
            await asyncio.Event().wait()

        agent = scripted([Say(["a", "b"])])
        stream = agent.run_stream("Go.", streaming_callback=wait, on_event=log.append)
        task = asyncio.ensure_future(stream.result())
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        check_log(log)
        assert stream.response.text == "a"
        assert stream.response.finish_reason == "cancelled"

    asyncio.run(main())


# --- plain reading in other threads: servers ask for each piece in whichever of theirs is free


def test_the_thread_that_began_a_reading_may_end_before_it() -> None:
    streams: list[tuple[AgentStream[str], Iterator[StreamChunk]]] = []

    def begin() -> None:
        stream = _talk().run_stream("Go.")
        chunks = iter(stream)
        assert next(chunks).content == "I "
        streams.append((stream, chunks))

    _in_thread(begin)
    [(stream, chunks)] = streams
    rest = list(chunks)
    assert rest[-1].is_final
    assert stream.response.transcript == "I " + "".join(chunk.content for chunk in rest)
    stream.close()


def test_readings_begun_in_one_thread_go_on_in_others_at_once() -> None:
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


def _in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


# --- nothing keeps anything alive


def test_a_half_read_stream_is_no_reference_cycle() -> None:
    async def main() -> None:
        gc.collect()
        gc.disable()
        try:
            stream = _talk().run_stream("Go.")
            reader = aiter(stream)
            await anext(reader)
            run = weakref.ref(stream._run)  # what it must let go of
            del reader, stream
            assert run() is None
        finally:
            gc.enable()

    asyncio.run(main())


def test_a_stream_left_while_its_tools_work_is_no_reference_cycle() -> None:
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


def test_a_stream_read_to_its_end_is_no_reference_cycle() -> None:
    def let_go() -> None:
        stream = _talk().run_stream("Go.", streaming_callback=lambda token: None, on_event=lambda event: None)
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
        stream: AgentStream[Any] = _talk().run_stream("Go.")
        texts = aiter(stream.text())
        await anext(texts)
        for other in (stream, stream.events(), stream.text()):
            with pytest.raises(LoopMisuse):
                aiter(other)

    asyncio.run(main())


def test_a_chunk_is_a_plain_value() -> None:
    chunk = StreamChunk("a", "a")
    assert chunk == StreamChunk("a", "a")
    assert not hasattr(chunk, "__dict__")


def test_an_error_of_a_script_is_told_as_it_is() -> None:
    with pytest.raises(HeadwaterError, match="quota"):
        scripted(Fail(402, "quota")).run_stream("Go.").result_sync()


def test_an_iterator_that_was_never_begun_leaves_the_stream_to_others() -> None:
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


def test_async_for_goes_on_where_anext_stood() -> None:
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


def test_one_way_of_going_on_at_a_time() -> None:
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

"""The items of a run's readings, and that leaving a reader ends the run, between any two events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headwater import Agent, ToolContext
from headwater.backends.offline import Call, Cut, Finish, Say, Think, Wait
from headwater.errors import IncompleteStream
from headwater.events import Event, RunCancelled, TextDelta, TextEnded
from headwater.testing import check_log
from tests.support.streams import log_of, scripted, types_of
from tests.support.talk import look, talk
from tests.support.virtual import run_virtual

# --- items


def test_chunks_are_the_transcript_and_only_the_last_is_final() -> None:
    async def main() -> None:
        stream = talk().run_stream("Go.")
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


def test_text_yields_the_same_text_as_strings() -> None:
    async def main() -> None:
        stream = talk().run_stream("Go.")
        assert [text async for text in stream.text()] == ["I ", "look.", "\n\nIt ", "is ", "there."]

    asyncio.run(main())
    assert list(talk().run_stream("Go.").text()) == ["I ", "look.", "\n\nIt ", "is ", "there."]


def test_events_are_the_log_numbered_and_timed_and_owned() -> None:
    log = asyncio.run(log_of(talk(name="writer").run_stream("Go.")))
    assert [event.seq for event in log] == list(range(len(log)))
    assert len({event.run for event in log}) == 1
    assert {event.path for event in log} == {("writer",)}
    assert types_of(log, "run.") == ["run.started", "run.finished"]
    assert all(event.time > 0 for event in log)
    plain: list[Event] = list(talk().run_stream("Go.").events())
    assert [event.type for event in plain] == [event.type for event in log]


def test_a_refusal_is_not_text() -> None:
    async def main() -> None:
        stream = scripted([Say("I will not.", refusal=True), Finish("refusal")]).run_stream("Go.")
        chunks = [chunk async for chunk in stream]
        assert [(chunk.content, chunk.finish_reason) for chunk in chunks] == [("", "refusal")]
        assert chunks[-1].metadata is not None
        assert chunks[-1].metadata["refusal"] == "I will not."
        assert (stream.response.text, stream.response.refusal) == ("", "I will not.")

    asyncio.run(main())


def test_an_error_comes_after_all_earlier_text() -> None:
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


def test_retractions_are_reported() -> None:
    async def main() -> None:
        agent = scripted([Say(["So ", "far"]), Cut()], Say(["Anew."]), on_interrupted="restart")
        stream = agent.run_stream("Go.")
        chunks = [chunk async for chunk in stream]
        said = [(chunk.content, chunk.finish_reason) for chunk in chunks]
        assert said == [("So ", None), ("far", None), ("", "retracted"), ("Anew.", None), ("", "stop")]
        assert stream.response.transcript == "Anew."
        # Strings cannot be retracted: they are held until nothing can be retracted any more.
        agent = scripted([Say(["So ", "far"]), Cut()], [Say(["A", "new."])], on_interrupted="restart")
        assert [text async for text in agent.run_stream("Go.").text()] == ["Anew."]

    run_virtual(main())


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
def test_the_log_is_complete_wherever_it_is_left(how: str) -> None:
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


def test_leaving_in_the_middle_of_the_end_keeps_the_end_complete() -> None:
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


def test_a_task_cancelled_in_a_callback_leaves_a_complete_log() -> None:
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

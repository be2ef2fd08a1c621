"""What holds for every way in which streams stand in one another: however it is read, and wherever it is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from headwater import AgentStream, Response, Results
from headwater.events import Event, TextDelta
from tests.support.effort import one_in
from tests.support.members import SHAPES, Shape, checked, log_of, members_of, said
from tests.support.virtual import run_virtual

pytestmark = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)


def transcripts(result: Response[Any] | Results, path: str) -> dict[str, str]:
    """What each run that speaks has shown, by its path, as its Response tells it."""
    if not (members := members_of(result)):
        return {path: result.transcript} if isinstance(result, Response) else {}
    found: dict[str, str] = {}
    for name, member in members.items():
        found |= transcripts(member, f"{path}/{name}")
    return found


def test_the_log_follows_every_rule_and_every_response_is_what_was_shown(shape: Shape) -> None:
    async def main() -> None:
        stream = shape().run_stream("Go.")
        shown = said(await log_of(stream))
        result = await stream.result()
        for path, text in transcripts(result, "top").items():
            heir = shown.get(f"{path}/heir", "")
            assert shown[path] + heir == text, path
        assert not result.partial

    run_virtual(main())


def test_however_it_is_read_it_is_the_same(shape: Shape) -> None:
    async def main() -> None:
        events = await log_of(shape().run_stream("Go."))

        stream = shape().run_stream("Go.")
        chunks = [chunk async for chunk in stream]
        assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert chunks[-1].metadata is not None
        assert chunks[-1].finish_reason == "stop"
        spoken = [chunk.content for chunk in chunks if chunk.content]

        assert [text async for text in shape().run_stream("Go.").text()] == spoken
        calm = await shape().arun("Go.")
        assert str(calm) == str(await stream.result()) == str(await shape().run("Go."))
        assert calm.members.keys() == (await stream.result()).members.keys()

        watched: list[Event] = []
        told: list[str] = []
        again = shape().run_stream("Go.", on_event=watched.append, streaming_callback=told.append)
        await again.result()
        checked(watched)
        assert [(e.type, e.path) for e in watched] == [(e.type, e.path) for e in events]
        assert told == spoken

    run_virtual(main())


def test_sync_code_gets_the_same(shape: Shape) -> None:
    async def main() -> list[str]:
        return [chunk.content async for chunk in shape().run_stream("Go.")]

    expected, _ = run_virtual(main())
    assert sorted(chunk.content for chunk in shape(0).run_stream("Go.")) == sorted(expected)
    assert sorted(shape(0).run_stream("Go.").text()) == sorted(filter(None, expected))
    events = list(shape(0).run_stream("Go.").events())
    checked(events)
    assert shape(0).run("Go.").text
    assert shape(0).run_sync("Go.").text


Leave = Callable[[AgentStream[Any], int], Awaitable[None]]


async def by_break(stream: AgentStream[Any], at: int) -> None:
    async for event in stream.events():
        if event.seq == at:
            break


async def by_cancel(stream: AgentStream[Any], at: int) -> None:
    async for event in stream.events():
        if event.seq == at:
            stream.cancel()


async def by_raising(stream: AgentStream[Any], at: int) -> None:
    async def read() -> None:
        async for event in stream.events():
            if event.seq == at:
                raise KeyError

    with pytest.raises(KeyError):
        await read()


async def by_the_readers_task(stream: AgentStream[Any], at: int) -> None:
    async def read() -> None:
        async for event in stream.events():
            if event.seq == at:
                reader.cancel()
                await asyncio.sleep(0)

    reader = asyncio.create_task(read())
    await asyncio.wait([reader])


async def by_a_callback(stream: AgentStream[Any], at: int) -> None:
    def stop(event: Event) -> None:
        if event.seq == at:
            stream.cancel()

    stream._begun().watch(stop)
    await stream.result()


LEAVES: list[Leave] = [by_break, by_cancel, by_raising, by_the_readers_task, by_a_callback]


@pytest.mark.long
@pytest.mark.parametrize("leave", LEAVES, ids=lambda leave: leave.__name__)
def test_it_can_be_left_at_every_event(shape: Shape, leave: Leave) -> None:
    """Usually at every third event, others for each way of leaving, and at the last one."""
    every = one_in(3, 1)

    async def main() -> None:
        whole = await log_of(shape().run_stream("Go."))
        for at in sorted({*range(LEAVES.index(leave) % every, len(whole), every), len(whole) - 1}):
            log: list[Event] = []
            stream = shape().run_stream("Go.", on_event=log.append)
            await leave(stream, at)
            await stream.aclose()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, (at, left)
            checked(log)
            last = at == len(whole) - 1
            assert log[-1].type == ("run.finished" if last else "run.cancelled"), at
            result = stream.response
            assert result.partial is not last, at
            shown = said(log)
            for path, text in transcripts(result, "top").items():
                assert shown.get(path, "") + shown.get(f"{path}/heir", "") == text, (at, path)
            if isinstance(result, Response) and not last:
                assert result.finish_reason == "cancelled", at

    run_virtual(main())


def test_its_text_is_delivered_when_it_is_generated(shape: Shape) -> None:
    """Nothing is held back: each word is handed out at the second in which its model says it."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        whole: dict[tuple[str, ...], list[float]] = {}
        async for event in shape().run_stream("Go.").events():
            if isinstance(event, TextDelta):
                whole.setdefault(event.path, []).append(loop.time())
        for path, times in whole.items():
            if path[-1] in ("p", "x") or (path[-1] == "c" and shape.__name__ in ("concurrent", "diamond")):
                gaps = {round(after - before, 3) for before, after in pairwise(times)}
                assert gaps <= {0.0, 1.0}, path
                assert 1.0 in gaps, path

    run_virtual(main())

"""Many members over real sockets: all at once, fairly, within bounds, and gone when nobody listens any more."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from headwater import Agent, AgentStream, ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from headwater.backends.offline import Fail, Wait
from headwater.errors import HeadwaterError
from headwater.events import Event, TextDelta
from tests.support.members import checked, speaker
from tests.system.workflows.crowd import Crowd

pytestmark = pytest.mark.xdist_group("measured")  # they measure time or memory: not two at once

SOON = 30.0


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    with Crowd() as crowd:
        yield crowd


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


Run = Callable[[Coroutine[Any, Any, None]], None]


def _uvloop(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


@pytest.fixture(params=[asyncio.run, _uvloop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def checked_run(main: Coroutine[Any, Any, None]) -> None:
        async def alone() -> None:
            await main
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        request.param(alone())

    return checked_run


def asking(crowd: Crowd, name: str, model: str) -> Agent[Any, Any]:
    return Agent(name=name, model=model, base_url=crowd.url, api_key="k")


def test_three_hundred_at_once_on_one_loop(run: Run, crowd: Crowd) -> None:
    async def main() -> None:
        agents = [asking(crowd, f"a{number}", "steady-20") for number in range(300)]
        stream = ConcurrentWorkflow(agents).run_stream("Go.")
        events = [event async for event in stream.events()]
        checked(events)
        results: Any = await stream.result()
        assert {len(result.split()) for result in results} == {20}
        assert results.usage.output_tokens == 600

    before = crowd.until_idle()
    run(main())
    after = crowd.until_idle()
    assert after["asked"] - before["asked"] == 300
    assert after["left"] == before["left"]
    assert after["most"] >= 200  # they were there together


Leave = Callable[[AgentStream[Any]], Coroutine[Any, Any, None]]


async def _some(stream: AgentStream[Any]) -> list[Event]:
    """Read until every member has said something."""
    seen: list[Event] = []
    speakers: set[str] = set()
    async for event in stream.events():
        seen.append(event)
        if isinstance(event, TextDelta):
            speakers.add(event.agent)
            if len(speakers) == 20:
                break
    return seen


async def by_break(stream: AgentStream[Any]) -> None:
    await _some(stream)


async def by_cancel(stream: AgentStream[Any]) -> None:
    speakers: set[str] = set()
    async for chunk in stream:
        speakers.add(chunk.agent)
        if len(speakers) == 20:
            stream.cancel()


async def by_the_readers_task(stream: AgentStream[Any]) -> None:
    began = asyncio.Event()

    async def read() -> None:
        speakers: set[str] = set()
        async for chunk in stream:
            speakers.add(chunk.agent)
            if len(speakers) == 20:
                began.set()

    reader = asyncio.create_task(read())
    await began.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def by_aclose(stream: AgentStream[Any]) -> None:
    async with stream:
        view = aiter(stream.select(agent="a7"))
        for _ in range(3):
            await anext(view)


async def by_letting_go(stream: AgentStream[Any]) -> None:
    await _some(stream)
    del stream
    gc.collect()


LEAVES: list[Leave] = [by_break, by_cancel, by_the_readers_task, by_aclose, by_letting_go]


def flat(agents: list[Any]) -> Any:
    return ConcurrentWorkflow(agents)


def deep(agents: list[Any]) -> Any:
    halves = [ConcurrentWorkflow(agents[:10], name="one"), ConcurrentWorkflow(agents[10:], name="two")]
    return SequentialWorkflow([GraphWorkflow(halves, name="both")], name="outer")


@pytest.mark.parametrize("shape", [flat, deep], ids=["flat", "deep"])
@pytest.mark.parametrize("leave", LEAVES, ids=lambda leave: leave.__name__)
def test_leaving_closes_every_connection(leave: Leave, shape: Any, run: Run, crowd: Crowd) -> None:
    before = crowd.until_idle()

    async def main() -> None:
        stream = shape([asking(crowd, f"a{number}", "endless") for number in range(20)]).run_stream("Go.")
        await leave(stream)
        # In this thread, so that no turn of our own loop helps: they were told before the next statement.
        after = crowd.until_idle(SOON)
        assert after["open"] == 0
        assert after["left"] - before["left"] == 20
        await stream.aclose()
        assert stream.response.partial

    run(main())


def test_one_failure_closes_every_connection(run: Run, crowd: Crowd) -> None:
    before = crowd.until_idle()

    async def main() -> None:
        agents = [asking(crowd, f"a{number}", "endless") for number in range(20)]
        failing = speaker("b", [Wait(0.2), Fail(401)])
        with pytest.raises(HeadwaterError) as raised:
            await ConcurrentWorkflow([*agents, failing]).arun("Go.")
        after = await asyncio.to_thread(crowd.until_idle, SOON)
        assert after["open"] == 0
        assert after["left"] - before["left"] == 20
        assert all(response.text for response in raised.value.response[:20])

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has in memory is asked of Linux")
@pytest.mark.parametrize("policy", ["wait", "coalesce"])
def test_a_stalled_reader_pauses_the_providers_and_memory_is_constant(policy: Any, crowd: Crowd) -> None:
    before = crowd.until_idle()

    async def main() -> None:
        agents = [asking(crowd, f"a{number}", "blast-1000000") for number in range(2)]
        stream = ConcurrentWorkflow(agents).run_stream("Go.", slow_reader=policy)
        began = _memory()
        async for event in stream.events():
            if isinstance(event, TextDelta):
                sent = await asyncio.to_thread(_until_they_wait, crowd) - before["bytes"]
                # Of two answers of a hundred megabytes each. What waits here is little; the kernel's buffers hold more.
                assert sent < 100_000_000
                assert _memory() - began < 100_000_000
                break
        await stream.aclose()

    asyncio.run(main())


def _until_they_wait(crowd: Crowd) -> int:
    """How much was sent when no more is: the providers are held back by their own full sockets."""
    sent, end = -1, time.monotonic() + 20
    while (now := crowd.counts()["bytes"]) != sent:
        assert time.monotonic() < end, "the providers still send"
        sent = now
        time.sleep(0.3)
    return sent


def _memory() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("others", [1, 4])
def test_a_fast_member_does_not_starve_a_slow_one(others: int, crowd: Crowd) -> None:
    """The steady member comes to its end in its own time, in the midst of what the ones that never pause say."""

    async def main() -> None:
        agents = [asking(crowd, "steady", "steady-60")]
        agents += [asking(crowd, f"other{number}", "blast-1000000") for number in range(others)]
        stream = ConcurrentWorkflow(agents).run_stream("Go.")
        said: list[str] = []
        between: list[int] = [0]
        async for event in stream.events():
            if isinstance(event, TextDelta):
                if event.agent == "steady":
                    said += event.text.split()
                    between.append(0)
                else:
                    between[-1] += 1
            elif event.type == "run.finished":
                assert event.agent == "steady", "one that says a million words was done before one that says sixty"
                break
        await stream.aclose()
        assert len(said) == 60
        assert sum(between) > 1000, "the others said nothing meanwhile"
        # Its words are spread over what the others say, and do not come all at once after it.
        assert max(between) < sum(between) * 0.9

    asyncio.run(main())

"""A run can be stopped whatever it is doing, from anywhere: the provider is told, and nothing is left."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headwater import Agent, AgentStream, StreamChunk, ToolContext
from tests.system.cancellation.conftest import Run
from tests.system.cancellation.left import assert_partial, assert_told, assert_valid
from tests.system.cancellation.server import SOON, PacedServer


class Scene:
    """A stream that is read in a task of its own, and what it is doing."""

    def __init__(self, server: PacedServer) -> None:
        self.server = server
        self.stream: AgentStream[str]
        self.seen: list[StreamChunk] = []
        self.chunk = asyncio.Event()
        self.began = asyncio.Event()
        """Set by a tool that has begun."""
        self.told_tool = threading.Event()
        """Set by a tool that was told to stop."""

    def agent(self, model: str, *tools: Any, url: str = "") -> Agent[Any, str]:
        return Agent(model=model, base_url=url or self.server.url, api_key="k", tools=tools)

    async def read(self) -> None:
        async for chunk in self.stream:
            self.seen.append(chunk)
            self.chunk.set()

    @property
    def text(self) -> list[str]:
        return [chunk.content for chunk in self.seen if chunk.content]

    async def arrived(self) -> None:
        """The next request is at the server."""
        self.exchange = await asyncio.to_thread(self.server.next)

    async def gone(self) -> None:
        await asyncio.to_thread(assert_told, self.exchange, self.text)


Phase = Callable[[Scene], Any]


@asynccontextmanager
async def connecting(scene: Scene) -> AsyncIterator[None]:
    """A connection is being made, and nobody accepts it."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        where = listener.getsockname()
        with socket.create_connection(where):  # which fills its queue
            scene.stream = scene.agent("words", url=f"http://127.0.0.1:{where[1]}/v1").run_stream("Go.")
            yield


@asynccontextmanager
async def waiting_for_an_answer(scene: Scene) -> AsyncIterator[None]:
    """The request was sent, and nothing came."""
    scene.stream = scene.agent("silent").run_stream("Go.")
    yield
    await scene.gone()


@asynccontextmanager
async def waiting_for_the_first_token(scene: Scene) -> AsyncIterator[None]:
    """The response's head has come, and no token."""
    scene.stream = scene.agent("mute").run_stream("Go.")
    yield
    await scene.gone()


@asynccontextmanager
async def waiting_for_a_token(scene: Scene) -> AsyncIterator[None]:
    """Some tokens have come."""
    scene.stream = scene.agent("words").run_stream("Go.")
    yield
    await scene.gone()


@asynccontextmanager
async def running_an_async_tool(scene: Scene) -> AsyncIterator[None]:
    """The model called a tool, which waits."""
    began = scene.began

    async def wait() -> None:
        """Wait."""
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            scene.told_tool.set()

    scene.stream = scene.agent("talk", wait).run_stream("Go.")
    yield
    assert scene.told_tool.wait(SOON)


@asynccontextmanager
async def running_a_plain_tool(scene: Scene) -> AsyncIterator[None]:
    """The same in a thread, which cannot be stopped, but is told."""
    began, loop = scene.began, asyncio.get_running_loop()

    def wait(ctx: ToolContext[Any]) -> None:
        """Wait."""
        loop.call_soon_threadsafe(began.set)
        for _ in range(int(SOON / 0.002)):
            if ctx.cancelled:
                scene.told_tool.set()
                return
            threading.Event().wait(0.002)

    scene.stream = scene.agent("talk", wait).run_stream("Go.")
    yield
    assert scene.told_tool.wait(SOON)


@asynccontextmanager
async def running_an_agent_as_a_tool(scene: Scene) -> AsyncIterator[None]:
    """The model called another agent, which is being answered."""
    inner = Agent(name="inner", model="words", base_url=scene.server.url, api_key="k")
    scene.stream = scene.agent("talk", inner).run_stream("Go.")
    yield
    await scene.gone()


async def reached(scene: Scene, phase: Phase) -> None:
    """Wait until the run is at its phase."""
    if phase is connecting:
        for _ in range(50):
            await asyncio.sleep(0)
        return
    await scene.arrived()
    if phase in (running_an_async_tool, running_a_plain_tool):
        await scene.began.wait()
    elif phase is waiting_for_a_token:
        await scene.chunk.wait()
    elif phase is running_an_agent_as_a_tool:
        await scene.arrived()


PHASES: list[Phase] = [
    connecting,
    waiting_for_an_answer,
    waiting_for_the_first_token,
    waiting_for_a_token,
    running_an_async_tool,
    running_a_plain_tool,
    running_an_agent_as_a_tool,
]

Stop = Callable[[Scene, "asyncio.Task[None]"], Awaitable[None]]


async def by_cancel(scene: Scene, reader: asyncio.Task[None]) -> None:
    """By another task of the same loop."""
    scene.stream.cancel()
    await reader
    assert_cancelled(scene)


async def by_cancel_from_a_thread(scene: Scene, reader: asyncio.Task[None]) -> None:
    thread = threading.Thread(target=scene.stream.cancel)
    thread.start()
    await reader
    thread.join()
    assert_cancelled(scene)


async def by_the_readers_task(scene: Scene, reader: asyncio.Task[None]) -> None:
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert not any(chunk.is_final for chunk in scene.seen)


async def by_aclose(scene: Scene, reader: asyncio.Task[None]) -> None:
    await scene.stream.aclose()
    await reader


def assert_cancelled(scene: Scene) -> None:
    """The reader got the end of it, once."""
    assert [chunk.is_final for chunk in scene.seen] == [False] * (len(scene.seen) - 1) + [True]
    assert scene.seen[-1].finish_reason == "cancelled"


STOPS: list[Stop] = [by_cancel, by_cancel_from_a_thread, by_the_readers_task, by_aclose]


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.__name__)
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
def test_a_run_can_be_cancelled_in_any_state(phase: Phase, stop: Stop, run: Run, server: PacedServer) -> None:
    async def main() -> None:
        scene = Scene(server)
        async with phase(scene):
            reader = asyncio.create_task(scene.read())
            await reached(scene, phase)
            async with asyncio.timeout(SOON):
                await stop(scene, reader)
        response = scene.stream.response
        assert response.partial
        assert response.finish_reason == "cancelled"
        assert response.transcript == "".join(scene.text)
        assert_valid(response.messages)
        assert await scene.stream.result() == response
        await asyncio.sleep(0)  # the reader's task itself is done, and forgotten a turn later

    run(main())


@pytest.mark.parametrize("shape", ["chunks", "events", "text", "result"])
def test_a_run_that_was_cancelled_before_it_was_read_sends_no_request(
    shape: str, run: Run, server: PacedServer
) -> None:
    async def main() -> None:
        stream = Agent(model="words", base_url=server.url, api_key="k").run_stream("Go.")
        stream.cancel()
        if shape == "chunks":
            assert [(chunk.is_final, chunk.finish_reason) async for chunk in stream] == [(True, "cancelled")]
        elif shape == "events":
            assert [event.type async for event in stream.events()] == ["run.started", "run.cancelled"]
        elif shape == "text":
            assert [text async for text in stream.text()] == []
        response = await stream.result()
        assert (response, response.partial, response.finish_reason) == ("", True, "cancelled")
        assert [message.text for message in response.messages] == ["Go."]
        assert server.exchanges == []

    run(main())


@pytest.mark.parametrize("kind", ["plain", "async", "event"])
def test_a_callback_may_cancel_the_run(kind: str, run: Run, server: PacedServer) -> None:
    async def main() -> None:
        seen: list[str] = []

        def note(token: str) -> None:
            seen.append(token)
            if len(seen) == 2:
                stream.cancel()

        async def note_later(token: str) -> None:
            await asyncio.sleep(0)
            note(token)

        def note_event(event: Any) -> None:
            if event.type == "text.delta":
                note(event.text)

        callbacks: dict[str, Any] = {
            "plain": {"streaming_callback": note},
            "async": {"streaming_callback": note_later},
            "event": {"on_event": note_event},
        }
        agent = Agent(model="words", base_url=server.url, api_key="k")
        stream = agent.run_stream("Go.", **callbacks[kind])
        response = await stream.result()
        # What had come with it may still be told; what is told is the text.
        assert_partial(response, seen)
        assert_told(server.next(), seen)

    run(main())


def test_cancelling_twice_or_too_late_changes_nothing(run: Run, server: PacedServer) -> None:
    async def main() -> None:
        stream = Agent(model="short", base_url=server.url, api_key="k").run_stream("Go.")
        response = await stream.result()
        stream.cancel()
        await stream.aclose()
        assert stream.response == response
        assert not stream.response.partial
        assert not server.next().gone.is_set()

        stream = Agent(model="words", base_url=server.url, api_key="k").run_stream("Go.")
        reasons = []
        async for chunk in stream:
            reasons.append(chunk.finish_reason)
            stream.cancel()
            stream.cancel()
        assert reasons[-1] == "cancelled"
        stream.cancel()
        assert server.next().wait_gone()

    run(main())


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
@pytest.mark.parametrize("at", ["tool.started", "tool.progress"])
def test_leaving_while_a_tool_runs_stops_the_tool(at: str, plain: bool, run: Run, server: PacedServer) -> None:
    async def main() -> None:
        told = threading.Event()

        async def wait(ctx: ToolContext[Any]) -> None:
            """Wait."""
            ctx.emit("begun")
            try:
                await asyncio.Event().wait()
            finally:
                told.set()

        def wait_here(ctx: ToolContext[Any]) -> None:
            """Wait."""
            ctx.emit("begun")
            while not ctx.cancelled:
                threading.Event().wait(0.001)
            told.set()

        tools = [wait_here if plain else wait]
        stream = Agent(model="talk", base_url=server.url, api_key="k", tools=tools).run_stream("Go.")
        async for event in stream.events():
            if event.type == at:
                break
        response = stream.response
        assert response.partial
        assert response.text == "I will look. "
        assert_valid(response.messages)
        assert response.messages[-1].role == "tool"
        await stream.aclose()
        if at == "tool.progress":
            assert told.wait(SOON)
        assert len(server.exchanges) == 1

    run(main())


def test_leaving_an_agent_cancels_the_agent_that_is_its_tool(run: Run, server: PacedServer) -> None:
    async def main() -> None:
        inner = Agent(name="inner", model="words", base_url=server.url, api_key="k")
        stream = Agent(model="talk", base_url=server.url, api_key="k", tools=[inner]).run_stream("Go.")
        seen = []
        async for event in stream.events():
            if event.type == "text.delta" and event.agent == "inner":
                seen.append(event.text)
                if len(seen) == 2:
                    break
        server.next()
        assert_told(server.next(), seen)
        assert_valid(stream.response.messages)
        assert stream.response.text == "I will look. "
        await stream.aclose()

    run(main())

"""The compared ways of reading a stream, each a function that reads one stream and counts its tokens.

`bare` is the floor: an asyncio socket and `floor`; it does not know HTTP. `aiohttp` is the bare HTTP client with
`floor` on top. `headwater` is read through `Agent.run_stream` in each of its ways, `openai` is OpenAI's own package.
Everything is imported on first use: a process that measures one client must not load the others.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from benchmarks.bodies import API, APIS

__all__ = ("FACES", "Read", "Take", "beside", "plain_for", "reader", "shown", "workflow")

Take = Callable[[str], None] | None
"""Called with each token; None if only the reading is measured."""

Read = Callable[[Take], Awaitable[int]]
"""Reads one stream and returns the number of its tokens."""

FACES = ("chunks", "events()", "text()", "callback", "run")
"""The ways to read headwater in async code; `for` in sync code is `plain_for`."""


def bare(api: API, base_url: str) -> Read:
    """An asyncio socket, lines, msgspec. The connection is kept for the next stream."""
    import asyncio

    from benchmarks.floor import FLOORS

    url = urlsplit(base_url)
    request = f"POST {url.path}{api.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def read(take: Take) -> int:
        texts: list[str] = []
        feed = FLOORS[api.name](take or texts.append)
        reader, writer = kept.pop() if kept else await asyncio.open_connection(url.hostname, url.port)
        writer.write(request)
        while data := await reader.read(65536):
            if feed(data):
                break
        while data and data[-5:] != b"0\r\n\r\n":
            data = (data + await reader.read(65536))[-5:]
        kept.append((reader, writer))
        return len(texts)

    return read


def aiohttp(api: API, base_url: str) -> Read:
    """The bare HTTP client, its bytes as they arrive, lines, msgspec."""
    import aiohttp

    from benchmarks.floor import FLOORS

    session: aiohttp.ClientSession | None = None

    async def read(take: Take) -> int:
        nonlocal session
        if session is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
            )
        texts: list[str] = []
        feed = FLOORS[api.name](take or texts.append)
        async with session.post(base_url + api.path, json={"model": "m", "stream": True}) as response:
            while data := await response.content.readany():
                feed(data)
        return len(texts)

    return read


def _agent(api: API, base_url: str) -> Any:
    from headwater import Agent

    return Agent(name="reader", model=api.model, base_url=base_url, api_key="k")


def headwater(api: API, base_url: str, face: str) -> Read:
    """`Agent.run_stream`, or a run, in one of FACES."""
    agent = _agent(api, base_url)

    async def chunks(take: Take) -> int:
        count = 0
        async for chunk in agent.run_stream("hi"):
            if chunk.content:
                count += 1
                if take is not None:
                    take(chunk.content)
        return count

    async def events(take: Take) -> int:
        count = 0
        async for event in agent.run_stream("hi").events():
            if event.type == "text.delta":
                count += 1
        return count

    async def text(take: Take) -> int:
        count = 0
        async for _ in agent.run_stream("hi").text():
            count += 1
        return count

    async def callback(take: Take) -> int:
        told: list[str] = []
        await agent.arun("hi", streaming_callback=told.append)
        return len(told)

    async def run(take: Take) -> int:
        return str(await agent.arun("hi")).count(" ")

    return dict(zip(FACES, (chunks, events, text, callback, run), strict=True))[face]


def _crowd(api: API, base_url: str, agents: int, *, show_dashboard: bool = False) -> Any:
    from headwater import Agent, ConcurrentWorkflow

    members = [
        Agent(name=f"agent-{number}", model=api.model, base_url=base_url, api_key="k") for number in range(agents)
    ]
    return ConcurrentWorkflow(members, show_dashboard=show_dashboard)


def workflow(api: API, base_url: str, agents: int) -> Read:
    """That many agents as one merged stream."""
    crowd = _crowd(api, base_url, agents)

    async def read(take: Take) -> int:
        count = 0
        async for chunk in crowd.run_stream("hi"):
            if chunk.content:
                count += 1
        return count

    return read


def shown(api: API, base_url: str, agents: int, dashboard: bool) -> Callable[[], Awaitable[Any]]:
    """That many agents at once, with or without the dashboard."""
    crowd = _crowd(api, base_url, agents, show_dashboard=dashboard)

    async def run() -> Any:
        return await crowd.arun("hi")

    return run


def plain_for(api: API, base_url: str) -> Callable[[], int]:
    """`for chunk in agent.run_stream(...)`, in sync code."""
    agent = _agent(api, base_url)

    def read() -> int:
        return sum(1 for chunk in agent.run_stream("hi") if chunk.content)

    return read


def openai(api: API, base_url: str) -> Read:
    """OpenAI's own package, for Chat Completions or the Responses API."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=base_url, api_key="k")

    async def chat(take: Take) -> int:
        count = 0
        async for chunk in await client.chat.completions.create(
            model="gpt-5.4", messages=[{"role": "user", "content": "hi"}], stream=True
        ):
            if chunk.choices and (text := chunk.choices[0].delta.content):
                count += 1
                if take is not None:
                    take(text)
        return count

    async def responses(take: Take) -> int:
        count = 0
        async for event in await client.responses.create(model="gpt-5.4", input="hi", stream=True):
            if event.type == "response.output_text.delta":
                count += 1
                if take is not None:
                    take(event.delta)
        return count

    return responses if api.name == "openai-responses" else chat


def beside(*, quick: bool = False) -> tuple[str, ...]:
    """All clients; without the SDK if it is not installed or slow to start."""
    sdk = not quick and importlib.util.find_spec("openai") is not None
    return ("bare", "aiohttp", "headwater", "openai")[: None if sdk else -1]


def reader(client: str, face: str, api: str, base_url: str) -> Read:
    """Returns the reader by its names; `face` is only for headwater. Other libraries read Chat Completions."""
    from benchmarks.peers.clients import READERS

    if client in READERS:
        return READERS[client](base_url)
    spoken = APIS[api]
    if client == "headwater":
        return headwater(spoken, base_url, face)
    return {"bare": bare, "aiohttp": aiohttp, "openai": openai}[client](spoken, base_url)

"""A background answer over real sockets: cut anywhere, it is read to its end, and asked for once."""

from __future__ import annotations

import asyncio
import bisect
import itertools
import json
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headwater import Agent, Model, guard
from headwater.backends import background
from headwater.backends.offline.script import Call, Say
from headwater.errors import IncompleteStream, UnsupportedSetting
from headwater.events import AttemptStarted, CallReady, Event, TextDelta, Warned
from headwater.events.messages import Usage
from headwater.runtime.guards.guard import Guard
from headwater.testing import check_log
from headwater.testing.wires.openai_responses import OpenAIResponsesWire
from tests.support.effort import tries
from tests.support.paths import ROOT

WORDS = ("The tide ", "rises twice ", "a day.")


def answer() -> list[bytes]:
    """The events of one response, with text and a call of a tool that the client runs."""
    wire = OpenAIResponsesWire("gpt-5.4", {})
    said = wire.head(Usage())
    text, call = Say([*WORDS]), Call("look", {"at": "sea"})
    for block, pieces in ((text, WORDS), (call, ('{"at":', '"sea"}'))):
        said += wire.open(block) + b"".join(wire.piece(block, piece) for piece in pieces) + wire.close(block)
    said += wire.end(None, None, Usage(input_tokens=3, output_tokens=7))
    return [event + b"\n\n" for event in said.split(b"\n\n") if event]


ANSWER = answer()

Cut = Callable[[int, list[bytes]], int | None]


class Provider:
    """Serves ANSWER; `cut` says how many bytes of a connection's body it sends before it drops the connection."""

    def __init__(
        self, cut: Callable[[int, list[bytes]], int | None], *, again: int = 200, repeats: bool = False
    ) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.asked: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self._cut = cut
        self._again = again
        self._repeats = repeats
        self._served = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.decode().split(" ", 2)
                found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(found[1])) if found else b""
                self.requests.append((method, path, body))
                self.news.set()
                if not await self._answered(method, path, body, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _answered(self, method: str, path: str, body: bytes, writer: asyncio.StreamWriter) -> bool:
        if path.endswith("/cancel"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
            return True
        after = -1
        if method == "GET":
            if self._again != 200:
                writer.write(b"HTTP/1.1 %d No\r\ncontent-length: 2\r\n\r\n{}" % self._again)
                return True
            asked = re.search(r"starting_after=(\d+)", path)
            assert asked is not None
            assert "stream=true" in path
            after = int(asked[1])
        else:
            self.asked.append(json.loads(body))
        events = ANSWER[0 if self._repeats else after + 1 :]
        data, cut = b"".join(events), self._cut(self._served, events)
        self._served += 1
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        sent = data if cut is None else data[:cut]
        if sent:
            writer.write(b"%x\r\n%s\r\n" % (len(sent), sent))
        if cut is None:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        if cut == WAITS:
            await asyncio.sleep(60)
        return cut is None


WAITS = sum(map(len, ANSWER[:6])) + 3  # where no other test cuts
"""A cut after which the connection stays open and silent."""


@asynccontextmanager
async def served(provider: Provider) -> AsyncIterator[str]:
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def agent_of(url: str, **more: Any) -> Agent[Any, Any]:
    model = Model("openai-responses/gpt-5.4", base_url=url, api_key="sk-1", background=True)
    return Agent(model=model, client_tools=[{"name": "look"}], **more)


async def log_of(agent: Agent[Any, Any]) -> list[Event]:
    log: list[Event] = [event async for event in agent.run_stream("Go.").events()]
    check_log(log)
    return log


def said(log: list[Event]) -> tuple[str, list[Any]]:
    text = "".join(event.text for event in log if isinstance(event, TextDelta))
    return text, [event.arguments for event in log if isinstance(event, CallReady)]


WHOLE = ("".join(WORDS), [{"at": "sea"}])


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FIRST_WAIT_SECONDS", 0.001)


def first_cut(chars: int) -> Cut:
    return lambda served, events: chars if served == 0 else None


async def _cut_at_every_event(repeats: bool) -> None:
    for at in range(1, len(ANSWER)):
        for within in (0, 7):
            provider = Provider(first_cut(sum(map(len, ANSWER[:at])) + within), repeats=repeats)
            async with served(provider) as url:
                log = await log_of(agent_of(url))
            assert said(log) == WHOLE, at
            methods = [method for method, _, _ in provider.requests]
            assert methods == ["POST", "GET"], at
            assert f"starting_after={at - 1}" in provider.requests[1][1]
            assert sum(isinstance(event, AttemptStarted) for event in log) == 1
            told = [event for event in log if isinstance(event, Warned)]
            assert [(one.code, f"event {at - 1}," in one.message) for one in told] == [("stream_resumed", True)]


@pytest.mark.parametrize("repeats", [False, True])
def test_an_answer_that_is_cut_at_any_event_is_taken_up_there(repeats: bool) -> None:
    asyncio.run(_cut_at_every_event(repeats))


def test_it_is_taken_up_as_often_as_it_breaks() -> None:
    async def main() -> None:
        provider = Provider(lambda served, events: len(events[0]) + 3)
        async with served(provider) as url:
            log = await log_of(agent_of(url))
        assert said(log) == WHOLE
        assert [method for method, _, _ in provider.requests] == ["POST"] + ["GET"] * (len(ANSWER) - 1)

    asyncio.run(main())


def test_it_is_stored_and_asked_for_in_the_background() -> None:
    async def main() -> None:
        provider = Provider(lambda served, events: None)
        async with served(provider) as url:
            assert said(await log_of(agent_of(url))) == WHOLE
        (asked,) = provider.asked
        assert (asked["background"], asked["store"], asked["stream"]) == (True, True, True)
        assert "include" not in asked
        assert len(provider.requests) == 1

    asyncio.run(main())


def test_before_its_id_is_known_it_is_asked_for_again() -> None:
    async def main() -> None:
        provider = Provider(first_cut(5))
        async with served(provider) as url:
            log = await log_of(agent_of(url, retries=1))
        assert said(log) == WHOLE
        assert [method for method, _, _ in provider.requests] == ["POST", "POST"]

    asyncio.run(main())


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (503, background.TRIES)])
def test_an_answer_that_cannot_be_taken_up_is_incomplete(status: int, asked: int) -> None:
    async def main() -> None:
        provider = Provider(first_cut(WAITS + 5), again=status)
        async with served(provider) as url:
            with pytest.raises(IncompleteStream):
                await log_of(agent_of(url, retries=0))
            await _until(provider, "/cancel")
        methods = [method for method, _, _ in provider.requests]
        assert methods == ["POST", *["GET"] * asked, "POST"]

    asyncio.run(main())


async def _until(provider: Provider, tail: str) -> None:
    async with asyncio.timeout(60):
        while not any(path.endswith(tail) for _, path, _ in provider.requests):
            provider.news.clear()
            await provider.news.wait()


@pytest.mark.parametrize("how", ["leaves", "cancels"])
def test_an_answer_that_is_left_is_cancelled_at_the_provider(how: str) -> None:
    async def main() -> None:
        provider = Provider(first_cut(WAITS))
        async with served(provider) as url:
            stream = agent_of(url).run_stream("Go.")
            async for chunk in stream:
                if chunk.content and how == "leaves":
                    break
                if chunk.content:
                    stream.cancel()
            await _until(provider, "/cancel")
        assert [path.partition("/v1")[2] for _, path, _ in provider.requests] == [
            "/responses",
            "/responses/resp_1/cancel",
        ]

    asyncio.run(main())


LEAVES = """
import asyncio, sys
from headwater import Agent
agent = Agent(model="openai-responses/gpt-5.4", base_url=sys.argv[1], api_key="sk-1", background=True)
async def main():
    async for chunk in agent.run_stream("Go."):
        if chunk.content:
            break
if sys.argv[2] == "async":
    asyncio.run(main())
else:
    for chunk in agent.run_stream("Go."):
        if chunk.content:
            break
"""


@pytest.mark.parametrize("how", ["async", "plain"])
def test_it_is_cancelled_though_the_program_ends(how: str) -> None:
    async def main() -> None:
        provider = Provider(first_cut(WAITS))
        async with served(provider) as url:
            command = [sys.executable, "-W", "error", "-c", LEAVES, url, how]
            done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, "")
            await _until(provider, "/cancel")

    asyncio.run(main())


def some_guard(chance: random.Random, waits: bool) -> Guard:
    """One that lets everything pass, sooner or later, while the answer is read on."""

    async def later(text: str) -> None:
        await asyncio.sleep(chance.choice([0, 0.001, 0.02]))

    hold: Any = chance.choice([0, 5, 200, "sentence", "step"])
    options = guard(on=("output", "arguments"), hold=hold, every=chance.choice([1, 7, 80]), overlap=200)
    return options(later if waits else lambda text: None)


@pytest.mark.long
@pytest.mark.parametrize("guarded", ["not", "at once", "later"])
@pytest.mark.parametrize("seed", range(tries(2, 60)))
def test_random_cuts(seed: int, guarded: str) -> None:
    async def main() -> None:
        chance = random.Random(seed)
        furthest = stuck = 0

        def cut(served: int, events: list[bytes]) -> int | None:
            nonlocal furthest, stuck
            ends = [*itertools.accumulate(map(len, events))]
            size = max(chance.randint(0, ends[-1]), len(events[0]))
            reached = len(ANSWER) - len(events) + bisect.bisect_right(ends, size)
            stuck = 0 if reached > furthest else stuck + 1
            furthest = max(furthest, reached)
            # Without a new event it is given up after so many connections.
            return None if chance.random() < 0.2 or stuck == background.TRIES else size

        async with served(Provider(cut, repeats=chance.random() < 0.5)) as url:
            guards = [] if guarded == "not" else [some_guard(chance, guarded == "later")]
            assert said(await log_of(agent_of(url, guards=guards, retries=0))) == WHOLE

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("openai-chat/gpt-5.4", {}),
        ("claude-sonnet-5", {}),
        ("gemini/gemini-flash-latest", {}),
        ("ollama/llama3.2", {}),
        ("openai-responses/openrouter/openai/gpt-5.4", {}),
        ("openai-responses/gpt-5.4", {"store": False}),
    ],
)
def test_other_apis_say_that_they_cannot(name: str, more: dict[str, Any]) -> None:
    agent = Agent(model=name, api_key="sk-1", background=True, **more)
    with pytest.raises(UnsupportedSetting, match="background"):
        agent.run_sync("Go.")

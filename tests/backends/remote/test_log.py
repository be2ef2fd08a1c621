from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headwater import Agent
from headwater.backends.remote import log as log_module
from headwater.backends.remote.address import address_of
from headwater.backends.remote.log import RemoteLog
from headwater.backends.remote.server import RemoteServer
from headwater.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    HeadwaterError,
    IdleTimeout,
    MalformedResponse,
    UnknownRun,
)
from headwater.events import Event, RunFinished, Unknown
from headwater.web import Limits, router
from headwater.web.native.wire import RESET, SSE_HELLO, sse_frame
from tests.support.hostile_proxy import Harm, hostile_proxy
from tests.support.members import SHAPES, log_of, paced
from tests.support.served import served
from tests.support.virtual import run_virtual


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """New connections are made without a pause: how long that is does not matter here."""
    monkeypatch.setattr(log_module, "FIRST_DELAY", 0.0)


def a_log(shape: int = 0) -> list[Event]:
    return run_virtual(log_of(SHAPES[shape]().run_stream("Go.")))[0]


def remote(url: str, **options: Any) -> RemoteLog:
    return RemoteLog(RemoteServer(address_of(url)), **options)


async def read(log: RemoteLog) -> list[Event]:
    events: list[Event] = []
    while batch := await log.pull():
        events += batch
    return events


class Scripted:
    """A server that answers each request in turn as it is told: with a body of events, or any response."""

    def __init__(self, *answers: bytes | Response | Callable[[], Response]) -> None:
        self.answers = [*answers]
        self.asked: list[str | None] = []
        routes = [Route("/runs/x/events", self.answer), Route("/runs", self.answer, methods=["POST"])]
        self.app = Starlette(routes=routes)

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.headers.get("last-event-id"))
        answer = self.answers.pop(0)
        if isinstance(answer, bytes):
            return Response(SSE_HELLO + answer, media_type="text/event-stream", headers={"headwater-run": "x"})
        return answer if isinstance(answer, Response) else answer()


def frames(events: Sequence[Event]) -> bytes:
    return b"".join(map(sse_frame, events))


async def scripted(*answers: Any, **options: Any) -> tuple[list[Event], list[str | None]]:
    script = Scripted(*answers)
    async with served(script.app, own=False) as server:
        events = await read(remote(f"{server.url}/runs/x", **options))
    assert not script.answers
    return events, script.asked


def refusal(code: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "No."}}).encode()


# --- a whole log, whatever becomes of connections


def test_an_active_run_is_read_to_its_end() -> None:
    async def main() -> None:
        async with served(router(paced("a", 5, 0.01))) as server:
            begun = (await server.client.post("/runs", json={"input": "Go."})).json()
            log = remote(f"{server.url}/runs/{begun['run_id']}")
            events = await read(log)
            assert [event.seq for event in events] == [*range(len(events))]
            assert isinstance(events[-1], RunFinished)
            assert log.connections == 1

    asyncio.run(main())


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_connection_that_is_cut_after_each_event(how: Any) -> None:
    async def main() -> None:
        async with served(router(SHAPES[3](0))) as server:
            begun = (await server.client.post("/runs", json={"input": "Go."})).json()
            whole = await read(remote(f"{server.url}{begun['events']}"))
            # The comment at the beginning is a frame as well, so each connection brings one event.
            async with hostile_proxy(server.port, lambda n: Harm(after_events=2, how=how)) as proxy:
                log = remote(f"{proxy.url}{begun['events']}")
                assert await read(log) == whole
                assert len(whole) - 1 <= proxy.connections <= len(whole) + 1
                ids = [line for head in proxy.requests for line in head.split(b"\r\n") if b"ast-Event-ID" in line]
                assert ids == [b"Last-Event-ID: %d" % n for n in range(len(ids))]

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(5))
def test_connections_that_are_cut_at_random_bytes(seed: int) -> None:
    dice = random.Random(seed)

    async def main() -> None:
        async with served(router(SHAPES[seed](0))) as server:
            begun = (await server.client.post("/runs", json={"input": "Go."})).json()
            whole = await read(remote(f"{server.url}{begun['events']}"))
            hows: list[Any] = ["reset", "close"]
            harm = lambda n: Harm(after_bytes=dice.randint(0, 3000), how=dice.choice(hows))  # noqa: E731
            async with hostile_proxy(server.port, harm) as proxy:
                assert await read(remote(f"{proxy.url}{begun['events']}", reconnect_timeout=20)) == whole
                assert proxy.connections > 3

    asyncio.run(main())


def test_a_connection_that_falls_silent_is_given_up() -> None:
    async def main() -> None:
        async with served(router(SHAPES[0](0))) as server:
            begun = (await server.client.post("/runs", json={"input": "Go."})).json()
            whole = await read(remote(f"{server.url}{begun['events']}"))
            harm = lambda n: Harm(after_bytes=1000, how="stall") if n == 0 else Harm()  # noqa: E731
            async with hostile_proxy(server.port, harm) as proxy:
                log = remote(f"{proxy.url}{begun['events']}", idle_timeout=0.2)
                assert await read(log) == whole
                assert log.connections == 2

    asyncio.run(main())


def test_signs_of_life_keep_a_silent_connection() -> None:
    async def main() -> None:
        async with served(router(paced("a", 2, 1.0), limits=Limits(heartbeat_seconds=0.05))) as server:
            begun = (await server.client.post("/runs", json={"input": "Go."})).json()
            log = remote(f"{server.url}{begun['events']}", idle_timeout=0.7)
            assert isinstance((await read(log))[-1], RunFinished)
            assert log.connections == 1

    asyncio.run(main())


def test_what_comes_again_comes_once() -> None:
    whole = a_log()
    twice = frames(whole[:7]) + frames(whole[3:])
    assert asyncio.run(scripted(twice)) == (whole, [None])


def test_what_is_left_out_is_asked_for_again() -> None:
    whole = a_log()
    events, asked = asyncio.run(scripted(frames(whole[:3]) + frames(whole[5:]), frames(whole[3:])))
    assert (events, asked) == (whole, [None, "2"])


@pytest.mark.parametrize("garbage", [b"data: <html>\n\n", b'data: {"v": 1}\n\n', b"data: []\n\n"])
def test_an_invalid_event_is_requested_again(garbage: bytes) -> None:
    whole = a_log()
    events, asked = asyncio.run(scripted(frames(whole[:3]) + garbage, frames(whole[3:])))
    assert (events, asked) == (whole, [None, "2"])


def test_half_an_event_at_the_end_is_none() -> None:
    whole = a_log()
    cut = frames(whole[:5])[:-1]
    events, asked = asyncio.run(scripted(cut, frames(whole[4:])))
    assert (events, asked) == (whole, [None, "3"])


# --- a log that begins again


def test_after_a_reset_the_same_log_continues() -> None:
    whole = a_log()
    events, asked = asyncio.run(scripted(frames(whole[:9]), RESET + frames(whole)))
    assert (events, asked) == (whole, [None, "8"])


def test_after_a_reset_another_log_is_an_error() -> None:
    whole, other = a_log(), [msgspec.structs.replace(event, time=event.time + 1) for event in a_log()]
    with pytest.raises(MalformedResponse, match="event 0 is not the one that was read"):
        asyncio.run(scripted(frames(whole[:9]), RESET + frames(other)))


# --- refusals


def test_an_ended_run_without_more_is_over() -> None:
    whole = a_log()[:9]
    assert asyncio.run(scripted(frames(whole), Response(status_code=204))) == (whole, [None, "8"])


@pytest.mark.parametrize(
    "answer",
    [
        Response(refusal("shutting_down"), 503, {"retry-after": "0"}),
        Response(refusal("too_many_readers"), 503),
        Response("Bad gateway", 502, media_type="text/html"),
        Response("Not found", 404, media_type="text/html"),
        Response("<html>Soon</html>", media_type="text/html"),
        Response("", 500),
    ],
)
def test_a_server_that_is_replaced_is_waited_for(answer: Response) -> None:
    whole = a_log()
    events, _ = asyncio.run(scripted(frames(whole[:4]), answer, answer, frames(whole[4:])))
    assert events == whole


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Response(refusal("unknown_run"), 404), UnknownRun),
        (Response(refusal("unauthorized"), 401), AuthenticationFailed),
    ],
)
def test_what_is_refused_for_good_is_an_error_also_later(answer: Response, kind: type[HeadwaterError]) -> None:
    for before in ((), (frames(a_log()[:4]),)):
        with pytest.raises(kind):
            asyncio.run(scripted(*before, answer))


@pytest.mark.parametrize("answer", [Response("Bad gateway", 502), Response("<html>", media_type="text/html")])
def test_the_first_connection_fails_at_once(answer: Response) -> None:
    with pytest.raises(HeadwaterError):
        asyncio.run(scripted(answer))


def test_a_refused_connection_is_reported_at_once() -> None:
    with pytest.raises(ConnectionFailed, match="headwater serve"):
        asyncio.run(read(remote("http://127.0.0.1:9/runs/x")))


def test_it_is_not_tried_for_ever() -> None:
    whole = a_log()

    async def main() -> None:
        script = Scripted(frames(whole[:4]))
        async with served(script.app, own=False) as server:
            log = remote(f"{server.url}/runs/x", reconnect_timeout=0.3)
            assert await log.pull() == whole[:4]
            server.server.should_exit = True
            with pytest.raises(ConnectionFailed, match=r"failed for 0\.3 s.*attach to it again"):
                await read(log)
            assert log.connections > 2

    asyncio.run(main())


def test_a_connection_that_sends_only_headers_does_not_count_as_alive() -> None:
    async def main() -> None:
        async with served(router(paced("a", 100, 0.05))) as server:
            begun = (await server.client.post("/runs", json={"input": "Go."})).json()
            harm = lambda n: Harm(after_bytes=len(SSE_HELLO) + 10 if n else 1200, how="close")  # noqa: E731
            async with hostile_proxy(server.port, harm) as proxy:
                with pytest.raises(ConnectionFailed, match="Reconnecting to the run"):
                    await read(remote(f"{proxy.url}{begun['events']}", reconnect_timeout=0.3))
            await server.client.post(f"/runs/{begun['run_id']}/cancel", json={})

    asyncio.run(main())


# --- beginning a run


def test_a_run_is_begun_and_read() -> None:
    async def main() -> None:
        async with served(router(paced("a", 3, 0.01))) as server:
            log = RemoteLog(RemoteServer(address_of(server.url)), start={"input": "Go."})
            assert log.run == ""
            events = await read(log)
            assert log.run == events[0].run
            assert log.connections == 1
            assert log.place("cancel") == f"/runs/{events[0].run}/cancel"

    asyncio.run(main())


def test_a_run_is_begun_once_and_gone_on_with() -> None:
    async def main() -> None:
        async with served(router(paced("a", 5, 0.01))) as server:
            harm = lambda n: Harm(after_bytes=700) if n == 0 else Harm()  # noqa: E731
            async with hostile_proxy(server.port, harm) as proxy:
                events = await read(RemoteLog(RemoteServer(address_of(proxy.url)), start={"input": "Go."}))
            assert isinstance(events[-1], RunFinished)
            assert [head.split()[0] for head in proxy.requests] == [b"POST", b"GET"]
            assert len((await server.client.get("/runs")).json()["runs"]) == 1

    asyncio.run(main())


@pytest.mark.parametrize("how", ["reset", "stall"])
def test_a_run_that_may_have_begun_is_not_begun_again(how: Any) -> None:
    async def main() -> None:
        asked: list[bytes] = []
        done = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            if how == "stall":
                await reader.read()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            done.set()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        log = RemoteLog(RemoteServer(address_of(url)), start={"input": "Go."}, idle_timeout=0.2)
        with pytest.raises((ConnectionFailed, IdleTimeout), match="GET /runs lists it"):
            await read(log)
        await done.wait()
        assert len(asked) == 1
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_an_agent_that_there_is_not() -> None:
    async def main() -> None:
        async with served(router(Agent(name="a", model="offline"))) as server:
            start = {"input": "Go.", "agent": "nobody"}
            with pytest.raises(HeadwaterError, match=r"no agent 'nobody'.*There are a"):
                await read(RemoteLog(RemoteServer(address_of(server.url)), start=start))

    asyncio.run(main())


# --- what a server could not write, and leaving


def test_an_event_that_could_not_be_written_keeps_its_place() -> None:
    whole = a_log()
    gone = {"v": 1, "type": "custom", "seq": 2, "time": whole[2].time, "run": whole[2].run, "path": [*whole[2].path]}
    frame = b"id: 2\nevent: custom\ndata: %s\n\n" % json.dumps({**gone, "unwritable": "No JSON form."}).encode()
    events, _ = asyncio.run(scripted(frames(whole[:2]) + frame + frames(whole[3:])))
    told = events[2]
    assert isinstance(told, Unknown)
    assert (told.name, told.seq, told.run, told.path) == ("custom", 2, whole[2].run, whole[2].path)
    assert [*events[:2], *events[3:]] == [*whole[:2], *whole[3:]]


def test_closing_the_reader_closes_the_connection() -> None:
    async def main() -> None:
        async with served(router(paced("a", 1000, 0.01))) as server:
            start = {"input": "Go.", "on_disconnect": "cancel"}
            log = RemoteLog(RemoteServer(address_of(server.url)), start=start)
            await log.pull()
            log.abort()
            log.abort()
            assert await log.pull() == []
            async with asyncio.timeout(20):
                while (await server.client.get(f"/runs/{log.run}")).json()["state"] != "cancelled":  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(main())

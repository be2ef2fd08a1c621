from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

from headwater.backends.offline import Say, Wait
from headwater.web import Limits, router
from headwater.web.http.answers import StreamAnswer, json_answer, problem_answer, words_answer
from headwater.web.limits import WRITE_BYTES
from headwater.web.native.wire import NDJSON, SSE_IDLE, json_line
from headwater.web.problems import Problem
from headwater.web.runs.manager import Manager
from headwater.web.wires.wire import Wire
from tests.support.members import paced, speaker
from tests.support.served import read_events, served
from tests.support.virtual import run_virtual

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "headers": [], "path": "/"}


def test_answers_are_not_cached() -> None:
    for answer in (json_answer({"a": 1}), problem_answer(Problem("bad_json", "No."))):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    refused = problem_answer(Problem("too_many_runs", "No.", retry_after=5))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")


def test_a_rejection_with_a_message_is_plain_text() -> None:
    answer = words_answer(Problem("too_many_runs", "It is busy.", hint="Wait.", retry_after=5))
    assert (answer.status_code, answer.body, answer.headers["retry-after"]) == (429, b"It is busy. Wait.", "5")
    assert answer.headers["content-type"].startswith("text/plain")


class Reader:
    """The other side of a stream: leaves when it is told to, and takes so many messages."""

    def __init__(self, takes: int = 10**9) -> None:
        self.left = asyncio.Event()
        self.got: list[Message] = []
        self._takes = takes

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if len(self.got) >= self._takes:
            await asyncio.Event().wait()
        self.got.append(message)


def virtually(test: Callable[[Manager], Any], **limits: Any) -> None:
    async def main() -> None:
        manager = Manager([paced("a", 100)], limits=Limits(**limits))
        await test(manager)
        assert not manager._readings
        await manager.shutdown()
        manager.close()

    run_virtual(main())


def test_a_stream_ends_with_its_run() -> None:
    async def test(manager: Manager) -> None:
        live, reader = manager.start(None, "Go."), Reader()
        await StreamAnswer(manager, live, NDJSON)(SCOPE, reader.receive, reader.send)
        start, *bodies = reader.got
        assert (start["status"], bodies[-1]) == (200, {"type": "http.response.body", "body": b"", "more_body": False})
        assert b"".join(body["body"] for body in bodies) == b"".join(map(json_line, live.log))

    virtually(test)


def test_a_disconnected_client_is_dropped_also_in_silence() -> None:
    async def test(manager: Manager) -> None:
        live, reader = manager.start(None, "Go."), Reader()
        answer = asyncio.create_task(StreamAnswer(manager, live, NDJSON)(SCOPE, reader.receive, reader.send))
        await asyncio.sleep(2.5)
        assert len(live.readings) == 1
        reader.left.set()
        await answer  # no error
        assert not live.readings

    virtually(test)


def test_a_heartbeat_of_a_leader_is_never_within_a_frame() -> None:
    async def test(manager: Manager) -> None:
        live, frame, got = manager.start(None, "Go.", led=True), b"x" * 2 * WRITE_BYTES, bytearray()
        wire = Wire(key="large", make=lambda: lambda event: frame, media_type="x", idle=SSE_IDLE)
        show, woken = live._show, list[bool]()

        def woken_before() -> None:
            if live.leader is not None and not live.leader.given:
                woken.append(live.leader.wake())
            show()

        async def send(message: Message) -> None:
            got.extend(message.get("body", b""))
            await asyncio.sleep(0)  # the connection is full for a moment

        live._show = woken_before  # type: ignore[method-assign]
        await StreamAnswer(manager, live, wire)(SCOPE, Reader().receive, send)
        assert any(woken)
        assert len(got.partition(SSE_IDLE)[0]) % len(frame) == 0

    virtually(test)


def test_a_stream_whose_task_is_cancelled_raises() -> None:
    async def test(manager: Manager) -> None:
        live, reader = manager.start(None, "Go."), Reader()
        answer = asyncio.create_task(StreamAnswer(manager, live, NDJSON)(SCOPE, reader.receive, reader.send))
        await asyncio.sleep(2.5)
        answer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answer

    virtually(test)


def test_a_client_that_reads_nothing_is_disconnected() -> None:
    async def test(manager: Manager) -> None:
        live, reader = manager.start(None, "Go."), Reader(takes=3)
        aborted: list[float] = []
        loop = asyncio.get_running_loop()
        scope = {**SCOPE, "extensions": {"headwater.abort": lambda: aborted.append(loop.time())}}
        await StreamAnswer(manager, live, NDJSON)(scope, reader.receive, reader.send)
        assert 30 <= aborted[0] <= 35
        assert live.state == "running"

    virtually(test)


def test_a_head_alone_is_answered_with_one() -> None:
    async def test(manager: Manager) -> None:
        live, reader = manager.start(None, "Go."), Reader()
        await StreamAnswer(manager, live, NDJSON)({**SCOPE, "method": "HEAD"}, reader.receive, reader.send)
        assert [message.get("body") for message in reader.got] == [None, b""]

    virtually(test)


def test_a_client_that_reads_is_fast_among_many_that_do_not() -> None:
    """Real sockets: what waits for the stalled ones costs the server a buffer each and no more."""
    words = [f"word{number} " * 50 for number in range(1000)]

    async def main() -> None:
        agent = speaker("a", [Wait(0.3), Say(words)])
        async with served(router(agent, limits=Limits(stall_seconds=0.5))) as server:
            run = (await server.client.post("/runs", json={"input": "Go."})).json()["run_id"]
            stalled = []
            for _ in range(20):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
                writer.write(f"GET /runs/{run}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
                stalled.append((reader, writer))
            async with server.client.stream("GET", f"/runs/{run}/events") as response:
                events = await read_events(response)
            assert events[-1].event == "run.finished"
            assert [event.id for event in events] == [str(seq) for seq in range(len(events))]
            async with asyncio.timeout(10):
                while len(server.server.server_state.connections) > 1:  # noqa: ASYNC110  # no one tells of it
                    await asyncio.sleep(0.05)
            for _, writer in stalled:
                writer.close()

    asyncio.run(main())

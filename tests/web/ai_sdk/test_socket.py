"""The frames of `/ai-sdk/ws`; the AI SDK's own transport is in tests/system/clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from headwater.web import router
from tests.support.members import paced, speaker
from tests.support.served import served


def over_a_socket(
    make: Callable[[], Any],
) -> Callable[[Callable[[ClientConnection], Awaitable[None]]], Callable[[], None]]:
    def decorate(test: Callable[[ClientConnection], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            async with (
                served(router(make())) as server,
                connect(f"ws://127.0.0.1:{server.port}/ai-sdk/ws", proxy=None) as connection,
            ):
                await test(connection)

        def run() -> None:
            asyncio.run(main())

        return run

    return decorate


def frame(kind: str, request: str = "r1", chat: str = "c1", **more: Any) -> str:
    messages = [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]
    return json.dumps({"type": kind, "requestId": request, "id": chat, "messages": messages, "body": {}} | more)


async def until(connection: ClientConnection, kind: str, request: str = "r1") -> list[dict[str, Any]]:
    """The frames of a request up to one of that type."""
    frames = []
    async with asyncio.timeout(20):
        while True:
            got: dict[str, Any] = json.loads(await connection.recv())
            if got["requestId"] == request:
                frames.append(got)
                if got["type"] == kind:
                    return frames


@over_a_socket(lambda: speaker("a"))
async def test_a_request_is_answered_in_order(connection: ClientConnection) -> None:
    await connection.send(frame("send"))
    start, *chunks, end = await until(connection, "end")
    assert (start, end) == ({"type": "start", "requestId": "r1"}, {"type": "end", "requestId": "r1"})
    assert [one["sequence"] for one in chunks] == [*range(len(chunks))]
    assert [one["chunk"]["type"] for one in (chunks[0], chunks[-1])] == ["start", "finish"]
    await connection.send(frame("resume", "r2"))
    assert await until(connection, "no-active", "r2") == [{"type": "no-active", "requestId": "r2"}]


@over_a_socket(lambda: paced("a", 1000, 0.02))
async def test_two_requests_read_one_answer_and_an_abort_stops_it(connection: ClientConnection) -> None:
    await connection.send(frame("send"))
    await until(connection, "chunk")
    await connection.send(frame("send", "r2"))
    (busy,) = await until(connection, "error", "r2")
    assert "still being answered" in busy["errorText"]
    await connection.send(frame("resume", "r3"))
    await until(connection, "start", "r3")
    await connection.send(frame("abort"))
    *_, finish, _ = await until(connection, "end", "r3")
    assert finish["chunk"] == {"type": "finish", "finishReason": "interrupted"} | finish["chunk"]


@over_a_socket(lambda: paced("a", 20, 0.02))
async def test_an_invalid_message_is_an_error_and_the_socket_stays_open(connection: ClientConnection) -> None:
    for message in ("{", "[]", "{}", frame("fly"), frame("send", messages=[]), frame("send", body={"agent": 7})):
        await connection.send(message)
        got = json.loads(await connection.recv())
        assert got["type"] == "error"
        assert got["errorText"]
    await connection.send(frame("abort"))  # of what is not told: nothing is to be done
    await connection.send(frame("send"))
    await until(connection, "start")
    await connection.send(frame("send", chat="c2"))
    assert "in use" in (await until(connection, "error"))[-1]["errorText"]
    await until(connection, "end")

"""A talk that says back what it hears, over real sockets; what is told of runs is in test_websocket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.routing import Router, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from headwater.web import Limits
from headwater.web.http.site import Site
from headwater.web.http.socket_talk import GONE, SocketTalk, serve_socket
from headwater.web.native.wire import NDJSON
from tests.support.members import paced, speaker
from tests.support.served import Served, served


class Echo(SocketTalk):
    """Says back what it hears; at "run" it tells of one."""

    async def hear(self, data: bytes) -> None:
        if data != b"run":
            await self.send({"heard": data.decode()})
            return
        self.check_room()
        live = self.manager.start(None, "Go.", on_disconnect="cancel")
        self.tell(live.id, self.manager.read(live, NDJSON))

    async def told(self, name: str, line: bytes) -> bool:
        await super().told(name, line)
        return b"text.delta" not in line

    async def all_told(self, name: str) -> None:
        await self.send({"told": name})


@contextlib.asynccontextmanager
async def talking(site: Site) -> AsyncIterator[Served]:
    async def serve(websocket: WebSocket) -> None:
        await serve_socket(site, websocket, Echo)

    async with served(Router([WebSocketRoute("/", serve)])) as server:
        yield server


def client(server: Served, **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}/", proxy=None, **options)


async def closed(connection: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as end:
        await connection.recv()
    return end.value.rcvd.code if end.value.rcvd is not None else None


def test_a_message_is_answered_as_text_or_bytes() -> None:
    async def main() -> None:
        async with talking(Site([speaker("a")])) as server, client(server) as one:
            for said in ("é", b"\xc3\xa9"):
                await one.send(said)
                assert await one.recv() == '{"heard":"é"}'

    asyncio.run(main())


def test_a_subscription_ends_on_request_and_the_run_is_left() -> None:
    async def main() -> None:
        site = Site([paced("a", 1000, 0.02)])
        async with talking(site) as server, client(server) as one:
            await one.send("run")
            lines = [str(await one.recv())]
            while not lines[-1].startswith('{"told"'):
                lines.append(str(await one.recv()))
            assert "text.delta" in lines[-2]
            (live,) = site.manager.runs()
            await asyncio.wait({live.task}, timeout=10)
            assert (live.state, site.manager._readings) == ("cancelled", set())

    asyncio.run(main())


def test_a_message_that_is_too_long_ends_it() -> None:
    async def main() -> None:
        site = Site([speaker("a")], limits=Limits(socket_message_bytes=10))
        async with talking(site) as server, client(server) as one:
            await one.send("x" * 11)
            assert await closed(one) == 1009

    asyncio.run(main())


def test_who_may_not_ask_gets_no_socket() -> None:
    async def main() -> None:
        async with talking(Site([speaker("a")])) as server:
            with pytest.raises(InvalidStatus) as refused:
                async with client(server, origin=Origin("https://evil.example")):
                    pass
            assert refused.value.response.status_code == 403
            assert b"bad_origin" in (refused.value.response.body or b"")

    asyncio.run(main())


def test_an_owner_may_refuse_a_socket_too() -> None:
    def owner(connection: Any) -> str:
        raise HTTPException(403, "Not you.")

    async def main() -> None:
        async with talking(Site([speaker("a")], owner=owner)) as server:
            with pytest.raises(InvalidStatus) as refused:
                async with client(server):
                    pass
            assert refused.value.response.status_code == 401
            assert b"Not you." in (refused.value.response.body or b"")

    asyncio.run(main())


def test_it_is_closed_once_the_server_has_stopped() -> None:
    async def main() -> None:
        site = Site([speaker("a")])
        async with talking(site) as server, client(server) as one:
            await one.send("hi")
            await one.recv()
            await site.manager.shutdown()
            assert await closed(one) == GONE

    asyncio.run(main())

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from headwater import ToolContext, tool
from headwater.backends.offline import Call, Say, Wait
from headwater.events.codec import decode
from headwater.testing import check_log
from headwater.web import Limits, api_router, router
from headwater.web.http.guard import Guard
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from tests.support.members import paced, speaker
from tests.support.served import Served, served
from tests.support.streams import scripted

TOKEN = "a-token-of-no-less-than-32-characters"


class Client:
    """One end of the socket: what it asks is answered, and the events of runs stand in order by run."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: dict[str, list[dict[str, Any]]] = {}
        self._number = 0

    async def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        self._number += 1
        await self.connection.send(json.dumps({"id": self._number, "op": op, **fields}))
        return await self.answer(self._number)

    async def ok(self, op: str, **fields: Any) -> dict[str, Any]:
        answer = await self.ask(op, **fields)
        assert "ok" in answer, answer
        return dict(answer["ok"])

    async def code(self, op: str, **fields: Any) -> str:
        return str((await self.ask(op, **fields))["error"]["code"])

    async def answer(self, number: Any) -> dict[str, Any]:
        while True:
            message = await self._next()
            if "run" not in message:
                assert message["id"] == number, message
                return message

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        if "run" in message:
            assert set(message) == {"run", "event"}
            self.events.setdefault(message["run"], []).append(message["event"])
        return message

    async def until(self, run: str, kind: str) -> list[dict[str, Any]]:
        while kind not in [event["type"] for event in self.events.get(run, ())]:
            await self._next()
        return self.events[run]


@contextlib.asynccontextmanager
async def client(server: Served, path: str = "/ws", **options: Any) -> AsyncIterator[Client]:
    async with connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None, **options) as connection:
        yield Client(connection)


def over_a_socket(*members: Any, **options: Any) -> Callable[[Callable[[Served], Awaitable[None]]], Callable[[], None]]:
    def decorate(test: Callable[[Served], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            async with served(router(*(member() for member in members), **options)) as server:
                await test(server)

        def run() -> None:
            asyncio.run(main())

        return run

    return decorate


async def states(server: Served) -> dict[str, str]:
    return {run["run_id"]: run["state"] for run in (await server.client.get("/runs")).json()["runs"]}


@over_a_socket(lambda: speaker("a", [Say(["One ", "two."])]))
async def test_a_run_is_started_and_read_to_its_end(server: Served) -> None:
    async with client(server) as one:
        begun = await one.ok("start", input="Go.")
        assert begun["agent"] == "a"
        events = await one.until(begun["run_id"], "run.finished")
    check_log([decode(json.dumps(event)) for event in events])
    assert [event["seq"] for event in events] == [*range(len(events))]


@over_a_socket(lambda: paced("a", 60, 0.02))
async def test_a_run_is_attached_at_any_place_and_many_at_once(server: Served) -> None:
    async with client(server) as one, client(server) as other:
        runs = [(await one.ok("start", input="Go."))["run_id"] for _ in range(3)]
        await one.until(runs[0], "text.delta")
        assert await one.code("attach", run=runs[0]) == "bad_request"  # it is
        await other.ok("attach", run=runs[0], after=1)
        await other.ok("attach", run=runs[1], depth=0, final_only=True)
        await one.ok("detach", run=runs[2])
        for run in runs[:2]:
            await one.until(run, "run.finished")
            await other.until(run, "run.finished")
        assert other.events[runs[0]] == one.events[runs[0]][2:]
        assert {event["type"] for event in other.events[runs[1]]} >= {"text.delta", "run.finished"}
        assert "run.finished" not in [event["type"] for event in one.events.get(runs[2], ())]
        again = await one.ok("attach", run=runs[0], after=len(one.events[runs[0]]) - 1)
        assert again["state"] == "finished"
        reset = await other.ok("attach", run=runs[0], after=999)
        assert reset["reset"] is True
        other.events.clear()
        assert (await other.until(runs[0], "run.finished")) == one.events[runs[0]]


@over_a_socket(lambda: paced("a", 1000, 0.02), lambda: speaker("b"))
async def test_a_run_is_stopped_and_steered(server: Served) -> None:
    async with client(server) as one:
        run = (await one.ok("start", input="Go."))["run_id"]
        await one.until(run, "text.delta")
        await one.ok("steer", run=run, input="And?")
        await one.until(run, "message.received")
        await one.ok("cancel", run=run)
        assert (await one.until(run, "run.cancelled"))[-1]["by"] == "caller"
        assert await one.code("steer", run=run, input="And?") == "run_ended"
        await one.ok("cancel", run=run)


@tool(approval=True)
async def send() -> str:
    """Send it."""
    return "sent"


async def choose(ctx: ToolContext[Any]) -> str:
    """Ask someone."""
    return str(await ctx.ask("Which?", int))


@over_a_socket(lambda: scripted(Call("send"), Call("choose"), [Say("Done.")], tools=[send, choose]))
async def test_people_answer(server: Served) -> None:
    async with client(server) as one:
        run = (await one.ok("start", input="Go."))["run_id"]
        asked = (await one.until(run, "approval.asked"))[-1]
        await one.ok("approve", run=run, approval=asked["approval"], allowed=True)
        asked = (await one.until(run, "input.asked"))[-1]
        wrong = await one.code("answer", run=run, input=asked["input"], action="accept", content="x")
        assert wrong == "bad_request"
        await one.ok("answer", run=run, input=asked["input"], action="accept", content=7)
        await one.until(run, "run.finished")


@over_a_socket(lambda: paced("a", 1000, 0.02))
async def test_losing_the_socket_is_leaving(server: Served) -> None:
    async with client(server) as one:
        stops = (await one.ok("start", input="Go.", on_disconnect="cancel"))["run_id"]
        goes_on = (await one.ok("start", input="Go."))["run_id"]  # half a minute of grace
        await one.until(stops, "text.delta")
    async with asyncio.timeout(20):
        while (await states(server))[stops] != "cancelled":  # noqa: ASYNC110  # a reader would change it
            await asyncio.sleep(0.02)
    assert (await states(server))[goes_on] == "running"
    await server.client.post(f"/runs/{goes_on}/cancel", json={})


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("", "bad_request"),
        ("{", "bad_json"),
        ("[]", "bad_request"),
        ('{"op": "start"}', "bad_request"),
        ('{"id": {}, "op": "start"}', "bad_request"),
        ('{"id": 1}', "bad_request"),
        ('{"id": 1, "op": "fly"}', "bad_request"),
        ('{"id": 1, "op": 7}', "bad_request"),
        ('{"id": 1, "op": "start"}', "bad_request"),
        ('{"id": 1, "op": "start", "input": "x", "y": 1}', "bad_request"),
        ('{"id": 1, "op": "start", "input": "x", "agent": "nobody"}', "unknown_agent"),
        ('{"id": 1, "op": "attach"}', "bad_request"),
        ('{"id": 1, "op": "attach", "run": "nothing"}', "unknown_run"),
        ('{"id": 1, "op": "attach", "run": "nothing", "after": "x"}', "unknown_run"),
        ('{"id": 1, "op": "start", "input": ' + "[" * 200_000 + "]" * 200_000 + "}", "bad_json"),
    ],
)
def test_an_invalid_message_is_reported_and_the_socket_stays_open(message: str, wanted: str) -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server, client(server) as one:
            await one.connection.send(message)
            answer = json.loads(await one.connection.recv())
            assert answer["error"]["code"] == wanted
            await one.connection.send(message.encode())
            assert json.loads(await one.connection.recv()) == answer
            run = (await one.ok("start", input="Go."))["run_id"]
            assert await one.code("attach", run=run, after="x") == "bad_request"
            assert await one.code("detach", run=run, x=1) == "bad_request"

    asyncio.run(main())


@over_a_socket(lambda: speaker("a"), limits=Limits(socket_message_bytes=2_000))
async def test_a_message_that_is_too_long_closes_the_socket(server: Served) -> None:
    async with client(server) as one:
        await one.connection.send(json.dumps({"id": 1, "op": "start", "input": "x" * 3_000}))
        with pytest.raises(ConnectionClosed) as closed:
            await one.connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


@over_a_socket(lambda: paced("a", 1000, 0.05), limits=Limits(readers=2))
async def test_a_socket_reads_so_many_runs_and_no_more(server: Served) -> None:
    async with client(server) as one:
        runs = [(await one.ok("start", input="Go."))["run_id"] for _ in range(2)]
        assert await one.code("start", input="Go.") == "too_many_readers"
        await one.ok("detach", run=runs[0])
        await one.ok("attach", run=runs[0])
        for run in runs:
            await one.ok("cancel", run=run)


async def refused(server: Served, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as refusal:
        async with client(server, **options):
            raise AssertionError("it was let in")
    return refusal.value.response.status_code


def test_a_page_of_another_site_gets_no_socket() -> None:
    async def main() -> None:
        async with served(router(speaker("a"), origins=["https://friend.example"])) as server:
            assert await refused(server, origin="https://evil.example") == 403
            assert await refused(server, origin="null") == 403
            for origin in (f"http://127.0.0.1:{server.port}", "https://friend.example"):
                async with client(server, origin=origin) as one:
                    assert await one.ok("start", input="Go.")

    asyncio.run(main())


def test_a_token_is_asked_for_and_may_be_a_subprotocol() -> None:
    async def main() -> None:
        guard = Guard(token=TOKEN, hosts=[])
        async with served(router_of(Site([speaker("a")], guard=guard))) as server:
            assert await refused(server) == 401
            assert await refused(server, path=f"/ws?token={TOKEN}") == 401
            assert await refused(server, additional_headers={"host": "evil.example"}) == 421
            wrong = base64.urlsafe_b64encode(b"another token").decode().rstrip("=")
            assert await refused(server, subprotocols=["headwater", f"headwater.token.{wrong}"]) == 401
            right = f"headwater.token.{base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip('=')}"
            async with client(server, subprotocols=["headwater", right]) as one:
                assert one.connection.subprotocol == "headwater"
                assert await one.ok("start", input="Go.")
            async with client(server, additional_headers={"authorization": f"Bearer {TOKEN}"}) as one:
                assert one.connection.subprotocol is None
                assert await one.ok("start", input="Go.")

    asyncio.run(main())


def test_each_caller_has_their_own_runs() -> None:
    async def main() -> None:
        app = router(paced("a", 100, 0.05), owner=lambda connection: connection.headers["x-user"])
        async with served(app) as server, client(server, additional_headers={"x-user": "ann"}) as ann:
            run = (await ann.ok("start", input="Go."))["run_id"]
            async with client(server, additional_headers={"x-user": "bob"}) as bob:
                for op, fields in (
                    ("attach", {}),
                    ("detach", {}),
                    ("cancel", {}),
                    ("steer", {"input": "x"}),
                    ("approve", {"approval": "x", "allowed": True}),
                    ("answer", {"input": "x", "action": "accept"}),
                ):
                    assert await bob.code(op, run=run, **fields) == "unknown_run"
            await ann.ok("cancel", run=run)

    asyncio.run(main())


def test_a_server_that_shuts_down_sends_everything_before_it_closes() -> None:
    async def main() -> None:
        site = Site([paced("a", 10_000, 0.02)], limits=Limits(grace_seconds=0.2))
        async with served(router_of(site)) as server, client(server) as one, client(server) as idle:
            run = (await one.ok("start", input="Go."))["run_id"]
            await one.until(run, "text.delta")
            server.server.should_exit = True
            stopping = asyncio.create_task(
                site.manager.shutdown()
            )  # what the signal does; tests/web/runs/test_signals.py
            events = await one.until(run, "run.cancelled")
            assert events[-1]["by"] == "shutdown"
            assert [event["seq"] for event in events] == [*range(len(events))]
            for each in (one, idle):
                with pytest.raises(ConnectionClosed) as closed:
                    await each.connection.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1001
            await stopping

    asyncio.run(main())


def test_a_client_that_reads_nothing_is_disconnected_and_others_are_not() -> None:
    async def main() -> None:
        words = ["word " * 200] * 3_000
        agent = speaker("a", [Wait(0.2), Say(words)])
        async with served(router(agent, limits=Limits(stall_seconds=0.5))) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            key = base64.b64encode(b"0" * 16)
            head = b"GET /ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            writer.write(head + b"sec-websocket-version: 13\r\nsec-websocket-key: " + key + b"\r\n\r\n")
            assert b"101" in await reader.readline()
            body = b'{"id":1,"op":"start","input":"Go."}'
            writer.write(b"\x81" + bytes([0x80 | len(body)]) + b"\x00" * 4 + body)
            async with asyncio.timeout(20):
                while not (known := await states(server)):  # noqa: ASYNC110  # it is told in no other way
                    await asyncio.sleep(0.02)
                (run,) = known
                async with server.client.stream("GET", f"/runs/{run}/events") as response:
                    async for _ in response.aiter_bytes():
                        pass
                while server.server.server_state.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            writer.close()

    asyncio.run(main())


def test_it_is_among_fastapis_routes() -> None:
    async def main() -> None:
        app = FastAPI()
        app.include_router(api_router(speaker("a")), prefix="/mine")
        async with served(app, own=False) as server, client(server, path="/mine/ws") as one:
            run = (await one.ok("start", input="Go."))["run_id"]
            await one.until(run, "run.finished")

    asyncio.run(main())

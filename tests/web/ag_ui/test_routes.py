"""How AG-UI's requests are answered over HTTP; its own clients are in tests/system/clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headwater import SequentialWorkflow, tool
from headwater.backends.offline import Call, Say
from headwater.web import router
from headwater.web.ag_ui.routes import knows_subagents
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from headwater.web.runs.latest import GRACE, PATIENCE
from tests.support.ag_ui import HI, Client
from tests.support.members import paced, speaker
from tests.support.served import Served, served
from tests.support.streams import scripted


def ask(thread: str = "t", **more: Any) -> dict[str, Any]:
    return {"threadId": thread, "runId": "r", "protocolVersion": "1.0", "messages": [HI], **more}


def against(app: Any, test: Callable[[Served], Awaitable[None]]) -> None:
    async def main() -> None:
        async with served(app) as server:
            await test(server)

    asyncio.run(main())


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def read(text: str, messages: Any = (HI,)) -> Client:
    client = Client(messages=messages)
    for event in events(text):
        client.read(event)
    return client


def test_a_run_is_streamed_as_the_protocol_wants_it() -> None:
    async def test(server: Served) -> None:
        for path in ("/ag-ui", "/ag-ui/a"):
            answer = await server.client.post(path, json=ask())
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["headwater-run"]
            assert {line[:5] for line in answer.text.splitlines() if line} == {": hea", "data:", ": end"}
            assert "\r" not in answer.text
            assert read(answer.text).text() == "a says hi there."

    against(router(speaker("a")), test)


def test_refusals_are_words_for_people() -> None:
    async def test(server: Served) -> None:
        unknown = await server.client.post("/ag-ui/b", json=ask())
        assert (unknown.status_code, unknown.text) == (404, "There is no agent 'b'. There are a.")
        empty = await server.client.post("/ag-ui", json=ask(messages=[]))
        assert (empty.status_code, empty.headers["content-type"].split(";")[0]) == (400, "text/plain")
        assert (
            await server.client.post("/ag-ui", content="x", headers={"content-type": "text/plain"})
        ).status_code == 415
        assert (await server.client.get("/ag-ui")).status_code == 405

    against(router(speaker("a")), test)


@pytest.mark.parametrize(
    ("version", "knows"),
    [(None, True), ("0.0.58", False), ("0.0.59", True), ("0.1", True), ("1.0", True), ("1.0.0", True)],
)
def test_clients_know_subagents_since_0_0_59(version: str | None, knows: bool) -> None:
    assert knows_subagents(version) is knows


def test_an_older_client_says_which_it_is() -> None:
    team = SequentialWorkflow([speaker("a"), speaker("b")], name="team")

    async def test(server: Served) -> None:
        body = {name: value for name, value in ask().items() if name != "protocolVersion"}
        told = events((await server.client.post("/ag-ui?v=0.0.58", json=body)).text)
        assert not [event for event in told if event["type"].startswith(("SUBAGENT", "STEP"))]
        names = [event["name"] for event in told if event["type"] == "CUSTOM"]
        assert names == ["headwater.subagent.started", "headwater.subagent.finished"] * 2
        assert (await server.client.post("/ag-ui?v=new", json=body)).status_code == 400

    against(router(team), test)


def test_disconnecting_releases_the_thread() -> None:
    site = Site([paced("a", 1000, 0.02)])

    async def test(server: Served) -> None:
        async with server.client.stream("POST", "/ag-ui", json=ask()) as response:
            parts = response.aiter_bytes()  # held on to: without it the stream is closed
            await anext(parts)
            busy = await server.client.post("/ag-ui", json=ask())
            assert (busy.status_code, busy.text.split(".")[1]) == (409, " Wait for the answer, or stop it")
            (first,) = site.manager.runs()
        async with server.client.stream("POST", "/ag-ui", json=ask()) as response:
            await anext(response.aiter_bytes())
            await asyncio.wait([first.task])
            assert first.state == "cancelled"
            assert response.headers["headwater-run"] != first.id
            for live in site.manager.runs():
                live.cancel()

    against(router_of(site), test)


@tool(approval=True)
async def send() -> str:
    """Send."""
    return "sent"


def test_a_run_that_waits_for_a_person_is_not_left() -> None:
    site = Site([scripted(Call("send"), [Say("Done.")], tools=[send])])

    async def test(server: Served) -> None:
        first = read((await server.client.post("/ag-ui", json=ask())).text)  # ends, though its run goes on
        (live,) = site.manager.runs()
        assert (live.state, live.on_disconnect, live.readings) == ("waiting", PATIENCE, set())
        assert first.end is not None
        (interrupt,) = first.end["outcome"]["interrupts"]
        held = [*first.messages.values()]
        resume = [{"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": True}}]
        answer = await server.client.post("/ag-ui", json=ask(messages=held, resume=resume))
        assert answer.headers["headwater-run"] == live.id
        rest = read(answer.text, held)
        assert rest.text() == "Done."
        assert rest.answered == {*first.calls}
        assert live.on_disconnect == GRACE
        again = await server.client.post("/ag-ui", json=ask(messages=held, resume=resume))  # the answer was lost
        assert events(again.text) == events(answer.text)
        late = await server.client.post("/ag-ui", json=ask(resume=[{**resume[0], "interruptId": "another"}]))
        assert (late.status_code, late.text) == (409, "The run that asked has ended. Send a message to start another.")

    against(router_of(site), test)


def test_the_next_turn_continues_from_the_clients_messages() -> None:
    @tool
    def look() -> str:
        """Look."""
        return "2 hits"

    agent = scripted(Call("look"), [Say("Done.")], [Say("Again.")], tools=[look])

    async def test(server: Served) -> None:
        first = read((await server.client.post("/ag-ui", json=ask())).text)
        held = [*first.messages.values(), {**HI, "id": "u2", "content": "And?"}]
        second = read((await server.client.post("/ag-ui", json=ask(messages=held))).text, held)
        assert second.text() == "Done.Again."
        request = agent.model.requests[-1]  # type: ignore[union-attr]
        assert [message.role for message in request.messages] == ["user", "assistant", "tool", "assistant", "user"]

    against(router(agent), test)

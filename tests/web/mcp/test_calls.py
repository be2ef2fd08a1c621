"""Agents as tools of MCP, called by the protocol's official client over real sockets, in both ages of the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError
from pydantic import BaseModel

from headwater import Agent, ConcurrentWorkflow, ToolContext, tool
from headwater.backends.offline import Call, Fail
from headwater.web.http.site import Site
from headwater.web.mcp.calls import RUN
from headwater.web.routing import router_of
from headwater.web.runs.latest import PATIENCE
from headwater.web.runs.live_run import LiveRun, OnDisconnect
from tests.support.members import paced, speaker
from tests.support.served import Served, served

MODES = ["auto", "legacy"]
"""Protocol 2026-07-28, which the official client finds out, and 2025-11-25, which it falls back to."""

each_age = pytest.mark.parametrize("mode", MODES)
Elicit = Callable[[Any, Any], Awaitable[types.ElicitResult]]


class Place(BaseModel):
    city: str
    nights: int


@tool(approval=True)
async def send() -> str:
    """Send."""
    return "sent"


@tool
async def book(ctx: ToolContext[Any]) -> str:
    """Book."""
    return f"{await ctx.ask('How many nights?', int)} nights"


@tool
async def place(ctx: ToolContext[Any]) -> str:
    """Find a place."""
    return str(await ctx.ask("Where?", list[Place]))


def sender() -> Agent[Any, Any]:
    return speaker("sender", [Call("send", {})], "It is sent.", tools=[send])


def booker() -> Agent[Any, Any]:
    return speaker("booker", [Call("book", {})], "Booked.", tools=[book])


class Talk:
    """A site, its server, and clients of it."""

    def __init__(self, site: Site, server: Served, mode: str) -> None:
        self.site = site
        self.server = server
        self.mode = mode

    def client(self, elicit: Elicit | None = None) -> Client:
        return Client(f"{self.server.url}/mcp", mode=self.mode, elicitation_callback=elicit)  # type: ignore[arg-type]

    @property
    def live(self) -> LiveRun:
        """The newest run."""
        return next(self.site.manager.runs())

    async def waiting(self) -> LiveRun:
        """The newest run, once it waits for people."""
        while self.live.state != "waiting":
            await self.live.news()
        return self.live


@asynccontextmanager
async def talking(mode: str, *members: Any, on_disconnect: OnDisconnect | None = None) -> AsyncIterator[Talk]:
    site = Site(members, on_disconnect=on_disconnect)
    async with served(router_of(site)) as server:
        yield Talk(site, server, mode)


def said(result: types.CallToolResult) -> str:
    return " ".join(one.text for one in result.content if isinstance(one, types.TextContent))


def accepting(content: dict[str, Any], action: Any = "accept") -> tuple[list[Any], Elicit]:
    asked: list[Any] = []

    async def elicit(context: Any, params: Any) -> types.ElicitResult:
        asked.append(params)
        return types.ElicitResult(action=action, content=content if action == "accept" else None)

    return asked, elicit


@each_age
def test_each_agent_is_a_tool(mode: str) -> None:
    async def main() -> None:
        planner = speaker("plan it", description="Plans stays.", output_type=Place)
        counter = speaker("plan-it", output_type=list[int])
        async with talking(mode, speaker("a"), planner, counter) as talk, talk.client() as client:
            tools = {one.name: one for one in (await client.list_tools()).tools}
            assert [*tools] == ["a", "plan_it", "plan-it"]
            assert tools["a"].input_schema["properties"]["input"]["type"] == "string"
            assert tools["a"].input_schema["required"] == ["input"]
            assert (tools["plan_it"].title, tools["plan_it"].description) == ("plan it", "Plans stays.")
            assert tools["a"].output_schema is None
            assert {*(tools["plan_it"].output_schema or {})["properties"]} == {"city", "nights"}
            assert {*(tools["plan-it"].output_schema or {})["properties"]} == {"result"}

    asyncio.run(main())


@each_age
def test_a_call_is_a_run_which_others_can_read(mode: str) -> None:
    async def main() -> None:
        async with talking(mode, speaker("a")) as talk, talk.client() as client:
            result = await client.call_tool("a", {"input": "Hello."})
            assert (said(result), result.is_error, result.structured_content) == ("a says hi there.", False, None)
            assert result.meta is not None
            (run,) = (await talk.server.client.get("/runs")).json()["runs"]
            assert (run["run_id"], run["agent"], run["state"]) == (result.meta[RUN], "a", "finished")
            text = (await talk.server.client.get(f"/runs/{run['run_id']}")).json()["text"]
            assert text == "a says hi there."

    asyncio.run(main())


@each_age
def test_an_output_type_is_structured_content(mode: str) -> None:
    async def main() -> None:
        planner = speaker("planner", '{"city": "Ulm", "nights": 2}', output_type=Place)
        counter = speaker("counter", '{"result": [1, 2]}', output_type=list[int])
        async with talking(mode, planner, counter) as talk, talk.client() as client:
            await client.list_tools()  # the client holds what comes against the schemas
            one = await client.call_tool("planner", {"input": "Where?"})
            assert one.structured_content == {"city": "Ulm", "nights": 2}
            assert said(one) == '{"city": "Ulm", "nights": 2}'
            two = await client.call_tool("counter", {"input": "Count."})
            assert two.structured_content == {"result": [1, 2]}

    asyncio.run(main())


@each_age
def test_text_is_sent_as_progress_also_for_two_concurrent_calls(mode: str) -> None:
    async def main() -> None:
        told: dict[str, list[tuple[float, str | None]]] = {"a": [], "b": []}

        async def call(client: Client, name: str) -> str:
            async def hear(progress: float, total: float | None, message: str | None) -> None:
                told[name].append((progress, message))

            return said(await client.call_tool(name, {"input": "Go."}, progress_callback=hear))

        async with talking(mode, paced("a", 4, 0.02), paced("b", 4, 0.02)) as talk, talk.client() as client:
            texts = await asyncio.gather(call(client, "a"), call(client, "b"))
        for name, text in zip("ab", texts, strict=True):
            assert text == "".join(f"{name}{number} " for number in range(4))
            assert "".join(message or "" for _, message in told[name]) == text
            counts = [progress for progress, _ in told[name]]
            assert len(counts) > 1
            assert counts == sorted({*counts})
            assert counts[-1] == len(text)

    asyncio.run(main())


@each_age
def test_a_concurrent_workflow_sends_its_text_at_the_end(mode: str) -> None:
    async def main() -> None:
        team = ConcurrentWorkflow([speaker("a"), speaker("b")], name="team")
        async with talking(mode, team) as talk, talk.client() as client:
            result = await client.call_tool("team", {"input": "Go."})
            assert "a says hi there." in said(result)
            assert "b says hi there." in said(result)

    asyncio.run(main())


@each_age
def test_a_failing_run_is_an_error_that_the_model_reads(mode: str) -> None:
    async def main() -> None:
        async with talking(mode, speaker("a", ["Well. ", Fail("The provider is away.")])) as talk:
            async with talk.client() as client:
                result = await client.call_tool("a", {"input": "Go."})
            assert result.is_error
            assert f"Its log is /runs/{talk.live.id}." in said(result)
            assert talk.live.state == "failed"

    asyncio.run(main())


@each_age
def test_mistakes_in_a_call_are_reported(mode: str) -> None:
    async def main() -> None:
        async with talking(mode, speaker("a")) as talk, talk.client() as client:
            with pytest.raises(MCPError, match=r"There is no tool 'b'\. There are a\."):
                await client.call_tool("b", {"input": "Go."})
            for arguments in ({}, {"input": 3}, {"input": "Go.", "more": 1}):
                result = await client.call_tool("a", arguments)
                assert (said(result), result.is_error) == ('a takes one argument. Send {"input": "…"}.', True)
            assert not [*talk.site.manager.runs()]

    asyncio.run(main())


@pytest.mark.parametrize(("mode", "by"), [("auto", "left"), ("legacy", "caller")])
def test_a_client_that_cancels_ends_the_run(mode: str, by: str) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            begun.set()

        async with talking(mode, paced("a", 10_000, 0.01)) as talk, talk.client() as client:
            call = asyncio.create_task(client.call_tool("a", {"input": "Go."}, progress_callback=hear))
            await begun.wait()
            call.cancel()
            await asyncio.wait({call})
            await asyncio.wait({talk.live.task})
            assert (talk.live.state, getattr(talk.live.log.end, "by", "")) == ("cancelled", by)

    asyncio.run(main())


@each_age
def test_a_run_continues_without_its_client_if_configured(mode: str) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            begun.set()

        async with talking(mode, paced("a", 20, 0.02), on_disconnect="continue") as talk:
            async with talk.client() as client:
                call = asyncio.create_task(client.call_tool("a", {"input": "Go."}, progress_callback=hear))
                await begun.wait()
                live = talk.live
                if mode == "auto":
                    call.cancel()
                    await asyncio.wait({call})
            if mode == "auto":
                await live.task
                assert live.state == "finished"
            else:  # the session was ended by its client, which says that nothing of it is wanted
                await asyncio.wait({call})
                await asyncio.wait({live.task})
                assert live.over

    asyncio.run(main())


@each_age
def test_an_approval_is_asked_in_a_form(mode: str) -> None:
    async def main() -> None:
        asked, elicit = accepting({"approved": True, "note": "Once."})
        async with talking(mode, sender()) as talk, talk.client(elicit) as client:
            result = await client.call_tool("sender", {"input": "Go."})
            assert (said(result), result.is_error) == ("It is sent.", False)
            (one,) = asked
            assert one.message == "sender wants to run send with {}. Allow it?"
            (answered,) = [event for event in talk.live.log if event.type == "approval.answered"]
            assert (answered.allowed, answered.note) == (True, "Once.")  # type: ignore[attr-defined]
            assert len([*talk.site.manager.runs()]) == 1

    asyncio.run(main())


@each_age
@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_who_does_not_approve_refuses(mode: str, action: str) -> None:
    async def main() -> None:
        _, elicit = accepting({}, action)
        async with talking(mode, sender()) as talk, talk.client(elicit) as client:
            await client.call_tool("sender", {"input": "Go."})
            (answered,) = [event for event in talk.live.log if event.type == "approval.answered"]
            assert answered.allowed is False  # type: ignore[attr-defined]

    asyncio.run(main())


@each_age
def test_a_tools_question_is_asked_in_a_form(mode: str) -> None:
    async def main() -> None:
        asked, elicit = accepting({"result": 3})
        async with talking(mode, booker()) as talk, talk.client(elicit) as client:
            assert said(await client.call_tool("booker", {"input": "Go."})) == "Booked."
            assert asked[0].message == "How many nights?"
            (done,) = [event for event in talk.live.log if event.type == "tool.finished"]
            assert "3 nights" in str(done)

    asyncio.run(main())


@each_age
def test_an_invalid_answer_is_reported_and_the_run_keeps_waiting(mode: str) -> None:
    async def main() -> None:
        asked, elicit = accepting({"result": "three"})
        async with talking(mode, booker()) as talk, talk.client(elicit) as client:
            result = await client.call_tool("booker", {"input": "Go."})
            assert result.is_error
            assert f"The run {talk.live.id} waits for a person." in said(result)
            assert len(asked) == 1
            assert talk.live.state == "waiting"
            talk.live.cancel()
            await talk.live.task

    asyncio.run(main())


@each_age
@pytest.mark.parametrize("nested", [False, True])
def test_where_the_client_cannot_ask_the_error_names_the_run(mode: str, nested: bool) -> None:
    async def main() -> None:
        _, elicit = accepting({})
        placer = speaker("placer", [Call("place", {})], "Found.", tools=[place])
        async with talking(mode, sender(), placer) as talk, talk.client(elicit if nested else None) as client:
            result = await client.call_tool("placer" if nested else "sender", {"input": "Go."})
            live = talk.live
            assert result.is_error
            assert result.meta is not None
            assert result.meta[RUN] == live.id
            assert f"The run {live.id} waits for a person." in said(result)
            assert (live.state, live.on_disconnect) == ("waiting", PATIENCE)
            (question,) = live.pending
            given: dict[str, Any]
            if nested:
                content = {"result": [{"city": "Ulm", "nights": 1}]}
                given = {"input": question.id, "action": "accept", "content": content}
                answer = await talk.server.client.post(f"/runs/{live.id}/answer", json=given)
            else:
                given = {"approval": question.id, "allowed": True}
                answer = await talk.server.client.post(f"/runs/{live.id}/approve", json=given)
            assert answer.status_code == 202
            await live.task
            assert live.state == "finished"

    asyncio.run(main())


def test_who_answers_elsewhere_ends_the_clients_question() -> None:
    async def main() -> None:
        dropped = asyncio.Event()

        async def elicit(context: Any, params: Any) -> types.ElicitResult:
            try:
                await asyncio.Event().wait()
            finally:
                dropped.set()
            raise AssertionError

        async with talking("legacy", sender()) as talk, talk.client(elicit) as client:
            call = asyncio.create_task(client.call_tool("sender", {"input": "Go."}))
            while not [*talk.site.manager.runs()]:
                await asyncio.wait({call}, timeout=0.01)
            live = await talk.waiting()
            given = {"approval": live.pending[0].id, "allowed": True}
            await talk.server.client.post(f"/runs/{live.id}/approve", json=given)
            assert said(await call) == "It is sent."
            await dropped.wait()

    asyncio.run(main())


def test_a_call_continues_only_with_its_own_run() -> None:
    async def main() -> None:
        async with talking("auto", sender(), speaker("a")) as talk, talk.client(accepting({})[1]) as client:
            first = await client.session.call_tool("sender", {"input": "Go."}, allow_input_required=True)
            assert isinstance(first, types.InputRequiredResult)
            assert first.request_state is not None
            run = talk.live.id
            for name, state, wrong in (
                ("a", first.request_state, f"The run {run} is not one of a."),
                ("sender", "run_0:1", "There is no such run."),
                ("sender", f"{run}:x", "The requestState is not from this server."),
                ("sender", f"{run}:999999", "The requestState is not from this server."),
            ):
                again = await client.session.call_tool(name, {"input": "Go."}, request_state=state)
                assert again.is_error
                assert wrong in said(again)
            asked = await client.session.call_tool(
                "sender", {"input": "Go."}, request_state=first.request_state, allow_input_required=True
            )
            assert isinstance(asked, types.InputRequiredResult)  # nothing was answered, so it is asked again
            assert asked.input_requests == first.input_requests
            talk.live.cancel()
            await talk.live.task

    asyncio.run(main())

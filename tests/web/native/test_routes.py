"""Our own routes over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from headwater import ConcurrentWorkflow, SequentialWorkflow, ToolContext, tool
from headwater.backends.offline import Call, Say, ScriptedModel, Wait
from headwater.events.codec import decode
from headwater.testing import check_log
from headwater.web import Limits, router
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from tests.support.members import asked, paced, speaker
from tests.support.served import Sent, Served, read_events, sent_events, served
from tests.support.streams import scripted

SSE = {"accept": "text/event-stream"}


def over_http(*members: Any, **options: Any) -> Callable[[Callable[[Served], Awaitable[None]]], Callable[[], None]]:
    """The test as a program that asks a server of these members."""

    def decorate(test: Callable[[Served], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            made: list[Any] = [member() if isinstance(member, type(lambda: 0)) else member for member in members]
            async with served(router(*made, **options)) as server:
                await test(server)

        def run() -> None:
            asyncio.run(main())

        return run

    return decorate


async def begin(server: Served, **body: Any) -> str:
    answer = await server.client.post("/runs", json={"input": "Go.", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["run_id"])


async def events_of(server: Served, run: str, **options: Any) -> list[Sent]:
    async with server.client.stream("GET", f"/runs/{run}/events", **options) as response:
        assert response.status_code == 200
        return await read_events(response)


async def state_of(server: Served, run: str) -> dict[str, Any]:
    return dict((await server.client.get(f"/runs/{run}")).json())


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["message"]
    return answer.status_code, error["code"]


# --- what there is


@over_http(
    speaker("writer", description="Writes."),
    SequentialWorkflow([speaker("a"), ConcurrentWorkflow([speaker("b")], name="all")], name="team"),
)
async def test_agents_are_listed(server: Served) -> None:
    told = (await server.client.get("/agents")).json()
    assert told == {
        "agents": [
            {"name": "writer", "kind": "agent", "description": "Writes.", "members": []},
            {"name": "team", "kind": "sequential", "description": "", "members": ["a", "all"]},
        ]
    }


@over_http(lambda: speaker("a"))
async def test_an_unknown_path_is_a_problem_of_ours(server: Served) -> None:
    client = server.client
    assert problem(await client.get("/nothing")) == (404, "not_found")
    assert problem(await client.get("/runs/nothing")) == (404, "unknown_run")
    assert problem(await client.get("/runs/nothing/events")) == (404, "unknown_run")
    answer = await client.delete("/runs")
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"
    assert (await client.head("/agents")).status_code == 200
    assert (await client.get("/health")).json() == {"status": "ok"}


@over_http(lambda: speaker("a"), lambda: paced("b", 50, 0.05))
async def test_runs_are_listed(server: Served) -> None:
    first, second, third = [await begin(server, agent=agent) for agent in ("a", "b", "a")]
    await events_of(server, third)
    client = server.client

    async def ids(query: str = "") -> list[str]:
        return [run["run_id"] for run in (await client.get(f"/runs{query}")).json()["runs"]]

    assert await ids() == [third, second, first]
    assert await ids("?agent=a") == [third, first]
    assert await ids("?state=running") == [second]
    assert await ids("?limit=1") == [third]
    assert await ids(f"?before={second}") == [first]
    assert problem(await client.get("/runs?state=odd")) == (400, "bad_request")
    assert problem(await client.get("/runs?limit=0")) == (400, "bad_request")
    assert problem(await client.get("/runs?before=nothing")) == (404, "unknown_run")
    await client.post(f"/runs/{second}/cancel", json={})


# --- beginning


@over_http(lambda: speaker("a"))
async def test_a_run_is_started_and_found(server: Served) -> None:
    answer = await server.client.post("/runs", json={"input": "Hi"})
    begun = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/runs/{begun['run_id']}"
    assert {"agent": "a", "events": f"/runs/{begun['run_id']}/events", "state": "queued"}.items() <= begun.items()
    await events_of(server, begun["run_id"])
    told = await state_of(server, begun["run_id"])
    assert (told["state"], told["text"], told["waiting"]) == ("finished", "a says hi there.", [])
    assert told["response"]["text"] == "a says hi there."
    assert told["usage"] == told["response"]["usage"] | {"total_tokens": told["usage"]["total_tokens"]}


def test_messages_are_taken_as_people_write_them() -> None:
    agent = speaker("a")

    async def main() -> None:
        async with served(router(agent)) as server:
            talk = [
                {"role": "user", "content": "One"},
                {"role": "assistant", "content": [{"type": "text", "text": "Aha."}]},
                "Two",
                {"role": "user", "content": [{"type": "image", "data": "iVBORw0KGgo=", "media_type": "image/png"}]},
            ]
            await events_of(server, await begin(server, input=talk))
            await events_of(server, await begin(server, input="One", thread="t"))
            await events_of(server, await begin(server, input=["Two"], thread="t"))

    asyncio.run(main())
    first, _, third = asked(agent)
    assert [message.text for message in first.messages] == ["One", "Aha.", "Two", ""]
    assert getattr(first.messages[-1].content[0], "media_type", "") == "image/png"
    assert [message.text for message in third.messages] == ["One", "a says hi there.", "Two"]


def test_a_context_is_handed_to_tools() -> None:
    seen: list[Any] = []

    async def look(ctx: ToolContext[Any]) -> str:
        """Look."""
        seen.append(ctx.context)
        return "ok"

    async def main() -> None:
        async with served(router(scripted(Call("look"), [Say("Done.")], tools=[look]))) as server:
            await events_of(server, await begin(server, context={"user": 7}))

    asyncio.run(main())
    assert seen == [{"user": 7}]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("", (400, "bad_request")),
        ("[]", (400, "bad_request")),
        ("{", (400, "bad_json")),
        ("\xff", (400, "bad_json")),
        ('{"input": ""}', (400, "bad_request")),
        ('{"input": []}', (400, "bad_request")),
        ('{"input": [""]}', (400, "bad_request")),
        ('{"input": 7}', (400, "bad_request")),
        ('{"input": [7]}', (400, "bad_request")),
        ('{"input": [{"role": "robot", "content": "x"}]}', (400, "bad_request")),
        ('{"input": [{"role": "assistant", "content": "x"}]}', (400, "bad_request")),
        ('{"input": [{"role": "user", "content": [{"type": "image"}]}]}', (400, "bad_request")),
        ('{"input": "x", "inptu": "y"}', (400, "bad_request")),
        ('{"input": "x", "agent": "nobody"}', (404, "unknown_agent")),
        ('{"input": "x", "on_disconnect": -1}', (400, "bad_request")),
        ('{"input": "x", "on_disconnect": "sleep"}', (400, "bad_request")),
        ('{"input": "x", "context": ' + "[" * 101 + "]" * 101 + "}", (400, "bad_request")),
        ('{"input": "x", "context": ' + "[" * 100_000 + "]" * 100_000 + "}", (400, "bad_json")),
    ],
)
def test_an_invalid_start_is_rejected(body: str, wanted: tuple[int, str]) -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            headers = {"content-type": "application/json"}
            answer = await server.client.post("/runs", content=body.encode("latin-1"), headers=headers)
            assert problem(answer) == wanted

    asyncio.run(main())


@over_http(lambda: speaker("a", Wait(60)), limits=Limits(runs=1, readers=1))
async def test_too_much_is_refused(server: Served) -> None:
    run = await begin(server)
    answer = await server.client.post("/runs", json={"input": "Go."})
    assert problem(answer) == (429, "too_many_runs")
    assert answer.headers["retry-after"] == "5"
    async with server.client.stream("GET", f"/runs/{run}/events") as response:
        parts = response.aiter_bytes()
        await anext(parts)
        assert problem(await server.client.get(f"/runs/{run}/events")) == (503, "too_many_readers")
        assert problem(await server.client.post("/runs", json={"input": "Go."}, headers=SSE)) == (
            503,
            "too_many_readers",
        )
    assert (await server.client.post(f"/runs/{run}/cancel", json={})).status_code == 202


# --- reading


@over_http(lambda: ConcurrentWorkflow([paced("a", 10, 0.01), paced("b", 10, 0.01)], name="team"))
async def test_from_every_id_the_rest_is_read(server: Served) -> None:
    run = await begin(server)
    live = asyncio.create_task(events_of(server, run))
    whole = await events_of(server, run)
    assert await live == whole
    check_log([decode(event.data) for event in whole])
    assert [event.id for event in whole] == [str(seq) for seq in range(len(whole))]
    assert {event.event for event in whole} == {json.loads(event.data)["type"] for event in whole}
    for seq in range(len(whole) - 1):
        by_header = await events_of(server, run, headers={"Last-Event-ID": str(seq)})
        assert by_header == whole[seq + 1 :]
    assert await events_of(server, run, params={"after": "3"}) == whole[4:]
    assert await events_of(server, run, params={"after": "3"}, headers={"Last-Event-ID": "5"}) == whole[6:]


@over_http(lambda: speaker("a"))
async def test_a_client_that_has_the_end_gets_204(server: Served) -> None:
    run = await begin(server)
    whole = await events_of(server, run)
    answer = await server.client.get(f"/runs/{run}/events", headers={"Last-Event-ID": str(len(whole) - 1)})
    assert (answer.status_code, answer.content) == (204, b"")
    beyond = await events_of(server, run, headers={"Last-Event-ID": "999"})
    assert beyond[0].event == "reset"
    assert beyond[1:] == whole
    for wrong in ("x", "1.5", "-2", "٣", "9" * 30):
        answer = await server.client.get(f"/runs/{run}/events", params={"after": wrong})
        assert problem(answer) == (400, "bad_position")


@over_http(lambda: paced("a", 30, 0.01))
async def test_a_hundred_readers_of_any_place_see_one_log(server: Served) -> None:
    run = await begin(server)
    async with server.client.stream("GET", f"/runs/{run}/events") as response:
        await read_events(response, most=8)  # every place that is asked for is in the log by now

    async def late(number: int) -> tuple[int, list[Sent]]:
        await asyncio.sleep(number * 0.004)
        after = number % 7
        return after, await events_of(server, run, params={"after": str(after)})

    everyone = await asyncio.gather(*map(late, range(100)))
    whole = await events_of(server, run)
    for after, events in everyone:
        assert events == whole[after + 1 :]


@over_http(lambda: paced("a", 200, 0.01))
async def test_a_client_that_reconnects_continues_where_it_was(server: Served) -> None:
    run = await begin(server)
    seen: list[Sent] = []
    for _ in range(20):
        headers = {"Last-Event-ID": str(seen[-1].id)} if seen else {}
        async with server.client.stream("GET", f"/runs/{run}/events", headers=headers) as response:
            seen += await read_events(response, 5)
    await server.client.post(f"/runs/{run}/cancel", json={})
    seen += await events_of(server, run, headers={"Last-Event-ID": str(seen[-1].id)})
    assert [event.id for event in seen] == [str(seq) for seq in range(len(seen))]
    assert json.loads(seen[-1].data) | {"type": "run.cancelled", "by": "caller"} == json.loads(seen[-1].data)


@over_http(lambda: SequentialWorkflow([speaker("a"), speaker("b")], name="team"))
async def test_a_part_is_read(server: Served) -> None:
    run = await begin(server)
    whole = await events_of(server, run)

    async def types(**query: Any) -> list[str]:
        return [event.event for event in await events_of(server, run, params=query)]

    assert await types(depth=0) == [event.event for event in whole if json.loads(event.data)["path"] == ["team"]]
    only_a = [json.loads(event.data) for event in await events_of(server, run, params={"agent": "a"})]
    assert {tuple(event["path"]) for event in only_a} == {("team", "a"), ("team",)}
    final = await events_of(server, run, params={"final_only": "true"})
    text = "".join(json.loads(event.data).get("text", "") for event in final if event.event == "text.delta")
    assert text == "b says hi there."
    for wrong in ("depth=x", "depth=-1", "final_only=maybe", "agent="):
        assert problem(await server.client.get(f"/runs/{run}/events?{wrong}")) == (400, "bad_request")


@over_http(lambda: speaker("a", [Say(["One ", "two."])]))
async def test_a_run_is_streamed_at_once_in_any_form(server: Served) -> None:
    async def post(accept: str) -> httpx.Response:
        return await server.client.post("/runs", json={"input": "Go."}, headers={"accept": accept})

    answer = await post("text/event-stream")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.text.startswith(":")
    events = sent_events(answer.text)
    assert answer.headers["headwater-run"] == json.loads(events[0].data)["run"]
    assert answer.headers["location"] == f"/runs/{answer.headers['headwater-run']}"


def test_lines_and_text_are_streamed_too() -> None:
    agents = [speaker("fine", [Say(["One ", "two."])]), speaker("slow", [Say("One "), Wait(60)])]
    agents[0].model = ScriptedModel(lambda request: [Say(["One ", "two."])])

    async def main() -> None:
        async with served(router(*agents)) as server:
            lines = await server.client.post("/runs", json={"input": "Go."}, headers={"accept": "application/x-ndjson"})
            check_log([decode(line) for line in lines.text.splitlines()])
            text = await server.client.post("/runs", json={"input": "Go."}, headers={"accept": "text/plain"})
            assert (text.text, text.headers["content-type"]) == ("One two.", "text/plain; charset=utf-8")
            body = {"input": "Go.", "agent": "slow"}
            async with server.client.stream("POST", "/runs", json=body, headers={"accept": "text/plain"}) as response:
                parts = response.aiter_text()
                assert await anext(parts) == "One "
                run = response.headers["headwater-run"]
            await _until(server, run, "cancelled")  # whoever reads text and leaves wants no more of it

    asyncio.run(main())


async def _until(server: Served, run: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while (told := await state_of(server, run))["state"] != state:  # noqa: ASYNC110  # a reader would change it
            await asyncio.sleep(0.02)
    return told


@over_http(lambda: paced("a", 1000, 0.02))
async def test_what_becomes_of_a_run_is_as_asked(server: Served) -> None:
    async def left(**body: Any) -> str:
        run = await begin(server, **body)
        async with server.client.stream("GET", f"/runs/{run}/events") as response:
            await read_events(response, 2)
        return run

    goes_on, stops, soon = await left(), await left(on_disconnect="cancel"), await left(on_disconnect=0.1)
    for run in (stops, soon):
        await _until(server, run, "cancelled")
        assert json.loads((await events_of(server, run))[-1].data)["by"] == "left"
    assert (await state_of(server, goes_on))["state"] == "running"
    assert (await server.client.post(f"/runs/{goes_on}/cancel", json={})).status_code == 202
    await _until(server, goes_on, "cancelled")
    assert (await server.client.post(f"/runs/{goes_on}/cancel", json={})).status_code == 200


# --- people


@tool(approval=True)
async def send(to: str) -> str:
    """Send it."""
    return f"sent to {to}"


async def choose(ctx: ToolContext[Any]) -> str:
    """Ask someone."""
    return str(await ctx.ask("Which?", int))


@over_http(lambda: scripted(Call("send", {"to": "ann"}), [Say("Done.")], tools=[send]), owner=lambda request: "ann")
async def test_a_call_is_approved(server: Served) -> None:
    run = await begin(server)
    told = await _until(server, run, "waiting")
    (question,) = told["waiting"]
    assert (question["kind"], question["tool"], question["arguments"]) == ("approval", "send", {"to": "ann"})
    client, place = server.client, f"/runs/{run}/approve"
    body = {"approval": question["id"], "allowed": True, "arguments": {"to": "bob"}}
    assert problem(await client.post(place, json={**body, "approval": "nothing"})) == (404, "unknown_question")
    assert problem(await client.post(place, json={**body, "arguments": {"whom": "bob"}})) == (400, "bad_request")
    assert problem(await client.post(f"/runs/{run}/answer", json={"input": question["id"], "action": "accept"})) == (
        400,
        "bad_request",
    )
    assert (await client.post(place, json=body)).status_code == 202
    assert problem(await client.post(place, json=body))[0] == 409
    events = [json.loads(event.data) for event in await events_of(server, run)]
    answered = next(event for event in events if event["type"] == "approval.answered")
    assert answered["by"] == "ann"
    assert next(event for event in events if event["type"] == "tool.finished")["result"].endswith("sent to bob")
    assert problem(await client.post(place, json=body)) == (409, "run_ended")


@over_http(lambda: scripted(Call("choose"), [Say("Done.")], tools=[choose]))
async def test_a_question_is_answered(server: Served) -> None:
    run = await begin(server)
    (question,) = (await _until(server, run, "waiting"))["waiting"]
    assert (question["kind"], question["message"]) == ("input", "Which?")
    place = f"/runs/{run}/answer"
    wrong = {"input": question["id"], "action": "accept", "content": "many"}
    assert problem(await server.client.post(place, json=wrong)) == (400, "bad_request")
    assert problem(await server.client.post(place, json={**wrong, "action": "shrug"})) == (400, "bad_request")
    assert (await server.client.post(place, json={**wrong, "content": 7})).status_code == 202
    events = [json.loads(event.data) for event in await events_of(server, run)]
    assert next(event for event in events if event["type"] == "tool.finished")["result"] == "7"


def test_a_run_receives_messages() -> None:
    agent = speaker("a", [Say("One "), Wait(0.5), "two."], "Three.")

    async def main() -> None:
        async with served(router(agent, SequentialWorkflow([paced("m", 50, 0.05)], name="team"))) as server:
            run = await begin(server)
            async with server.client.stream("GET", f"/runs/{run}/events") as response:
                await read_events(response, 5)
            place = f"/runs/{run}/messages"
            assert (await server.client.post(place, json={"input": "And then?"})).status_code == 202
            wrong = {"input": [{"role": "assistant", "content": "x"}]}
            assert problem(await server.client.post(place, json=wrong)) == (400, "bad_request")
            assert problem(await server.client.post(place, json={"input": "x", "agent": "b"})) == (404, "unknown_agent")
            await events_of(server, run)
            assert problem(await server.client.post(place, json={"input": "x"})) == (409, "run_ended")
            team = await begin(server, agent="team")
            place = f"/runs/{team}/messages"
            assert problem(await server.client.post(place, json={"input": "x"})) == (400, "bad_request")
            await _until(server, team, "running")
            assert (await server.client.post(place, json={"input": "x", "agent": "m"})).status_code == 202
            await server.client.post(f"/runs/{team}/cancel", json={})
            await _until(server, team, "cancelled")

    asyncio.run(main())
    assert [message.text for message in asked(agent)[-1].messages] == ["Go.", "One two.", "And then?"]


# --- while it stops


def test_a_server_that_shuts_down_says_so() -> None:
    async def main() -> None:
        site = Site([speaker("a")])
        async with served(router_of(site)) as server:
            run = await begin(server)
            await events_of(server, run)
            await site.manager.shutdown()
            health = await server.client.get("/health")
            assert (health.status_code, health.json()) == (503, {"status": "draining"})
            refused = await server.client.post("/runs", json={"input": "Go."})
            assert problem(refused) == (503, "shutting_down")
            assert refused.headers["retry-after"] == "5"
            assert (await state_of(server, run))["state"] == "finished"  # what there is can still be read

    asyncio.run(main())


# --- under a prefix


def test_it_works_under_a_prefix_and_without_a_lifespan() -> None:
    async def main() -> None:
        app = Starlette(routes=[Mount("/agents-of-mine", app=router(speaker("a")))])
        async with served(app, own=False) as server:
            answer = await server.client.post("/agents-of-mine/runs", json={"input": "Go."})
            place = answer.json()["events"]
            assert place.startswith("/agents-of-mine/runs/")
            async with server.client.stream("GET", place) as response:
                assert (await read_events(response))[-1].event == "run.finished"
            told = (await server.client.get("/agents-of-mine/openapi.json")).json()
            assert told["servers"] == [{"url": "/agents-of-mine"}]

    asyncio.run(main())
